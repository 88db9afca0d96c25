"""Whether words on a list are said, or only spoken about: quoted, reported, denied.

Rules of this file
1. Only a little is read on either side, and a stream holds the words until it has come: it sees what a whole text sees.
2. The answer never frees a text: it leaves the judgement to a classifier that reads the whole sentence.
"""

from __future__ import annotations

import re
from typing import Final

from guard.verdict import Category

BEFORE: Final = 64
AFTER: Final = 10
"""Code points before and behind the words that are read; behind them only where Hangul ends them, as Korean denies last."""
SPOKEN_ABOUT: Final = frozenset(
    {Category.TOXICITY, Category.HATE, Category.HARASSMENT, Category.VIOLENCE, Category.SELF_HARM}
)
"""Categories in which a mention is another thing than the deed; a crime that is asked for, or an attack on a model, is none."""

_REQUEST = re.compile(r"how (?:to|do|can)|(?:는|을|할) ?(?:방|법)|방법|怎么|如何|怎样|方法|教我", re.IGNORECASE)
"""In words that ask for instructions: what they ask for is the same in quotation marks."""
_SENTENCE_END = re.compile(r"[.!?](?=\s)|[。！？\n]")
# An apostrophe opens a quotation only where no word goes on with it ('cause, 'em) and none ends with it (kids').
_OPENED = re.compile(
    r"[“‘「『《][^”’」』》]*$|(?<![^\s(:，,\u3000-\u9fff\uac00-\ud7a3])(?:\"[^\"]*|'(?!cause|em\b|til)[^']*)$",
    re.IGNORECASE,
)
_REPORTED = re.compile(
    r"(?:(?<!\bi )(?<!\bwe )(?<!someone )(?<!somebody )"
    r"\b(?:saying|says|said|claiming|claims|claimed|argues|argued|wrote|shouted|yelled|heard"
    r"|idea|lie|myth|claim|rumou?r|prejudice|stereotype|slogan|slur|word|term|phrase|sentence|comment|post|tweet)"
    r"|\b(?:to|not|\w+n't|never|ever|who|you|anyone|still|just) (?:say|think|believe|claim|hear)"
    r"|\b(?:false|true|wrong)(?= that))"
    r"(?: that)?(?: all| the| of| these| those)*\s*$"
    r"|\b(?:be|being|been|was|were|is|are|gets?|getting|got) (?:\w+ly )?called (?:an? |such an? )?(?:\w+ )?$"
    r"|\bcall(?:ed|s|ing)? (?:me|us|her|him|them|my \w+|some\w+|anyone|people) (?:an? |the )?(?:\w+ )?$"
    r"|\b(?:threaten(?:ed|s|ing)?|vowed|planned|wanted) to \s*$",
    re.IGNORECASE,
)
_REPORTED_HAN = re.compile(
    r"(?:(?<!我)说|声称|认为|觉得|相信|以为|叫做|叫作|被叫|叫我|骂我|骂[他她人]|所谓|听到|威胁要)[^，,；;]{0,4}$"
)
_DENIED_HANGUL = re.compile(
    r"[가-힣]{0,2}(?:이|가|은|는)? ?아[니닙닌]|[가-힣]{0,3}[\"'”’」』]?(?:이?라|다)?는 ?(?:말|주장|소문|편견|댓글|표현|게시)"
)


def waits(raw: str, end: int) -> bool:
    """Whether what follows the words that end there may still turn them into a mention."""
    return len(raw) - end < AFTER and "가" <= raw[end - 1] <= "힣"


def is_mention(raw: str, start: int, end: int) -> bool:
    """Whether the words [start, end) stand in a quotation, or behind `saying that`, `was called`, `谁都没有资格说`."""
    if _REQUEST.search(raw, start, end) is not None:
        return False
    if "가" <= raw[end - 1] <= "힣" and _DENIED_HANGUL.match(raw[end : end + AFTER]) is not None:
        return True
    sentence = _SENTENCE_END.split(raw[max(0, start - BEFORE) : start])[-1]
    return any(sign.search(sentence) is not None for sign in (_OPENED, _REPORTED, _REPORTED_HAN))
