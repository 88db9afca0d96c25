"""The contract of deterministic detectors: find everything now, and say what may still become a match.

Rules of this file
1. `scan` is a pure function of the views and linear in their length.
2. `hold` is what makes a stream leak nothing: it returns how many code points at the end of the raw text could
   be the beginning of a match, or of a longer match, once more text arrives. A match that touches the end of
   the text is always held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from guard.verdict import Category, Severity
from guard.views import TextViews


@dataclass(frozen=True, slots=True)
class Match:
    """Something found, in code points of the raw text.

    score: probability in [0, 1]. entity: kind of personal data or secret, else empty.
    rule: which entry or pattern matched; for operators only.
    mention: whether the words look quoted, reported or denied, so that a classifier of the sentence knows better.
    """

    category: Category
    severity: Severity
    score: float
    start: int
    end: int
    rule: str
    entity: str = ""
    mention: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """What `scan` and `hold` say about the same views."""

    matches: Sequence[Match]
    hold: int


class Scanner(Protocol):
    """A deterministic detector.

    It may also have `lookbehind: int` (code points before the open text that `scan` and `hold` read; `reach` unless
    given), `look(views, released) -> Look`, which answers both at once where that saves work (the first `released` code
    points of `views.raw` are out: a match that ends there matters no more), and `slow: bool`, true where a look may take
    milliseconds.
    """

    name: str
    categories: frozenset[Category]
    reach: int
    """Longest match plus the context it reads on either side, in code points; a stream keeps that much."""

    def scan(self, views: TextViews) -> Sequence[Match]:
        """Every match in the text."""
        ...

    def hold(self, views: TextViews) -> int:
        """How many code points at the end of `views.raw` must not be released yet; 0 <= hold <= len(raw)."""
        ...
