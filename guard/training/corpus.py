"""Everything that the classifier learns from, public and own, in one order."""

from __future__ import annotations

from pathlib import Path

from guard.training.generated import attacked_documents, generated_rows, wordless_rows
from guard.training.lexicons import lexicon_rows
from guard.training.rows import Manifest, Row, read_rows
from guard.training.written import written_rows
from haechi.base.text import Language

NEVER_TRAINED = (
    "en_jigsaw_sample",
    "en_surge_toxicity",
    "en_toxigen_statements",
    "en_wiki_toxicity_sample",
    "ko_malicious",
)
"""Sources kept out of every shipped weight, so that its figures on them are of unseen platforms."""


def corpus(data: Path, seed: int, hold_out: tuple[str, ...] = NEVER_TRAINED) -> tuple[list[Row], Manifest]:
    """Rows in our three languages outside the held-out sources, and what was read.

    Raises:
        TrainingDataMissing: when the folder has no labelled data.
    """
    rows, manifest = read_rows(data)
    rows += attacked_documents(rows, seed) + generated_rows(seed) + wordless_rows(seed) + lexicon_rows(data)
    rows += written_rows()
    return [r for r in rows if r.language is not Language.OTHER and r.source not in hold_out], manifest
