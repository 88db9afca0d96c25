"""One plain form of a text for the classifier: the same word written in disguise gives the same n-grams.

Rules of this file
1. Folding is a pure function of the text, linear in its length, and folding a folded text changes nothing that
   the classifier was trained on: training and inference call the same function.
2. What costs time runs only where a cheap search found a reason; plain text passes through quickly.
3. Positions are not kept: the classifier judges windows, it does not point at letters.
"""

from __future__ import annotations

import re
import unicodedata

import numpy as np

from guard import hangul, hanzi

_HIDDEN_CLASS = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff"
)
_HIDDEN = re.compile(f"[{_HIDDEN_CLASS}]+")
_UNUSUAL = re.compile("[^\x00-\x7f\u3002\u4e00-\u9fff\uac00-\ud7a3\u2014\u2018-\u201d]+")
"""Runs that compatibility normalisation may change; Hangul syllables and common Han are as they should be."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]+")
_MARKS = re.compile(r"(?<=[a-z])[\u0300-\u036f\u0483-\u0489\u20d0-\u20ff]+")
_ACCENTED = re.compile(r"[\u00c0-\u024f\u1e00-\u1eff]")

# Letters of other alphabets and symbols that look like a Latin letter, written out by hand from their shapes.
_LOOKALIKES = dict(
    zip(
        "аеорсухіјѕԁԛԝһкмнтвгґбпиоьӏαεορτυχικνηωβγδθμπσςžæøœđłħɑɡɩʀɴʜᴀᴄᴅᴇᴊᴋʟᴍᴏᴘꜱᴛᴜᴠᴡʏᴢⅼⅰⅴⅹ",
        "aeopcyxijsdqwhkmhtbrrbnuoblaeoptuxikvnwbydomnccz@@@dlhagirnhacdejklmopstuvwyzlivx",
        strict=False,
    )
)
_LOOKALIKES.update({"æ": "ae", "ø": "o", "œ": "oe", "ß": "ss", "ð": "d", "þ": "p", "€": "e", "£": "l", "¢": "c"})
_LOOKALIKE = re.compile("[" + "".join(_LOOKALIKES) + "]")
_LOOKALIKE_TABLE = {ord(a): b.lower() for a, b in _LOOKALIKES.items()}
_TRADITIONAL = re.compile("[" + "".join(map(chr, hanzi.SIMPLIFIED)) + "]")
_JOINED = {halves: char for char, halves in hanzi.SPLIT.items()}
_HALVES = re.compile("|".join(sorted(_JOINED, key=len, reverse=True)))
_RADICAL = re.compile(f"[{hanzi.RADICALS}]")
_JAMO_RUN = re.compile("[\u3131-\u3163]{2,}")
_JAMO_PAIR = re.compile("[\u3131-\u314e][\u314f-\u3163]")
_ENCLOSED = {0x1F170: "a", 0x1F171: "b", 0x1F17E: "o", 0x1F17F: "p"}
_ENCLOSED.update({0x1F150 + i: chr(97 + i) for i in range(26)})
_ENCLOSED.update({code: chr(97 + code - 0x1F170) for code in range(0x1F170, 0x1F18A) if code not in _ENCLOSED})
_ENCLOSED_SEEN = re.compile("[\U0001f150-\U0001f189]")

_LINK = re.compile(r"https?://\S+|www\.\S+")
_USER = re.compile(r"(?<![\w@.])@\w{3,30}(?![\w@$!])")
_BLANKS = re.compile(r"\s+")
_LETTER = r"[^\W\d_]"
_SEPARATORS = " \t.-_*·|/~,^'+"
_SPACED = re.compile(rf"(?<!\w){_LETTER}([ \t.\-_*·|/~,^'+]{{1,2}}){_LETTER}(?:\1{_LETTER})+(?!\w)")
_IS_SEPARATOR = np.zeros(256, dtype=bool)
_IS_SEPARATOR[[ord(sign) for sign in _SEPARATORS]] = True
_CJK_SIGN = re.compile(r"[*·_\-^|/\\~`.+=@#$%&!1;:'\"]{1,2}")
_CJK = re.compile("[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3\u4e00-\u9fff]")
_SIGN = re.compile(r"[013457@$!+|]+")
_STARTS = frozenset({"@", "$", "0", "5"})
_ENDS = frozenset({"@", "$", "0", "3", "5", "$$", "@$$", "55", "+"})
_SIGN_TABLE = str.maketrans("013457@$!+|", "oieastasitl")


def fold(text: str) -> str:
    """The text in lower case, with compatibility forms, invisible characters and disguises undone.

    Returns: text without leading or trailing blanks; blanks inside are single spaces; links become "url",
    user names "user"; a character repeated more than twice is kept twice.
    """
    if not text.isascii():
        text = _plain(text)
    text = text.lower()
    if not text.isprintable():
        text = _BLANKS.sub(" ", _CONTROL.sub("", text))
    if "://" in text or "www." in text:
        text = _LINK.sub(" url ", text)
    if "@" in text:
        text = _USER.sub("user", text)
    text = _squeeze(text)
    if not text.isascii():
        text = _CJK_SIGN.sub(_close_gap, text)
    text = _SIGN.sub(_unleet, text)
    return _BLANKS.sub(" ", text).strip() if "  " in text else text.strip()


def _squeeze(text: str) -> str:
    """Runs of one character cut to two, and single letters set apart (`i d i o t`, `개.새.끼`) put together."""
    codes = np.frombuffer(text.encode("utf-32-le", "replace"), dtype=np.uint32)
    if codes.size < 3:
        return text
    kept = np.ones(codes.size, dtype=bool)
    same = codes[1:] == codes[:-1]
    kept[2:] = ~(same[1:] & same[:-1])
    if not kept.all():
        codes = codes[kept]
        text = codes.tobytes().decode("utf-32-le")
    if codes.size >= 5:
        apart = _IS_SEPARATOR[np.minimum(codes, 255)]
        if (~apart[:-4] & apart[1:-3] & ~apart[2:-2] & apart[3:-1] & ~apart[4:]).any() or "  " in text:
            text = _SPACED.sub(_join, text)
    return text


def _plain(text: str) -> str:
    """NFKC without invisible characters, with look-alike letters in Latin words made Latin."""
    if _ENCLOSED_SEEN.search(text) is not None:
        text = text.translate(_ENCLOSED)
    text = _HIDDEN.sub("", text)
    if _JAMO_PAIR.search(text) is not None:
        text = _JAMO_RUN.sub(_composed, text)
    text = _HIDDEN.sub("", _UNUSUAL.sub(_compatible, text)).lower()
    if _ACCENTED.search(text) is not None:
        text = _without_accents(text)
    text = _MARKS.sub("", text)
    if _LOOKALIKE.search(text) is not None:
        text = text.translate(_LOOKALIKE_TABLE)
    if _TRADITIONAL.search(text) is not None:
        text = text.translate(hanzi.SIMPLIFIED)
    if _RADICAL.search(text) is not None:  # on its own: not in ordinary text
        text = _HALVES.sub(lambda found: _JOINED[found[0]], text)
    return text


def _composed(found: re.Match[str]) -> str:
    """Loose Hangul letters as the syllables that they spell."""
    return "".join(part.text for part in hangul.compose(found[0]))


def _compatible(found: re.Match[str]) -> str:
    return unicodedata.normalize("NFKC", found[0])


def _without_accents(text: str) -> str:
    """Latin letters without their marks; Hangul and Han untouched."""
    return _ACCENTED.sub(lambda found: unicodedata.normalize("NFD", found[0])[0], text)


def _join(found: re.Match[str]) -> str:
    return found[0].replace(found[1], "")


def _close_gap(found: re.Match[str]) -> str:
    """Nothing in place of a sign that stands between two Hangul or Han characters; else the sign."""
    text, start, end = found.string, found.start(), found.end()
    inside = start > 0 and end < len(text) and _CJK.match(text, start - 1) and _CJK.match(text, end)
    return "" if inside else found[0]


def _unleet(found: re.Match[str]) -> str:
    """The letters meant by signs inside, before or behind the Latin letters of a word; else the signs."""
    text, start, end, signs = found.string, found.start(), found.end(), found[0]
    before = start > 0 and "a" <= text[start - 1] <= "z"
    after = end < len(text) and "a" <= text[end] <= "z"
    if (before and after) or (after and signs in _STARTS) or (before and signs in _ENDS):
        return signs.translate(_SIGN_TABLE)
    return signs
