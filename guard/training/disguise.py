"""Writes a text the way people write to slip past a filter; training rows and the evasion suite both use it.

Rules of this file
1. A disguise keeps what a human reader understands, so it keeps the label.
2. Every disguise takes its randomness from the generator passed in: the same seed, the same text.
"""

from __future__ import annotations

import base64
import codecs
import unicodedata
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np

from guard.hangul import CODAS, ONSETS, VOWELS
from guard.hanzi import SIMPLIFIED, SPLIT
from guard.keyboard import KEYS

Disguise = Callable[[str, np.random.Generator], str]

_HIDDEN = ("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad")
_SIGNS = (".", "*", "_", "-", "·", "|")
_LEET = {"a": "@4", "e": "3", "i": "1!", "o": "0", "s": "$5", "t": "7+", "l": "1"}
_HOMOGLYPH = {"a": "а", "e": "е", "o": "о", "p": "р", "c": "с", "y": "у", "x": "х", "i": "і", "s": "ѕ", "j": "ј"}
_RARE = frozenset("妳祂牠齣瞭衹祇咗冇嘅闆屄婬獃裏鷄僞旣昇湧")
_TRADITIONAL = {simple: chr(code) for code, simple in reversed(SIMPLIFIED.items()) if chr(code) not in _RARE}
_PICTURES = {
    "狗": "🐶", "猪": "🐷", "鸡": "🐔", "猴": "🐒", "屎": "💩", "蛆": "🐛", "鬼": "👻", "死": "💀", "滚": "🎲", "虫": "🐛", "牛": "🐮",
    "개": "🐶", "돼지": "🐷", "벌레": "🐛", "똥": "💩", "쥐": "🐀", "닭": "🐔", "원숭이": "🐒", "좆": "🍆", "fuck": "🖕", "shit": "💩",
    "dog": "🐶", "pig": "🐷", "monkey": "🐒", "rats": "🐀", "trash": "🗑", "clown": "🤡", "kill": "🔪", "dick": "🍆", "die": "💀",
}  # fmt: skip


def zero_width(text: str, rng: np.random.Generator) -> str:
    """Invisible characters between the letters."""
    return "".join(c + (_HIDDEN[rng.integers(len(_HIDDEN))] if rng.random() < 0.4 else "") for c in text)


def full_width(text: str, rng: np.random.Generator) -> str:
    """Printable ASCII in its full-width form."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def homoglyphs(text: str, rng: np.random.Generator) -> str:
    """Some Latin letters replaced by Cyrillic ones of the same shape."""
    return "".join(_HOMOGLYPH.get(c, c) if rng.random() < 0.5 else c for c in text)


def leet(text: str, rng: np.random.Generator) -> str:
    """Some Latin letters replaced by digits and signs."""
    return "".join(_LEET[c][rng.integers(len(_LEET[c]))] if c in _LEET and rng.random() < 0.4 else c for c in text)


def spaced(text: str, rng: np.random.Generator) -> str:
    """One word in four written with a blank or a sign between its letters."""
    gap = (" ", *_SIGNS)[rng.integers(1 + len(_SIGNS))]
    return " ".join(
        gap.join(w) if 2 < len(w) < 9 and w.isalpha() and rng.random() < 0.35 else w for w in text.split(" ")
    )


def signs_inside(text: str, rng: np.random.Generator) -> str:
    """A sign between neighbouring Hangul or Han characters."""
    sign = _SIGNS[rng.integers(len(_SIGNS))]
    out = []
    for here, after in zip(text, text[1:] + " ", strict=True):
        cjk = _is_cjk(here) and _is_cjk(after)
        out.append(here + (sign if cjk and rng.random() < 0.3 else ""))
    return "".join(out)


def split_jamo(text: str, rng: np.random.Generator) -> str:
    """Some Hangul syllables written as their separate letters."""
    return "".join(_letters(c) if "가" <= c <= "힣" and rng.random() < 0.3 else c for c in text)


def decomposed(text: str, rng: np.random.Generator) -> str:
    """Canonical decomposition: looks the same, other code points."""
    return unicodedata.normalize("NFD", text)


def drawn_out(text: str, rng: np.random.Generator) -> str:
    """Some letters repeated."""
    return "".join(c * int(rng.integers(2, 5)) if c.isalpha() and rng.random() < 0.08 else c for c in text)


def capitals(text: str, rng: np.random.Generator) -> str:
    """All capitals, or every other letter."""
    alternating = "".join(c.upper() if i % 2 else c.lower() for i, c in enumerate(text))
    return text.upper() if rng.random() < 0.5 else alternating


def emoji_between(text: str, rng: np.random.Generator) -> str:
    """An emoji behind some words."""
    faces = ("😂", "🤡", "🔥", "💀", "🙃")
    return " ".join(w + (faces[rng.integers(len(faces))] if rng.random() < 0.15 else "") for w in text.split(" "))


def traditional(text: str, rng: np.random.Generator) -> str:
    """Simplified characters in their traditional form."""
    return "".join(_TRADITIONAL.get(c, c) for c in text)


def split_radicals(text: str, rng: np.random.Generator) -> str:
    """Some Han characters written as their two halves."""
    return "".join(SPLIT[c] if c in SPLIT and rng.random() < 0.7 else c for c in text)


def homophones(text: str, rng: np.random.Generator) -> str:
    """Some Han characters replaced by common ones of the same sound."""
    out = []
    for char in text:
        others = _same_sound(char) if "一" <= char <= "鿿" and rng.random() < 0.25 else ""
        out.append(others[int(rng.integers(len(others)))] if others else char)
    return "".join(out)


def pinyin(text: str, rng: np.random.Generator) -> str:
    """Some Han characters written by their sound, in Latin letters without tones."""
    return "".join(_sound(c) if "一" <= c <= "鿿" and rng.random() < 0.25 else c for c in text)


def initials(text: str, rng: np.random.Generator) -> str:
    """A short Hangul word here and there written by its first letters."""
    words = text.split(" ")
    return " ".join(_first_letters(w) if 2 <= len(w) <= 3 and rng.random() < 0.15 else w for w in words)


def pictures(text: str, rng: np.random.Generator) -> str:
    """An emoji in place of the word it shows."""
    for word, face in _PICTURES.items():
        if word in text and rng.random() < 0.7:
            text = text.replace(word, face)
    return text


def keyboard(text: str, rng: np.random.Generator) -> str:
    """Hangul typed with the keyboard left in Latin letters."""
    return "".join("".join(KEYS[k] for k in _letters(c)) if "가" <= c <= "힣" else c for c in text)


def base64_wrapped(text: str, rng: np.random.Generator) -> str:
    """The whole text in Base64."""
    return base64.b64encode(text.encode("utf-8", "replace")).decode()


def hex_wrapped(text: str, rng: np.random.Generator) -> str:
    """The whole text as hexadecimal digits of its UTF-8 bytes."""
    return text.encode("utf-8", "replace").hex()


def rot13_wrapped(text: str, rng: np.random.Generator) -> str:
    """Latin letters moved by thirteen."""
    return codecs.encode(text, "rot13")


DISGUISES: Mapping[str, Disguise] = {
    "zero_width": zero_width,
    "full_width": full_width,
    "homoglyphs": homoglyphs,
    "leet": leet,
    "spaced": spaced,
    "signs_inside": signs_inside,
    "split_jamo": split_jamo,
    "decomposed": decomposed,
    "drawn_out": drawn_out,
    "capitals": capitals,
    "emoji_between": emoji_between,
    "traditional": traditional,
    "split_radicals": split_radicals,
    "homophones": homophones,
    "pinyin": pinyin,
    "initials": initials,
    "pictures": pictures,
}
"""What training rows are written in."""

WRAPPERS: Mapping[str, Disguise] = {
    "keyboard": keyboard,
    "base64": base64_wrapped,
    "hex": hex_wrapped,
    "rot13": rot13_wrapped,
}
"""What folding undoes for the whole text; nothing to be learnt from."""


def disguised(text: str, rng: np.random.Generator) -> str:
    """The text under one disguise chosen at random."""
    names = tuple(DISGUISES)
    chosen = DISGUISES[names[int(rng.integers(len(names)))]]
    return chosen(text, rng)


def _is_cjk(char: str) -> bool:
    return "가" <= char <= "힣" or "一" <= char <= "鿿"


def _letters(syllable: str) -> str:
    code = ord(syllable) - 0xAC00
    return ONSETS[code // 588] + VOWELS[code % 588 // 28] + CODAS[code % 28].strip()


def _first_letters(word: str) -> str:
    return "".join(ONSETS[(ord(c) - 0xAC00) // 588] if "가" <= c <= "힣" else c for c in word)


@cache
def _sound(char: str) -> str:
    """Toneless pinyin of a Han character; the character itself where it has none."""
    from pypinyin import lazy_pinyin

    return str(lazy_pinyin(char)[0])


@cache
def _by_sound() -> Mapping[str, str]:
    """The 3,755 commonest characters, by sound."""
    rows: dict[str, str] = {}
    for high in range(0xB0, 0xD8):
        for low in range(0xA1, 0xFF):
            char = bytes([high, low]).decode("gb2312", "ignore")
            if char:
                rows[_sound(char)] = rows.get(_sound(char), "") + char
    return rows


def _same_sound(char: str) -> str:
    return _by_sound().get(_sound(char), "").replace(char, "")
