"""Writes a text the way people write to slip past a filter; training rows and the evasion suite both use it.

Rules of this file
1. A disguise keeps what a human reader understands, so it keeps the label.
2. Every disguise takes its randomness from the generator passed in: the same seed, the same text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping

import numpy as np

Disguise = Callable[[str, np.random.Generator], str]

_HIDDEN = ("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad")
_SIGNS = (".", "*", "_", "-", "·", "|")
_LEET = {"a": "@4", "e": "3", "i": "1!", "o": "0", "s": "$5", "t": "7+", "l": "1"}
_HOMOGLYPH = {"a": "а", "e": "е", "o": "о", "p": "р", "c": "с", "y": "у", "x": "х", "i": "і", "s": "ѕ", "j": "ј"}
_LEADS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_TAILS = ("", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")


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
}


def disguised(text: str, rng: np.random.Generator) -> str:
    """The text under one disguise chosen at random."""
    names = tuple(DISGUISES)
    chosen = DISGUISES[names[int(rng.integers(len(names)))]]
    return chosen(text, rng)


def _is_cjk(char: str) -> bool:
    return "가" <= char <= "힣" or "一" <= char <= "鿿"


def _letters(syllable: str) -> str:
    code = ord(syllable) - 0xAC00
    letters: str = _LEADS[code // 588] + _VOWELS[code % 588 // 28] + _TAILS[code % 28]
    return letters
