"""Where a pattern may begin, and from where the end of a text may still become one.

Rules of this file
1. `scan` looks at each position a bounded number of times: linear in the text, whatever it says.
2. `begun` answers the first position of the plain text that must not be released yet, at most `longest` before its
   end; the length of the text when nothing has begun.
3. Both use the same candidates: what `scan` could find once more text has come, `begun` holds now.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Protocol

import ahocorasick

from guard.pii.pattern import Hit, Lane, Opening, Pattern, PatternSpec, hold_expression


class Finder(Protocol):
    """Finds the patterns of one lane."""

    def scan(self, text: str) -> Iterator[Hit]:
        """Every confirmed match, overlaps included."""
        ...

    def begun(self, text: str) -> int:
        """First position that may belong to a match not yet complete."""
        ...


_DIGIT = re.compile("[0-9]")
_NUMBER_TOKEN = re.compile(r"(?P<opener>[+(]{1,2})[0-9]|(?<![0-9A-Za-z])[A-Za-z]{0,8}(?P<digit>[0-9])")
_NUMBERS = re.compile("[0-9]{1,40}+(?:[-\u2010-\u2015\u2212. /()+]{1,3}[0-9]{1,20}+){0,8}")
_MANY_DIGITS = 24
_OPENING = re.compile(r"[+(]{1,2}\Z")


class DigitFinder:
    """Numbers: tokens of ASCII letters and digits that begin with at most eight letters and then a digit."""

    def __init__(self, specs: list[PatternSpec]) -> None:
        patterns = [Pattern(spec) for spec in specs]
        self._longest = max(spec.longest for spec in specs)
        self._worded = [p for p in patterns if p.spec.opening is not Opening.DIGIT]
        numeric = [p for p in patterns if p.spec.opening is not Opening.LETTER]
        # Index n: what needs no more than n digits in the numbers that begin here.
        self._by_digits = [[p for p in numeric if p.spec.digits <= n] for n in range(_MANY_DIGITS + 1)]
        self._hold = hold_expression(specs)

    def scan(self, text: str) -> Iterator[Hit]:
        if _DIGIT.search(text) is None:
            return
        for token in _NUMBER_TOKEN.finditer(text):
            start = token.start()
            if token.start("digit") > start:
                yield from _hits(self._worded, text, start)
                continue
            opener_end = token.end("opener") if token.start("opener") >= 0 else start
            numbers = _NUMBERS.match(text, opener_end)
            count = min(_MANY_DIGITS, sum(map(str.isdigit, numbers.group()))) if numbers is not None else 1
            for at in range(start, opener_end + 1):
                yield from _hits(self._by_digits[count], text, at)

    def begun(self, text: str) -> int:
        size = len(text)
        opening = _OPENING.search(text, max(0, size - 2))
        earliest = opening.start() if opening is not None else size
        held = self._hold
        for token in _NUMBER_TOKEN.finditer(text, max(0, size - self._longest)):
            for at in range(token.start(), max(token.start(), token.end("opener")) + 1):
                if held.match(text, at, partial=True) is not None:
                    return min(at, earliest)
        return earliest


def _hits(patterns: list[Pattern], text: str, at: int) -> Iterator[Hit]:
    for pattern in patterns:
        hit = pattern.at(text, at)
        if hit is not None:
            yield hit


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
_HEX_RUN = re.compile("[0-9A-Fa-f:-]{1,64}\\Z")
_HEX_TOKEN = re.compile("(?<![0-9A-Za-z:])[0-9A-Fa-f:]")
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
                if at - start < 5 and before not in (":", "-") and (start < at or text.startswith("::", at)):
                    yield from _hits(self._patterns, text, start)
                at = text.find(sign, at + 1)

    def begun(self, text: str) -> int:
        size = len(text)
        run = _HEX_RUN.search(text, max(0, size - self._longest))
        if run is None:
            return size
        for token in _HEX_TOKEN.finditer(text, run.start()):
            if self._hold.match(text, token.start(), partial=True) is not None:
                return token.start()
        return size


class LiteralFinder:
    """Patterns that begin with one of a set of words; one automaton finds them all."""

    def __init__(self, specs: list[PatternSpec]) -> None:
        by_literal: dict[str, list[PatternSpec]] = {}
        for spec in specs:
            for literal in spec.literals:
                by_literal.setdefault(literal, []).append(spec)
        patterns = {spec.rule: Pattern(spec) for spec in specs}
        self._automaton = ahocorasick.Automaton()
        for literal, group in by_literal.items():
            held = hold_expression(group)
            self._automaton.add_word(literal, (len(literal), [patterns[s.rule] for s in group], held))
        self._automaton.make_automaton()
        self._prefixes = frozenset(literal[:n] for literal in by_literal for n in range(1, len(literal)))
        self._longest_prefix = max(map(len, self._prefixes), default=0)
        self._longest = max(spec.longest for spec in specs)

    def scan(self, text: str) -> Iterator[Hit]:
        for last, (length, patterns, _) in self._automaton.iter(_lower(text)):
            yield from _hits(patterns, text, last + 1 - length)

    def begun(self, text: str) -> int:
        size = len(text)
        offset = max(0, size - self._longest)
        tail = text[offset:]
        low = _lower(tail)
        earliest = size
        for last, (length, _, held) in self._automaton.iter(low):
            start = offset + last + 1 - length
            if start < earliest and held.match(text, start, partial=True) is not None:
                earliest = start
        for length in range(min(self._longest_prefix, len(low)), 0, -1):
            if low[-length:] in self._prefixes:
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
