"""From the probability of each tag at each word piece to names.

Rules of this file
1. A word in Latin letters is judged as a whole; in Hangul and Han each piece by itself.
2. A unit speaks for a kind as far as its log-odds lie above those of the limit for that kind in the language of its
   script, and of the language that most units are in when that is higher (`UFC` in a Korean sentence). Names are what gains
   most in sum, where each beginning and end costs something; so one doubtful unit does not divide a name. Neighbours of one
   kind are one name, unless the second begins a new one.
3. In a Korean word a name stands at the beginning; particles follow it.
4. What stands before the @ of a mail address is no part of a name: `홍길동 hong@example.com` is a name and an address. Nor is
   a Korean word that the address is glued to: `메일kim@example.com`.
Shapes: T pieces, K tags: outside, then begin and inside of each kind.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from guard.pii.names.pieces import Pieces
from haechi.base.text import Language

Floats = NDArray[np.float32]
Limits = Mapping[str, float]
"""For each kind the least probability of a name."""


_CLEARLY = 1.5  # how many times likelier a beginning is
_CHANGE = 0.5  # log-odds
_MOST_GAIN = 3.0  # log-odds: no single unit outweighs many
_TO_AT = re.compile("[가-힣]{0,8}[A-Za-z0-9._%+-]{1,64}@")


@dataclass(frozen=True, slots=True)
class Name:
    """A name. kind: PERSON, ORGANIZATION, LOCATION or ADDRESS. score: probability in [0, 1]. rule: how it was found."""

    kind: str
    score: float
    start: int
    end: int
    rule: str = "tagger"


@dataclass(frozen=True, slots=True)
class _Unit:
    """A word or piece: its range, and the mean of its pieces' probabilities; the first one says whether it begins."""

    start: int
    end: int
    tags: Floats
    language: Language


def script_of(char: str) -> Language:
    """The language whose script a character belongs to; English for everything that is neither Hangul nor Han."""
    if "가" <= char <= "힣":
        return Language.KOREAN
    return Language.CHINESE if "\u3400" <= char <= "\u9fff" else Language.ENGLISH


def names(
    text: str, window: Pieces, tags: Floats, kinds: Sequence[str], limits: Mapping[Language, Limits]
) -> Iterator[Name]:
    """The names in a window, in order. tags: (T, K)."""
    units = list(_units(text, window, tags))
    if not units:
        return
    least = _least(units, kinds, limits)
    chance = np.array([unit.tags[1::2] + unit.tags[2::2] for unit in units])
    gains = _logit(chance) - _logit(least)
    gains[[_before_at(text, unit) for unit in units]] = -_MOST_GAIN
    path = _path(gains)
    _from_the_start(text, units, gains, path)
    at = 0
    while at < len(units):
        kind = path[at]
        end = at + 1
        if kind >= 0:
            while end < len(units) and path[end] == kind and not _begins(text, units, end, kind):
                end += 1
            yield Name(kinds[kind], float(chance[at:end, kind].mean()), units[at].start, units[end - 1].end)
        at = end


def _least(units: Sequence[_Unit], kinds: Sequence[str], limits: Mapping[Language, Limits]) -> NDArray[np.float64]:
    """The limit of each unit and kind. Shape (units, kinds)."""
    counts = Counter(unit.language for unit in units)
    rows = {language: np.array([limits[language][kind] for kind in kinds]) for language in counts}
    mostly = rows[counts.most_common(1)[0][0]]
    return np.array([np.maximum(rows[unit.language], mostly) for unit in units])


def _before_at(text: str, unit: _Unit) -> bool:
    """Whether the unit lies in the part of a mail address before its @, or is Hangul in one word with it."""
    found = _TO_AT.match(text, unit.start)
    return found is not None and text[found.end() : found.end() + 1].isalnum()


def _logit(chance: NDArray[np.float64] | Floats) -> NDArray[np.float64]:
    inside = np.clip(chance, 1e-4, 1 - 1e-4).astype(np.float64)
    values: NDArray[np.float64] = np.log(inside) - np.log1p(-inside)
    return values


def _path(gains: NDArray[np.float64]) -> list[int]:
    """The kind of each unit, -1 outside: what gains most, when each change costs CHANGE. gains: (units, kinds)."""
    every = np.concatenate([np.zeros((len(gains), 1)), np.clip(gains, -_MOST_GAIN, _MOST_GAIN)], axis=1)
    best = every[0].copy()
    came: list[NDArray[np.int64]] = []
    stay = np.arange(every.shape[1])
    for row in every[1:]:
        top = int(np.argmax(best))
        came.append(np.where(best >= best[top] - _CHANGE, stay, top))
        best = np.maximum(best, best[top] - _CHANGE) + row
    at = int(np.argmax(best))
    path = [at - 1]
    for back in reversed(came):
        at = int(back[at])
        path.append(at - 1)
    path.reverse()
    return path


def _from_the_start(text: str, units: Sequence[_Unit], gains: NDArray[np.float64], path: list[int]) -> None:
    """In a Korean word a name stands at its beginning: the part of the word that gains most, or nothing of it."""
    at = 0
    while at < len(units):
        end = at + 1
        if units[at].language is Language.KOREAN:
            while (
                end < len(units) and units[end].start == units[end - 1].end and units[end].language is Language.KOREAN
            ):
                end += 1
            if any(kind >= 0 for kind in path[at:end]):
                sums = np.cumsum(gains[at:end], axis=0)
                length, kind = np.unravel_index(int(np.argmax(sums)), sums.shape)
                good = sums[length, kind] > 0
                path[at:end] = [int(kind) if good and i <= length else -1 for i in range(end - at)]
        at = end


def _begins(text: str, units: Sequence[_Unit], at: int, kind: int) -> bool:
    """Whether another name of the kind begins at a unit that follows one."""
    unit = units[at]
    if unit.language is Language.KOREAN and units[at - 1].end == unit.start:
        return False
    return bool(unit.tags[1 + 2 * kind] > _CLEARLY * unit.tags[2 + 2 * kind])


def _units(text: str, window: Pieces, tags: Floats) -> Iterator[_Unit]:
    at, count = 0, len(window.ids)
    while at < count:
        end = at + 1
        last = text[window.ends[at] - 1]
        language = script_of(text[window.starts[at]])
        if language is Language.ENGLISH and last.isalnum():
            while end < count and _goes_on(text, window, end):
                end += 1
        mean = tags[at:end].mean(axis=0)
        if end - at > 1:  # the word begins a name when its first piece does
            begin, inside = tags[at, 1::2], tags[at, 2::2]
            whole = mean[1::2] + mean[2::2]
            share = begin / np.maximum(begin + inside, 1e-9)
            mean[1::2], mean[2::2] = whole * share, whole * (1 - share)
        yield _Unit(window.starts[at], window.ends[end - 1], mean, language)
        at = end


def _goes_on(text: str, window: Pieces, at: int) -> bool:
    """Whether a piece continues the Latin word before it."""
    first = text[window.starts[at]]
    return window.starts[at] == window.ends[at - 1] and first.isalnum() and script_of(first) is Language.ENGLISH
