"""The detectors of personal data and secrets: patterns over the plain view, positions of the original."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from guard.pii.lanes import finders
from guard.pii.pattern import Hit, PatternSpec
from guard.scanner import Match
from guard.verdict import Severity
from guard.views import MappedText, TextViews

LOOKBEHIND = 80
"""Code points a stream keeps before the open text: the context words, and every pattern without a literal."""


_MARK = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")


class PatternScanner:
    """Finds a set of patterns."""

    def __init__(self, name: str, specs: Iterable[PatternSpec]) -> None:
        every = list(specs)
        self.name = name
        self.categories = frozenset(spec.category for spec in every)
        self.entities = frozenset(spec.entity for spec in every)
        self.reach = max(spec.longest for spec in every) + LOOKBEHIND
        self.lookbehind = LOOKBEHIND
        self._finders = finders(every)

    def hits(self, text: str) -> list[Hit]:
        """Confirmed patterns of a plain text, none inside another."""
        found = [hit for finder in self._finders for hit in finder.scan(text)]
        return outermost(found) if len(found) > 1 else found

    def scan(self, views: TextViews) -> Sequence[Match]:
        """Every pattern in the text; overlaps only where neither lies inside the other."""
        matches = []
        plain = without_marks(views.plain)
        for hit in self.hits(plain.text):
            span = plain.to_raw(hit.start, hit.end)
            spec = hit.spec
            rule = f"{spec.rule} near {hit.context}" if hit.context else spec.rule
            matches.append(Match(spec.category, Severity.UNSAFE, hit.score, span.start, span.end, rule, spec.entity))
        return matches

    def hold(self, views: TextViews) -> int:
        """Code points from the first position at which a pattern may have begun."""
        raw = views.raw
        if not raw:
            return 0
        plain = without_marks(views.plain)
        text = plain.text
        begun = min((finder.begun(text) for finder in self._finders), default=len(text))
        settled = len(raw)
        if begun < len(text):
            settled = plain.to_raw(begun, begun + 1).start
        if "\u1100" <= raw[-1] <= "\u11ff":  # a Hangul letter that the next one may turn into another syllable
            settled = min(settled, _loose_hangul(raw))
        return len(raw) - settled


def without_marks(plain: MappedText) -> MappedText:
    """The plain view without combining marks that no letter took up: a digit with an accent is still that digit."""
    text = plain.text
    if text.isascii() or _MARK.search(text) is None:
        return plain
    kept = [at for at, char in enumerate(text) if not _MARK.match(char)]
    ends = [*kept[1:], len(text)] if kept else []
    bare = MappedText("".join(text[at] for at in kept), tuple(kept), tuple(ends))
    return plain.over(bare)


def _loose_hangul(raw: str) -> int:
    """Where the syllable written in single letters at the end begins; at most three letters."""
    at = len(raw)
    while at > max(0, len(raw) - 3) and "\u1100" <= raw[at - 1] <= "\u11ff":
        at -= 1
    return at


def _weight(hit: Hit) -> tuple[float, int]:
    """What wins between two readings of the same characters: clearly better score, then length."""
    return (round(hit.score, 1), hit.end - hit.start)


def outermost(found: Iterable[Hit]) -> list[Hit]:
    """Of hits of which one lies inside the other only the stronger one; in order of their start."""
    kept: list[Hit] = []
    for hit in sorted(found, key=lambda h: (h.start, -h.end)):
        while kept and kept[-1].end >= hit.end and kept[-1].start <= hit.start:
            if _weight(hit) > _weight(kept[-1]):
                kept.pop()
                continue
            break
        else:
            kept.append(hit)
    return kept
