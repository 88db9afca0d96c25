"""Where sentences end, in Korean, Chinese and English. Used to decide when a text is worth a model's judgement.

Rules of this file
1. A sentence that is cut in two can be misjudged, two that are left together hardly: in doubt there is no end.
2. Whether a text ends somewhere depends on what stands before, and on one character behind: a stream finds the same ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from haechi.base.text import Span

# A full stop ends a sentence when a blank follows, so that 3.14 and example.com are left whole; the marks of Chinese
# need nothing behind them. Closing quotes and brackets belong to the sentence. Korean that is written without marks ends
# with its verb.
_END = re.compile(
    r"(?P<mark>[.!?…]+[\"'”’)\]]*(?=\s)|[。！？；｡]+[\"'”’」』）]*|"
    r"(?P<verb>(?:니다|[어아여해에예세네군지까나데래]요|[이였었았했한된는겠있없]다|잖아|구나|거야|거든|[할을]게)(?=[ \t]))|"
    r"(?P<line>\n))\s*"
)
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)", re.M)
_SHORT_WORDS: Final = (
    "mr mrs ms dr prof rev gen sen rep sgt capt lt col st sr jr vs cf fig figs no nos vol pp ed eds al inc ltd co corp dept"
    " univ approx est e.g i.e jan feb mar apr jun jul aug sep sept oct nov dec mt ave blvd ca viz ph.d"
)
_ABBREVIATED: Final = frozenset(_SHORT_WORDS.split())
_WORD_BEFORE = re.compile(r"[A-Za-z.]{1,12}$")
_INITIALS = re.compile(r"(?:[A-Za-z]\.)*[A-Z]$")
_NUMBERED = re.compile(r"(?:^|\n)[ \t]*(?:\d{1,3}|[A-Za-z]|[ivx]{1,4})$")
_WRAPPED: Final = 60
"""A line of at least so many code points that ends inside a sentence was broken to fit, as in mail."""
_LONG_KOREAN: Final = 30
"""Code points from which a verb without a mark is taken for an end."""


def ends(text: str) -> Iterator[int]:
    """Where each complete sentence of a text ends, blanks behind it included."""
    start = 0
    code = _code(text)
    for match in _END.finditer(text):
        while code and code[-1].end <= match.start() + 1:
            code.pop()
        inside = bool(code) and code[-1].start < match.start()
        if _is_end(text, match, start, inside=inside):
            start = match.end()
            yield start


def last_end(text: str) -> int:
    """Code points up to the end of the last complete sentence; 0 when there is none."""
    end = 0
    for found in ends(text):
        end = found
    return end


def segments(text: str, longest: int, *, together: int = 0) -> Iterator[Span]:
    """The sentences of a text; one longer than `longest` code points is cut there. Covers the whole text.

    together: neighbouring sentences are one segment as long as they have no more code points than this.
    """
    start = previous = 0
    for end in (*ends(text), len(text)):
        if end - start > together and previous > start:
            yield from _cut(start, previous, longest)
            start = previous
        if not together:
            yield from _cut(start, end, longest)
            start = end
        previous = end
    yield from _cut(start, len(text), longest)


def _cut(start: int, end: int, longest: int) -> Iterator[Span]:
    while start < end:
        stop = min(end, start + longest)
        yield Span(start, stop)
        start = stop


def _code(text: str) -> list[Span]:
    """Where code blocks are, fences included, the last one first; one that is still open goes beyond the end."""
    fences = [match.start() for match in _FENCE.finditer(text)]
    beyond = len(text) + 2
    return [
        Span(first, text.find("\n", second) + 1 or beyond if second >= 0 else beyond)
        for first, second in zip(fences[::2], [*fences[1::2], -1], strict=False)
    ][::-1]


def _is_end(text: str, match: re.Match[str], start: int, *, inside: bool) -> bool:
    """Whether a sentence that began at `start` ends with this match. inside: it stands in a code block."""
    at = match.start()
    if inside:
        return text.count("\n", at, match.end()) > 1
    if match["verb"]:
        return at - start >= _LONG_KOREAN
    if match["line"]:
        return not _is_wrapped(text[start:at], match[0])
    return match["mark"] != "." or not _is_abbreviated(text[max(start, at - 16) : at])


def _is_abbreviated(before: str) -> bool:
    """Whether the full stop behind these characters belongs to a word or to the number of a list item."""
    if _NUMBERED.search(before):
        return True
    word = _WORD_BEFORE.search(before)
    return word is not None and (word[0].lower() in _ABBREVIATED or _INITIALS.fullmatch(word[0]) is not None)


def _is_wrapped(sentence: str, blank: str) -> bool:
    """Whether a line end is only where a long line was broken."""
    line = sentence[sentence.rfind("\n") + 1 :]
    return (
        "\n" not in blank[1:]
        and len(line) >= _WRAPPED
        and line[-1:].isascii()
        and (line[-1].isalnum() or line[-1] == ",")
    )
