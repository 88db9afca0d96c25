"""Labelled sentences for the name tagger: where they come from, and which part of them is for what.

Rules of this file
1. Figures are told on `Part.DEV` rows, thresholds chosen on `Part.CHOOSE` rows; neither is trained on.
2. The lines of an address are one name of kind ADDRESS.
3. Only names count: what merely mentions a person (`妈妈`, labelled NOM) or an authority (`정부`, labelled OG) is no name.
"""

from __future__ import annotations

import enum
import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from guard.pii.names.boundaries import is_one_address
from guard.training.errors import TrainingDataMissing
from haechi.base.text import Language

Span = tuple[int, int, str]

KINDS = ("PERSON", "ORGANIZATION", "LOCATION", "ADDRESS")
"""What the tagger tells apart, in the order of its outputs."""
_SAME: Mapping[str, str] = {
    "PERSON": "PERSON", "person": "PERSON", "PS": "PERSON", "PER.NAM": "PERSON",
    "LOCATION": "LOCATION", "location": "LOCATION", "LC": "LOCATION", "LOC.NAM": "LOCATION", "GPE.NAM": "LOCATION",
    "ORGANIZATION": "ORGANIZATION", "group": "ORGANIZATION", "corporation": "ORGANIZATION", "OG": "ORGANIZATION",
    "ORG.NAM": "ORGANIZATION", "ADDRESS": "ADDRESS",
}  # fmt: skip
_NOBODY = frozenset(("정부", "경찰", "법원", "당국", "여당", "야당", "군", "군 당국", "보건당국", "소방당국"))


class Part(enum.Enum):
    """What a row is for."""

    TRAIN = "train"
    CHOOSE = "choose"
    DEV = "dev"


@dataclass(frozen=True, slots=True)
class Row:
    """A sentence and its names, in order and apart. source: name of the file without its endings."""

    text: str
    spans: tuple[Span, ...]
    language: Language
    source: str
    part: Part


FILES: Mapping[str, Language] = {
    "en_presidio_generated": Language.ENGLISH,
    "en_wnut17": Language.ENGLISH,
    "ko_klue_ner": Language.KOREAN,
    "zh_weibo_ner": Language.CHINESE,
}
_NO_DEV = 7  # every seventh row is the development part of a file that has none
_CHOOSE = {"en_presidio_generated": 8, "en_wnut17": 10, "ko_klue_ner": 10, "zh_weibo_ner": 8}


def read(folder: Path) -> list[Row]:
    """Every labelled row.

    Raises:
        TrainingDataMissing: when a file is not there.
    """
    return [row for name in FILES for row in _file(folder / f"{name}.jsonl.gz", name)]


def _file(path: Path, name: str) -> list[Row]:
    if not path.is_file():
        raise TrainingDataMissing(f"{path} does not exist", hint="--data names the folder with pii/")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        stored = [json.loads(line) for line in lines]
    has_dev = any(row["split"] == "dev" for row in stored)
    made = []
    for number, row in enumerate(stored):
        dev = row["split"] == "dev" if has_dev else number % _NO_DEV == 0
        part = Part.DEV if dev else part_by_hash(row.get("template") or row["text"], _CHOOSE[name])
        text = row["text"]
        spans = sorted((s, e, _SAME[k]) for s, e, k in row["spans"] if k in _SAME and text[s:e] not in _NOBODY)
        made.append(Row(text, tuple(_addresses(text, spans)), FILES[name], name, part))
    return made


def _addresses(text: str, spans: Sequence[Span]) -> list[Span]:
    """The lines of one address, which some rows label one by one, as one."""
    made: list[Span] = []
    for start, end, kind in spans:
        if made and is_one_address(text, made[-1], (start, end, kind)):
            start, _, _ = made.pop()
            kind = "ADDRESS"
        made.append((start, end, kind))
    return made


def part_by_hash(text: str, every: int) -> Part:
    """For choosing, one of `every`; else for training.

    By hash, so that copies of a sentence, or of the template that is given for it, are on the same side.
    """
    return Part.CHOOSE if zlib.crc32(text.encode()) % every == 0 else Part.TRAIN
