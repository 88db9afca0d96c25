"""The bounds of the early exit: no kind of harm loses more than it may, and most ordinary text is settled."""

from __future__ import annotations

import numpy as np
import pytest

from guard.training.exits import Array, Kind, drawn

MOST = np.array([0.5, 0.4, 0.4])


def ordinary(seed: int, rows: int = 400) -> Array:
    """Little doubt, and little of each head, of some rows a little more."""
    return np.random.default_rng(seed).beta(1, 30, size=(rows, 3))


def test_ten_rows_may_lose_one_and_nine_may_lose_none() -> None:
    """A share of a tenth, rounded down."""
    looks = np.array([[0.1, 0.1, 0.1]])
    assert Kind(looks, 10).keeps_to(MOST, aim=0.1)
    assert not Kind(looks, 9).keeps_to(MOST, aim=0.1)
    assert Kind(looks, 9).keeps_to(np.array([0.5, 0.1, 0.4]), aim=0.1)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_kind_of_harm_loses_more_than_it_may(seed: int) -> None:
    """Whatever the harm looks like."""
    draw = np.random.default_rng(seed)
    kinds = [Kind(draw.random((200, 3)) * draw.random(3) * 0.4, 200) for _ in range(4)]
    found = drawn(ordinary(seed), kinds, MOST, seed, aim=0.02)
    assert (found <= MOST).all()
    for kind in kinds:
        assert (kind.looks < found).all(axis=1).sum() <= 4


def test_harm_that_one_head_sees_costs_the_other_heads_nothing() -> None:
    """One bound on the doubt alone would stop a third of what is ordinary."""
    calm = ordinary(4)
    harm = np.array([[0.02, 0.3, 0.0]] * 50 + [[0.02, 0.0, 0.3]] * 50)
    found = drawn(calm, [Kind(harm, 100)], MOST, seed=1)
    assert not (harm < found).all(axis=1).any()
    alone = (calm[:, 0] < 0.02).mean()
    assert (calm < found).all(axis=1).mean() > 0.97 > 0.7 > alone


def test_where_nothing_is_lost_everything_below_the_thresholds_is_settled() -> None:
    """What stage 2 does not flag either costs nothing."""
    found = drawn(ordinary(5), [Kind(np.zeros((0, 3)), 100)], MOST, seed=1)
    np.testing.assert_array_equal(found, MOST)


def test_harm_that_looks_like_nothing_leaves_nothing_to_settle() -> None:
    """Then the layers are asked about everything."""
    calm = ordinary(6)
    found = drawn(calm, [Kind(np.zeros((100, 3)), 100)], MOST, seed=1)
    assert not (calm < found).all(axis=1).any()


def test_the_same_rows_give_the_same_bounds() -> None:
    """From the same seed."""
    kinds = [Kind(np.random.default_rng(7).random((50, 3)) * 0.3, 100)]
    np.testing.assert_array_equal(drawn(ordinary(7), kinds, MOST, 2), drawn(ordinary(7), kinds, MOST, 2))
