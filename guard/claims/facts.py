"""What a sentence states explicitly, and which sentences of a passage speak of the same thing.

Rules of this file
1. Positions are code points of the text given; folding for comparison never changes a length.
2. A passage is read sentence by sentence; only the sentences that share the claim's terms are read in full.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from guard.claims.alignment import Token, tokens
from guard.claims.cues import Cue, Kind, cues
from guard.claims.names import Name, names
from guard.claims.quantities import Date, Quantity, dates, quantities
from guard.claims.ranges import with_ranges
from guard.hanzi import SIMPLIFIED
from guard.knowledge.terms import terms
from guard.sentences import segments

LONGEST: Final = 2_000
"""Code points of a claim, and of a passage's compared sentences, that are read."""
_GAIN: Final = 0.2
"""Share of the claim's terms that a further sentence must add to be compared as well."""
_SENTENCES: Final = 4
"""Sentences of a passage that are compared together at most."""
_FULL_WIDTH: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | SIMPLIFIED
_COMMON: Final = frozenset(
    [
        "the",
        "a",
        "an",
        "of",
        "in",
        "on",
        "at",
        "to",
        "for",
        "by",
        "from",
        "with",
        "and",
        "or",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "has",
        "have",
        "had",
        "it",
        "its",
        "this",
        "that",
        "these",
        "those",
        "as",
        "he",
        "she",
        "they",
        "his",
        "her",
        "their",
        "there",
        "which",
        "who",
        "not",
        "no",
        "also",
        "into",
        "than",
        "but",
    ]
)
_COMMON_WEIGHT: Final = 0.1


@dataclass(frozen=True, slots=True)
class Facts:
    """What is read from one text. terms: with neither numbers nor repetitions. negations, denials: their cues."""

    text: str
    tokens: tuple[Token, ...]
    terms: frozenset[str]
    quantities: tuple[Quantity, ...]
    dates: tuple[Date, ...]
    names: tuple[Name, ...]
    cues: tuple[Cue, ...]
    negations: tuple[Cue, ...]
    denials: tuple[Cue, ...]


@dataclass(frozen=True, slots=True)
class Anchor:
    """The sentences of a passage that are compared. offsets: where each character of `facts.text` stands in the passage.

    contained: the claim stands there word for word. coverage, anywhere: weighted share of the claim's terms in the
    sentences, and in the passage.
    """

    facts: Facts
    offsets: Sequence[int]
    contained: bool
    coverage: float
    anywhere: float


def plain(text: str) -> str:
    """The text with full-width signs and traditional characters replaced one for one."""
    return text if text.isascii() else text.translate(_FULL_WIDTH)


def lowered(text: str) -> str:
    """The text in lower case, of the same length."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(sign.lower() if len(sign.lower()) == 1 else sign for sign in text)


@lru_cache(maxsize=512)
def facts_of(text: str) -> Facts:
    """Read a text; what is longer than LONGEST is cut."""
    read = plain(text[:LONGEST])
    low = lowered(read)
    found = cues(read, low)
    when = dates(read)
    return Facts(
        read,
        tokens(read),
        words_of(read),
        tuple(with_ranges(read, list(quantities(read, when)))),
        tuple(when),
        tuple(names(read, found)),
        tuple(found),
        tuple(cue for cue in found if cue.meaning.kind is Kind.NEGATION),
        tuple(cue for cue in found if cue.meaning.kind is Kind.DENIAL),
    )


@lru_cache(maxsize=4096)
def words_of(text: str) -> frozenset[str]:
    """The terms of a text that are no numbers."""
    return frozenset(term for term in terms(text) if not term[0].isdigit())


def shared(mine: frozenset[str], theirs: frozenset[str]) -> float:
    """Share of `mine` that is in `theirs`, in [0, 1]; everyday words weigh a tenth. 1 when there is nothing to share."""
    whole = sum(_COMMON_WEIGHT if term in _COMMON else 1.0 for term in mine)
    if not whole:
        return 1.0
    return sum(_COMMON_WEIGHT if term in _COMMON else 1.0 for term in mine & theirs) / whole


def touches(claim: Facts, passage: str) -> bool:
    """Whether a passage has a word or number of the claim; everyday words do not count."""
    theirs = frozenset(terms(plain(passage)))
    return any(term in theirs and term not in _COMMON for term in terms(claim.text))


def anchor_of(claim: Facts, evidence: str) -> Anchor:
    """The sentences of a passage that speak of what the claim speaks of."""
    read = plain(evidence)
    spans = [(span.start, span.end) for span in segments(read, 1_000) if read[span.start : span.end].strip()]
    words = [words_of(read[start:end]) for start, end in spans]
    everywhere = frozenset().union(*words)
    at = _contained_at(claim.text, read)
    if at is not None:
        chosen = [n for n, (start, end) in enumerate(spans) if start < at[1] and at[0] < end]
    else:
        chosen = _chosen(claim.terms, words)
    offsets = [position for n in sorted(chosen) for position in range(*spans[n])][:LONGEST]
    facts = facts_of("".join(read[spans[n][0] : spans[n][1]] for n in sorted(chosen)))
    return Anchor(facts, offsets, at is not None, shared(claim.terms, facts.terms), shared(claim.terms, everywhere))


def _chosen(claim: frozenset[str], words: list[frozenset[str]]) -> list[int]:
    """The sentence that shares most with the claim, and those that add much to it."""
    chosen: list[int] = []
    have: frozenset[str] = frozenset()
    while len(chosen) < min(_SENTENCES, len(words)):
        reached = shared(claim, have)
        best = max(
            (n for n in range(len(words)) if n not in chosen),
            key=lambda n: (round(shared(claim, have | words[n]), 6), len(claim & words[n]) / (1 + len(words[n]))),
        )
        if chosen and shared(claim, have | words[best]) - reached < _GAIN:
            break
        chosen.append(best)
        have |= words[best]
    return chosen


_EDGE = re.compile(r"^[\s\"'“”‘’「」『』(（]+|[\s.!?。！？…\"'“”‘’「」『』)）]+$")


def _contained_at(claim: str, evidence: str) -> tuple[int, int] | None:
    """Where the claim, without the marks around it, stands in the evidence as whole words; None where it does not."""
    core = lowered(_EDGE.sub("", claim))
    if not core:
        return None
    text = lowered(evidence)
    for at in _occurrences(core, text):
        before, after = text[at - 1 : at], text[at + len(core) : at + len(core) + 1]
        if not (_joined(before, core[0]) or _joined(core[-1], after)):
            return at, at + len(core)
    return None


def _occurrences(core: str, text: str) -> Iterator[int]:
    at = text.find(core)
    while at >= 0:
        yield at
        at = text.find(core, at + len(core))


def _joined(left: str, right: str) -> bool:
    """Whether two neighbours are one word or number."""
    if not left or not right or not (left.isalnum() and right.isalnum()):
        return False
    return not ("\u3400" <= left <= "\u9fff" or "\u3400" <= right <= "\u9fff") or (left.isdigit() and right.isdigit())
