"""Which rows a training step sees: balanced by language, source and label, so that no source's habits become the rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from guard.training.rows import HEADS, Row

_OWN_SHARE = 0.6
"""Sentences of our own weigh less than public rows of the same number: their variety is small."""
_WRITTEN_SHARE = 4.0
"""But those written one by one weigh more: each says what no other row says."""
Floats = npt.NDArray[np.float32]


def label_matrix(rows: Sequence[Row]) -> tuple[Floats, Floats]:
    """Labels and their mask, both (rows, heads); an unknown label is 0 with mask 0."""
    labels = np.zeros((len(rows), len(HEADS)), dtype=np.float32)
    known = np.zeros_like(labels)
    for i, row in enumerate(rows):
        for h, head in enumerate(HEADS):
            if head in row.labels:
                labels[i, h] = row.labels[head]
                known[i, h] = 1.0
    return labels, known


def sampling_weights(rows: Sequence[Row], *, power: float = 0.5) -> npt.NDArray[np.float64]:
    """Probability of each row, shape (rows,), summing to 1.

    A group is a language, source and label signature; its mass grows with its size to the given power, and the
    languages get equal mass. 0.5 lets a source of 30,000 rows weigh ten times one of 300 instead of a hundred.
    """
    keys = [(row.language, row.source, tuple(sorted((h.value, v) for h, v in row.labels.items()))) for row in rows]
    sizes = Counter(keys)
    mass = np.array([sizes[key] ** (power - 1.0) * _share(key[1]) for key in keys])
    by_language: Counter[str] = Counter()
    for row, m in zip(rows, mass, strict=True):
        by_language[row.language] += m
    mass /= np.array([by_language[row.language] for row in rows])
    return np.asarray(mass / mass.sum(), dtype=np.float64)


def _share(source: str) -> float:
    if source.startswith("own_written_"):
        return _WRITTEN_SHARE
    return _OWN_SHARE if source.startswith("own_") else 1.0


def thinned(rows: Sequence[Row], most: int, seed: int) -> list[Row]:
    """At most `most` rows per source and label signature, at random."""
    order = np.random.default_rng((seed, 4)).permutation(len(rows))
    taken: Counter[tuple[str, str, tuple[tuple[str, int], ...]]] = Counter()
    kept = []
    for i in order:
        row = rows[i]
        key = (row.language, row.source, tuple(sorted(row.labels.items())))
        taken[key] += 1
        if taken[key] <= most:
            kept.append(row)
    return kept
