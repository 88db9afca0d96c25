"""Which language the classifier should judge a text in, by its letters; or that it cannot judge it at all.

Rules of this file
1. A text mostly in letters that were never trained on is refused, whatever else stands in it.
2. A text without letters (figures, punctuation, a few emoji) is judged as English: there is nothing to misread in it. A message told in
   pictures alone (`pictures.py`) is refused: there is, and nobody has learnt to read it.
"""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import numpy.typing as npt

from guard.classifier.errors import LanguageNotCovered
from guard.classifier.pictures import is_told_in_pictures
from haechi.base.text import Language

_HANGUL = ((0x1100, 0x11FF), (0x3131, 0x318E), (0xA960, 0xA97C), (0xAC00, 0xD7FF), (0xFFA1, 0xFFDC))
_HAN = ((0x3005, 0x3005), (0x3007, 0x3007), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF))
_LATIN = (
    (0x41, 0x5A),
    (0x61, 0x7A),
    (0xC0, 0x24F),
    (0x1E00, 0x1EFF),
    (0xFF21, 0xFF3A),
    (0xFF41, 0xFF5A),
    (0x1D400, 0x1D7CB),
)
_KANA = ((0x3041, 0x30FA), (0x30FC, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F))
_OTHER_LETTER = re.compile(
    "[^\\W\\d_\u0041-\u007a\u00c0-\u024f\u1100-\u11ff\u1e00-\u1eff\u3005\u3007\u3041-\u30ff\u3131-\u318e\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97c\uac00-\ud7ff\uf900-\ufaff\uff21-\uff3a\uff41-\uff5a\uff66-\uffdc"
    "\U0001d400-\U0001d7cb\U00020000-\U000323af]"
)
_NEUTRAL = (
    (0x00, 0x40),
    (0x5B, 0x60),
    (0x7B, 0xBF),
    (0x2000, 0x206F),
    (0x2600, 0x27BF),
    (0x3000, 0x3004),
    (0x3008, 0x301F),
    (0xFE00, 0xFE0F),
    (0xFF00, 0xFF20),
)
_KINDS = (_NEUTRAL, _HANGUL, _HAN, _LATIN, _KANA)
_ELSEWHERE = len(_KINDS)
_LATIN_LETTER = re.compile("[A-Za-z\u00c0-\u024f]")
_STRANGE_SHARE = 0.35
"""Above this share of letters in other scripts a text is refused. Look-alike letters in a disguised English word stay
below it in a sentence; a sentence in another language with a Latin name in it stays above."""
_KANA_SHARE = 0.2
"""Japanese mixes kana with Han; Chinese text does not reach this share of kana."""


def judged_language(text: str) -> Language:
    """The language whose weights and thresholds apply: ko, zh or en.

    Raises:
        LanguageNotCovered: when the letters are mostly of other scripts, or there are none and pictures tell something.
    """
    if text.isascii():
        return Language.ENGLISH
    codes = np.frombuffer(text.encode("utf-32-le", "replace"), dtype=np.uint32)
    counts = np.bincount(_KIND_OF.take(np.minimum(codes, 0xFFFF)), minlength=_ELSEWHERE + 1)
    _, hangul, han, latin, kana, elsewhere = (int(n) for n in counts)
    strange = 0
    if elsewhere:
        strange = len(_OTHER_LETTER.findall(text))
        han += _beyond(codes, _HAN)
        latin += _beyond(codes, _LATIN)
    letters = hangul + han + latin + kana + strange
    if not letters and is_told_in_pictures(text) and not any(map(str.isdigit, text)):
        raise LanguageNotCovered(
            "the text is told in emoji alone",
            hint="have somebody look at it, or name a classifier for it in the policy",
        )
    if kana > _KANA_SHARE * letters:
        raise LanguageNotCovered(
            "the text is written in kana", hint="name a classifier for this language in the policy"
        )
    if strange > _STRANGE_SHARE * letters and not _disguised(text, latin):
        raise LanguageNotCovered(
            "most letters of the text are of a script that the embedded classifier does not know",
            hint="name a classifier for this language in the policy",
        )
    if hangul and hangul * 4 >= han:
        return Language.KOREAN
    return Language.CHINESE if han * 6 >= latin and han else Language.ENGLISH


def _disguised(text: str, latin: int) -> bool:
    """Whether foreign letters stand inside Latin words, as they do when someone hides a word, not in words of their own."""
    words = [word for word in text.split() if _strange_in(word)] if latin else []
    mixed = sum(1 for word in words if _LATIN_LETTER.search(word) is not None)
    return mixed > 2 * (len(words) - mixed)


def _strange_in(word: str) -> bool:
    return any(
        c.isalpha() and unicodedata.name(c, "").startswith(("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE")) for c in word
    )


def _beyond(codes: npt.NDArray[np.uint32], ranges: tuple[tuple[int, int], ...]) -> int:
    """How many code points above the basic plane are in the ranges."""
    high = codes[codes > 0xFFFF]
    return sum(int(np.count_nonzero((high >= low) & (high <= top))) for low, top in ranges if low > 0xFFFF)


def _kind_table() -> npt.NDArray[np.uint8]:
    table = np.full(0x10000, _ELSEWHERE, dtype=np.uint8)
    for kind, ranges in enumerate(_KINDS):
        for low, top in ranges:
            if low < 0xFFFF:
                table[low : min(top, 0xFFFE) + 1] = kind
    return table


_KIND_OF = _kind_table()
"""Script of every code point of the basic plane; 0xFFFF stands for everything above it."""
