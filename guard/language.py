"""Which of our languages a text is written in, by its letters. Enough to pick a rule's override."""

from __future__ import annotations

import re

from haechi.base.text import Language

_KOREAN = re.compile("[ㄱ-ㅣ가-힣]")
_KANA = re.compile("[\u3041-\u30ff]")
_HAN = re.compile("[\u3400-\u9fff]")
_LATIN = re.compile("[A-Za-z]")
_LATIN_WORD = re.compile("[A-Za-z]+")
_HANGUL_WORD = re.compile("[가-힣]+")


def language_of(text: str) -> Language:
    """Korean when it has Hangul, Chinese when it has Han and no kana, English when it has Latin letters."""
    if _KOREAN.search(text) is not None:
        return Language.KOREAN
    if _HAN.search(text) is not None and _KANA.search(text) is None:
        return Language.CHINESE
    return Language.ENGLISH if _LATIN.search(text) is not None else Language.OTHER


def words_by_language(text: str) -> dict[Language, float]:
    """About how many words of a text are in each of our languages, by their letters; two Han characters are a word."""
    return {
        Language.ENGLISH: float(len(_LATIN_WORD.findall(text))),
        Language.KOREAN: float(len(_HANGUL_WORD.findall(text))),
        Language.CHINESE: len(_HAN.findall(text)) / 2,
    }
