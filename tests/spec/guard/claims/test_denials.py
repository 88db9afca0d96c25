"""A claim that denies what a passage says in the same words, or says what the passage denies: Korean and Chinese."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.claims import denials_ko, denials_zh
from guard.claims.compare import compare
from haechi.base.text import Language

HELD = "지난 월요일 서울에서 회의가 열렸다."
NOT_HELD = "지난 월요일 서울에서 회의가 열리지 않았다."


@pytest.mark.parametrize(
    ("claim", "passage", "denied"),
    [
        ("회의는 열리지 않았다.", HELD, True),
        ("비는 오지 않았습니다.", "어제 오후 부산에 비가 왔다.", True),
        ("시장은 사과하지 않았다.", "회견은 길었다. 월요일 기자 회견에서 시장이 사과했습니다. 비가 왔다.", True),
        ("회의가 열렸다.", NOT_HELD, True),
        ("회의가 열렸습니다.", NOT_HELD, True),
        ("방에 침대가 있다.", "그 방에는 책상이 있고 침대가 없다.", True),
        ("방에 책상이 있다.", "그 방에는 책상이 있고 침대가 없다.", False),
        ("그는 의사이다.", "그는 의사가 아니다.", True),
        ("공사는 끝나지 않았다.", "다리 공사는 아직도 끝나지 않았다.", False),
        ("공사는 끝나지 않았다.", "지난달 말 축제가 끝났다.", False),
        ("회의가 열렸다.", HELD, False),
        ("회의는 부산에서 열리지 않았다.", HELD, False),
        ("회의가 부산에서 열렸다.", NOT_HELD, False),
        ("회의가 열렸을까?", NOT_HELD, False),
        ("", "", False),
    ],
)
def test_a_korean_claim_and_its_passage_have_the_verb_one_way_each(claim: str, passage: str, denied: bool) -> None:
    """In one sentence: the verb the other way round, whatever its level of speech, and every other word of the claim."""
    assert denials_ko.denies_passage(claim, passage) is denied


@pytest.mark.parametrize(
    ("claim", "passage", "denied"),
    [
        ("会议没有召开。", "上周一在北京召开了会议。", True),
        ("市长没有道歉。", "周一的记者会上，市长道了歉。", True),
        ("会议召开了。", "上周一会议没有召开。", True),
        ("这里没有电梯。", "这里有电梯，也有停车场。", True),
        ("他不是医生。", "他是一名医生。", True),
        ("他是医生。", "他不是医生。", True),
        ("机器无法使用。", "机器可以使用。", True),
        ("工程尚未完工。", "工程已于去年完工。", True),
        ("疫苗无效。", "疫苗有效。", True),
        ("這座橋沒有倒塌。", "這座橋在地震中倒塌。", True),
        ("会议没有召开。", "会议计划下周召开。", False),
        ("会议没有召开。", "会议没有召开。", False),
        ("会议没有召开。", "如果召开会议，他会参加。", False),
        ("会议没有召开。", "展览会上周召开。", False),
        ("会议没有在上海召开。", "会议在北京召开。", False),
        ("鲸鱼不是鱼。", "鲸鱼是哺乳动物。", False),
        ("他不仅是医生。", "他是医生。", False),
        ("身份证没有丢。", "钱包丢了，幸好身份证在口袋里。", False),
        ("会议召开了吗？", "会议没有召开。", False),
        ("", "", False),
    ],
)
def test_a_chinese_claim_and_its_passage_have_the_word_one_way_each(claim: str, passage: str, denied: bool) -> None:
    """In one clause: the denied word without a denial, and whatever else the claim says."""
    assert denials_zh.denies_passage(claim, passage) is denied


@given(st.text("会议没有召开不是了，。 ab的", max_size=24), st.sampled_from(list(Language)))
def test_a_text_denies_neither_itself_nor_one_that_says_it_whole(text: str, language: Language) -> None:
    """However many denials it has."""
    assert compare(text, text, language).denied_only == 0.0
    assert compare(text, f"{text} 上周一开会。", language).denied_only == 0.0
