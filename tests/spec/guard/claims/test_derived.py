"""Pairs that follow from others: a claim denied, and claim and passage exchanged."""

from __future__ import annotations

import pytest

from guard.claims import denials_ko
from guard.training.stance import denials_zh
from guard.training.stance.derived import DENIED, TURNED, derived_pairs
from guard.training.stance.pairs import REFUTED, SUPPORTED, UNSURE, Pair, Part
from haechi.base.text import Language

KO, ZH = Language.KOREAN, Language.CHINESE


@pytest.mark.parametrize(
    ("said", "denial"),
    [
        ("지난 월요일 서울에서 회의가 열렸다.", "지난 월요일 서울에서 회의가 열리지 않았다."),
        ("공사가 끝났습니다.", "공사가 끝나지 않았습니다."),
        ("그는 물을 마셨어요.", "그는 물을 마시지 않았어요."),
        ("문제가 어려웠다.", "문제가 어렵지 않았다."),
        ("그는 피아노를 배웠다.", "그는 피아노를 배우지 않았다."),
        ("물이 강으로 흘렀다.", "물이 강으로 흐르지 않았다."),
        ("지구는 태양 둘레를 돈다.", "지구는 태양 둘레를 돌지 않는다."),
        ("방에 침대가 있다.", "방에 침대가 없다."),
        ("문이 열려 있었다.", "문이 열려 있지 않았다."),
        ("그는 의사였다.", "그는 의사가 아니었다."),
        ("이곳은 공원입니다.", "이곳은 공원이 아닙니다."),
        ("역이 가깝다.", "역이 가깝지 않다."),
    ],
)
def test_a_korean_denial_is_made_and_taken_back_by_the_last_verb(said: str, denial: str) -> None:
    """Irregular verbs, copula and existence included; tense and level of speech stay."""
    assert denials_ko.denied(said) == denial


@pytest.mark.parametrize("stem", ["끝나", "열리", "가", "보내", "끝내", "찾", "먹", "되", "배우", "하", "마시", "오"])
@pytest.mark.parametrize("level", ["다", "습니다", "어요"])
def test_denying_twice_says_the_same_again(stem: str, level: str) -> None:
    """A past made from its denial is denied back to it."""
    denial = f"그 사람이 그렇게 {stem}지 않았{level}."
    said = denials_ko.denied(denial)
    assert said is not None
    assert "않" not in said
    assert denials_ko.denied(said) == denial


@pytest.mark.parametrize(
    "text", ["", "왜 그랬을까?", "사과나무", "내일까지 와야 한다.", "그는 소리를 들었다.", "hello"]
)
def test_what_grammar_does_not_settle_is_not_denied(text: str) -> None:
    """Questions, fragments, duties and verbs with two stems."""
    assert denials_ko.denied(text) is None


@pytest.mark.parametrize(
    ("said", "denial"),
    [
        ("他是老师。", "他不是老师。"),
        ("这里不能停车。", "这里能停车。"),
        ("她会游泳。", "她不会游泳。"),
        ("院子里有一口井。", "院子里没有一口井。"),
        ("会议取消了。", None),
        ("他是老师，她是医生。", None),
        ("能不能去？", None),
    ],
)
def test_a_chinese_denial_is_made_where_one_word_decides(said: str, denial: str | None) -> None:
    """Nothing where no word or several say what is denied."""
    assert denials_zh.denied(said) == denial


def pair(claim: str, allowed: tuple[int, ...], language: Language = KO, part: Part = Part.FIT) -> Pair:
    return Pair(claim, "지난 월요일 서울에서 회의가 열렸다.", allowed, language, "test", part)


@pytest.mark.parametrize(
    ("label", "denied", "turned"),
    [
        ((SUPPORTED,), (REFUTED,), (SUPPORTED, UNSURE)),
        ((REFUTED,), (SUPPORTED, UNSURE), (REFUTED,)),
        ((UNSURE,), (UNSURE,), (SUPPORTED, UNSURE)),
    ],
)
def test_labels_follow_from_the_label_of_the_pair(
    label: tuple[int, ...], denied: tuple[int, ...], turned: tuple[int, ...]
) -> None:
    """A denial is no sign of its own: it is refuted only where what it denies is supported."""
    found = {p.kind: p for p in derived_pairs([pair("회의가 열렸다.", label, part=Part.BLEND)])}
    assert (found[DENIED].claim, found[DENIED].allowed) == ("회의가 열리지 않았다.", denied)
    assert (found[TURNED].claim, found[TURNED].evidence) == (found[DENIED].evidence, "회의가 열렸다.")
    assert found[TURNED].allowed == turned
    assert {p.part for p in found.values()} == {Part.BLEND}


def test_only_korean_and_chinese_pairs_with_one_label_have_some() -> None:
    """English has labelled pairs enough, and of two labels neither follows."""
    assert derived_pairs([pair("It was held.", (SUPPORTED,), Language.ENGLISH)]) == []
    assert derived_pairs([pair("회의가 열렸다.", (REFUTED, UNSURE))]) == []
