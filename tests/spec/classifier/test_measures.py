"""The figures by which the classifier is judged, against arithmetic that can be done by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from guard.evaluation import Judged, evaluate, precision_recall, roc
from guard.training.metrics import auroc, calibration_error, platt
from guard.verdict import Category
from haechi.base.text import Language


@pytest.mark.parametrize(
    ("scores", "labels", "expected"),
    [
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 1.0),
        ([0.9, 0.8, 0.2, 0.1], [0, 0, 1, 1], 0.0),
        ([0.5, 0.5, 0.5, 0.5], [0, 1, 0, 1], 0.5),
        ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.75),
    ],
)
def test_the_auroc_is_the_share_of_pairs_in_the_right_order(
    scores: list[float], labels: list[int], expected: float
) -> None:
    """Ties count half."""
    assert auroc(scores, labels) == pytest.approx(expected)


def test_the_auroc_of_one_class_is_not_a_number() -> None:
    """No figure is better than a wrong one."""
    assert math.isnan(auroc([0.1, 0.2], [1, 1]))


def test_a_calibrated_score_has_no_calibration_error() -> None:
    """Nine of ten positives at 0.9 are calibrated; at 0.1 they are off by 0.8."""
    labels = [1] * 9 + [0]
    assert calibration_error([0.9] * 10, labels) == pytest.approx(0.0)
    assert calibration_error([0.1] * 10, labels) == pytest.approx(0.8)


def test_the_logistic_curve_is_found_again() -> None:
    """Labels drawn from a known curve give back its slope and offset."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=40_000)
    y = rng.random(x.size) < 1 / (1 + np.exp(-(2.0 * x - 0.7)))
    slope, offset = platt(x, y, np.ones_like(x))
    assert slope == pytest.approx(2.0, abs=0.1)
    assert offset == pytest.approx(-0.7, abs=0.1)


@pytest.mark.parametrize("centre", [-4.0, 0.0, 4.0])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_few_positives_far_from_the_rest_leave_a_curve_and_no_step(centre: float, share: float) -> None:
    """What lies between the classes is in doubt, however far they are apart; and the curve is the best one that there is."""
    rng = np.random.default_rng(60)
    x = np.concatenate([rng.normal(-12, 3, 5000), rng.normal(centre, 4, 60)])
    y = np.concatenate([np.zeros(5000), np.ones(60)])
    weights = np.where(y > 0, share / 60, (1 - share) / 5000)
    slope, offset = platt(x, y, weights)
    assert 0.3 < slope < 3
    off = weights * (1 / (1 + np.exp(-(slope * x + offset))) - y)
    assert off @ x + 1e-3 * (slope - 1) == pytest.approx(0, abs=1e-6)
    assert off.sum() + 1e-3 * offset == pytest.approx(0, abs=1e-6)


def judged(score: float, toxic: bool, *, available: bool = True) -> Judged:
    return Judged(Language.ENGLISH, {Category.TOXICITY: toxic}, {Category.TOXICITY: score}, available)


def test_a_result_needs_both_classes_and_leaves_out_what_could_not_be_judged() -> None:
    """One class alone, or a text without an answer, makes no figure."""
    assert evaluate([judged(0.9, toxic=True)]) == []
    rows = [judged(0.9, toxic=True), judged(0.1, toxic=False), judged(0.0, toxic=True, available=False)]
    (result,) = evaluate(rows)
    assert (result.rows, result.positives, result.auroc, result.recall) == (2, 1, 1.0, 1.0)


def test_the_curves_start_and_end_where_they_must() -> None:
    """ROC from (0, 0) to (1, 1); precision at full recall is the share of positives."""
    scores, labels = np.array([0.9, 0.6, 0.6, 0.2]), np.array([True, False, True, False])
    points = roc(scores, labels)
    assert (points[0], points[-1]) == ((0.0, 0.0), (1.0, 1.0))
    assert precision_recall(scores, labels)[-1] == (1.0, 0.5)
