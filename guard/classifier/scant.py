"""Texts that are too short to be judged by what was learnt: a word says little, and the heads have learnt from sentences.

Rules of this file
1. Of single words of ordinary text the heads would block 2 % in English, 3 in Korean, and a third of Chinese pieces of two and three
   characters. Words that are harmful by themselves are on the word lists, which read everything.
2. Whether a text is scant depends on how much it says, not on what.
3. A sentence written without blanks is no word: what is longer than words are is judged.
"""

from __future__ import annotations

import re

from guard.classifier.folding import fold
from haechi.base.text import Language

LONGEST = {Language.ENGLISH: 14, Language.KOREAN: 5, Language.CHINESE: 4}
"""Letters and digits up to which a text can be scant."""
_ARTICLES = frozenset({"a", "an", "the", "some"})
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_LETTER = re.compile(r"[^\W_]")


def is_scant(text: str, language: Language) -> bool:
    """Whether a text is one word, with or without an article, and no longer than words are; in Chinese, whether it is as short as that."""
    folded = fold(text)
    if len(_LETTER.findall(folded)) > LONGEST[language]:
        return False
    words = [word for word in _WORD.findall(folded) if word not in _ARTICLES]
    return language is Language.CHINESE or len(words) <= 1
