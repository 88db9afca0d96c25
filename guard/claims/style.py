"""Korean words that differ in style alone: level of speech, contraction, order of neighbours with case particles.

`했습니다`, `했어요` and `하였다` say what `했다` says; `서울에서 회의가` says what `회의가 서울에서` says. A claim is shown to the
encoder as its passage would write it, so that manners do not look like a changed word.

Rules of this file
1. Grammar only: no word is exchanged for another one, and tense, negation, number and case stay what they are.
2. The claim changes only towards words that stand in the passage; without such words it is returned as it came.
"""

from __future__ import annotations

import itertools
import re
from functools import lru_cache
from typing import Final

_WORD: Final = re.compile(r"[가-힣]+")
_FIRST: Final = 0xAC00
_VOWELS, _FINALS = 21, 28
_SILENT: Final = 11
"""Number of the initial that is not spoken: a syllable with it begins with its vowel."""
_FINAL_N, _FINAL_B = 4, 17
_PAST: Final = {18, 20}
"""Finals ㅄ and ㅆ, after which `어요` is an ending."""
_A, _EO, _YEO, _O, _WA, _OE, _WAE, _U, _WO, _I = 0, 4, 6, 8, 9, 11, 10, 13, 14, 20
_MERGED: Final = {
    (_A, _A): _A,
    (_EO, _EO): _EO,
    (_I, _EO): _YEO,
    (_O, _A): _WA,
    (_U, _EO): _WO,
    (_OE, _EO): _WAE,
}
"""A vowel and the one after it that are spoken as one: `보았` is `봤`, `되어` is `돼`."""
_HA_YEO: Final = re.compile("하(?=[여였])")
_WHOLE: Final = {"이러한": "이런", "그러한": "그런", "저러한": "저런", "어떠한": "어떤"}
_CASE: Final = re.compile("[가-힣]{2,}(에서는|에서|에게|까지|부터|으로|은|는|이|가|을|를|에|로)$")


def as_written(claim: str, passage: str) -> str:
    """The claim with its Korean words, and the order of two neighbours, as the passage writes them where that is all that differs."""
    theirs = _WORD.findall(passage)
    there = set(theirs)
    forms: dict[str, str] = {}
    for word in theirs:
        forms.setdefault(plain_form(word), word)

    def instead(match: re.Match[str]) -> str:
        word = match[0]
        return word if word in there else forms.get(plain_form(word), word)

    return _ordered(_WORD.sub(instead, claim), passage) if forms else claim


def _ordered(claim: str, passage: str) -> str:
    """Neighbours that each carry a particle of case in the passage's order: there they stand the other way round."""
    words = claim.split(" ")
    beside = set(itertools.pairwise(passage.split()))
    for i, (one, next_one) in enumerate(itertools.pairwise(words)):
        if (next_one, one) in beside and (one, next_one) not in beside and _two_cases(one, next_one):
            words[i], words[i + 1] = next_one, one
            return " ".join(words)
    return claim


def _two_cases(one: str, other: str) -> bool:
    mine, theirs = _CASE.match(one), _CASE.match(other)
    return mine is not None and theirs is not None and mine[1] != theirs[1]


@lru_cache(maxsize=4096)
def plain_form(word: str) -> str:
    """What a Korean word is compared by when style does not count: contracted, and its last ending without level of speech."""
    return _WHOLE.get(word) or _level(_contracted(word))


def _contracted(word: str) -> str:
    said = _HA_YEO.sub("\0", word)
    found: list[str] = []
    for sign in said:
        if found and found[-1] == "\0":
            found[-1] = _syllable(18, 1, _parts(sign)[2])  # 하 and 여 are 해
            continue
        if not found or sign == "\0":
            found.append(sign)
            continue
        (head, vowel, end), (silent, after, last) = _parts(found[-1]), _parts(sign)
        merged = _MERGED.get((vowel, after)) if not end and silent == _SILENT else None
        if merged is None:
            found.append(sign)
        else:
            found[-1] = _syllable(head, merged, last)
    short = "".join(found)
    return short[:-1] if short.endswith("해서") else short


def _level(word: str) -> str:
    """`합니다`, `한다`, `해요` and `하다` as `하다`; the tense before the ending stays."""
    if len(word) < 2:
        return word
    for ending in ("습니다", "는다"):
        if word.endswith(ending) and len(word) > len(ending):
            return word[: -len(ending)] + "다"
    for ending, final in (("니다", _FINAL_B), ("다", _FINAL_N)):
        stem = word[: -len(ending)]
        if word.endswith(ending) and stem and _parts(stem[-1])[2] == final:
            return stem[:-1] + _syllable(*_parts(stem[-1])[:2], 0) + "다"
    if word.endswith("해요"):
        return word[:-2] + "하다"
    if word.endswith("어요") and len(word) > 2 and _parts(word[-3])[2] in _PAST:
        return word[:-2] + "다"
    return word


def _parts(sign: str) -> tuple[int, int, int]:
    """Numbers of initial, vowel and final of a syllable."""
    code = ord(sign) - _FIRST
    return code // (_VOWELS * _FINALS), code // _FINALS % _VOWELS, code % _FINALS


def _syllable(head: int, vowel: int, end: int) -> str:
    return chr(_FIRST + (head * _VOWELS + vowel) * _FINALS + end)
