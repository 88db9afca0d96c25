"""How well claims are told apart by their evidence: figures by language, beside those of plain overlap of words.

Rules of this file
1. What is measured is the verdict that a user gets, with everything before and behind the stance model.
2. The baseline may choose its thresholds on the very rows it is measured on; what does not beat it is worth nothing.
"""

from __future__ import annotations

import enum
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from guard.claims.facts import facts_of, shared, words_of
from guard.training.metrics import auroc, auroc_interval, calibration_error
from guard.verdict import Category, ClaimOutcome, Verdict
from haechi.base.text import Language

Array = npt.NDArray[np.float64]
_CUTS = np.linspace(0.0, 1.0, 21)


class Label(enum.StrEnum):
    """How evidence stands to a claim, as a person said."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    NOT_ENOUGH = "not_enough_info"


@dataclass(frozen=True, slots=True)
class JudgedPair:
    """One labelled pair after it was judged. refuted, overlap: in [0, 1]. said: None where it could not be told."""

    language: Language
    label: Label
    said: Label | None
    refuted: float
    overlap: float


@dataclass(frozen=True, slots=True)
class ClaimFigures:
    """Figures of one language.

    accuracy: three-way, with `spread`, the half width of its 95 % interval (Wilson). auroc: of the probability of being
    refuted, refuted rows against all others, with its own spread; None where one of them is missing. error: expected
    calibration error. false_alarms: share of supported rows that were called refuted. baseline_*: by overlap alone.
    confusion: rows by label and what was said ("unavailable" where nothing could be).
    """

    language: Language
    rows: int
    accuracy: float
    spread: float
    baseline_accuracy: float
    auroc: float | None
    auroc_spread: float | None
    baseline_auroc: float | None
    error: float
    false_alarms: float
    confusion: dict[str, dict[str, int]]


def judged_pair(claim: str, evidence: str, label: Label, language: Language, verdict: Verdict) -> JudgedPair:
    """A pair with what the verdict says of it: its worst claim counts; a text without a claim says nothing."""
    refuted = verdict.scores.get(Category.MISINFORMATION, 0.0)
    overlap = shared(facts_of(claim).terms, words_of(evidence))
    return JudgedPair(language, label, _said(verdict), refuted, overlap)


def _said(verdict: Verdict) -> Label | None:
    outcomes = {claim.outcome for claim in verdict.claims}
    if outcomes & {ClaimOutcome.REFUTED, ClaimOutcome.CONTRADICTORY}:
        return Label.REFUTED
    if ClaimOutcome.UNAVAILABLE in outcomes:
        return None
    return Label.SUPPORTED if outcomes == {ClaimOutcome.SUPPORTED} else Label.NOT_ENOUGH


def evaluate(pairs: Sequence[JudgedPair]) -> list[ClaimFigures]:
    """Figures for every language that occurs."""
    return [_figures(language, mine) for language in Language if (mine := [p for p in pairs if p.language is language])]


def _figures(language: Language, pairs: Sequence[JudgedPair]) -> ClaimFigures:
    n = len(pairs)
    right = sum(pair.said is pair.label for pair in pairs)
    refuted = np.array([pair.label is Label.REFUTED for pair in pairs])
    scores = np.array([pair.refuted for pair in pairs])
    overlap = np.array([pair.overlap for pair in pairs])
    both = 0 < int(refuted.sum()) < n
    supported = [pair for pair in pairs if pair.label is Label.SUPPORTED]
    confusion = {label.value: Counter[str]() for label in Label}
    for pair in pairs:
        confusion[pair.label.value][pair.said.value if pair.said is not None else "unavailable"] += 1
    return ClaimFigures(
        language,
        rows=n,
        accuracy=right / n,
        spread=_wilson(right, n),
        baseline_accuracy=_by_overlap(overlap, [pair.label for pair in pairs]),
        auroc=auroc(scores, refuted) if both else None,
        auroc_spread=auroc_interval(scores, refuted) if both else None,
        baseline_auroc=auroc(-overlap, refuted) if both else None,
        error=calibration_error(scores, refuted),
        false_alarms=sum(pair.said is Label.REFUTED for pair in supported) / max(1, len(supported)),
        confusion={label: dict(said) for label, said in confusion.items() if said},
    )


def _by_overlap(overlap: Array, labels: Sequence[Label]) -> float:
    """The best three-way accuracy of two cuts through the overlap, over every order of the three labels."""
    known = np.array([list(Label).index(label) for label in labels])
    best = 0.0
    for low in _CUTS:
        for high in _CUTS[low <= _CUTS]:
            part = (overlap >= low).astype(int) + (overlap > high).astype(int)
            table = np.array([[np.sum((part == p) & (known == k)) for k in range(3)] for p in range(3)])
            best = max(best, float(table.max(axis=1).sum()) / len(labels))
    return best


def _wilson(hits: int, n: int, z: float = 1.96) -> float:
    """Half width of Wilson's 95 % interval of a share."""
    share = hits / n
    return z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
