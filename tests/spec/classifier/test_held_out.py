"""Sentences that only measure, and the rows that draw the early exit: neither is what it is measured on."""

from __future__ import annotations

import pytest

from guard.classifier.folding import fold
from guard.training.exits import bound
from guard.training.generated import generated_rows
from guard.training.held_out import ATTACKS, EVERYDAY, held_out
from haechi.base.text import Language

LANGUAGES = (Language.ENGLISH, Language.KOREAN, Language.CHINESE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_held_out_sentence_is_learnt_or_stands_twice(language: Language) -> None:
    """Not as it stands, nor with other capitals, blanks or signs."""
    texts = [*held_out(language, EVERYDAY), *held_out(language, ATTACKS)]
    folded = {fold(text).strip(" .!?") for text in texts}
    assert len(folded) == len(texts)
    assert not folded & {fold(row.text).strip(" .!?") for row in generated_rows(7) if row.language is language}


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_enough_of_both_kinds_for_a_share(language: Language) -> None:
    """One sentence is at most two thirds of a point, or one and a third."""
    assert len(held_out(language, EVERYDAY)) >= 150
    assert len(held_out(language, ATTACKS)) >= 75


def test_the_bound_of_the_early_exit_loses_no_more_than_it_may() -> None:
    """Of ten harmful rows one may be lost: the bound is the doubt of the second that would be."""
    doubts = [0.01, 1.0, 0.02, 0.03, 0.04, 1.0, 0.5, 0.6, 0.7, 0.8]
    lost = {0, 3, 4}
    assert bound(doubts, lost.__contains__, aim=0.1) == 0.03
    assert bound(doubts, lost.__contains__, aim=0.0) == 0.01


def test_what_both_stages_miss_is_no_loss() -> None:
    """Where stage 2 sees nothing either, a glance may settle everything that it may settle at all."""
    assert bound([0.2, 1.0, 0.9], lambda i: False) == 1.0
