"""Which language the classifier should judge a text in, by its letters; or that it cannot judge it at all.

Rules of this file
1. A text mostly in letters that were never trained on is refused, whatever else stands in it.
2. A text without letters (figures, emoji, punctuation) is judged as English: there is nothing to misread in it.
"""

from __future__ import annotations

import re
import unicodedata

from guard.classifier.errors import LanguageNotCovered
from haechi.base.text import Language

_HANGUL = re.compile("[\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7ff\uffa1-\uffdc]+")
_HAN = re.compile("[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]+")
_LATIN = re.compile("[A-Za-z\u00aa\u00ba\u00c0-\u024f\u1e00-\u1eff\uff21-\uff3a\uff41-\uff5a\U0001d400-\U0001d7cb]+")
_LETTER = re.compile(r"[^\W\d_]+")
_KANA = re.compile("[\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f]+")
_STRANGE_SHARE = 0.35
"""Above this share of letters in other scripts a text is refused. Look-alike letters in a disguised English word stay
below it in a sentence; a sentence in another language with a Latin name in it stays above."""
_KANA_SHARE = 0.2
"""Japanese mixes kana with Han; Chinese text does not reach this share of kana."""


def judged_language(text: str) -> Language:
    """The language whose weights and thresholds apply: ko, zh or en.

    Raises:
        LanguageNotCovered: when the letters are mostly of other scripts.
    """
    if text.isascii():
        return Language.ENGLISH
    letters = _count(_LETTER, text)
    if letters == 0:
        return Language.ENGLISH
    hangul, han, latin = _count(_HANGUL, text), _count(_HAN, text), _count(_LATIN, text)
    if _count(_KANA, text) > _KANA_SHARE * letters:
        raise LanguageNotCovered(
            "the text is written in kana", hint="name a classifier for this language in the policy"
        )
    strange = letters - hangul - han - latin
    if strange > _STRANGE_SHARE * letters and not _disguised(text, latin, strange):
        raise LanguageNotCovered(
            "most letters of the text are of a script that the embedded classifier does not know",
            hint="name a classifier for this language in the policy",
        )
    if hangul and hangul * 4 >= han:
        return Language.KOREAN
    return Language.CHINESE if han * 6 >= latin and han else Language.ENGLISH


def _disguised(text: str, latin: int, strange: int) -> bool:
    """Whether foreign letters stand inside Latin words, as they do when someone hides a word, not in words of their own."""
    if not latin:
        return False
    mixed = sum(1 for word in text.split() if _LATIN.search(word) is not None and _strange_in(word))
    foreign = sum(1 for word in text.split() if _LATIN.search(word) is None and _strange_in(word))
    return mixed > 2 * foreign


def _strange_in(word: str) -> bool:
    return any(
        c.isalpha() and unicodedata.name(c, "").startswith(("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE")) for c in word
    )


def _count(pattern: re.Pattern[str], text: str) -> int:
    return sum(len(run) for run in pattern.findall(text))
