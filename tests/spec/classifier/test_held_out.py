"""Sentences that only measure are not learnt."""

from __future__ import annotations

import pytest

from guard.classifier.folding import fold
from guard.training.generated import generated_rows
from guard.training.held_out import EVERYDAY, KINDS, held_out
from guard.training.written import LABELS, written_rows
from haechi.base.text import Language

LANGUAGES = (Language.ENGLISH, Language.KOREAN, Language.CHINESE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_held_out_sentence_is_learnt_or_stands_twice(language: Language) -> None:
    """Not as it stands, nor with other capitals, blanks or signs."""
    texts = [text for kind in KINDS for text in held_out(language, kind)]
    folded = {fold(text).strip(" .!?") for text in texts}
    assert len(folded) == len(texts)
    learnt = [row for row in (*generated_rows(7), *written_rows()) if row.language is language]
    assert not folded & {fold(row.text).strip(" .!?") for row in learnt}


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_enough_of_each_kind_for_a_share(language: Language) -> None:
    """One sentence is at most two thirds of a point, or one and a third."""
    assert len(held_out(language, EVERYDAY)) >= 150
    for kind in KINDS:
        assert len(held_out(language, kind)) >= 70


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_written_one_by_one_has_every_kind_and_says_nothing_twice(language: Language) -> None:
    """Harmless neighbours outnumber no kind of harm by themselves: there are about as many as of all harm together."""
    rows = [row for row in written_rows() if row.language is language]
    assert {row.source for row in rows} == {f"own_written_{kind}" for kind in LABELS}
    assert len({fold(row.text) for row in rows}) == len(rows)
    calm = sum(not any(row.labels.values()) for row in rows)
    assert 0.4 < calm / len(rows) < 0.6
    assert 0.08 < sum(row.dev for row in rows) / len(rows) < 0.2
