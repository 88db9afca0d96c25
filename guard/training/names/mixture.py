"""What the tagger is trained on: labelled rows, also with other names in them, and made-up sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from guard.training.names.people import person
from guard.training.names.rows import Row, Span
from guard.training.names.sentences import sentence
from haechi.base.text import Language

Rng = np.random.Generator
_SHARE: Mapping[str, float] = {
    "en_presidio_generated": 0.12,
    "en_wnut17": 0.34,
    "ko_klue_ner": 0.28,
    "zh_weibo_ner": 0.26,
}
_LANGUAGES = (Language.KOREAN, Language.CHINESE, Language.ENGLISH, Language.ENGLISH)
_NAMED = 2.5  # how much more often than others a row with names is drawn
_OTHER_NAMES = 0.4
_LOWER, _UPPER = 0.1, 0.03


class Mixture:
    """Rows to draw from."""

    def __init__(self, rows: Sequence[Row]) -> None:
        """rows: labelled, for training."""
        self.rows = tuple(rows)
        weights = np.array([_NAMED if row.spans else 1.0 for row in rows])
        for source, share in _SHARE.items():
            of = np.array([row.source == source for row in rows])
            weights[of] *= share / max(weights[of].sum(), 1.0)
        self._cumulative = np.cumsum(weights)

    def draw(self, rng: Rng, generated: float) -> Row:
        """The next row. generated: probability that it is made up."""
        if rng.random() < generated:
            row = sentence(rng, _LANGUAGES[int(rng.integers(len(_LANGUAGES)))])
            return in_other_case(row, rng) if row.language is Language.ENGLISH else row
        at = int(np.searchsorted(self._cumulative, rng.random() * self._cumulative[-1]))
        row = self.rows[min(at, len(self.rows) - 1)]
        if rng.random() < _OTHER_NAMES:
            row = renamed(row, rng)
        return in_other_case(row, rng) if row.language is Language.ENGLISH else row


def renamed(row: Row, rng: Rng) -> Row:
    """The row with other names of persons."""
    text, at = "", 0
    spans: list[Span] = []
    for start, end, kind in row.spans:
        text += row.text[at:start]
        value = row.text[start:end]
        if kind == "PERSON" and rng.random() < 0.8:
            value = person(rng, row.language, like=value)
        spans.append((len(text), len(text) + len(value), kind))
        text += value
        at = end
    return replace(row, text=text + row.text[at:], spans=tuple(spans))


def in_other_case(row: Row, rng: Rng) -> Row:
    """The row, now and then in small letters or in capitals: many people write so."""
    chance = rng.random()
    other = row.text.lower() if chance < _LOWER else row.text.upper() if chance < _LOWER + _UPPER else row.text
    return replace(row, text=other) if len(other) == len(row.text) else row
