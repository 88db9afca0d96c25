"""The tables of what is planted, by language and half: `taught` for training, `held_out` for the measure.

`widened` adds to the taught half for the last stage of training.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import yaml

from haechi.base.text import Language

FOLDER: Final = Path(__file__).parent
_HANGUL = re.compile(r"[가-힣]")


class Half(enum.StrEnum):
    """Which templates. WIDENED: the taught ones and more ways to say the same."""

    TAUGHT = "taught"
    WIDENED = "widened"
    HELD_OUT = "held_out"


@dataclass(frozen=True, slots=True)
class Swap:
    """`written` may be replaced by `instead`."""

    written: str
    instead: str


@dataclass(frozen=True, slots=True)
class Tables:
    """Everything of one language and one half. swaps: by kind. prefixes, joiners, additions: pieces of text.

    carriers: words inside which no entry is looked for.
    """

    language: Language
    half: Half
    swaps: Mapping[str, tuple[Swap, ...]]
    prefixes: tuple[str, ...]
    joiners: tuple[str, ...]
    additions: tuple[str, ...]
    carriers: tuple[str, ...]

    @property
    def held_out(self) -> bool:
        """Whether these are for the measure."""
        return self.half is Half.HELD_OUT

    def places(self, kind: str, text: str) -> Iterator[tuple[int, int, str]]:
        """Every place where an entry of `kind` stands in a text: start, end, what may stand instead."""
        hidden = [m.span() for word in self.carriers for m in re.finditer(re.escape(word), text)]
        for swap in self.swaps[kind]:
            for match in _pattern(swap.written, self.language).finditer(text):
                start, end = match.span()
                if any(a <= start and end <= b and b - a > end - start for a, b in hidden):
                    continue
                yield start, end, _cased(match[0], swap.instead)


def _cased(written: str, instead: str) -> str:
    return instead[:1].upper() + instead[1:] if written[:1].isupper() and not written.isupper() else instead


@lru_cache(maxsize=4096)
def _pattern(written: str, language: Language) -> re.Pattern[str]:
    """Where an entry is a word: English between boundaries; a Korean verb ends a word, other Korean words begin one."""
    body = re.escape(written)
    if language is Language.ENGLISH:
        before = r"(?<![A-Za-z'’-])" if written[0].isalpha() else ""
        after = r"(?![A-Za-z'’-])" if written[-1].isalpha() else ""
        return re.compile(before + body + after, re.I)
    if _HANGUL.match(written[0]):
        verb = written.rstrip(".").endswith("다")
        return re.compile(body + r"(?![가-힣])" if verb else r"(?<![가-힣])" + body)
    return re.compile(body)


def tables(language: Language, half: Half) -> Tables:
    """The tables of a language."""
    said = yaml.safe_load((FOLDER / f"{language}.yaml").read_text("utf-8"))
    chosen = said["held_out"] if half is Half.HELD_OUT else said["taught"]
    more = said["widened"] if half is Half.WIDENED else {}
    kinds = ("antonym", "comparative", "quantifier", "negation", "unit", "synonym")
    return Tables(
        language,
        half,
        {kind: tuple(_swaps([*chosen[kind], *more.get(kind, ())])) for kind in kinds},
        (*chosen["prefix"], *more.get("prefix", ())),
        (*chosen["joiner"], *more.get("joiner", ())),
        tuple(chosen["addition"]),
        tuple(said.get("carriers", ())),
    )


def _swaps(lines: Sequence[str]) -> Iterator[Swap]:
    for line in lines:
        both = " | " in line
        left, _, right = line.partition(" | " if both else " > ")
        yield Swap(left, right)
        if both:
            yield Swap(right, left)
