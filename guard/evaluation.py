"""How well a guard's scores tell labelled texts apart: figures per category and language, and the points of curves.

Rules of this file
1. A figure needs both classes; where one is missing there is no figure, not a 0.
2. A text that could not be judged is counted as such and left out of the figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from guard.training.metrics import auroc, auroc_interval, calibration_error
from guard.verdict import Category
from haechi.base.text import Language

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """One labelled text after it was judged.

    truth: what is known, by category. scores: probability by category. available: whether every detector answered.
    """

    language: Language
    truth: Mapping[Category, bool]
    scores: Mapping[Category, float]
    available: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """Figures of one category in one language.

    spread: half width of the 95 % interval of the AUROC. recall: share of positives above the score that 1 % of the
    negatives exceed. error: expected calibration error.
    """

    category: Category
    language: Language
    rows: int
    positives: int
    auroc: float
    spread: float
    recall: float
    error: float
    scores: tuple[float, ...]
    labels: tuple[bool, ...]


def evaluate(judged: Sequence[Judged]) -> list[Result]:
    """Figures for every category and language in which both classes occur, in a fixed order."""
    results = []
    for category in Category:
        for language in Language:
            mine = [j for j in judged if j.available and j.language is language and category in j.truth]
            mine = [j for j in mine if category in j.scores]
            labels = tuple(j.truth[category] for j in mine)
            if len(set(labels)) == 2:
                results.append(_result(category, language, tuple(j.scores[category] for j in mine), labels))
    return results


def _result(category: Category, language: Language, scores: tuple[float, ...], labels: tuple[bool, ...]) -> Result:
    s, y = np.array(scores), np.array(labels)
    cut = float(np.quantile(s[~y], 0.99))
    return Result(
        category,
        language,
        rows=len(labels),
        positives=int(y.sum()),
        auroc=auroc(s, y),
        spread=auroc_interval(s, y),
        recall=float((s[y] > cut).mean()),
        error=calibration_error(s, y),
        scores=scores,
        labels=labels,
    )


def roc(scores: Array, labels: npt.NDArray[np.bool_]) -> list[tuple[float, float]]:
    """False positive rate and recall at every threshold, from (0, 0) to (1, 1)."""
    order = np.argsort(-scores, kind="stable")
    hits, alarms = np.cumsum(labels[order]), np.cumsum(~labels[order])
    ends = np.append(np.flatnonzero(np.diff(scores[order])), scores.size - 1)
    points = zip(alarms[ends] / max(alarms[-1], 1), hits[ends] / max(hits[-1], 1), strict=True)
    return [(0.0, 0.0), *((float(a), float(h)) for a, h in points)]


def precision_recall(scores: Array, labels: npt.NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Recall and precision at every threshold."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order])
    ends = np.append(np.flatnonzero(np.diff(scores[order])), scores.size - 1)
    return [(float(hits[e] / max(hits[-1], 1)), float(hits[e] / (e + 1))) for e in ends]


def calibration(scores: Array, labels: npt.NDArray[np.bool_], bins: int = 10) -> list[tuple[float, float]]:
    """Mean score and share of positives in each bin that holds a text."""
    which = np.minimum((scores * bins).astype(int), bins - 1)
    inside = [which == b for b in range(bins)]
    return [(float(scores[m].mean()), float(labels[m].mean())) for m in inside if m.any()]
