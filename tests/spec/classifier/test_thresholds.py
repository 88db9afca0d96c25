"""Thresholds of the heads: no more ordinary text is flagged than aimed at, and none of what that leaves is given away."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from guard.training.calibrate import FLAG_LEAST, FLAGGED_AIM, LANGUAGES, Scored, limits
from guard.training.rows import HEADS, Row
from guard.verdict import Category
from haechi.base.text import Language

Chances = npt.NDArray[np.float64]
ROWS = 400
MAY = int(FLAGGED_AIM * ROWS)
"""Rows that may be hit."""
EN = Language.ENGLISH


def drawn(calm: Chances, harm: Chances | None = None, *labelled: Category) -> dict[Category, float]:
    """What flags in English, drawn on ordinary and on harmful rows with these chances, (ROWS, heads), in each language.

    labelled: what is wrong with the harmful rows, by turns.
    """
    rows = [Row(f"row {i}", each, dict.fromkeys(HEADS, 0), "calm", True) for each in LANGUAGES for i in range(ROWS)]
    chances = np.tile(calm, (len(LANGUAGES), 1))
    if harm is not None:
        rows += [Row(f"harm {i}", EN, {labelled[i % len(labelled)]: 1}, "harm", True) for i in range(len(harm))]
        chances = np.concatenate([chances, harm])
    ordinary = np.array([row.source == "calm" for row in rows])
    found = limits(
        Scored(rows, chances), chances, ordinary, np.zeros(len(rows), dtype=bool), dict.fromkeys(LANGUAGES, ())
    )
    return {head: limit.controversial for head, limit in found[EN].items()}


def flagged(chances: Chances, cuts: dict[Category, float]) -> float:
    """Share of the rows that some head but the one for attacks on a model flags."""
    heads = [h for h in HEADS if h is not Category.PROMPT_ATTACK]
    over = np.array([chances[:, HEADS.index(h)] >= cuts[h] + 1e-4 for h in heads])  # thresholds are rounded
    return float(over.any(axis=0).mean())


@settings(max_examples=40, deadline=None)
@given(arrays(np.float64, (ROWS, len(HEADS)), elements=st.floats(0.0, 0.99)))
def test_no_more_ordinary_text_is_flagged_than_aimed_at(
    chances: Chances,
) -> None:
    """Whatever the heads say of it."""
    assert flagged(chances, drawn(chances)) <= FLAGGED_AIM


def test_what_may_be_flagged_is_spent_where_it_finds_most_harm() -> None:
    """All rows but one that may be hit disturb the head for self-harm, which finds forty harmful rows; two that for crimes, which finds ten."""
    calm, harm = np.full((ROWS, len(HEADS)), 0.01), np.full((50, len(HEADS)), 0.01)
    self_harm, illegal = HEADS.index(Category.SELF_HARM), HEADS.index(Category.ILLEGAL)
    calm[: MAY - 1, self_harm] = np.linspace(0.9, 0.95, MAY - 1)
    calm[MAY : MAY + 2, illegal] = 0.80, 0.79
    harm[:40, self_harm] = 0.6
    harm[40:, illegal] = 0.6
    cuts = drawn(calm, harm, Category.SELF_HARM)
    assert cuts[Category.SELF_HARM] == FLAG_LEAST
    assert cuts[Category.ILLEGAL] > 0.79 - 1e-4
    assert flagged(calm, cuts) == MAY / ROWS


def test_no_kind_of_harm_is_given_up_for_another() -> None:
    """The second half of one kind costs as much as nearly half of the other, of which nothing would be found else."""
    calm, harm = np.full((ROWS, len(HEADS)), 0.01), np.full((80, len(HEADS)), 0.01)
    violence, illegal = HEADS.index(Category.VIOLENCE), HEADS.index(Category.ILLEGAL)
    half = MAY // 2
    calm[:half, violence], calm[half : 2 * half, violence] = 0.9, 0.7
    calm[2 * half : 3 * half, illegal] = 0.9
    harm[0::4, violence], harm[2::4, violence] = 0.85, 0.65
    harm[1:73:4, illegal] = 0.85
    cuts = drawn(calm, harm, Category.VIOLENCE, Category.ILLEGAL)
    assert 0.7 <= cuts[Category.VIOLENCE] < 0.85
    assert cuts[Category.ILLEGAL] < 0.85
    assert flagged(calm, cuts) == 2 * half / ROWS


def test_a_row_that_one_head_hits_keeps_no_other_threshold_up() -> None:
    """Odd rows that are hit anyway disturb two more heads, which flag from the least as well."""
    calm, harm = np.full((ROWS, len(HEADS)), 0.01), np.full((50, len(HEADS)), 0.01)
    for head in (Category.SELF_HARM, Category.HATE, Category.VIOLENCE):
        calm[:MAY, HEADS.index(head)] = np.linspace(0.9, 0.95, MAY)
    harm[:, HEADS.index(Category.SELF_HARM)] = 0.6
    cuts = drawn(calm, harm, Category.SELF_HARM)
    assert cuts[Category.SELF_HARM] == cuts[Category.HATE] == cuts[Category.VIOLENCE] == FLAG_LEAST
    assert flagged(calm, cuts) == MAY / ROWS
