"""Names of persons, organisations and places: a small linear tagger for each language, trained by `training.py`.

Rules of this file
1. A tagger judges what is written in its own script; a text in three languages is read by three taggers.
2. Every unit is judged by itself from a window around it; neighbours that are no `outside` form one name. So the cost
   is linear and the answer depends on at most `WINDOW` code points on either side.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from guard.pii.names.units import Units, characters, english
from haechi.base.text import Language

WINDOW = 64
"""Code points on either side of a unit that its features may read, generously."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name. kind: PERSON, ORGANIZATION, LOCATION, ADDRESS or PHONE_NUMBER. score: probability in [0, 1]. rule: how it was found."""

    kind: str
    score: float
    start: int
    end: int
    rule: str = "tagger"


@dataclass(frozen=True)
class Tagger:
    """One language's model.

    kinds: the names it knows. weights: int8, shape (buckets, tags); tag 0 is outside, then begin and inside of each
    kind. scale: one for each tag. bias: one for each tag. threshold: least probability of not being outside. least: for each kind, the least score of a name.
    """

    kinds: tuple[str, ...]
    weights: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.float32]
    threshold: float
    least: tuple[float, ...]
    units: Callable[[str], Units]

    def probabilities(self, units: Units) -> NDArray[np.float32]:
        """Shape (units, tags)."""
        logits = self.weights[units.features].sum(axis=1, dtype=np.int32) * self.scale + self.bias
        logits -= logits.max(axis=1, keepdims=True)
        raised = np.exp(logits)
        answer: NDArray[np.float32] = raised / raised.sum(axis=1, keepdims=True)
        return answer

    def names(self, text: str) -> Iterator[Name]:
        """The names in a text, in order; the parts of an address are one."""
        last: Name | None = None
        for name in self._found(text):
            if last is not None and name.start - last.end <= _GAP and _is_address(last, name, text):
                last = Name("ADDRESS", max(last.score, name.score), last.start, name.end)
                continue
            if last is not None:
                yield last
            last = name
        if last is not None:
            yield last

    def _found(self, text: str) -> Iterator[Name]:
        """Runs of units that are not outside."""
        units = self.units(text)
        if not units.starts:
            return
        tags = self.probabilities(units)
        inside = (1.0 - tags[:, 0]) >= self.threshold
        at = 0
        count = len(inside)
        while at < count:
            if not inside[at]:
                at += 1
                continue
            end = at + 1
            kind = self._kind(tags[at])
            while end < count and inside[end] and not self._begins(tags[end], kind):
                end += 1
            total = tags[at:end].sum(axis=0)
            best = int(np.argmax(total[1::2] + total[2::2]))
            score = float(np.mean(1.0 - tags[at:end, 0]))
            if score >= self.least[best]:
                yield Name(self.kinds[best], score, units.starts[at], units.ends[end - 1])
            at = end

    def _kind(self, tags: NDArray[np.float32]) -> int:
        return int(np.argmax(tags[1::2] + tags[2::2]))

    def _begins(self, tags: NDArray[np.float32], kind: int) -> bool:
        """Whether a new name begins at a unit that follows one of that kind."""
        best = self._kind(tags)
        begin, inside = float(tags[1 + 2 * best]), float(tags[2 + 2 * best])
        return begin > inside * 1.5 if best == kind else begin > inside


_GAP = 3  # code points between the parts of an address


def _is_address(first: Name, second: Name, text: str) -> bool:
    """Whether two neighbours are parts of one address: one of them is, and nothing but signs lies between."""
    kinds = {first.kind, second.kind}
    between = text[first.end : second.start]
    return "ADDRESS" in kinds and kinds <= {"ADDRESS", "LOCATION"} and not any(map(str.isalnum, between))


def _korean(text: str) -> Units:
    return characters(text, korean=True)


def _chinese(text: str) -> Units:
    return characters(text, korean=False)


UNITS: dict[Language, Callable[[str], Units]] = {
    Language.ENGLISH: english,
    Language.KOREAN: _korean,
    Language.CHINESE: _chinese,
}
SCRIPTS: dict[Language, re.Pattern[str]] = {
    Language.ENGLISH: re.compile("[A-Za-z\u00c0-\u024f]"),
    Language.KOREAN: re.compile("[가-힣]"),
    Language.CHINESE: re.compile("[\u4e00-\u9fff]"),
}


@cache
def load(language: Language) -> Tagger | None:
    """The tagger that ships for a language; None where there is none."""
    path = files("guard.pii.names").joinpath(f"{language.value}.npz")
    if not path.is_file():
        return None
    with path.open("rb") as stored, np.load(stored, allow_pickle=False) as arrays:
        weights = np.zeros(tuple(arrays["shape"]), dtype=np.int8)
        weights[arrays["rows"]] = arrays["values"]
        return Tagger(
            tuple(str(kind) for kind in arrays["kinds"]),
            weights,
            arrays["scale"],
            arrays["bias"],
            float(arrays["threshold"]),
            tuple(float(least) for least in arrays["least"]),
            UNITS[language],
        )
