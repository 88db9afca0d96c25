"""Rows written one by one: wishes to harm in people's own words, attacks on a model, and harmless neighbours of both, in `written/`.

Rules of this file
1. Patterns (`generated.py`) teach what is asked for; these teach in how many ways it is said, often without a word that gives it away.
2. A seventh of them, by hash, are dev rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from guard.training.generated import LABEL_WORDS
from guard.training.rows import Row, bucket
from guard.verdict import Category
from haechi.base.text import Language

FOLDER = Path(__file__).parent / "written"
LABELS: Mapping[str, Mapping[Category, int]] = {
    "illegal": {Category.ILLEGAL: 1, Category.PROMPT_ATTACK: 0},
    "self_harm": {Category.SELF_HARM: 1, Category.PROMPT_ATTACK: 0},
    "violence": {Category.VIOLENCE: 1, Category.PROMPT_ATTACK: 0},
    "hate": {Category.HATE: 1, Category.TOXICITY: 1, Category.PROMPT_ATTACK: 0},
    "sexual": {Category.SEXUAL: 1, Category.PROMPT_ATTACK: 0},
    "prompt_attack": {Category.PROMPT_ATTACK: 1},
    "harmless": LABEL_WORDS["ordinary"],
}
"""By the kinds of the files."""
WRITTEN = frozenset(f"own_written_{kind}" for kind in LABELS)
"""Their sources."""


def written_rows() -> list[Row]:
    """All of them, in the order of the files."""
    rows = []
    for language in (Language.ENGLISH, Language.KOREAN, Language.CHINESE):
        kinds = yaml.safe_load((FOLDER / f"{language.value}.yaml").read_text("utf-8"))
        for kind, texts in kinds.items():
            rows += [Row(t, language, LABELS[kind], f"own_written_{kind}", bucket(t, 7) == 0) for t in texts]
    return rows
