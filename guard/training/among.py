"""Harm among calm sentences, in one window: a threat in the middle of a polite message.

The guard reads a text sentence by sentence and as a whole besides; the whole is what is made here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from guard.sentences import segments
from guard.training.calibrate import LANGUAGES
from guard.training.rows import Row, is_calm
from haechi.base.text import Language

LONGEST = 120
"""Code points of the harmful sentence and of each calm one, at most: a window holds three of them."""
MOST_CALM = 3
"""Calm sentences around a harmful one, at most."""
ROWS_OF_CALM = 2000
"""Ordinary rows of a language whose sentences are taken."""


def among(rows: Sequence[Row], count: int, seed: int) -> list[Row]:
    """For each language `count` of its short harmful rows, drawn with replacement, each among calm sentences of the same rows.

    The labels stay those of the harmful sentence. A language without short harmful rows, or without calm ones, has none.
    """
    chance = np.random.default_rng((seed, 14))
    found: list[Row] = []
    for language in LANGUAGES:
        mine = [row for row in rows if row.language is language]
        harmful = [row for row in mine if any(row.labels.values()) and len(row.text) <= LONGEST]
        calm = _calm_sentences([row for row in mine if is_calm(row)], chance)
        if not harmful or not calm:
            continue
        between = "" if language is Language.CHINESE else " "
        for row in (harmful[i] for i in chance.integers(len(harmful), size=count)):
            around = [calm[i] for i in chance.integers(len(calm), size=chance.integers(1, MOST_CALM + 1))]
            around.insert(int(chance.integers(len(around) + 1)), row.text)
            found.append(replace(row, text=between.join(around)))
    return found


def _calm_sentences(rows: Sequence[Row], chance: np.random.Generator) -> list[str]:
    """Whole sentences of some ordinary rows."""
    some = [rows[i].text[:1000] for i in chance.permutation(len(rows))[:ROWS_OF_CALM]]
    pieces = [text[span.start : span.end].strip() for text in some for span in segments(text, LONGEST)]
    return [piece for piece in pieces if piece.endswith((".", "!", "?", "。", "！", "？"))]
