"""What the tagger is trained on: labelled rows, also with other names in them or run together, and made-up sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from guard.training.names.ordinary import nameless, posts, taught
from guard.training.names.people import person
from guard.training.names.rows import Row, Span, read
from guard.training.names.sentences import sentence
from guard.training.names.written import written
from haechi.base.text import Language

Rng = np.random.Generator
_SHARE: Mapping[str, float] = {
    "en_presidio_generated": 0.08,
    "en_wnut17": 0.24,
    "ko_klue_ner": 0.19,
    "zh_weibo_ner": 0.16,
    "written-en": 0.05,
    "written-ko": 0.06,
    "written-zh": 0.1,
    "ordinary-en": 0.03,
    "ordinary-ko": 0.07,
    "ordinary-zh": 0.05,
    "taught-en": 0.03,
    "taught-ko": 0.22,
    "taught-zh": 0.05,
    "posts-en": 0.14,
    "posts-ko": 0.12,
    "posts-zh": 0.18,
}
_LANGUAGES = (Language.KOREAN, Language.CHINESE, Language.ENGLISH, Language.ENGLISH)
_NAMED = 2.5  # how much more often than others a row with names is drawn
_OTHER_NAMES = 0.4
_LOWER, _UPPER = 0.2, 0.03
_RUN_TOGETHER = 0.2  # of Chinese rows: many a post is kept without its spaces


def every_row(data: Path) -> list[Row]:
    """Every row there is, labelled, written, without names and judged, for whatever part. data: the folder of the shared data.

    Raises:
        TrainingDataMissing: when a file is not there.
    """
    return [*read(data / "pii"), *written(), *nameless(data), *taught(data), *posts(data)]


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
            return as_typed(sentence(rng, _LANGUAGES[int(rng.integers(len(_LANGUAGES)))]), rng)
        at = int(np.searchsorted(self._cumulative, rng.random() * self._cumulative[-1]))
        row = self.rows[min(at, len(self.rows) - 1)]
        if rng.random() < _OTHER_NAMES:
            row = renamed(row, rng)
        return as_typed(row, rng)


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


def as_typed(row: Row, rng: Rng) -> Row:
    """The row as somebody in a hurry types it, now and then."""
    if row.language is Language.ENGLISH:
        return in_other_case(row, rng)
    return run_together(row) if row.language is Language.CHINESE and rng.random() < _RUN_TOGETHER else row


def run_together(row: Row) -> Row:
    """The row without the spaces that stand between names and around them."""
    text, at = "", 0
    spans: list[Span] = []
    for start, end, kind in row.spans:
        text += row.text[at:start].replace(" ", "")
        spans.append((len(text), len(text) + end - start, kind))
        text += row.text[start:end]
        at = end
    return replace(row, text=text + row.text[at:].replace(" ", ""), spans=tuple(spans))


def in_other_case(row: Row, rng: Rng) -> Row:
    """The row, now and then in small letters or in capitals: many people write so."""
    chance = rng.random()
    other = row.text.lower() if chance < _LOWER else row.text.upper() if chance < _LOWER + _UPPER else row.text
    return replace(row, text=other) if len(other) == len(row.text) else row
