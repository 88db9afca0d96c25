"""Choose, on rows set aside for that, the probability from which on a name counts.

Rules of this file
1. The limits of a language are chosen together: the best sum of F2 (exact range and kind, boundaries fitted as in the
   product), in which persons count double, among those under which ordinary text has at most MOST_FALSE findings of any
   kind in 1,000 characters that touch no name. Where none is so good, those with the fewest are taken.
2. A limit under which fewer than LEAST_PRECISION of the names are right is not chosen; where all are like that, none that is
   clearly worse than the most precise one.
3. Ordinary text: the rows without a name, and those in which every name is marked.
4. Posts that were drawn because a tagger saw a name there say nothing of limits: what it does not see is not among them, and
   what it sees falsely is among them more often than in posts drawn at random.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from guard.pii.names.boundaries import fitted, whole_addresses
from guard.pii.names.decode import Limits, names
from guard.pii.names.pieces import Pieces, pieces
from guard.pii.names.tagger import Tagger, windows
from guard.training.names.ordinary import ORDINARY, POSTS, TAUGHT
from guard.training.names.rows import KINDS, Row
from haechi.base.text import Language

LEAST_PRECISION = 0.45
_NEARLY = 0.9  # of the best precision
MOST_FALSE = {Language.ENGLISH: 0.3, Language.KOREAN: 0.2, Language.CHINESE: 0.1}
"""Below the bar of 0.5: rows like these taught the tagger. In Korean most are chats and requests, in which little is false; the
Chinese ones are so few that a single finding is more than this."""
_WEIGHT = {"PERSON": 2.0, "ORGANIZATION": 1.0, "LOCATION": 1.0, "ADDRESS": 1.0}
_TRIED = (0.05, 0.1, 0.16, 0.25, 0.35, 0.5, 0.6, 0.68, 0.75, 0.82, 0.9, 0.95)
_UNSEEN = 0.5  # of a kind without rows


@dataclass(frozen=True, slots=True)
class Judged:
    """A row and what the tagger thinks of each window of it."""

    row: Row
    windows: tuple[tuple[Pieces, NDArray[np.float32]], ...]


@dataclass(frozen=True, slots=True)
class Count:
    """How many were right, found, there; false: how many touch no name of any kind."""

    right: int
    found: int
    there: int
    false: int

    @property
    def precision(self) -> float:
        """Share of what was found; 1.0 when nothing was."""
        return self.right / self.found if self.found else 1.0

    @property
    def f2(self) -> float:
        """F-measure that weighs recall over precision."""
        return 5 * self.right / (4 * self.there + self.found) if self.there + self.found else 0.0


def judged(rows: Iterable[Row], tagger: Tagger) -> list[Judged]:
    """Ask the tagger once for every row."""
    return [
        Judged(
            row,
            tuple((w, tagger.probabilities(w)) for w in windows(row.text, pieces(tagger.words.tokenizer, row.text))),
        )
        for row in rows
    ]


def count(rows: Sequence[Judged], kind: str, limits: Mapping[Language, Limits]) -> Count:
    """Exact matches of one kind."""
    right = found = there = false = 0
    least = min(limit[kind] for limit in limits.values())
    at = 1 + 2 * KINDS.index(kind)
    for judgement in rows:
        text = judgement.row.text
        truth = {(start, end) for start, end, k in judgement.row.spans if k == kind}
        seen = {
            (name.start, name.end)
            for window, tags in judgement.windows
            if (tags[:, at] + tags[:, at + 1]).max(initial=0.0) > least  # else there is no such name in it
            for raw in whole_addresses(text, names(text, window, tags, KINDS, limits))
            for name in fitted(text, raw)
            if name.kind == kind
        }
        right += len(truth & seen)
        found += len(seen)
        there += len(truth)
        false += sum(all(e <= start or end <= s for s, e, _ in judgement.row.spans) for start, end in seen)
    return Count(right, found, there, false)


@dataclass(frozen=True, slots=True)
class _Tried:
    """A limit, its F2 on labelled rows, and the findings where nothing is, in 1,000 characters of ordinary text."""

    limit: float
    f2: float
    false: float


def chosen(rows: Sequence[Judged]) -> dict[Language, dict[str, float]]:
    """The limits."""
    limits: dict[Language, dict[str, float]] = {}
    for language in (Language.ENGLISH, Language.KOREAN, Language.CHINESE):
        part = [judgement for judgement in rows if judgement.row.language is language]
        limits[language] = _together({kind: _tried(part, kind) for kind in KINDS}, MOST_FALSE[language])
    return limits


def _together(tried: Mapping[str, Sequence[_Tried]], most_false: float) -> dict[str, float]:
    """The best of every choice of one limit for each kind."""

    def worth(choice: Sequence[_Tried]) -> tuple[float, float]:
        false = sum(one.false for one in choice)
        gained = sum(_WEIGHT[kind] * one.f2 for kind, one in zip(tried, choice, strict=True))
        return -max(false, most_false), gained

    best = max(product(*tried.values()), key=worth)
    return {kind: one.limit for kind, one in zip(tried, best, strict=True)}


def _tried(rows: Sequence[Judged], kind: str) -> list[_Tried]:
    """What every limit of a kind is good for."""
    named = [judgement for judgement in rows if not judgement.row.source.startswith((ORDINARY, POSTS))]
    judged_whole = [judgement for judgement in rows if judgement.row.source.startswith((ORDINARY, TAUGHT))]
    size = max(sum(len(judgement.row.text) for judgement in judged_whole), 1)
    every: list[_Tried] = []
    precision: list[float] = []
    for limit in _TRIED:
        seen, whole = (count(part, kind, _same(kind, limit)) for part in (named, judged_whole))
        if not seen.there:
            return [_Tried(_UNSEEN, 0.0, 0.0)]
        every.append(_Tried(limit, seen.f2, whole.false * 1000 / size))
        precision.append(seen.precision)
    least = min(LEAST_PRECISION, _NEARLY * max(precision))
    return [one for one, share in zip(every, precision, strict=True) if share >= least]


def _same(kind: str, limit: float) -> dict[Language, dict[str, float]]:
    """One limit for the kind in every language; the other kinds are out of the way."""
    return {language: dict.fromkeys(KINDS, 2.0) | {kind: limit} for language in Language}
