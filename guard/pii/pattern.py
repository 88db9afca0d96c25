r"""One pattern of personal data or of a secret: what it looks like, what confirms it, and how long it may get.

Rules of this file
1. Classes and look-arounds name ASCII characters, so that a Hangul, Han or kana neighbour neither hides nor extends a
   match: `\b` and `\w` are never used.
2. Every repetition is bounded and no two neighbouring repetitions accept the same character without a limit, so that
   a match costs at most a constant times `longest`.
3. A check answers a probability; 0.0 rejects. What is below `REPORTED` without context words is not reported.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import regex

from guard.verdict import Category

REPORTED = 0.5
"""Lowest score that a scanner reports; equal to the shipped policies' lowest threshold."""

CONTEXT = 48
"""Code points before a match in which context words are looked for."""

LEFT = r"(?<![0-9A-Za-z])"
RIGHT = r"(?![0-9A-Za-z])"
NUMBER_LEFT = r"(?<![0-9A-Za-z])(?<![0-9][-.])"
NUMBER_RIGHT = r"(?![0-9A-Za-z]|[-.][0-9])"
DASH = "[-\u2010-\u2015\u2212]"
"""A hyphen or one of the dashes that typesetting makes of it."""
GAP = "[-\u2010-\u2015\u2212 .]"
"""What people write between groups of digits."""
END = "[\ufffe\uffff]"
"""Non-characters: they stand for "the text goes on" in the hold pattern and are found in no text."""


class Lane(enum.Enum):
    """How candidates are found, so that a text without the trigger costs almost nothing.

    DIGITS: a run of ASCII letters and digits that has a digit. AT: the sign in an e-mail address. HEX: groups of
    hexadecimal digits between colons or hyphens. LITERAL: one of the pattern's literals.
    """

    DIGITS = "digits"
    AT = "at"
    HEX = "hex"
    LITERAL = "literal"


class Opening(enum.Enum):
    """What a match of Lane.DIGITS may begin with; a plus sign or a parenthesis may stand before a digit."""

    DIGIT = "digit"
    LETTER = "letter"
    EITHER = "either"


Check = Callable[[str], float]


@dataclass(frozen=True, slots=True)
class PatternSpec:
    """A pattern.

    entity: kind of data (`KR_RRN`). rule: unique name, for operators. body: regular expression without boundaries;
    a group named `v` marks the value where it is not the whole match. longest: code points of the longest match.
    score: probability without context, where there is no check. context: words, lower case, that raise the score to
    `in_context` when one stands in the CONTEXT code points before the match. check: probability for a value.
    digits: least number of digits in the numbers it begins with, and opening, for Lane.DIGITS. literals: lower case,
    for Lane.LITERAL; a match begins at one of them.
    """

    entity: str
    rule: str
    body: str
    lane: Lane
    longest: int
    score: float = 0.0
    context: tuple[str, ...] = ()
    in_context: float = 0.0
    check: Check | None = None
    digits: int = 1
    opening: Opening = Opening.DIGIT
    literals: tuple[str, ...] = ()
    left: str = NUMBER_LEFT
    right: str = NUMBER_RIGHT
    category: Category = Category.PII


@dataclass(frozen=True, slots=True)
class Hit:
    """A confirmed pattern in the plain view. context: the word that raised the score, else empty."""

    spec: PatternSpec
    score: float
    start: int
    end: int
    context: str = ""


def _context_expression(words: tuple[str, ...]) -> re.Pattern[str]:
    """Any of the words; ASCII words must not stand inside a longer one."""
    parts = [
        (LEFT if word[0].isascii() else "") + re.escape(word).replace(r"\ ", "[ _-]?")
        + ("(?![a-z]{3})" if word[-1].isascii() else "")
        for word in sorted(words, key=len, reverse=True)
    ]  # fmt: skip
    return re.compile("|".join(parts), re.IGNORECASE)


@dataclass(frozen=True)
class Pattern:
    """A compiled PatternSpec."""

    spec: PatternSpec
    expression: re.Pattern[str] = field(init=False)
    words: re.Pattern[str] | None = field(init=False)

    def __post_init__(self) -> None:
        spec = self.spec
        object.__setattr__(self, "expression", re.compile(f"{spec.left}(?:{spec.body}){spec.right}"))
        object.__setattr__(self, "words", _context_expression(spec.context) if spec.context else None)

    def at(self, text: str, start: int) -> Hit | None:
        """The match that begins at `start`, if it is one and its score is worth reporting."""
        found = self.expression.match(text, start)
        if found is None:
            return None
        spec = self.spec
        begin, end = found.span("v") if "v" in self.expression.groupindex else found.span()
        if begin < 0:
            return None
        score = spec.check(text[begin:end]) if spec.check is not None else spec.score
        if score <= 0.0 and spec.check is not None:
            return None
        word = ""
        if self.words is not None and score < spec.in_context:
            near = self.words.search(text, max(0, start - CONTEXT), start)
            if near is not None:
                word, score = near.group(), spec.in_context
        return Hit(spec, score, begin, end, word) if score >= REPORTED else None


def hold_expression(specs: list[PatternSpec]) -> regex.Pattern[str]:
    """Matches, partially, at a position from which the end of the text is the beginning of any of the patterns.

    It ends in characters that no text has, so it never matches completely: a partial match is one that reached the
    end of the text, which is what `partial=True` reports.
    """
    parts = [f"{spec.left}(?:{spec.body.replace('(?P<v>', '(?:')})" for spec in specs]
    return regex.compile(f"(?:{'|'.join(parts)})[-.]?{END}")
