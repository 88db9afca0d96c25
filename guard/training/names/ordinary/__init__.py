"""Ordinary texts of the shared data: some with the names in them marked by hand, others that have none.

`measured.txt` tells rows, and the names in them: to measure on and for nothing else. They were marked before a tagger had
read the rows. So does `measured2.txt`: Korean rows that nobody had read before weights 2026.11-7 were final. `nameless.txt`, `taught.txt` and `posts.txt` tell other rows, that teach and choose limits. The texts are in
the shared data alone.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from guard.training.errors import TrainingDataMissing
from guard.training.names.rows import Part, Row, Span, part_by_hash
from haechi.base.text import Language

FOLDER = Path(__file__).parent
MEASURED: Final = "measured.txt"
SECOND: Final = "measured2.txt"
"""Files of marked rows: the first sample, read at every version; the second, of 2026.11-7."""
ORDINARY: Final = "ordinary"
"""Begins the name of the source of rows without a name: `ordinary-zh`."""
TAUGHT: Final = "taught"
"""Begins the name of the source of rows in which every name is marked: `taught-ko`."""
POSTS: Final = "posts"
"""Begins the name of the source of posts that were chosen because a tagger saw a person there: `posts-zh`."""
_CHOOSE = 10  # one of so many is kept for choosing limits
_CHOOSE_TAUGHT = 4
_CHOOSE_POSTS = 5
_KINDS = {"[": "ORGANIZATION", "<": "LOCATION"}
_MARKS = "[]<>"
_COLUMNS = ("text", "claim", "prompt")


@dataclass(frozen=True, slots=True)
class Marked:
    """Texts of one language, with the persons in them, or with all names: `everything` says which."""

    source: str
    language: Language
    everything: bool
    rows: tuple[Row, ...]


def marked(data: Path, file: str = MEASURED) -> list[Marked]:
    """Every part of a sample. data: the folder of the shared data. file: MEASURED or SECOND.

    Raises:
        TrainingDataMissing: when a file is not there, or a name not in its row.
    """
    made: list[Marked] = []
    lines = (FOLDER / file).read_text("utf-8").splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("= ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        source, language, length, kinds = lines[start].removeprefix("= ").split(" ")
        texts = _texts(data / f"{source}.jsonl.gz")
        rows = tuple(_rows(lines[start + 1 : end], texts, Language(language), source, int(length)))
        made.append(Marked(source, Language(language), kinds == "all", rows))
    return made


def nameless(data: Path) -> list[Row]:
    """Rows without a name. data: the folder of the shared data.

    Raises:
        TrainingDataMissing: when a file is not there.
    """
    made: list[Row] = []
    for line in (FOLDER / "nameless.txt").read_text("utf-8").splitlines():
        if not line.startswith("# "):
            file, said, *numbers = line.split(" ")
            texts, language = _texts(data / f"{file}.jsonl.gz"), Language(said)
            for number in numbers:
                text = texts[int(number)]
                made.append(Row(text, (), language, f"{ORDINARY}-{said}", part_by_hash(text, _CHOOSE)))
    return made


def taught(data: Path) -> list[Row]:
    """Rows with every name marked, that are measured nowhere. data: the folder of the shared data.

    Raises:
        TrainingDataMissing: when a file is not there, or a name not in its row.
    """
    return list(_judged(data, TAUGHT, _CHOOSE_TAUGHT))


def posts(data: Path) -> list[Row]:
    """Posts with every name marked. Where no name is, something looks like one: they do not stand for ordinary text.

    data: the folder of the shared data.

    Raises:
        TrainingDataMissing: when a file is not there, or a name not in its row.
    """
    return list(_judged(data, POSTS, _CHOOSE_POSTS))


def _judged(data: Path, name: str, choose: int) -> Iterator[Row]:
    texts: list[str] = []
    language, source = Language.OTHER, ""
    for line in (FOLDER / f"{name}.txt").read_text("utf-8").splitlines():
        number, _, names = line.partition(" ")
        if number == "=":
            file, _, said = names.partition(" ")
            texts, language, source = _texts(data / f"{file}.jsonl.gz"), Language(said), f"{name}-{said}"
        elif number != "#":
            numbers, names = (names.split(" "), "") if number == "-" else ([number], names)
            for text in (texts[int(at)] for at in numbers):
                yield Row(text, tuple(sorted(_spans(text, names))), language, source, part_by_hash(text, choose))


def _texts(path: Path) -> list[str]:
    if not path.is_file():
        raise TrainingDataMissing(f"{path} does not exist", hint="--data names the folder of the shared data")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [next(said[name] for name in _COLUMNS if name in said) for said in map(json.loads, lines)]


def _rows(lines: Sequence[str], texts: Sequence[str], language: Language, source: str, length: int) -> Iterator[Row]:
    for line in lines:
        number, _, names = line.partition(" ")
        text = texts[int(number)][:length]
        yield Row(text, tuple(sorted(_spans(text, names))), language, source, Part.DEV)


def _spans(text: str, names: str) -> Iterator[Span]:
    """Every place of every name; what a name before has taken is left out."""
    taken = [False] * len(text)
    for name in filter(None, names.split(" | ")):
        value = name.strip(_MARKS)
        if value not in text:
            raise TrainingDataMissing(f"{value!r} is not in its row", hint="the data is not the one that was marked")
        for found in re.finditer(re.escape(value), text):
            if not any(taken[found.start() : found.end()]):
                taken[found.start() : found.end()] = [True] * len(value)
                yield found.start(), found.end(), _KINDS.get(name[0], "PERSON")
