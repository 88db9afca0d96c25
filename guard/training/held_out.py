"""Sentences of our own that only measure.

Everyday ones that sound like attacks and abuse, attacks on a model, what people say all day about everything, and harm in plain words;
and, written by somebody who had seen neither patterns nor answers of the classifier: wishes to harm in people's own words, often said
indirectly, their harmless neighbours, and messages about anything.

Rules of this file
1. No training reads them, no curve and no threshold is drawn on them, and none is a sentence that training fills in.
2. They are whole sentences, written apart from the patterns in `phrases/`, so that they share no template with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import yaml

from haechi.base.text import Language

FOLDER = Path(__file__).parent / "held_out"
EVERYDAY, ATTACKS, TALK, HARM = "everyday", "attacks", "talk", "harm"
WISHES, NEIGHBOURS, MESSAGES = "wishes", "neighbours", "messages"
KINDS = (EVERYDAY, ATTACKS, TALK, HARM, WISHES, NEIGHBOURS, MESSAGES)


def held_out(language: Language, kind: str) -> Sequence[str]:
    """The sentences of a kind, one of KINDS, in a language."""
    return _read(language)[kind]


@cache
def _read(language: Language) -> dict[str, tuple[str, ...]]:
    kinds = yaml.safe_load((FOLDER / f"{language.value}.yaml").read_text("utf-8"))
    return {kind: tuple(texts) for kind, texts in kinds.items()}
