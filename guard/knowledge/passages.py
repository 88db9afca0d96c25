"""Cut a document into passages of a few sentences, each under the title it stands under."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from guard.sentences import segments

SHORT: Final = 300
"""Code points that neighbouring sentences of a passage fill together."""
LONG: Final = 600
"""Code points of the longest passage."""
_PARAGRAPH = re.compile(r"\n[ \t]*\n")
_UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")
"""What a text can hold and no database keeps; a reader of JSON may make it."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a document under one title. start: code points before it in the document's text."""

    title: str
    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Passage:
    """What is found and cited. start: code points before it in the document's text."""

    title: str
    text: str
    start: int


def passages(sections: Iterable[Section]) -> Iterator[Passage]:
    """The passages of a document in order; blanks around them are left out, no other character is lost.

    NUL and lone surrogates become U+FFFD.
    """
    for given in sections:
        section = Section(_UNKEEPABLE.sub("\ufffd", given.title), _UNKEEPABLE.sub("\ufffd", given.text), given.start)
        at = 0
        for end in (*(match.end() for match in _PARAGRAPH.finditer(section.text)), len(section.text)):
            yield from _of_paragraph(section, at, end)
            at = end


def _of_paragraph(section: Section, at: int, end: int) -> Iterator[Passage]:
    paragraph = section.text[at:end]
    for span in segments(paragraph, LONG, together=SHORT):
        piece = paragraph[span.start : span.end]
        text = piece.strip()
        if text:
            before = len(piece) - len(piece.lstrip())
            yield Passage(section.title, text, section.start + at + span.start + before)
