"""Sentences written by hand to teach the name tagger: posts, chats, news and, above all, words that only look like names.

A line is a sentence: {person} [organisation] <place>. Lines that begin with `# ` explain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from guard.training.names.rows import Row, Span, part_by_hash
from haechi.base.text import Language

FOLDER = Path(__file__).parent
WRITTEN: Final = "written"
"""Begins the name of these rows' source: `written-zh`."""
_CHOOSE = 10  # one of so many is kept for choosing limits
_MARKED = re.compile(r"\{([^{}]+)\}|\[([^\[\]]+)\]|<([^<>]+)>")
_KINDS = ("PERSON", "ORGANIZATION", "LOCATION")


def written() -> list[Row]:
    """Every sentence of the three languages."""
    return [row for language in (Language.KOREAN, Language.CHINESE, Language.ENGLISH) for row in _rows(language)]


def _rows(language: Language) -> Iterator[Row]:
    for line in (FOLDER / f"{language.value}.txt").read_text("utf-8").splitlines():
        if not line.startswith("# "):
            text, spans = _read(line)
            yield Row(text, spans, language, f"{WRITTEN}-{language.value}", part_by_hash(text, _CHOOSE))


def _read(line: str) -> tuple[str, tuple[Span, ...]]:
    """The sentence without its marks, and where the names are."""
    text, at = "", 0
    spans: list[Span] = []
    for marked in _MARKED.finditer(line):
        text += line[at : marked.start()]
        name = next(filter(None, marked.groups()))
        spans.append((len(text), len(text) + len(name), _KINDS[(marked.lastindex or 1) - 1]))
        text += name
        at = marked.end()
    return text + line[at:], tuple(spans)
