"""Labelled pairs of claim and evidence from a folder of public data.

Rules of this file
1. Sets that the project keeps for outside judgement are not read, although the folder holds some (`HELD_BACK`).
2. A pair belongs to one part for ever, by a hash of its evidence: all pairs of one evidence stand in the same part.
   FIT teaches the encoder, BLEND the small combination over it, DEV is measured and teaches nothing.
3. Each file read is in the manifest with its hash and licence.
"""

from __future__ import annotations

import enum
import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from guard.training.errors import TrainingDataMissing
from haechi.base.text import Language

SUPPORTED, REFUTED, UNSURE = 0, 1, 2
"""Columns of everything that has three: logits, probabilities, labels."""
HELD_BACK = frozenset({"en_fever_symmetric", "en_halueval_qa", "en_halueval_general", "zh_uhgeval"})
"""Kept unseen: they are among the sets that Haechi is judged by from outside."""
SOURCES: Mapping[str, str] = {
    "en_mnli_dev": "MIT; MultiNLI mixed open licences",
    "en_snli_dev": "MIT; CC-BY-SA-4.0",
    "en_factcheck_gpt": "Apache-2.0",
    "en_begin": "CC-BY-4.0, CDLA",
    "ko_klue_nli": "CC-BY-SA-4.0",
    "ko_xnli_dev": "CC-BY-SA-4.0",
}
"""Files with evidence, and their licences."""
OWN_SPLIT = frozenset({"en_begin", "ko_klue_nli", "ko_xnli_dev"})
"""Files without a dev part: a fifth of their evidence, by hash, is ours."""
_LABELS: Mapping[str, tuple[int, ...]] = {
    "supported": (SUPPORTED,),
    "refuted": (REFUTED,),
    "not_enough_info": (UNSURE,),
    "not_supported": (REFUTED, UNSURE),
}


class Part(enum.StrEnum):
    """What a pair is for."""

    FIT = "fit"
    BLEND = "blend"
    DEV = "dev"


@dataclass(frozen=True, slots=True)
class Pair:
    """A claim, its evidence, and the stances that the label allows (`not_supported` allows two).

    kind: of a pair of our own, how it was made; empty for a labelled one.
    """

    claim: str
    evidence: str
    allowed: tuple[int, ...]
    language: Language
    source: str
    part: Part
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read: name, SHA-256, pairs used, licence."""

    name: str
    digest: str
    pairs: int
    licence: str


def read_pairs(data: Path) -> tuple[list[Pair], tuple[Source, ...]]:
    """Every labelled pair that may be used, and the files they come from.

    Raises:
        TrainingDataMissing: when the folder has none of them.
    """
    pairs: list[Pair] = []
    sources = []
    for name, licence in SOURCES.items():
        path = data / "facts" / f"{name}.jsonl.gz"
        if not path.is_file():
            continue
        read = list(_read(path, name))
        pairs += read
        sources.append(Source(name, hashlib.sha256(path.read_bytes()).hexdigest(), len(read), licence))
    if not pairs:
        raise TrainingDataMissing(f"{data / 'facts'} holds no pairs", hint="--data names the folder with facts/")
    return pairs, tuple(sources)


def _read(path: Path, name: str) -> Iterator[Pair]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            allowed = _LABELS.get(row["label"])
            if allowed is None or not row["evidence"]:
                continue
            part = part_of(row["evidence"], dev=row["split"] == "dev", own_split=name in OWN_SPLIT)
            yield Pair(row["claim"], row["evidence"], allowed, Language(row["lang"]), name, part)


def part_of(evidence: str, *, dev: bool, own_split: bool) -> Part:
    """The part of every pair with this evidence: a tenth of what is not dev goes to the blend."""
    bucket = hashlib.sha256(evidence.encode()).digest()[0]
    if dev or (own_split and bucket % 5 == 0):
        return Part.DEV
    return Part.BLEND if bucket % 10 == 1 else Part.FIT
