"""Deny a Chinese sentence, or affirm one that denies, where just one word of it decides: `是` and `不是`."""

from __future__ import annotations

import re
from typing import Final

_NO_MEETING: Final = "不社机機理大员員晚宴协協学學议議集国國工教开開约約聚商体體领領"
"""Before 会 in nouns and verbs of other meanings."""
_CHINESE: Final = (
    (re.compile(r"(?<![不只就还總总要但可凡算于於老])是(?![否非])"), "不是"),
    (re.compile(r"不是"), "是"),
    (re.compile(r"(?<![不可只性功智技才未])能(?![力够量源夠])|(?<!不)能[够夠]"), "不能"),
    (re.compile(r"不能"), "能"),
    (re.compile(r"(?<!不)可以"), "不可以"),
    (re.compile(r"不可以"), "可以"),
    (re.compile(rf"(?<![{_NO_MEETING}])会(?![议議员員计計场場谈談见見长長])"), "不会"),
    (re.compile(r"不会"), "会"),
    (re.compile(r"(?<!不)需要"), "不需要"),
    (re.compile(r"不需要|不用|不必"), "需要"),
    (re.compile(r"(?<!不)[应應][该該]"), "不应该"),
    (re.compile(r"(?<![没沒所只拥擁具享含现現国國占唯还還])有(?![关關些时時的效限名趣所])"), "没有"),
)
"""Where a denial is made or taken away, and what stands there then."""


def denied(sentence: str) -> str | None:
    """The sentence denied, or affirmed where it denies, where just one place of it says which."""
    places = [(found.span(), instead) for pattern, instead in _CHINESE for found in pattern.finditer(sentence)]
    if len(places) != 1 or sentence.endswith(("？", "?")):
        return None
    (start, end), instead = places[0]
    return sentence[:start] + instead + sentence[end:]
