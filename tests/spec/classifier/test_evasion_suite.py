"""The evasion suite: what is caught in plain form is still caught in disguise, and disguise alone is no offence."""

from __future__ import annotations

import pytest

from guard import SafetyChecker
from guard.training.evasion import HARMFUL, HARMLESS, Evasion, evasions
from haechi.base.text import Language

KEPT = 0.95
"""Share of disguised harmful sentences that must still be caught, in every language."""
FALSE = 0.01
"""Share of disguised harmless sentences that may be caught although the plain ones are not, in every language."""


@pytest.fixture(scope="module")
def played() -> list[Evasion]:
    checker = SafetyChecker.load("thorough")
    return evasions(lambda text: bool(checker.check(text).findings))


@pytest.mark.slow
@pytest.mark.parametrize("language", list(HARMFUL))
def test_disguised_harm_is_still_caught(played: list[Evasion], language: Language) -> None:
    """At least 95 % over all disguises, of sentences that are caught in plain form; most of them are."""
    mine = [e for e in played if e.language is language]
    assert sum(e.kept for e in mine) >= KEPT * sum(e.cases for e in mine)
    assert max(e.cases for e in mine) >= 0.8 * 3 * len(HARMFUL[language])


@pytest.mark.slow
@pytest.mark.parametrize("language", list(HARMLESS))
def test_a_disguise_by_itself_is_no_offence(played: list[Evasion], language: Language) -> None:
    """Few more false flags than for the plain sentences."""
    mine = [e for e in played if e.language is language]
    assert sum(e.false for e in mine) <= FALSE * sum(e.harmless for e in mine)
