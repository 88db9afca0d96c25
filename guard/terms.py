"""Find many terms at once, and the end of a text that begins one: Aho-Corasick over two encodings.

A node of the automaton looks its edges up one after another, so a root with an edge for each Han character and Hangul
syllable is slow. Text with anything but ASCII is therefore read as bytes of UTF-16, which keeps every node narrow; a
match must then begin at an even byte. A character beyond the basic plane is one unit there too: a lone surrogate stands for each that a
term has, U+FFFD for all others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import ahocorasick

Meaning = TypeVar("Meaning")
_ASCII_HEAD = re.compile(r"[\x00-\x7f]+")
_BEYOND = re.compile("[\U00010000-\U0010ffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_FIRST_SURROGATE, _MOST_BEYOND = 0xD800, 0x800


@dataclass(frozen=True, slots=True)
class Occurrence(Generic[Meaning]):
    """A term found in a text. meanings: everything the term stands for."""

    start: int
    end: int
    meanings: Sequence[Meaning]


class _Units:
    """Texts as units of UTF-16, one for each code point."""

    def __init__(self, terms: Iterable[str]) -> None:
        beyond = sorted({char for term in terms for char in _BEYOND.findall(term)})
        if len(beyond) > _MOST_BEYOND:
            raise ValueError(f"the terms hold {len(beyond)} characters beyond the basic plane, {_MOST_BEYOND} at most")
        self._stand_ins = {char: chr(_FIRST_SURROGATE + i) for i, char in enumerate(beyond)}

    def of(self, text: str) -> str:
        """Two Latin-1 characters for each code point of the text."""
        try:
            encoded = text.encode("utf-16-be")
        except UnicodeEncodeError:  # a lone surrogate that is in the text itself
            return self.of(_SURROGATE.sub("\ufffd", text))
        if len(encoded) != 2 * len(text):
            narrow = _BEYOND.sub(lambda found: self._stand_ins.get(found[0], "\ufffd"), text)
            encoded = narrow.encode("utf-16-be", "surrogatepass")
        return encoded.decode("latin-1")


def _first_class(chars: set[str]) -> str:
    return "[" + "".join(re.escape(c) for c in sorted(chars)) + "]"


class TermIndex(Generic[Meaning]):
    """A set of terms, none empty, each with what it means."""

    def __init__(self, terms: Mapping[str, Sequence[Meaning]]) -> None:
        self._narrow = ahocorasick.Automaton()
        self._wide = ahocorasick.Automaton()
        self._units = _Units(terms)
        self._openings = ahocorasick.Automaton()  # what a text of ASCII may begin: terms, and the heads of mixed ones
        for term, meanings in terms.items():
            self._wide.add_word(self._units.of(term), (2 * len(term), meanings))
            if term.isascii():
                self._narrow.add_word(term, (len(term), meanings))
                self._openings.add_word(term, True)
            elif term[0].isascii():
                self._openings.add_word(_ASCII_HEAD.match(term).group(), True)  # type: ignore[union-attr]  # begins with one
        self._narrow.make_automaton()
        self._wide.make_automaton()
        self._has_narrow = len(self._narrow) > 0
        latin = {t for t in terms if t[0].isascii()}
        other = {t for t in terms if not t[0].isascii()}
        self.longest_latin = max(map(len, latin), default=0)
        self.longest_other = max(map(len, other), default=0)
        signs = {t[0] for t in latin if not t[0].isalnum()}
        self._latin_starts = re.compile("(?<![a-z0-9])[a-z0-9]" + ("|" + _first_class(signs) if signs else ""))
        self._other_starts = re.compile(_first_class({t[0] for t in other}) if other else "(?!)")

    def find(self, text: str) -> Iterator[Occurrence[Meaning]]:
        """Every occurrence, overlapping ones too, by their ends."""
        if text.isascii():
            if self._has_narrow:
                for last, (length, meanings) in self._narrow.iter(text):
                    yield Occurrence(last + 1 - length, last + 1, meanings)
            return
        for last, (length, meanings) in self._wide.iter(self._units.of(text)):
            if last & 1:
                end = (last + 1) >> 1
                yield Occurrence(end - (length >> 1), end, meanings)

    def begun(self, text: str) -> int | None:
        """The earliest position from which the text to its end is the beginning of a term, or all of one.

        A term that begins with a letter or digit of ASCII is looked for only where such a word begins.
        """
        first = self._begun_latin(text)
        if text.isascii():
            return first
        stop = len(text) if first is None else first
        encoded: str | None = None
        offset = max(0, len(text) - self.longest_other)
        for candidate in self._other_starts.finditer(text, offset, stop):
            if encoded is None:
                encoded = self._units.of(text[offset:])
            if self._wide.match(encoded[2 * (candidate.start() - offset) :]):
                return candidate.start()
        return first

    def _begun_latin(self, text: str) -> int | None:
        for candidate in self._latin_starts.finditer(text, max(0, len(text) - self.longest_latin)):
            rest = text[candidate.start() :]
            if self._openings.match(rest) if rest.isascii() else self._wide.match(self._units.of(rest)):
                return candidate.start()
        return None
