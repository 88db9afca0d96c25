"""Intervals of paired differences are the published ones, and hold what they promise."""

from __future__ import annotations

import math

import pytest
import torch

from alignment.paired import clustered_mean, difference_of_shares, t_below, t_quantile, tango


def test_the_score_interval_is_the_published_one() -> None:
    """Tango 1998's example: 44 pairs, one of which differs: -0.118 to 0.059; no pair differs: z^2 / (n + z^2)."""
    known = tango(0, 1, 44, z=1.959964)
    assert (known.low, known.high) == (pytest.approx(-0.1181, abs=1e-4), pytest.approx(0.0594, abs=1e-4))
    none = tango(0, 0, 72)
    assert none.high == pytest.approx(2.70554 / (72 + 2.70554), abs=1e-4)
    assert tango(72, 0, 72).high == pytest.approx(1)


def test_students_t_is_the_tables() -> None:
    """Printed tables: 6.314 at 1 degree of freedom, 1.812 at 10, 2.042 two-sided at 30."""
    assert t_quantile(0.95, 1) == pytest.approx(6.314, abs=1e-3)
    assert t_quantile(0.95, 10) == pytest.approx(1.812, abs=1e-3)
    assert t_quantile(0.975, 30) == pytest.approx(2.042, abs=1e-3)
    assert t_below(t_quantile(0.9, 4), 4) == pytest.approx(0.9)


def test_clusters_widen_and_never_narrow() -> None:
    """Ten copies of one disagreement are one disagreement."""
    first = [True] * 10 + [False] * 90
    second = [False] * 100
    alone = difference_of_shares(first, second)
    together = difference_of_shares(first, second, [i // 10 for i in range(100)])
    assert together.high > alone.high
    assert together.value == pytest.approx(0.1)
    assert together.clusters == 10
    assert clustered_mean([1.0, 2.0], ["a", "a"]).high == math.inf
    assert difference_of_shares([], []).n == 0


@pytest.mark.parametrize("wrong_more_often", [0.0, 0.05, 0.10])
def test_the_bound_is_passed_by_the_truth_about_one_time_in_twenty(wrong_more_often: float) -> None:
    """3,000 draws of 100 pairs: the true difference lies above the 95 % bound in 2 to 8 % of them."""
    generator = torch.Generator().manual_seed(3)
    draws = torch.rand(3000, 100, generator=generator)
    only_first = (draws < 0.08 + wrong_more_often).sum(1)
    only_second = (draws > 1 - 0.08).sum(1)
    bounds = {}
    missed = 0
    for b, c in zip(only_first.tolist(), only_second.tolist(), strict=True):
        if (b, c) not in bounds:
            bounds[b, c] = tango(b, c, 100).high
        missed += bounds[b, c] < wrong_more_often
    assert 0.02 <= missed / 3000 <= 0.08
