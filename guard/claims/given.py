"""Evidence that came with a text: cut into passages and searched like a knowledge base, for this text only."""

from __future__ import annotations

import math
import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from guard.claims.ports import Evidence, Found
from guard.knowledge.across import is_weak
from guard.knowledge.errors import InvalidDate, InvalidEvidence
from guard.knowledge.meaning import meanings, nearness
from guard.knowledge.passages import LONG, Section, passages
from guard.knowledge.terms import terms
from haechi.base.errors import MissingExtra

NAME: Final = "evidence"
_MOST_VECTORS: Final = 1_000
"""Passages that are also ranked by meaning; some tenths of a second, once."""
OBJECT: Final = "an object with a text and perhaps source, title, dated and valid_to (days such as 2026-01-31)"
"""What an item of evidence may be beside a text."""
_KEYS: Final = ("text", "source", "title", "dated", "valid_to")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_LONGEST_CLAIM: Final = 2_000
"""Code points of a claim that are read."""


@dataclass(frozen=True, slots=True)
class _Passage:
    evidence: Evidence
    terms: frozenset[str]


class GivenEvidence:
    """Texts that a request brought. Cut and indexed when the first claim asks. Safe for several threads."""

    name = NAME

    def __init__(self, items: Sequence[Evidence]) -> None:
        self._items = items
        self._lock = threading.Lock()
        self._passages: list[_Passage] | None = None
        self._having: Counter[str] = Counter()
        self._vectors: list[bytes] | None = None

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._items)

    def search(self, claim: str, *, limit: int = 5, at: str = "") -> Sequence[Found]:
        """The passages that share most with the claim, best first: in words, and where those give little, in meaning.

        Unlike a knowledge base it always answers something while there is something: a few passages that were handed
        over are about the claim even when they share no word with it, as in another language.
        """
        every = self._indexed()
        wanted = {term: self._weight(term) for term in set(terms(claim[:_LONGEST_CLAIM]))}
        whole = sum(wanted.values()) or 1.0
        found = [
            Found(one.evidence, min(1.0, sum(wanted[term] for term in one.terms & wanted.keys()) / whole))
            for one in every
        ]
        if limit < len(every) <= _MOST_VECTORS and is_weak(sorted(found, key=lambda one: -one.score)[:1]):
            near = self._nearness(claim[:_LONGEST_CLAIM])
            found = [Found(one.evidence, (one.score + cosine) / 2) for one, cosine in zip(found, near, strict=True)]
        valid = [one for one in found if not is_outdated(one.evidence, at)]
        return sorted(valid, key=lambda one: -one.score)[:limit]

    def _nearness(self, claim: str) -> list[float]:
        """How near each passage is to the claim in meaning, as in a knowledge base; 0 where that extra is not installed."""
        passages = self._indexed()
        try:
            ours = meanings()
        except MissingExtra:
            return [0.0] * len(passages)
        with self._lock:
            if self._vectors is None:
                self._vectors = [ours.vector(one.evidence.text) for one in passages]
        return nearness(ours.vector(claim), self._vectors)

    def _weight(self, term: str) -> float:
        return math.log(1 + (len(self._passages or ()) + 1) / (1 + self._having[term]))

    def _indexed(self) -> list[_Passage]:
        with self._lock:
            if self._passages is None:
                pieces = [piece for item in self._items for piece in _pieces(item)]
                self._passages = [_Passage(piece, frozenset(terms(f"{piece.title} {piece.text}"))) for piece in pieces]
                self._having.update(term for one in self._passages for term in one.terms)
            return self._passages


def is_evidence(item: Any) -> bool:
    """Whether a value of JSON is an item of evidence: a text, or what OBJECT says."""
    if isinstance(item, str):
        return True
    return (
        isinstance(item, dict)
        and isinstance(item.get("text"), str)
        and all(isinstance(item.get(name) or "", str) for name in _KEYS)
        and all(_is_day(item.get(name) or "") for name in ("dated", "valid_to"))
    )


def _is_day(written: str) -> bool:
    """Whether a date can be compared with today's; the empty one is unknown."""
    if not written:
        return True
    try:
        return _DAY.fullmatch(written) is not None and bool(date.fromisoformat(written))
    except ValueError:
        return False


def is_outdated(item: Evidence, at: str) -> bool:
    """Whether a document said that it holds no longer on that ISO date."""
    return bool(at and item.valid_to and item.valid_to < at)


def _pieces(item: Evidence) -> Iterator[Evidence]:
    """An evidence as it is when it is short, else its passages."""
    if len(item.text) <= LONG:
        if item.text.strip():
            yield item
        return
    for passage in passages([Section(item.title, item.text, item.start)]):
        yield Evidence(passage.text, item.source, passage.title, passage.start, item.dated, item.valid_to)


def evidence_of(items: Iterable[str | Evidence | Mapping[str, str]], prefix: str = NAME) -> tuple[Evidence, ...]:
    """Evidence as users give it: text, or an object with `text` and perhaps `source`, `title`, `dated`, `valid_to`.

    What has no source of its own is cited as `evidence[N]`.

    Raises:
        InvalidEvidence: it is one text, or holds something that is neither a text nor an object with one.
        InvalidDate: a document whose last day cannot be read would count for ever.
    """
    if isinstance(items, str | bytes | Mapping):
        raise InvalidEvidence(f"{prefix} is one text and no list of texts", hint=f'write {prefix}=["..."]')
    return tuple(_evidence(items, prefix))


def _evidence(items: Iterable[Any], prefix: str) -> Iterator[Evidence]:
    for number, item in enumerate(items):
        if isinstance(item, Evidence):
            yield item
        elif isinstance(item, str):
            yield Evidence(item, f"{prefix}[{number}]")
        elif not (isinstance(item, Mapping) and isinstance(item.get("text"), str)):
            raise InvalidEvidence(f"{prefix}[{number}] is not evidence", hint=f"give a text, or {OBJECT}")
        else:
            title, dated, valid_to = (item.get(key) or "" for key in ("title", "dated", "valid_to"))
            for day in (dated, valid_to):
                if not _is_day(day):
                    raise InvalidDate(f"{prefix}[{number}] has a date that is none", hint="write it as 2026-01-31")
            source = item.get("source") or f"{prefix}[{number}]"
            yield Evidence(item["text"], source, title, dated=dated, valid_to=valid_to)
