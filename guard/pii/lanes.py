"""Where a pattern may begin, and from where the end of a text may still become one.

Rules of this file
1. `scan` looks at each position a bounded number of times: linear in the text, whatever it says.
2. `begun` answers the first position of the plain text that must not be released yet, at most `longest` before its
   end; the length of the text when nothing has begun.
3. Both use the same candidates: what `scan` could find once more text has come, `begun` holds now.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import ahocorasick
import regex

from guard.pii.pattern import (
    NUMBER_LEFT,
    WORD_LEFT,
    Hit,
    Lane,
    Pattern,
    PatternSpec,
    context_before,
    hold_expression,
    outline_expression,
)


class Finder(Protocol):
    """Finds the patterns of one lane."""

    def scan(self, text: str) -> Iterator[Hit]:
        """Every confirmed match, overlaps included."""
        ...

    def begun(self, text: str) -> int:
        """First position that may belong to a match not yet complete."""
        ...


_DIGIT = re.compile("[0-9]")
_CANDIDATE = re.compile("(?<![0-9A-Za-z])[A-Za-z]{0,8}+[0-9]")
_NUMBERS = re.compile("[0-9]{1,40}+(?:[-\u2010-\u2015\u2212. /()+]{1,3}[0-9]{1,20}+){0,8}")
_TOKEN = re.compile("[0-9A-Za-z]{1,80}")
_MANY_DIGITS = 24
_OPENERS = frozenset("+(")
_FARTHEST_DIGIT = 40  # code points: longer than what _BETWEEN matches
_FEW_DIGITS = 4
# A unit of a written date, a plate's letter, a space before either, a letter that continues the token.
_AFTER_FEW_DIGITS = frozenset(
    "가나다라마거너더러머버서어저고노도로모보소오조구누두루무부수우주아바사자하허호배년年 "
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)
_MOST_SHAPES = 20_000  # shapes remembered: some megabytes at most
_OUTLINE = 16  # code points of a candidate that choose what it can be
_ALL_ZERO = str.maketrans("123456789", "000000000")
_OTHER = "\uffff"  # for a character that no pattern of numbers names
# What may stand between two tokens of one match, or after the last one: signs, a counter, an ordinal, a month.
_BETWEEN = re.compile(
    "[-\u2010-\u2015\u2212. /()+,:·]{0,4}"
    "(?:[A-Za-z]{1,10}[-. ,]{0,2}(?:[A-Za-z]{1,10}[-. ,]{0,2}){0,1}|[가-하년월일배저지年月日号거더러머버서어저고노도로모보소오조구누두루무부수우주] ?)?"
    "[+(-]{0,2}"
)


@dataclass(frozen=True, slots=True)
class _Token:
    """Where a number may begin. first: of the token. start: of the plus sign or parenthesis before it, if any."""

    start: int
    first: int


def _opened(text: str, first: int) -> int:
    """Where the at most two plus signs and parentheses before the digit at `first` begin."""
    start = first
    while start and first - start < 2 and text[start - 1] in _OPENERS:
        start -= 1
    return start


def _tokens(text: str, begin: int) -> Iterator[_Token]:
    """Every run of ASCII letters and digits that has a digit after at most eight letters."""
    for run in _CANDIDATE.finditer(text, begin):
        first, digit = run.span()
        yield _Token(_opened(text, first) if digit - first == 1 else first, first)


class DigitFinder:
    """Numbers: tokens of ASCII letters and digits that begin with at most eight letters and then a digit."""

    def __init__(self, specs: list[PatternSpec]) -> None:
        self._patterns = [Pattern(spec) for spec in specs]
        self._longest = max(spec.longest for spec in specs)
        self._lengths = sorted({spec.token for spec in specs})
        self._chosen: dict[tuple[str, bool, int, int, str], list[Pattern]] = {}
        self._holds = [hold_expression([spec]) for spec in specs]
        self._outlines = [outline_expression(spec) for spec in specs]
        self._hold = hold_expression(specs)

    def scan(self, text: str) -> Iterator[Hit]:
        for run in _CANDIDATE.finditer(text):
            first, digit = run.span()
            start, digits, outline = first, _MANY_DIGITS, ""
            numbers = _NUMBERS.match(text, first) if digit - first == 1 else None
            if numbers is not None:
                after = text[numbers.end() : numbers.end() + 1]
                outline = numbers.group().translate(_ALL_ZERO)
                digits = outline.count("0")
                if digits < _FEW_DIGITS and after not in _AFTER_FEW_DIGITS:
                    continue  # 3, 12.5, 100: only what some signs follow can still be anything
                outline += after if after in _AFTER_FEW_DIGITS or after.isascii() else _OTHER
                if first and text[first - 1] in _OPENERS:
                    start = _opened(text, first)
            token = _TOKEN.match(text, first)
            length = token.end() - first if token is not None else 1
            for at in range(start, first + 1):
                patterns = self._suited(text, at, digits, length, text[at:first] + outline)
                if patterns:
                    yield from _hits(patterns, text, at)

    def _suited(self, text: str, at: int, digits: int, length: int, outline: str) -> list[Pattern]:
        """The patterns that a candidate of this shape can be. Few shapes occur, so each choice is made once.

        outline: the candidate with every digit as 0 and one character more; empty where it begins with a letter.
        """
        chained = at > 1 and text[at - 1] in "-." and text[at - 2].isdigit()
        outline = outline[:_OUTLINE]
        key = (text[at : at + 2], chained, min(digits, _MANY_DIGITS), bisect_right(self._lengths, length), outline)
        patterns = self._chosen.get(key)
        if patterns is None:
            beginning = key[0]
            patterns = [
                pattern
                for pattern, held, outlined in zip(self._patterns, self._holds, self._outlines, strict=True)
                if pattern.spec.digits <= digits
                and pattern.spec.token <= length
                and not (chained and pattern.spec.left == NUMBER_LEFT)
                and held.match(beginning, partial=True) is not None
                and (not outline or outlined.match(outline, partial=True) is not None)
            ]
            if len(self._chosen) >= _MOST_SHAPES:
                self._chosen.clear()
            self._chosen[key] = patterns
        return patterns

    def begun(self, text: str) -> int:
        size = len(text)
        earliest = size
        while earliest > max(0, size - 2) and text[earliest - 1] in "+(":
            earliest -= 1
        if _DIGIT.search(text, max(0, size - _FARTHEST_DIGIT)) is None:
            return earliest
        held = self._hold
        for candidate in self._reaching(text):
            for at in range(candidate.start, candidate.first + 1):
                if held.match(text, at, partial=True) is not None:
                    return min(at, earliest)
        return earliest

    def _reaching(self, text: str) -> list[_Token]:
        """The candidates from which nothing but what stands in numbers leads to the end of the text; in order."""
        at = len(text)
        reaching: list[_Token] = []
        for candidate in reversed(list(_tokens(text, max(0, at - self._longest)))):
            token = _TOKEN.match(text, candidate.first)
            end = token.end() if token is not None else candidate.first
            if end < at and _BETWEEN.fullmatch(text, end, at) is None:
                break
            reaching.append(candidate)
            at = candidate.start
        reaching.reverse()
        return reaching


def _hits(patterns: list[Pattern], text: str, at: int) -> list[Hit]:
    hits = []
    before: str | None = None
    for pattern in patterns:
        found = pattern.expression.match(text, at)
        if found is not None:
            if before is None:
                before = context_before(text, at)
            hit = pattern.confirm(text, found, before)
            if hit is not None:
                hits.append(hit)
    return hits


_LOCAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+-")
_LONGEST_LOCAL = 64  # RFC 5321, 4.5.3.1.1


def _local_start(text: str, at: int) -> int:
    """Where the local part that ends at `at` begins; `at` when there is none, or it is too long to be one."""
    start = at
    lowest = max(-1, at - _LONGEST_LOCAL - 1)
    while start - 1 > lowest and text[start - 1] in _LOCAL:
        start -= 1
    if at - start > _LONGEST_LOCAL or (start and text[start - 1] in _LOCAL):
        return at
    while start < at and text[start] in ".%+-":
        start += 1
    return start


class AtFinder:
    """E-mail addresses: the sign, and the local part before it."""

    def __init__(self, specs: list[PatternSpec]) -> None:
        self._patterns = [Pattern(spec) for spec in specs]
        self._longest = max(spec.longest for spec in specs)
        self._hold = hold_expression(specs)

    def scan(self, text: str) -> Iterator[Hit]:
        at = text.find("@")
        while at >= 0:
            start = _local_start(text, at)
            if start < at:
                yield from _hits(self._patterns, text, start)
            at = text.find("@", at + 1)

    def begun(self, text: str) -> int:
        size = len(text)
        at = text.find("@", max(0, size - self._longest))
        while at >= 0:
            start = _local_start(text, at)
            if start < at and self._hold.match(text, start, partial=True) is not None:
                return start
            at = text.find("@", at + 1)
        return _local_start(text, size)


_HEX = frozenset("0123456789abcdefABCDEF")
_IN_HEX_GROUPS = _HEX | frozenset(":-")
_HEX_TOKEN = re.compile("(?<![0-9A-Za-z])(?<![0-9A-Fa-f:]:)[0-9A-Fa-f:]")
_HYPHENS_IN_ADDRESS = 5


class HexFinder:
    """Groups of hexadecimal digits between colons (MAC, IPv6) or hyphens (MAC)."""

    def __init__(self, specs: list[PatternSpec]) -> None:
        self._patterns = [Pattern(spec) for spec in specs]
        self._longest = max(spec.longest for spec in specs)
        self._hold = hold_expression(specs)

    def scan(self, text: str) -> Iterator[Hit]:
        for sign in ":-":
            if sign == "-" and text.count(sign) < _HYPHENS_IN_ADDRESS:
                continue
            at = text.find(sign)
            while at >= 0:
                start = at
                while start and at - start < 5 and text[start - 1] in _HEX:
                    start -= 1
                before = text[start - 1] if start else ""
                joined = before in (":", "-") and start > 1 and text[start - 2] in _IN_HEX_GROUPS
                if at - start < 5 and not joined and (start < at or text.startswith("::", at)):
                    yield from _hits(self._patterns, text, start)
                at = text.find(sign, at + 1)

    def begun(self, text: str) -> int:
        size = len(text)
        run = size
        while run > max(0, size - self._longest) and text[run - 1] in _IN_HEX_GROUPS:
            run -= 1
        for token in _HEX_TOKEN.finditer(text, run):
            if self._hold.match(text, token.start(), partial=True) is not None:
                return token.start()
        return size


@dataclass(frozen=True)
class _Group:
    """Patterns tried together, and the expression that tells whether one of them may have begun."""

    patterns: list[Pattern]
    held: regex.Pattern[str]
    longest: int


def _either_of_two(pairs: Iterable[str]) -> re.Pattern[str]:
    """Where a character stands that begins one of the pairs, before one that ends one of them."""
    first, second = ("".join(sorted({pair[at] for pair in pairs})) for at in (0, 1))
    return re.compile(f"[{re.escape(first)}](?=[{re.escape(second)}])")


class LiteralFinder:
    """Patterns that begin with one of a set of words.

    ASCII words are found by an automaton; others by their first two characters, since an automaton over hundreds of
    first characters is slower than looking each of them up.
    """

    def __init__(self, specs: list[PatternSpec]) -> None:
        self._longest = max(spec.longest for spec in specs)
        self._automaton = ahocorasick.Automaton()
        groups = {spec.rule: _Group([Pattern(spec)], hold_expression([spec]), spec.longest) for spec in specs}
        ascii_words: dict[str, list[_Group]] = {}
        pairs: dict[str, dict[str, list[str]]] = {}
        for spec in specs:
            for literal in spec.literals:
                if literal[0].isascii():
                    ascii_words.setdefault(literal, []).append(groups[spec.rule])
                else:
                    pairs.setdefault(literal[:2], {}).setdefault(spec.rule, []).append(literal)
        for word, group in ascii_words.items():
            self._automaton.add_word(word, (len(word), group))
        if ascii_words:
            self._automaton.make_automaton()
        self._words = bool(ascii_words)
        self._pairs = {
            pair: [(tuple(literals), groups[rule]) for rule, literals in by_rule.items()]
            for pair, by_rule in pairs.items()
        }
        self._first = _either_of_two(pairs) if pairs else None
        self._prefixes: dict[str, bool] = {}
        for spec in specs:
            for prefix in (literal[:n] for literal in spec.literals for n in range(1, len(literal))):
                # True where only the beginning of a Korean word counts.
                self._prefixes[prefix] = self._prefixes.get(prefix, True) and spec.left == WORD_LEFT
        self._last_of_prefix = frozenset(prefix[-1] for prefix in self._prefixes)
        self._longest_prefix = max(map(len, self._prefixes), default=0)

    def _candidates(self, text: str, low: str) -> Iterator[tuple[int, _Group]]:
        """Every position at which a literal stands, with what may begin there. low: the text in lower case."""
        if self._words:
            for last, (length, groups) in self._automaton.iter(low):
                for group in groups:
                    yield last + 1 - length, group
        if self._first is not None and not text.isascii():
            pairs = self._pairs
            for first in self._first.finditer(low):
                at = first.start()
                for literals, group in pairs.get(low[at : at + 2], ()):
                    if low.startswith(literals, at):
                        yield at, group

    def scan(self, text: str) -> Iterator[Hit]:
        for at, group in self._candidates(text, _lower(text)):
            yield from _hits(group.patterns, text, at)

    def begun(self, text: str) -> int:
        size = len(text)
        offset = max(0, size - self._longest)
        tail = text[offset:]
        low = _lower(tail)
        earliest = size
        for found, group in self._candidates(tail, low):
            at = found + offset
            if at < earliest and size - at <= group.longest and group.held.match(text, at, partial=True) is not None:
                earliest = at
        if low and low[-1] in self._last_of_prefix:
            for length in range(min(self._longest_prefix, len(low)), 0, -1):
                bounded = self._prefixes.get(low[-length:])
                if bounded is None or (bounded and length < len(low) and "가" <= low[-length - 1] <= "힣"):
                    continue
                return min(earliest, size - length)
        return earliest


def _lower(text: str) -> str:
    """Lower case, same length."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c.lower() if c.isascii() else c for c in text)


_FINDERS: dict[Lane, Callable[[list[PatternSpec]], Finder]] = {
    Lane.DIGITS: DigitFinder,
    Lane.AT: AtFinder,
    Lane.HEX: HexFinder,
    Lane.LITERAL: LiteralFinder,
}


def finders(specs: list[PatternSpec]) -> list[Finder]:
    """One finder for each lane that the patterns use."""
    groups: dict[Lane, list[PatternSpec]] = {}
    for spec in specs:
        groups.setdefault(spec.lane, []).append(spec)
    return [_FINDERS[lane](group) for lane, group in groups.items()]
