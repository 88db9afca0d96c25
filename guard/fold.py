"""Make a text plain and folded without losing positions: `build_views`.

Steps: (1) NFKC and dropping of what nobody sees give the plain view; (2) case, look-alike letters, loose Hangul
letters and traditional characters give the folded view. Leetspeak and inserted separators are the lexicon's own business,
see guard/tight.py. ASCII takes a fast path. Every step is linear in the length of the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from guard import hangul, hanzi, lookalikes
from guard.views import MappedText, TextViews

# Where compatibility characters live; only those that NFKC changes are taken from these ranges.
_COMPATIBLE_RANGES = (
    (0xA0, 0x100), (0x132, 0x200), (0x2B0, 0x2E5), (0x1D2C, 0x1DC0), (0x2000, 0x2C00), (0x2C7C, 0x2C7E), (0x2E80, 0x2FE0),
    (0x3000, 0x3100), (0x3192, 0x3400), (0xA69C, 0xA69E), (0xF900, 0xFE00), (0xFE10, 0xFE70), (0xFF01, 0xFFA0),
    (0xFFE0, 0xFFEF), (0x1D400, 0x1D800), (0x1F100, 0x1F14F), (0x1F16A, 0x1F170), (0x1F190, 0x1F191), (0x2F800, 0x2FA20),
)  # fmt: skip
# Full-width punctuation is in every Chinese sentence; replaced up front it needs no position map.
_KEPT = {0x2026}  # the ellipsis is three full stops under NFKC; it is common, never inside a word, and cheaper to keep
_PUNCTUATION = tuple((c, unicodedata.normalize("NFKC", c)) for c in "，！：；？（）\u3000\xa0")
_CONJOINING = "\u1100-\u115e\u1161-\u11ff"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def _char_class(codes: Iterable[int]) -> str:
    """The inside of a regular expression class for the code points, as ranges."""
    ordered = sorted(codes)
    parts: list[str] = []
    first = last = ordered[0]
    for code in [*ordered[1:], 0x7FFFFFFF]:
        if code != last + 1:
            parts.append(re.escape(chr(first)) + ("-" + re.escape(chr(last)) if last > first else ""))
            first = code
        last = code
    return "".join(parts)


def _basic(inside: str) -> str:
    """A class without its ranges beyond the basic plane; those make a class slow."""
    return inside.split("\U0001d173")[0]


def _nfkc_changes() -> Iterator[int]:
    for start, end in _COMPATIBLE_RANGES:
        for code in range(start, end):
            if unicodedata.normalize("NFKC", chr(code)) != chr(code) and code not in _KEPT:
                yield code


_CHANGES = _char_class(_nfkc_changes())
_HALF_JAMO = _char_class(hangul.HALF_WIDTH)
_SPECIAL = re.compile(
    f"(?P<hidden>[{lookalikes.INVISIBLE}]+)|(?P<marked>[^\\s{lookalikes.COMBINING}{lookalikes.INVISIBLE}{_CONJOINING}]"
    f"[{lookalikes.COMBINING}]+)|(?P<jamo>[{_CONJOINING}]+)|(?P<half>[{_HALF_JAMO}])|(?P<other>[{_CHANGES}])"
)
# The same set as one class: a search for it tells most texts apart in one pass.
_ANY_SPECIAL = re.compile(
    f"[{_basic(lookalikes.INVISIBLE)}{lookalikes.COMBINING}{_CONJOINING}{_HALF_JAMO}{_char_class(c for c in _nfkc_changes() if c < 0x10000)}]"
)
_ANY_BEYOND = re.compile("[\U00010000-\U0010ffff]")
_SYLLABLE = re.compile("[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?|[\\s\\S]")
_LETTERS = lookalikes.letters() | hanzi.SIMPLIFIED
_ANY_LETTER = re.compile(f"[{_char_class(_LETTERS)}]")
_LOOSE = re.compile(f"[{lookalikes.COMBINING}]+|[ㄱ-ㅣ]{{2,}}")
_ANY_LOOSE = re.compile(f"[{lookalikes.COMBINING}]|[ㄱ-ㅎ][ㅏ-ㅣ]")


@dataclass(frozen=True, slots=True)
class _Piece:
    """Each code point of `text` stands for the original range [start, end)."""

    text: str
    start: int
    end: int


def _rewrite(text: str, pattern: re.Pattern[str], pieces: Callable[[re.Match[str]], Iterable[_Piece]]) -> MappedText:
    """Replace every match by its pieces and remember where everything came from."""
    out: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    for match in pattern.finditer(text):
        begin, end = match.span()
        if begin > at:
            out.append(text[at:begin])
            starts.extend(range(at, begin))
            ends.extend(range(at + 1, begin + 1))
        for piece in pieces(match):
            out.append(piece.text)
            starts.extend([piece.start] * len(piece.text))
            ends.extend([piece.end] * len(piece.text))
        at = end
    if at < len(text):
        out.append(text[at:])
        starts.extend(range(at, len(text)))
        ends.extend(range(at + 1, len(text) + 1))
    return MappedText("".join(out), tuple(starts), tuple(ends))


@lru_cache(maxsize=4096)
def _nfkc(cluster: str) -> str:
    return unicodedata.normalize("NFKC", cluster)


def _plain_pieces(match: re.Match[str]) -> Iterable[_Piece]:
    """What one run of special characters looks like in the plain view."""
    found = match.group()
    begin, end = match.span()
    if match.lastgroup == "hidden":
        return ()
    if match.lastgroup == "jamo":
        return [
            _Piece(_loose_letters(part.group()), begin + part.start(), begin + part.end())
            for part in _SYLLABLE.finditer(found)
        ]
    if match.lastgroup == "half":
        return (_Piece(hangul.HALF_WIDTH[ord(found)], begin, end),)
    return (_Piece(_nfkc(found), begin, end),)


def _loose_letters(cluster: str) -> str:
    """A composed syllable, or the letter as people type it."""
    composed = unicodedata.normalize("NFC", cluster)
    return hangul.CONJOINING.get(ord(composed), composed) if len(composed) == 1 else composed


def _folded_pieces(match: re.Match[str]) -> Iterable[_Piece]:
    """Marks go; loose Hangul letters become syllables where a vowel allows."""
    found = match.group()
    if found[0] < "ㄱ" or found[0] > "ㅣ":
        return ()
    begin = match.start()
    return [_Piece(c.text, begin + c.start, begin + c.end) for c in hangul.compose(found)]


def _plain(raw: str) -> MappedText:
    text = raw
    for wide, narrow in _PUNCTUATION:
        text = text.replace(wide, narrow)
    if _ANY_SPECIAL.search(text) is None and _ANY_BEYOND.search(text) is None:
        return MappedText(text)
    return _rewrite(text, _SPECIAL, _plain_pieces)


def _folded(plain: MappedText) -> MappedText:
    text = plain.text
    if _ANY_LETTER.search(text) is not None:
        text = text.translate(_LETTERS)
    text = text.lower().replace("\n", " ").replace("\t", " ").replace("\r", " ")
    if len(text) != len(plain.text):  # a capital whose small form is longer and which the letter table does not know
        text = "".join(low if len(low := c.lower()) == 1 else c for c in plain.text)
    same = MappedText(text, plain.starts, plain.ends)
    if _ANY_LOOSE.search(text) is None:
        return same
    return same.over(_rewrite(text, _LOOSE, _folded_pieces))


def build_views(text: str) -> TextViews:
    """The views of a text. Takes any `str`, lone surrogates and controls included."""
    if text.isascii() and (text.isprintable() or _CONTROL.search(text) is None):
        plain = MappedText(text)
        folded = MappedText(text.lower().replace("\n", " ").replace("\t", " ").replace("\r", " "))
    else:
        plain = _plain(text)
        folded = _folded(plain)
    return TextViews(text, plain, folded)
