"""Rank the passages that a claim's rare terms found: half by its terms, half by what it is about.

The same for every place where a knowledge base may lie, so that a claim finds the same passages in each.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from guard.knowledge.evidence import Evidence, Found
from guard.knowledge.meaning import meanings, nearness
from guard.knowledge.terms import terms

COMMON: Final = 100
"""Passages from which a term is counted as a common one; queries look for rarer terms first."""
CANDIDATES: Final = 40
"""Passages that are ranked anew."""
_RARE: Final = 14
"""Terms a query looks for at most."""
_POSTINGS: Final = 5_000
"""Passages that the terms of a query may name together, so that a search has a bound; two terms are always looked for."""
LONGEST_CLAIM: Final = 2_000
"""Code points of a claim that are read."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that was found. indexed: the terms it is indexed by. vector: see `guard.knowledge.meaning`.

    meaning: fingerprint of what made the vector.
    """

    evidence: Evidence
    indexed: Sequence[str]
    vector: bytes
    meaning: str


def wanted_terms(claim: str) -> list[str]:
    """The distinct terms of a claim, in order of their letters."""
    return sorted(set(terms(claim[:LONGEST_CLAIM])))


def with_rare(wanted: Iterable[str], common: Mapping[str, int]) -> dict[str, int]:
    """In how many passages each term occurs; one that is not common is taken as well below."""
    counts = {term: common.get(term, 0) for term in wanted}
    return {term: count if count >= COMMON else COMMON // 4 for term, count in counts.items()}


def query_terms(counts: Mapping[str, int]) -> list[str]:
    """The rarest terms, any of which may occur, within the bound on postings."""
    chosen: list[str] = []
    spent = 0
    for term, count in sorted(counts.items(), key=lambda entry: (entry[1], -len(entry[0]))):
        spent += count
        if len(chosen) >= _RARE or (spent > _POSTINGS and len(chosen) >= 2):
            break
        chosen.append(term)
    return chosen


def weights_of(counts: Mapping[str, int], total: int) -> dict[str, float]:
    """How much each term says. total: passages of the knowledge base."""
    return {term: math.log(1 + total / count) for term, count in counts.items()}


def vector_of(claim: str) -> bytes:
    """What a claim is about; see `guard.knowledge.meaning`."""
    return meanings().vector(claim[:LONGEST_CLAIM])


def ranked(
    vector: bytes, candidates: Sequence[Candidate], weights: Mapping[str, float], limit: int
) -> tuple[Found, ...]:
    """The best of the candidates. vector: of the claim. weights: of its terms."""
    whole = sum(weights.values())
    shares = [sum(weights[term] for term in weights.keys() & set(one.indexed)) / whole for one in candidates]
    fingerprint = meanings().fingerprint
    vectors = [one.vector if one.meaning == fingerprint else b"" for one in candidates]
    near = nearness(vector, vectors)
    found = [
        Found(one.evidence, min(1.0, (share + cosine) / 2 if theirs else share))
        for one, share, cosine, theirs in zip(candidates, shares, near, vectors, strict=True)
    ]
    return tuple(sorted(found, key=lambda one: -one.score)[:limit])
