"""The detector `names`: persons, organisations and places, with rules around what the tagger says.

Rules of this file
1. A name is looked for in the languages asked for; whose it is, its script says.
2. A placeholder is nobody's name, nor is any part of it; nor is what stands in the place of data that was masked.
3. A stream holds the sentence that is being written; of a long one it lets go STEP code points at a time, once as many
   follow. What the tagger then reads is the same until the next step, so it reads once for each and not for each piece.
4. What was let go is read again only as the beginning of what comes next: whole sentences of it, at most LOOKBEHIND.
5. Names depend on the text alone, so those of a text that was read lately are remembered: a conversation comes again with
   every turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from guard.pii.kinds import NAME_KINDS
from guard.pii.names.boundaries import fitted
from guard.pii.names.decode import Name, script_of
from guard.pii.names.recent import Recent
from guard.pii.names.rules import by_rule
from guard.pii.names.tagger import Tagger, load
from guard.placeholders import PLACEHOLDER
from guard.scanner import Look, Match
from guard.verdict import Category, Severity
from guard.views import MappedText, TextViews
from haechi.base.errors import MissingExtra
from haechi.base.text import Language

STEP = 48
HOLD = 2 * STEP
"""Code points of the end of a stream that are held, at most."""
LOOKBEHIND = 160
"""Code points before the open text that the tagger reads, at most. With 96 a stream costs a third less, and differs from the whole
text in one name of five instead of one of six (Chinese news and posts)."""
ENTITIES = frozenset((*NAME_KINDS, "ADDRESS"))
LANGUAGES = (Language.ENGLISH, Language.KOREAN, Language.CHINESE)
_LEAST_SCORE = 0.5
_MOST_SCORE = 0.74  # below every pattern's, so that a number inside an address stays what it is


class NameScanner:
    """Finds names in some languages."""

    name = "names"
    categories = frozenset({Category.PII})
    reach = LOOKBEHIND + HOLD
    lookbehind = LOOKBEHIND
    slow = True

    def __init__(self, languages: Iterable[Language] = LANGUAGES) -> None:
        """Load the tagger; `missing` names the languages whose names cannot be looked for.

        Raises:
            WeightsMissing, WeightsAltered, WeightsUnreadable: when its files are not what they must be.
        """
        self.languages = tuple(language for language in LANGUAGES if language in set(languages))
        self._tagger: Tagger | None = None
        self.missing: tuple[Language, ...] = ()
        if self.languages:
            try:
                self._tagger = load()
            except MissingExtra:
                self.missing = self.languages
        self.entities = ENTITIES
        self._recent = Recent()

    def scan(self, views: TextViews) -> Sequence[Match]:
        """Every name in the text."""
        return _matches(views.plain, self._known(views.plain.text), 0)

    def hold(self, views: TextViews) -> int:
        """The sentence at the end of the text, or what is left of a long one; at most HOLD code points of plain text."""
        return self._held(views, _settled(views.plain.text).end)

    def look(self, views: TextViews, released: int = 0) -> Look:
        """Every name that may end behind `released`, in what is settled. The tagger reads that once."""
        text = views.plain.text
        settled = _settled(text)
        hold = self._held(views, settled.end)
        stretched = hold > _MOST_HELD
        if len(views.raw) - hold <= released and not stretched:
            return Look((), hold)
        begin = _begin(text, views.plain.from_raw(released)) if released else 0
        names = self._known(text[begin : len(text) if stretched else settled.read])
        return Look(_matches(views.plain, names, begin), hold)

    @staticmethod
    def _held(views: TextViews, end: int) -> int:
        if end >= len(views.plain.text):
            return 0
        return len(views.raw) - views.plain.to_raw(end, end + 1).start

    def _known(self, text: str) -> tuple[Name, ...]:
        """The names in a text, found now or lately."""
        key = self._recent.key(text)
        found = self._recent.get(key)
        if found is None:
            found = tuple(self._names(text))
            self._recent.put(key, found)
        return found

    def _names(self, text: str) -> Iterator[Name]:
        if "_" in text:
            text = PLACEHOLDER.sub(_blank, text)
        if "[" in text:
            text = _MASK.sub(_blank, text)
        for language in self.languages:
            yield from by_rule(text, language)
        if self._tagger is None:
            return
        for start, end in _parts(text):
            if not any(map(str.isalpha, text[start:end])):
                continue  # a table of numbers is not worth its time
            for name in self._tagger.names(text[start:end]):
                if script_of(text[start + name.start]) in self.languages:
                    yield from fitted(text, Name(name.kind, name.score, start + name.start, start + name.end))


@dataclass(frozen=True, slots=True)
class _Settled:
    """end: up to where names will not change. read: up to where the tagger reads to find them."""

    end: int
    read: int


def _settled(text: str) -> _Settled:
    begins = max((ended.end() for ended in _ENDED.finditer(text, max(0, len(text) - LOOKBEHIND - HOLD))), default=0)
    written = len(text) - begins
    if written <= HOLD:
        return _Settled(begins, begins)
    steps = (written - STEP) // STEP * STEP
    return _Settled(begins + steps, begins + steps + STEP)


def _begin(text: str, released: int) -> int:
    """Where to begin reading what follows `released`: with the first sentence that begins in the LOOKBEHIND before it."""
    first = max(0, released - LOOKBEHIND)
    if not first:
        return 0
    ended = _ENDED.search(text, first - 1, released)
    return ended.end() if ended is not None else first


def _matches(plain: MappedText, names: Iterable[Name], offset: int) -> list[Match]:
    """Names in positions of the original. offset: where in the plain text their own text begins."""
    matches = []
    for name in names:
        span = plain.to_raw(name.start + offset, name.end + offset)
        score = min(_MOST_SCORE, max(_LEAST_SCORE, round(name.score, 4)))
        matches.append(
            Match(Category.PII, Severity.UNSAFE, score, span.start, span.end, f"name-{name.rule}", name.kind)
        )
    return matches


_MASK = re.compile(r"\[[A-Z][A-Z_]+(?::[0-9a-f]+)?\]")
_ENDED = re.compile("[.!?。！？\n]['\")\\]”’」]*\\s|[。！？\n]")
_PART = 2048
_MOST_HELD = 4 * HOLD
"""Raw code points; more are held only where characters are hidden. A stream may not wait for those: all is read at once."""


def _blank(found: re.Match[str]) -> str:
    """Line ends: no name goes on behind them."""
    return "\n" * len(found[0])


def _parts(text: str) -> Iterator[tuple[int, int]]:
    """Long texts in parts, so that memory stays bounded."""
    start = 0
    while start < len(text):
        end = min(len(text), start + _PART)
        if end < len(text):
            line = text.rfind("\n", start + 1, end)
            space = text.rfind(" ", start + 1, end)
            end = line + 1 if line > start else space + 1 if space > start else end
        yield start, end
        start = end


@cache
def scanners() -> tuple[NameScanner, ...]:
    """The detectors named `names`, made once.

    Raises:
        MissingExtra: when the packages that run the tagger are not installed.
    """
    scanner = NameScanner()
    if scanner.missing:
        raise MissingExtra("the name tagger", "guard")
    return (scanner,)


def entities() -> frozenset[str]:
    """The kinds of names that are looked for."""
    return frozenset(NAME_KINDS)
