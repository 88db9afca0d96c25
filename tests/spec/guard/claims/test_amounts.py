"""The same amount in other words is no other amount, and another amount stays another one."""

from __future__ import annotations

import pytest

from guard.claims.amounts import as_counted
from guard.claims.stance import EmbeddedStance, load
from haechi.base.text import Language

SAME = (
    (Language.ENGLISH, "It weighs 2,000 kg.", "It weighs two tonnes."),
    (Language.ENGLISH, "The bridge is 0.3 km long.", "The bridge is 300 metres long and was built in 1950."),
    (Language.ENGLISH, "The tower cost $3 million.", "The tower cost 3,000,000 dollars."),
    (Language.ENGLISH, "Sales rose by five percent.", "Sales rose by 5 %."),
    (Language.KOREAN, "다리 길이는 삼백 미터이다.", "다리의 길이는 300m이다."),
    (Language.KOREAN, "탑의 높이는 0.3킬로미터다.", "탑의 높이는 300미터이며 1995년에 지어졌다."),
    (Language.CHINESE, "这座桥长三百米。", "这座桥全长300米。"),
)
OTHER = (
    (Language.ENGLISH, "It weighs 3,000 kg.", "It weighs two tonnes."),
    (Language.ENGLISH, "The tower cost $4 million.", "The tower cost 3,000,000 dollars."),
    (Language.ENGLISH, "The bridge is 0.4 km long.", "The bridge is 300 metres long and was built in 1950."),
    (Language.KOREAN, "다리 길이는 사백 미터이다.", "다리의 길이는 300m이다."),
    (Language.CHINESE, "这座桥长四百米。", "这座桥全长300米。"),
)


@pytest.fixture(scope="module")
def model() -> EmbeddedStance:
    """The shipped one."""
    return load()


@pytest.mark.parametrize(("language", "claim", "passage"), SAME)
def test_the_same_amount_written_differently_is_supported(
    model: EmbeddedStance, language: Language, claim: str, passage: str
) -> None:
    """In figures or in words, in this unit or in that."""
    stance = model.judge(claim, [passage], language=language)[0]
    assert stance.supported > 0.8 > 0.2 > stance.refuted


@pytest.mark.parametrize(("language", "claim", "passage"), OTHER)
def test_another_amount_is_not_supported(model: EmbeddedStance, language: Language, claim: str, passage: str) -> None:
    """However it is written."""
    assert model.judge(claim, [passage], language=language)[0].supported < 0.3


@pytest.mark.parametrize(
    ("claim", "passage", "shown"),
    [
        ("It is 0.4 km long.", "It is 300 metres long.", "It is 400 metres long."),
        ("It weighs 2.5 tonnes.", "It weighs 1,200 kg.", "It weighs 2,500 kg."),
        ("길이는 사백 미터이다.", "길이는 300m이다.", "길이는 400m이다."),
        ("长四百米。", "全长300米。", "长400米。"),
        ("It took a third of an hour.", "It took 7 minutes.", "It took a third of an hour."),
        ("It is 400 metres long.", "It is three hundred metres long.", "It is 400 metres long."),
    ],
)
def test_another_amount_is_written_in_the_unit_and_figures_of_the_passage(claim: str, passage: str, shown: str) -> None:
    """So that the difference is in the number alone; where that cannot be exact the words stay."""
    assert as_counted(claim, passage) == shown


def test_what_the_passage_writes_in_both_ways_stays_as_it_is() -> None:
    """Nothing needs to change."""
    assert as_counted("It is 300 m long.", "It is 0.3 km, that is 300 m, long.") == "It is 300 m long."


def test_several_amounts_each_find_their_own_words() -> None:
    """The later ones first, so that the places of the earlier ones hold."""
    claim, passage = "It is 2 km long and weighs 3,000 kg.", "3 tonnes of steel over 2,000 metres"
    assert as_counted(claim, passage) == "It is 2,000 metres long and weighs 3 tonnes."


@pytest.mark.parametrize(
    ("claim", "passage"),
    [
        ("It takes 5 to 10 minutes.", "It takes 600 seconds."),
        ("Three of them came.", "3 of them came."),
        ("It happened in 1950.", "It happened in the year 1950."),
        ("It is 300 metres long.", "It weighs 300 kilograms."),
        ("", ""),
    ],
)
def test_ranges_dates_and_bare_numbers_are_left_alone(claim: str, passage: str) -> None:
    """A unit has to say that both measure the same."""
    assert as_counted(claim, passage) == claim
