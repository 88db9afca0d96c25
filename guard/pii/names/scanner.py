"""The detector `names`: persons, organisations and places, with rules around what the taggers say.

Rules of this file
1. A tagger answers for its own script only; see `tagger.SCRIPTS`.
2. A stream holds the words at its end that a name may still grow by, up to HOLD code points.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from guard.pii.kinds import NAME_KINDS
from guard.pii.names.rules import by_rule, plausible_english, plausible_korean
from guard.pii.names.tagger import SCRIPTS, WINDOW, Name, Tagger, load
from guard.scanner import Match
from guard.verdict import Category, Severity
from guard.views import TextViews
from haechi.base.text import Language

HOLD = 48
_LEAST_SCORE = 0.5
_MOST_SCORE = 0.74  # below every pattern's, so that a number inside an address stays what it is


class NameScanner:
    """Finds names in some languages."""

    name = "names"
    categories = frozenset({Category.PII})
    reach = 2 * WINDOW + HOLD
    lookbehind = WINDOW

    def __init__(self, languages: Iterable[Language] = tuple(SCRIPTS)) -> None:
        """Load the taggers of the languages; `missing` names those without one."""
        wanted = [language for language in SCRIPTS if language in set(languages)]
        loaded = {language: load(language) for language in wanted}
        self._taggers: dict[Language, Tagger] = {n: tagger for n, tagger in loaded.items() if tagger is not None}
        self.missing = tuple(language for language, tagger in loaded.items() if tagger is None)
        self.entities = frozenset((*NAME_KINDS, "ADDRESS"))  # numbers are left to the patterns

    def scan(self, views: TextViews) -> Sequence[Match]:
        """Every name in the text."""
        plain = views.plain
        matches = []
        for name in self._names(plain.text):
            span = plain.to_raw(name.start, name.end)
            score = min(_MOST_SCORE, max(_LEAST_SCORE, round(name.score, 4)))
            matches.append(
                Match(Category.PII, Severity.UNSAFE, score, span.start, span.end, f"name-{name.rule}", name.kind)
            )
        return matches

    def hold(self, views: TextViews) -> int:
        """The end of the text from the last sign that ends a sentence, at most HOLD code points."""
        tail = views.raw[-HOLD:]
        return len(tail) - max((ended.end() for ended in _ENDED.finditer(tail)), default=0)

    def _names(self, text: str) -> Iterator[Name]:
        for language, tagger in self._taggers.items():
            script = SCRIPTS[language]
            if script.search(text) is None:
                continue
            if language is Language.CHINESE and "가" <= max(text) <= "힣" and _mostly_korean(text):
                continue
            for piece in _pieces(text):
                for name in tagger.names(text[piece[0] : piece[1]]):
                    if name.kind not in self.entities:
                        continue
                    start, end = _trimmed(text, piece[0] + name.start, piece[0] + name.end)
                    if start >= end or not _belongs(text[start:end], script):
                        continue
                    if _plausible(language, text, name, start, end):
                        yield Name(name.kind, name.score, start, end, "tagger")
            yield from by_rule(text, language)


_ENDED = re.compile("[.!?。！？\n]['\")\\]”’」]*\\s|[。！？\n]")
_PIECE = 2048


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Long texts in lines, so that memory stays bounded."""
    start = 0
    while start < len(text):
        end = min(len(text), start + _PIECE)
        if end < len(text):
            line = text.rfind("\n", start + 1, end)
            space = text.rfind(" ", start + 1, end)
            end = line + 1 if line > start else space + 1 if space > start else end
        yield start, end
        start = end


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Without spaces and signs at the ends."""
    while start < end and not text[start].isalnum():
        start += 1
    while end > start and not (text[end - 1].isalnum() or text[end - 1] == "."):
        end -= 1
    return start, end


def _belongs(value: str, script: re.Pattern[str]) -> bool:
    """Whether the value is written in the script (a number in it does no harm)."""
    letters = [c for c in value if c.isalpha()]
    return not letters or sum(script.match(c) is not None for c in letters) * 2 >= len(letters)


def _plausible(language: Language, text: str, name: Name, start: int, end: int) -> bool:
    """Whether a tagger's name is written like one in its language."""
    if language is Language.ENGLISH:
        return end - start > 1 and plausible_english(text, name, start, end)
    if language is Language.KOREAN and name.kind == "PERSON":
        return plausible_korean(text, start, end, name.score)
    return end - start > 1 and not text[start:end].isdigit()


def _mostly_korean(text: str) -> bool:
    hangul = sum("가" <= c <= "힣" for c in text)
    han = sum("\u4e00" <= c <= "\u9fff" for c in text)
    return hangul > han


@cache
def scanners() -> tuple[NameScanner, ...]:
    """The detectors named `names`, made once."""
    return (NameScanner(),)


def entities() -> frozenset[str]:
    """The kinds of names that are looked for."""
    return frozenset(NAME_KINDS)
