"""Search terms of Korean, Chinese and English text. The same function makes the index and the query.

Han and kana: pairs of neighbouring characters. Hangul: the word without its particle, and pairs of syllables, so that
other endings and compounds are found. Latin letters: words in lower case without the plural. Numbers: without separators.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

_RUN = re.compile(
    r"(?P<number>\d+(?:,\d{3})*(?:\.\d+)?)|(?P<hangul>[가-힣]+)|(?P<han>[\u3041-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]+)"
    r"|(?P<word>[^\W\d_\u3041-\u30ff\u3400-\u9fff가-힣\U00020000-\U0003ffff]+)"
)
_PARTICLE = re.compile(
    "(?<=[가-힣]{2})(?:에서는|에게서|으로는|으로서|으로써|에서|에게|으로|까지|부터|처럼|보다|이라고|라고|이다|은|는|이|가|을|를|의|에|와|과|도|로|만)$"
)
_LONGEST: Final = 40
"""Characters of a term; a longer word is cut."""


def terms(text: str) -> Iterator[str]:
    """Every term of a text in order, with repetitions."""
    for run in _RUN.finditer(unicodedata.normalize("NFKC", text).lower()):
        found = run[0]
        if run["number"]:
            yield found.replace(",", "")[:_LONGEST]
        elif run["word"]:
            yield _singular(found)[:_LONGEST]
        elif len(found) == 1:
            yield found
        else:
            if run["hangul"] and len(found) > 2:
                stem = _PARTICLE.sub("", found)
                if len(stem) > 2:
                    yield stem[:_LONGEST]
            yield from (found[i : i + 2] for i in range(len(found) - 1))


def _singular(word: str) -> str:
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    return word[:-3] + "y" if word.endswith("ies") and len(word) > 4 else word[:-1]
