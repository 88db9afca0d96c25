"""Korean words that differ in style alone are read as the passage writes them; nothing else of a claim changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.claims.style import as_written, plain_form

SENTENCES = (
    "지난 월요일 서울에서 회의가 열렸다.",
    "그는 모든 문제를 해결하였고 상을 받았다.",
    "이 다리는 1998년에 완공되었다.",
    "그런 일은 한 번도 없었다.",
)


@pytest.mark.parametrize(
    ("passage", "claim"),
    [
        ("회의가 열렸다.", "회의가 열렸습니다."),
        ("회의가 열렸습니다.", "회의가 열렸어요."),
        ("그는 부산에 산다.", "그는 부산에 삽니다."),
        ("그는 책을 읽는다.", "그는 책을 읽습니다."),
        ("수도는 서울이다.", "수도는 서울입니다."),
        ("물이 없다.", "물이 없어요."),
        ("공사가 완료되었다.", "공사가 완료됐습니다."),
        ("그는 사과하였다.", "그는 사과했다."),
        ("아이를 위해 샀다.", "아이를 위하여 샀습니다."),
        ("그가 문을 닫아 주었다.", "그가 문을 닫아 줬다."),
        ("이러한 일이 있었다.", "이런 일이 있었다."),
        ("서울에서 회의가 열렸다.", "회의가 서울에서 열렸습니다."),
    ],
)
def test_a_claim_in_another_style_is_shown_as_the_passage_has_it(passage: str, claim: str) -> None:
    """Levels of speech, contractions, two neighbours with particles of case."""
    assert as_written(claim, passage) == passage


@pytest.mark.parametrize(
    ("passage", "claim"),
    [
        ("회의가 열렸다.", "회의가 열리지 않았습니다."),
        ("회의가 열렸다.", "회의가 열립니다."),
        ("물이 있다.", "물이 없습니다."),
        ("그는 부산에 산다.", "그는 부산에 살았습니다."),
        ("개가 사람을 물었다.", "사람이 개를 물었습니다."),
        ("철수가 영희를 이겼다.", "영희가 철수를 이겼습니다."),
        ("값이 세 배 올랐다.", "값이 네 배 올랐습니다."),
        ("그는 최초의 사장이다.", "그는 최후의 사장입니다."),
    ],
)
def test_what_is_said_otherwise_is_not_shown_as_said(passage: str, claim: str) -> None:
    """Negation, tense, who does what to whom, numbers and other words stay."""
    assert as_written(claim, passage) != passage


@given(st.sampled_from(SENTENCES), st.sampled_from(SENTENCES))
def test_a_claim_keeps_its_words_by_their_plain_form(claim: str, passage: str) -> None:
    """And a claim that stands in the passage is returned as it came."""
    shown = as_written(claim, passage)
    assert sorted(map(plain_form, shown.split())) == sorted(map(plain_form, claim.split()))
    assert as_written(claim, f"{passage} {claim}") == claim


@given(st.text(), st.text())
def test_any_text_is_read(claim: str, passage: str) -> None:
    """Nothing is refused, and without Korean nothing changes."""
    shown = as_written(claim, passage)
    if not any("가" <= sign <= "힣" for sign in claim + passage):
        assert shown == claim


@given(st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=1, max_size=6))
def test_a_plain_form_is_korean(word: str) -> None:
    """Whatever the syllables: no sign comes in that is none, and it is never empty."""
    form = plain_form(word)
    assert form
    assert all("가" <= sign <= "힣" for sign in form)
