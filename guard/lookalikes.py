"""Letters that look like Latin letters, and characters that show nothing. Our own tables.

Rules of this file
1. Every pair maps one code point to one lower-case ASCII letter, so that folding keeps positions.
2. Only shapes that a reader would take for the letter are listed; a transliteration is not a look-alike.
"""

from __future__ import annotations

import unicodedata

_PAIRS = {
    # Cyrillic
    "a": "аА", "b": "вВьЬ", "c": "сС", "d": "ԁ", "e": "еЕёЁєЄ", "f": "ғ", "g": "ԍ", "h": "һҺнН", "i": "іІїЇ", "j": "јЈ",
    "k": "кКқ", "l": "ӏӀ", "m": "мМ", "n": "пП", "o": "оО", "p": "рР", "q": "ԛ", "r": "гГ", "s": "ѕЅ", "t": "тТ", "u": "ц",
    "w": "ԝшШ", "x": "хХҳ", "y": "уУүҮ",
}  # fmt: skip
_GREEK = {
    "a": "αΑ", "b": "βΒ", "e": "εΕ", "h": "Η", "i": "ιΙ", "k": "κΚ", "m": "Μ", "n": "ηΝ", "o": "οΟσ", "p": "ρΡ", "t": "τΤ",
    "u": "υμ", "v": "ν", "w": "ω", "x": "χΧ", "y": "γΥ", "z": "Ζ",
}  # fmt: skip
_LATIN = {
    "a": "ɑᴀ", "b": "ʙɓƀ", "c": "ᴄƈ", "d": "ᴅđɗð", "e": "ᴇɛəǝ", "f": "ꜰƒ", "g": "ɡɢɠ", "h": "ʜħɦ", "i": "ıɪɩ", "j": "ᴊȷ", "k": "ᴋƙ",
    "l": "ʟłƚ", "m": "ᴍ", "n": "ɴŋɲ", "o": "ᴏøɔ", "p": "ᴘþ", "q": "ɋ", "r": "ʀɾ", "s": "ꜱʂ", "t": "ᴛŧƭ", "u": "ᴜʋ", "v": "ᴠ", "w": "ᴡɯ",
    "y": "ʏɏ", "z": "ᴢƶ",
}  # fmt: skip
_SIGNS = {"c": "¢", "e": "€"}

# Characters that a reader does not see. Controls except tab and line ends, soft hyphen, joiners, direction marks,
# variation selectors, tags, Hangul and other fillers.
INVISIBLE = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
COMBINING = "\u0300-\u034e\u0350-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20f0\ufe20-\ufe2f"


def _accented() -> dict[int, str]:
    """Latin letters with marks, by their canonical base letter."""
    table: dict[int, str] = {}
    for code in (*range(0xC0, 0x250), *range(0x1E00, 0x1F00)):
        base = unicodedata.normalize("NFD", chr(code))[0].lower()
        if "a" <= base <= "z" and unicodedata.normalize("NFD", chr(code)) != chr(code):
            table[code] = base
    return table


def _enclosed() -> dict[int, str]:
    """Letters in black circles and squares and the regional indicators, which NFKC leaves alone."""
    table: dict[int, str] = {}
    for first in (0x1F150, 0x1F170, 0x1F1E6):
        table.update({first + i: chr(ord("a") + i) for i in range(26)})
    return table


def letters() -> dict[int, str]:
    """Code point of a look-alike to the ASCII letter it is taken for."""
    table = _accented() | _enclosed()
    for group in (_PAIRS, _GREEK, _LATIN, _SIGNS):
        for letter, alike in group.items():
            table.update({ord(c): letter for c in alike})
    return table


LEET = {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "@": "a", "$": "s", "!": "i", "|": "i"}
"""Digits and signs that are read as letters. Lexicons only: a number is not a word."""
