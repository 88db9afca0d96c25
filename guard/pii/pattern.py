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
from typing import NamedTuple

import regex

from guard.verdict import Category

REPORTED = 0.5
"""Lowest score that a scanner reports; equal to the shipped policies' lowest threshold."""

CONTEXT = 40
"""Code points before a match in which context words are looked for."""

LEFT = r"(?<![0-9A-Za-z])"
RIGHT = r"(?![0-9A-Za-z])"
WORD_LEFT = r"(?<![0-9A-Za-z가-힣])"
"""For what begins with Hangul and always begins a word, such as an address."""
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


Check = Callable[[str], float]


@dataclass(frozen=True, slots=True)
class PatternSpec:
    """A pattern.

    entity: kind of data (`KR_RRN`). rule: unique name, for operators. body: regular expression without boundaries;
    a group named `v` marks the value where it is not the whole match. longest: code points of the longest match.
    score: probability without context, where there is no check. context: words, lower case, that raise the score to
    `in_context` when one stands in the CONTEXT code points before the match. check: probability for a value.
    digits: least number of digits in the numbers it begins with, token: least length of the first run of ASCII letters
    and digits, for Lane.DIGITS. literals: lower case, for Lane.LITERAL; a match begins at one of them.
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
    token: int = 1
    literals: tuple[str, ...] = ()
    left: str = NUMBER_LEFT
    right: str = NUMBER_RIGHT
    category: Category = Category.PII


class Hit(NamedTuple):
    """A confirmed pattern in the plain view. context: the word that raised the score, else empty."""

    spec: PatternSpec
    score: float
    start: int
    end: int
    context: str = ""


def context_before(text: str, start: int) -> str:
    """The code points before `start` in which context words are looked for, as they are compared."""
    return text[max(0, start - CONTEXT) : start].lower().replace("_", " ").replace("-", " ")


def _stands_alone(window: str, word: str) -> bool:
    """Whether the word occurs other than inside a longer ASCII word; plural and the like may follow."""
    at = window.find(word)
    while at >= 0:
        end = at + len(word)
        if (not word[0].isascii() or not at or not _is_letter(window[at - 1])) and (
            not word[-1].isascii() or not all(map(_is_letter, window[end : end + 3].ljust(3)))
        ):
            return True
        at = window.find(word, at + 1)
    return False


def _is_letter(char: str) -> bool:
    return "a" <= char <= "z"


@dataclass(frozen=True)
class Pattern:
    """A compiled PatternSpec."""

    spec: PatternSpec
    expression: re.Pattern[str] = field(init=False)
    has_value: bool = field(init=False)

    def __post_init__(self) -> None:
        spec = self.spec
        object.__setattr__(self, "expression", re.compile(f"{spec.left}(?:{spec.body}){spec.right}"))
        object.__setattr__(self, "has_value", "v" in self.expression.groupindex)

    def confirm(self, text: str, found: re.Match[str], before: str) -> Hit | None:
        """What a match of `expression` amounts to; None when it is refused or not worth reporting.

        before: `context_before` the match.
        """
        spec = self.spec
        start, stop = found.span()
        begin, end = found.span("v") if self.has_value else (start, stop)
        if begin < 0 or stop - start > spec.longest:
            return None
        if text[begin] == "(" and ")" not in text[begin:end]:
            return None  # the parenthesis encloses the number together with what follows
        score = spec.check(text[begin:end]) if spec.check is not None else spec.score
        word = ""
        if score < spec.in_context and (score > 0.0 or spec.check is None):
            word = self._context(before)
            if word:
                score = spec.in_context
        return Hit(spec, score, begin, end, word) if score >= REPORTED else None

    def _context(self, before: str) -> str:
        """The first context word in the code points before the match; empty when there is none."""
        for word in self.spec.context:
            if word in before and _stands_alone(before, word):
                return word
        return ""


def hold_expression(specs: list[PatternSpec]) -> regex.Pattern[str]:
    """Matches, partially, at a position from which the end of the text is the beginning of any of the patterns.

    It ends in characters that no text has, so it never matches completely: a partial match is one that reached the
    end of the text, which is what `partial=True` reports.
    """
    parts = [f"{spec.left}(?:{spec.body.replace('(?P<v>', '(?:')})" for spec in specs]
    return regex.compile(f"(?:{'|'.join(parts)})[-.]?{END}")


_WITH_DIGITS = re.compile(r"\{[^}]*\}|\\.|\[[^]]*\]|[0-9]")


def outline_expression(spec: PatternSpec) -> regex.Pattern[str]:
    """Matches, perhaps partially, whatever the pattern may match when every digit of the text is written as 0.

    Every digit and every class with a digit is widened to all digits: it refuses nothing that the pattern accepts.
    """

    def widened(found: re.Match[str]) -> str:
        part = found.group()
        if part[0] in "{\\" or not re.search("[0-9]", part):
            return part
        return f"[0-9{part[1:]}" if part[0] == "[" else "[0-9]"

    return regex.compile(f"(?:{_WITH_DIGITS.sub(widened, spec.body)}){spec.right}")
