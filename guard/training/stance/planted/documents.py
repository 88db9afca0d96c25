"""Sentences of ordinary text that state something, with what stands around them.

Rules of this file
1. A document belongs to one part for ever, by a hash: what is measured was never planted into for training.
2. Rows that are single sentences make a document of `_RUN` neighbours.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from guard.claims.worth import Kind, kind_of
from guard.sentences import segments
from guard.training.errors import TrainingDataMissing
from guard.training.stance.pairs import Part
from haechi.base.text import Language

LICENCES: Final = {
    "en_bold_wikipedia": "CC-BY-SA-4.0",
    "en_c4_pages": "ODC-BY-1.0",
    "en_wikipedia_articles": "CC-BY-SA",
    "multi_news_koen": "CC-BY-SA-3.0",
    "multi_ud": "CC-BY-SA-4.0",
    "multi_xquad": "CC-BY-SA-4.0",
    "zh_news": "Apache-2.0",
    "zh_ud_extra": "CC-BY-SA-4.0",
}
"""Files of ordinary text whose sentences state things, and their licences."""
_RUN: Final = 8
_MOST: Final = 12
"""Sentences that one document gives at most."""
_LENGTHS: Final = {Language.ENGLISH: (40, 220), Language.KOREAN: (18, 110), Language.CHINESE: (14, 90)}
_PARTS: Final = (Part.DEV, Part.BLEND, Part.FIT, Part.FIT, Part.FIT)
_END: Final = re.compile(r"[.。!！][\"”’')]*$")
_UNFIT: Final = re.compile(r"https?:|[\n\t@#|]|[?？]|\.\.\.|…")


@dataclass(frozen=True, slots=True)
class Document:
    """Sentences in their order. usable: numbers of those that state something checkable."""

    language: Language
    name: str
    part: Part
    sentences: tuple[str, ...]
    usable: tuple[int, ...]


def documents(data: Path) -> list[Document]:
    """Every document of ordinary text.

    Raises:
        TrainingDataMissing: when the folder has none.
    """
    found: list[Document] = []
    for name in LICENCES:
        path = data / "safe_text" / f"{name}.jsonl.gz"
        if path.is_file():
            found += _documents(path, name)
    if not found:
        raise TrainingDataMissing(f"{data / 'safe_text'} holds no text", hint="--data names the folder with safe_text/")
    return found


def _documents(path: Path, name: str) -> Iterator[Document]:
    singles: dict[str, list[str]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            row = json.loads(line)
            if row["domain"] == "question":
                continue
            text = re.sub(r"[ \u3000\xa0]+", " ", row["text"])
            cut = [text[s.start : s.end].strip() for s in segments(text[:6000], 400)]
            if len(cut) > 2:
                yield from _document(Language(row["lang"]), f"{name}:{number}", cut)
            else:
                singles.setdefault(row["lang"], []).append(text.strip())
    for lang, rows in singles.items():
        for at in range(0, len(rows), _RUN):
            yield from _document(Language(lang), f"{name}:{lang}:{at}", rows[at : at + _RUN])


def _document(language: Language, name: str, sentences: Sequence[str]) -> Iterator[Document]:
    usable = [i for i, s in enumerate(sentences) if states(s, language)][:_MOST]
    if usable:
        part = _PARTS[hashlib.sha256(name.encode()).digest()[0] % len(_PARTS)]
        yield Document(language, name, part, tuple(sentences), tuple(usable))


def states(sentence: str, language: Language) -> bool:
    """Whether a sentence is whole, of usual length, and says something that could be checked."""
    low, high = _LENGTHS[language]
    if not low <= len(sentence) <= high or _UNFIT.search(sentence) or not _END.search(sentence):
        return False
    return kind_of(sentence, language) is Kind.CLAIM
