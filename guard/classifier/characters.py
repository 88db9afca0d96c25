"""What folding makes of single characters, looked up for a whole text at once.

Rules of this file
1. The tables are made by the rules they stand for (`folding.py` passes them in), so that there is one description of folding.
2. Where what becomes of a character may depend on its neighbours, or on anything not in the tables, the answer is None, and
   the rules themselves are asked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint32]

_MIXED = tuple(
    range(first, last + 1)
    for first, last in (
        (0x0000, 0x052F),  # Latin, Greek and Cyrillic with their marks
        (0x1100, 0x11FF),  # Hangul letters
        (0x1E00, 0x2BFF),  # Latin and Greek with marks, punctuation, symbols
        (0x2E80, 0x33FF),  # radicals, East Asian punctuation, kana, loose Hangul letters, enclosed forms
        (0xD800, 0xDFFF),  # lone surrogates
        (0xF900, 0xFFFF),  # compatibility forms
        (0x1F000, 0x1FAFF),  # emoji, letters in boxes
    )
)
"""Code points in the tables; others are for the rules."""
_EVEN = (range(0x4E00, 0xA000), range(0xAC00, 0xD7A4))
"""Han and Hangul syllables are in the tables too: each becomes one character, and is joined to none."""
_SIZE = 0x1FB01  # the last entry stands for all that come after

# In place of the code point that a character becomes; above all of those.
_NOTHING = 0x110000
_VOWEL = 0x200000  # added to what a loose Hangul vowel becomes, where it is not behind a consonant
_SEVERAL = 0x400000
_DEPENDS = 0x800000

_FEW = 8
"""Different characters of a text that become several; each costs a look at the whole text."""

_LOOSE_VOWELS = range(0x314F, 0x3164)
_LOOSE_CONSONANTS = range(0x3131, 0x314F)
_ONSETS = range(0x1100, 0x1113)
_INNER_LETTERS = range(0x1160, 0x1200)

OTHER, LETTER, CJK, DIGIT, MIDDLE_DOT, UNKNOWN = 0x80, 0x81, 0x82, 0x83, 0x84, 0xFF
"""Kinds of characters that are not ASCII: signs, letters, Hangul and Han letters, what else belongs to a word, `·`, not in the table."""


def codes_of(text: str) -> Codes:
    """Its code points, lone surrogates among them."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def kinds_of(text: str) -> bytes:
    """One byte for each character: an ASCII character is its own kind, the others are of the kinds above."""
    return text.encode("ascii") if text.isascii() else _KINDS.take(codes_of(text), mode="clip").tobytes()


@dataclass(frozen=True, slots=True)
class Characters:
    """What becomes of each character by itself.

    becomes: by code point, what stands in its place, or one of the signs above. expanded: characters that become several.
    """

    becomes: Codes
    expanded: dict[str, str]

    def folded(self, text: str) -> str | None:
        """The text with every character in its plain form; None where that takes more than a look at each by itself."""
        codes = codes_of(text)
        found = self.becomes.take(codes, mode="clip")
        most = int(found.max(initial=0))
        if most >= _NOTHING:
            if most >= _DEPENDS:
                return None
            if most >= _SEVERAL:
                several = set(codes[found == _SEVERAL].tolist())
                return self.folded(self._expanded(text, several)) if len(several) <= _FEW else None
            nothing = found == _NOTHING
            if most >= _VOWEL:
                vowels = found >= _VOWEL
                if nothing.any() or _follows_a_consonant(codes, vowels):
                    return None
                found[vowels] -= np.uint32(_VOWEL)
            found = found[~nothing]
        return found.tobytes().decode("utf-32-le")

    def _expanded(self, text: str, codes: set[int]) -> str:
        for code in codes:
            text = text.replace(chr(code), self.expanded[chr(code)])
        return text

    @classmethod
    def by(cls, plain: Callable[[str], str], beside: re.Pattern[str]) -> Characters:
        """The tables of a way to fold.

        plain: folds a text, each line as if the others were not there. beside: finds one character that `plain`, having
        normalised it, judges by what stands beside it.
        """
        becomes = np.full(_SIZE, _DEPENDS, dtype=np.uint32)
        becomes[ord("\n")] = ord("\n")
        for codes in _EVEN:
            lines = "\n".join(map(chr, codes))
            folded = plain(lines)
            becomes[codes.start : codes.stop] = codes_of(folded)[::2]
            for found in (*beside.finditer(lines), *beside.finditer(folded)):
                becomes[codes.start + found.start() // 2] = _DEPENDS
        chars = [chr(code) for codes in _MIXED for code in codes if chr(code) != "\n"]
        forms = dict(zip(chars, plain("\n".join(chars)).split("\n"), strict=True))
        alone = {c: form for c, form in forms.items() if not (_leans(c) or beside.match(c) or beside.search(form))}
        fixed = {char for char, form in alone.items() if char == form}
        expanded = {char: form for char, form in alone.items() if len(form) > 1 and fixed.issuperset(form)}
        for char, form in alone.items():
            if len(form) < 2:
                becomes[ord(char)] = ord(form) if form else _NOTHING
        for char in expanded:
            becomes[ord(char)] = _SEVERAL
        for code in _LOOSE_VOWELS:
            becomes[code] = _VOWEL + ord(forms[chr(code)])
        return cls(becomes, expanded)


def _follows_a_consonant(codes: Codes, vowels: npt.NDArray[np.bool_]) -> bool:
    """Whether a loose vowel stands right behind a loose consonant, so that the two are a syllable."""
    before = codes[:-1][vowels[1:]]
    first, end = _LOOSE_CONSONANTS.start, _LOOSE_CONSONANTS.stop
    return bool(((before >= first) & (before < end)).any())


def _leans(char: str) -> bool:
    """Whether normalisation may join a character to one beside it.

    Marks and Hangul vowels and codas may be joined to what stands before, onsets to a loose vowel behind; loose consonants are
    onsets too, but `_follows_a_consonant` looks for those.
    """
    parts = unicodedata.normalize("NFKD", char)
    if unicodedata.category(parts[0])[0] == "M" or ord(parts[0]) in _INNER_LETTERS:
        return True
    return ord(parts[-1]) in _ONSETS and ord(char) not in _LOOSE_CONSONANTS


def _kind(char: str) -> int:
    """The kind of a character that is not ASCII; what `re` takes for a letter is one here."""
    if char == "·":
        return MIDDLE_DOT
    if not char.isalnum():
        return OTHER
    return DIGIT if char.isdecimal() else LETTER


def _kinds() -> npt.NDArray[np.uint8]:
    kinds = np.full(_SIZE, UNKNOWN, dtype=np.uint8)
    kinds[:128] = np.arange(128)
    for codes in _MIXED:
        start = max(codes.start, 128)
        kinds[start : codes.stop] = [_kind(chr(code)) for code in range(start, codes.stop)]
    for first, last in ((0x1100, 0x11FF), (0x3131, 0x318E), (0xAC00, 0xD7A3), (0x4E00, 0x9FFF)):
        kinds[first : last + 1] = CJK
    return kinds


_KINDS = _kinds()
