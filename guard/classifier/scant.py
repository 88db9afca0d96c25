"""Texts that are too short to be judged by what was learnt: a word says little, and the heads have learnt from sentences.

Rules of this file
1. Of single words of ordinary text the heads would block 2 % in English, 3 in Korean, and a third of Chinese pieces of two and three
   characters. Words that are harmful by themselves are on the word lists, which read everything.
2. Whether a text is scant depends on how much it says, not on what.
"""

from __future__ import annotations

import re

from guard.classifier.folding import fold
from haechi.base.text import Language

FEW_CHARACTERS = 4
"""Chinese characters up to which a text is scant."""
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_LETTER = re.compile(r"[^\W_]")


def is_scant(text: str, language: Language) -> bool:
    """Whether a text is one word, or at most FEW_CHARACTERS of Chinese."""
    folded = fold(text)
    if language is Language.CHINESE:
        return len(_LETTER.findall(folded)) <= FEW_CHARACTERS
    return len(_WORD.findall(folded)) <= 1
