"""Where sentences end, in Korean, Chinese and English. Used to decide when a text is worth a model's judgement."""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.base.text import Span

# A full stop ends a sentence when a blank follows, so that 3.14 and example.com are left whole; the marks of Chinese
# and the line end need nothing behind them. Closing quotes and brackets belong to the sentence.
_END = re.compile(r"(?:[.!?…]+[\"'”’)\]]*(?=\s)|[。！？；]+[”’」』）]*|\n+)\s*")


def last_end(text: str) -> int:
    """Code points up to the end of the last complete sentence; 0 when there is none."""
    end = 0
    for match in _END.finditer(text):
        end = match.end()
    return end


def segments(text: str, longest: int) -> Iterator[Span]:
    """The sentences of a text; one longer than `longest` code points is cut there. Covers the whole text."""
    start = 0
    for match in _END.finditer(text):
        yield from _cut(start, match.end(), longest)
        start = match.end()
    yield from _cut(start, len(text), longest)


def _cut(start: int, end: int, longest: int) -> Iterator[Span]:
    while start < end:
        stop = min(end, start + longest)
        yield Span(start, stop)
        start = stop
