"""A text as the encoder of the name tagger sees it: word pieces with their places.

Rules of this file
1. Training and use call the same function.
2. A piece never holds both the end of a name and what follows it, as far as that can be seen without knowing the name:
   a Korean piece that ends a word with a particle or a title is read letter by letter, so is a Chinese one with 的 at
   its edge.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_HANGUL_END = frozenset("은는이가을를의에도와과로께만씨님군양아야랑나고라며요")
_CHINESE_EDGE = frozenset("的")
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_GAP = "\u2581"
_CJK = re.compile("[가-힣\u3400-\u9fff]{2,}")


@dataclass(frozen=True, slots=True)
class Pieces:
    """ids: of the vocabulary. Piece i is text[starts[i]:ends[i]]: in order, apart, without space at its beginning."""

    ids: list[int]
    starts: list[int]
    ends: list[int]


def pieces(tokenizer: Tokenizer, text: str) -> Pieces:
    """The word pieces of a text."""
    encoded = tokenizer.encode(_HALF_PAIR.sub("\ufffd", text), add_special_tokens=False)
    made = Pieces([], [], [])
    gap = tokenizer.token_to_id(_GAP)
    read = 0  # pieces of one character may share its place
    for number, (start, end) in zip(encoded.ids, encoded.offsets, strict=True):
        start = max(start, read)
        while start < end and text[start].isspace():
            start += 1
        if start >= end or number == gap:
            continue
        read = end
        if end - start > 1 and _is_mixed(text, start, end):
            for at in range(start, end):
                single = tokenizer.token_to_id(text[at])
                _add(made, number if single is None else single, at, at + 1)
        else:
            _add(made, number, start, end)
    return made


def _add(made: Pieces, number: int, start: int, end: int) -> None:
    made.ids.append(number)
    made.starts.append(start)
    made.ends.append(end)


def _is_mixed(text: str, start: int, end: int) -> bool:
    """Whether the end of a name may lie inside the piece."""
    if _CJK.fullmatch(text, start, end) is None:
        return False
    first, last = text[start], text[end - 1]
    if "가" <= last <= "힣":
        return last in _HANGUL_END and not "가" <= text[end : end + 1] <= "힣"
    return first in _CHINESE_EDGE or last in _CHINESE_EDGE
