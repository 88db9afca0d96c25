"""Harm among calm sentences: what it is made of, and that it stays what it was."""

from __future__ import annotations

import pytest

from guard.training.among import LONGEST, MOST_CALM, among
from guard.training.rows import HEADS, Row
from guard.verdict import Category
from haechi.base.text import Language

CALM = {
    Language.ENGLISH: ("The train leaves at nine.", "We have bought apples.", "It rained all day."),
    Language.KOREAN: ("기차는 아홉 시에 떠난다.", "사과를 샀어요.", "하루 종일 비가 왔습니다."),
    Language.CHINESE: ("火车九点开。", "我们买了苹果。", "昨天下了一整天雨。"),
}
HARM = {
    Language.ENGLISH: "I will break your legs",
    Language.KOREAN: "다리를 부러뜨려 줄게",
    Language.CHINESE: "我要打断你的腿",
}


def rows(harm: str | None = None) -> list[Row]:
    """An ordinary row and a threat in each language."""
    calm = [
        Row(" ".join(said), language, dict.fromkeys(HEADS, 0), "somewhere", False) for language, said in CALM.items()
    ]
    threats = [Row(harm or text, language, {Category.VIOLENCE: 1}, "threats", False) for language, text in HARM.items()]
    return calm + threats


def test_a_threat_stands_whole_among_whole_calm_sentences_of_its_language() -> None:
    """And whoever reads it is told that it is a threat."""
    found = among(rows(), 20, seed=3)
    assert len(found) == 3 * 20
    for row in found:
        assert row.text.count(HARM[row.language]) == 1
        others = row.text.replace(HARM[row.language], "")
        assert 1 <= sum(others.count(sentence) for sentence in CALM[row.language]) <= MOST_CALM
        for sentence in CALM[row.language]:
            others = others.replace(sentence, "")
        assert not others.strip()
        assert row.labels == {Category.VIOLENCE: 1}


def test_the_threat_stands_at_the_beginning_in_the_middle_and_at_the_end() -> None:
    """A reader that looks at the beginning alone would not learn."""
    places = {
        (row.text.startswith(HARM[row.language]), row.text.endswith(HARM[row.language]))
        for row in among(rows(), 40, seed=3)
    }
    assert places == {(True, False), (False, False), (False, True)}


@pytest.mark.parametrize(
    "some",
    [
        pytest.param(rows()[:3], id="nothing harmful"),
        pytest.param(rows()[3:], id="nothing calm"),
        pytest.param(rows("threat " * LONGEST), id="too long for a window"),
        pytest.param([], id="nothing"),
    ],
)
def test_where_one_of_both_is_missing_there_is_nothing(some: list[Row]) -> None:
    """No error, and no row that holds half."""
    assert among(some, 5, seed=3) == []


def test_the_same_seed_gives_the_same_texts() -> None:
    """And another one others."""
    assert among(rows(), 5, seed=3) == among(rows(), 5, seed=3) != among(rows(), 5, seed=4)
