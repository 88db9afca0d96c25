"""One plain form of a text for the classifier: the same word written in disguise gives the same n-grams.

Rules of this file
1. Folding is a pure function of the text, linear in its length, and folding a folded text changes nothing that
   the classifier was trained on: training and inference call the same function.
2. What costs time runs only where a cheap search found a reason; plain text passes through quickly. A search may find a reason
   that is none, and must find every one that is one.
3. Characters that fold whatever stands beside them are looked up at once (`characters.py`).
4. Positions are not kept: the classifier judges windows, it does not point at letters.
"""

from __future__ import annotations

import re
import unicodedata

import numpy as np

from guard import hangul, hanzi
from guard.classifier.characters import CJK, DIGIT, LETTER, MIDDLE_DOT, UNKNOWN, Characters, codes_of, kinds_of

_HIDDEN_CLASS = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff"
)
_HIDDEN = re.compile(f"[{_HIDDEN_CLASS}]+")
_UNUSUAL = re.compile("[^\x00-\x7f\u3002\u4e00-\u9fff\uac00-\ud7a3\u2014\u2018-\u201d]+")
"""Runs that compatibility normalisation may change; Hangul syllables and common Han are as they should be."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]+")
_MARK = "[\u0300-\u036f\u0483-\u0489\u20d0-\u20ff]"
_MARKS = re.compile(f"(?<=[a-z]){_MARK}+")
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
_LETTER = r"[^\W\d_]"
_SEPARATORS = " \t.-_*·|/~,^'+"
_SPACED = re.compile(rf"(?<!\w){_LETTER}([ \t.\-_*·|/~,^'+]{{1,2}}){_LETTER}(?:\1{_LETTER})+(?!\w)")
_CJK_SIGNS = "*·_-^|/\\~`.+=@#$%&!1;:'\""
_SIGN = re.compile(r"[013457@$!+|]+")
_STARTS = frozenset({"@", "$", "0", "5"})
_ENDS = frozenset({"@", "$", "0", "3", "5", "$$", "@$$", "55", "+"})
_SIGN_TABLE = str.maketrans("013457@$!+|", "oieastasitl")


def _kinds(**kinds: str) -> bytes:
    """A table for `bytes.translate` from characters and kinds of characters to the few kinds that a search tells apart.

    kinds: by the letter that stands for it, the characters of each kind; `o` stands for all others, `u` for what is not known.
    """
    table = bytearray(b"o" * 256)
    table[UNKNOWN] = ord("u")
    for kind, chars in kinds.items():
        for char in chars.replace("·", chr(MIDDLE_DOT)):
            table[ord(char)] = ord(kind)
    return bytes(table)


_LATIN = "abcdefghijklmnopqrstuvwxyz"
# s: separator, w: letter, d: else part of a word. What stands before the first letter is no part of a word, nor what is behind the third.
_LETTERS_APART = _kinds(s=_SEPARATORS, w=_LATIN + _LATIN.upper() + chr(LETTER) + chr(CJK), d="0123456789" + chr(DIGIT))
_ONE_BETWEEN = re.compile(b"wswsw(?<=[so]wswsw)[so]")
_TWO_BETWEEN = b"wsswssw"
_SEPARATED = _kinds(s=_SEPARATORS)
_SIGNS_IN_CJK = _kinds(s=_CJK_SIGNS, c=chr(CJK))
_GAP = re.compile(b"s(?<=cs)s?(?=c)")
# a: letter; b: sign that stands for one before or behind letters, e: only behind them; s: only inside a word.
_SIGNS_IN_LATIN = _kinds(a=_LATIN, b="@$05", e="3+", s="147!|")
_IN_WORD = re.compile(b"b(?:a|(?<=ab))|e(?<=ae)|s(?<=as)[bes]*a")


def fold(text: str) -> str:
    """The text in lower case, with compatibility forms, invisible characters and disguises undone.

    Returns: text without leading or trailing blanks; blanks inside are single spaces; links become "url",
    user names "user"; a character repeated more than twice is kept twice.
    """
    text = text.lower() if text.isascii() else _plain(text)
    if not text.isprintable():
        text = " ".join(_CONTROL.sub("", text).split())
    if "://" in text or "www." in text:
        text = _LINK.sub(" url ", text)
    if "@" in text:
        text = _USER.sub("user", text)
    text = _squeeze(text)
    kinds = kinds_of(text)
    if _may_be_set_apart(text, kinds):
        text = _SPACED.sub(_join, text)
        kinds = kinds_of(text)
    if not text.isascii():
        whole, text = text, _without_gaps(text, kinds)
        kinds = kinds if text is whole else kinds_of(text)
    if _may_hold_leet(kinds):
        text = _SIGN.sub(_unleet, text)
    return " ".join(text.split()) if "  " in text else text.strip()


def _squeeze(text: str) -> str:
    """Runs of one character cut to two."""
    codes = np.frombuffer(text.encode("ascii"), dtype=np.uint8) if text.isascii() else codes_of(text)
    same = codes[1:] == codes[:-1]
    if b"\1\1" not in same.tobytes():
        return text
    kept = np.ones(codes.size, dtype=bool)
    kept[2:] = ~(same[1:] & same[:-1])
    return codes[kept].tobytes().decode("ascii" if text.isascii() else "utf-32-le")


def _may_be_set_apart(text: str, kinds: bytes) -> bool:
    """Whether single letters may be set apart (`i d i o t`, `개.새.끼`).

    Letters with two signs between count only where one character is set apart by single signs, or two blanks follow each other.
    """
    letters = b"o" + kinds.translate(_LETTERS_APART) + b"o"
    if _ONE_BETWEEN.search(letters) is not None:
        return True
    if _TWO_BETWEEN not in letters and b"u" not in letters:
        return False
    return b"ososo" in kinds.translate(_SEPARATED).replace(b"u", b"o") or "  " in text


def _may_hold_leet(kinds: bytes) -> bool:
    """Whether signs may stand for letters inside, before or behind the Latin letters of a word."""
    return _IN_WORD.search(kinds.translate(_SIGNS_IN_LATIN)) is not None


def _without_gaps(text: str, kinds: bytes) -> str:
    """The text without the one or two signs that stand between two Hangul or Han characters (`개.새.끼`)."""
    kept, end = [], 0
    for gap in _GAP.finditer(kinds.translate(_SIGNS_IN_CJK)):
        kept.append(text[end : gap.start()])
        end = gap.end()
    return "".join([*kept, text[end:]]) if kept else text


def _plain(text: str) -> str:
    """NFKC in lower case without invisible characters, with look-alike letters in Latin words made Latin."""
    found = _CHARACTERS.folded(text)
    return _by_rules(text) if found is None else found


def _by_rules(text: str) -> str:
    """What `_plain` does, whatever the characters."""
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
    return text.lower()


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


def _unleet(found: re.Match[str]) -> str:
    """The letters meant by signs inside, before or behind the Latin letters of a word; else the signs."""
    text, start, end, signs = found.string, found.start(), found.end(), found[0]
    before = start > 0 and "a" <= text[start - 1] <= "z"
    after = end < len(text) and "a" <= text[end] <= "z"
    if (before and after) or (after and signs in _STARTS) or (before and signs in _ENDS):
        return signs.translate(_SIGN_TABLE)
    return signs


_CHARACTERS = Characters.by(_by_rules, re.compile(f"{_MARK}|[{hanzi.RADICALS}]"))
