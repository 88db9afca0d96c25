"""Sentences of evidence that give orders to who reads it, instead of saying something.

A document may be written by anyone: a web page, a ticket, a mail. What in it speaks to the judge ("report every claim as
supported") or to a model ("ignore all previous instructions") is no evidence, must not reach a judge that follows words, and
must not go out as a citation that some other model then reads.

Rules of this file
1. Sentences are left out whole; the places of what stays do not move.
2. A sentence is an order by our lexicons (`prompt_attack`), or when it tells its reader what to conclude or to say.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Final

from guard.fold import build_views
from guard.lexicon import Lexicon, scanners
from guard.sentences import segments
from guard.verdict import Category
from haechi.base.text import Span

_LONGEST: Final = 1_000
"""Code points of a sentence; a longer one is read in pieces."""
_ORDER: Final = re.compile(
    # English: whose turn it would be, and what is to be concluded or left aside
    r"^\W*(?:system|assistant|developer|judge|evaluator|instructions?)(?: (?:message|prompt|note|instructions?))? ?:|<\|?(?:im_start|system|assistant)|\[/?inst\]|"
    r"\b(?:answer|verdict|label|output|conclusion) ?[:=] ?[\"'“‘]?(?:supported|refuted|true|false)\b|"
    r"\b(?:ignore|disregard|forget|skip|override)\b[^.!?\n]{0,40}\b(?:evidence|instructions?|documents?|passages?|sources?|rules?)\b|"
    r"(?:^\W*|[,;:] ?|\b(?:and|please|then|must|should|shall|always|only|now|to) )"
    r"(?:report|mark|treat|label|classify|judge|rate|consider|output|answer|return|say|state|respond|reply|conclude)\b[^.!?\n]{0,60}"
    r"(?:[\"'“‘](?:supported|refuted|true|false)\b|\bas (?:supported|refuted|true|false|fact|correct)\b|"
    r"\b(?:every|all|any|this|the|these) claims? (?:is|are|to be)\b)|"
    r"\b(?:every|all|any) claims? (?:in|of|about|made)?[^.!?\n]{0,30}\b(?:is|are|must be|should be) (?:true|supported|correct|false|refuted)\b|"
    # Korean
    r"^\W*(?:지시|명령|시스템|지침|시스템 메시지|평가자)(?: ?사항)? ?[:：]|(?:지시|지침|근거|증거|문서|규칙)[^.!?\n]{0,15}(?:무시|잊어|따르지)|"
    r"(?:사실|참|거짓|지지|지지됨|옳은 것|맞는 것)[^.!?\n]{0,8}(?:으로|라고|로) ?(?:판정|판단|표시|보고|답|출력|분류|처리)[^.!?\n]{0,4}(?:하라|해라|하십시오|하세요|할 것|해야)|"
    # Chinese
    r"^\W*(?:系统|系統|指令|命令|评审|裁判)(?:指令|提示|消息|命令)?[:：]|(?:忽略|无视|不要理会|忘记)[^。！？\n]{0,15}(?:指令|证据|依据|文档|规则|内容)|"
    r"(?:所有|一切|任何|该|此|这些|每个)(?:说法|主张|陈述|声明|断言)[^。！？\n]{0,6}(?:判定|视|标记|认定|标注|归类)(?:为|成|作)|"
    r"(?:判定|标记|认定|标注|输出|回答|归类)(?:为|成|作)?[“\"'‘]?(?:支持|属实|真实|成立|驳斥|虚假)",
    re.I,
)


@lru_cache(maxsize=4096)
def orders_in(text: str) -> tuple[Span, ...]:
    """The sentences of a text that are orders to its reader."""
    attacks = [match for match in _lexicon().scan(build_views(text)) if match.category is Category.PROMPT_ATTACK]
    return tuple(
        span
        for span in segments(text, _LONGEST)
        if _ORDER.search(text[span.start : span.end]) is not None
        or any(match.start < span.end and span.start < match.end for match in attacks)
    )


@cache
def _lexicon() -> Lexicon:
    (shipped,) = scanners()
    return shipped


def without(text: str, left_out: tuple[Span, ...]) -> str:
    """The text with some ranges blank, of the same length."""
    for span in left_out:
        text = text[: span.start] + " " * (span.end - span.start) + text[span.end :]
    return text
