"""A text never disagrees with itself, and a changed number is always found."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from guard.claims.compare import compare
from guard.claims.ports import Conflict
from guard.language import language_of

FRAMES = (
    "The bridge over the river was opened in {year} and is {number} metres long.",
    "In {year} the city had {number} schools and a large hospital.",
    "The company sold {number} cars and built a new plant in {year}.",
    "A report from {year} counted {number} people in the valley.",
    "이 다리는 {year}년에 개통되었으며 길이는 {number}미터이다.",
    "{year}년 조사에 따르면 이 마을에는 {number}명이 살고 있었다.",
    "회사는 {year}년에 자동차 {number}대를 팔았다.",
    "这座桥于{year}年通车，全长{number}米。",
    "{year}年的调查显示，该村有{number}人居住。",
    "公司在{year}年售出了{number}辆汽车。",
)
FOUND = {Conflict.NUMBER, Conflict.DATE, Conflict.UNIT}
years = st.integers(1200, 2090)
numbers = st.one_of(st.integers(3, 99_999), st.integers(3, 999).map(lambda n: n / 10))
pieces = st.text(alphabet="abc XY.,!?'\n12 90%$가나다 서울 不没 모든 all no 北京 than 3만一二十年월 m kg", max_size=120)


@given(st.one_of(pieces, st.text(max_size=80)))
@settings(max_examples=300, deadline=None)
def test_a_text_does_not_disagree_with_itself(text: str) -> None:
    """Whatever the text: compared with itself, with or without more around it, there is no reason."""
    assert compare(text, text, language_of(text)).reasons == ()
    assert compare(text, f"Before it.\n{text}\nBehind it.", language_of(text)).reasons == ()


@given(st.sampled_from(FRAMES), years, numbers, years, numbers, st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_changed_number_is_found(
    frame: str, year: int, number: float, other_year: int, other: float, change_year: bool
) -> None:
    """One number or year of a true sentence is changed: a reason says so and points at both."""
    changed = frame.format(year=other_year, number=number) if change_year else frame.format(year=year, number=other)
    true = frame.format(year=year, number=number)
    reasons = compare(changed, true, language_of(true)).reasons
    if changed == true:
        assert reasons == ()
        return
    kinds = {reason.conflict for reason in reasons}
    assert kinds & FOUND, (changed, true)
    for reason in reasons:
        assert changed[reason.claim_start : reason.claim_end] != true[reason.evidence_start : reason.evidence_end]


@given(pieces, pieces)
@settings(max_examples=300, deadline=None)
def test_positions_lie_inside_both_texts(claim: str, evidence: str) -> None:
    """Nothing raises, and every reason can be shown."""
    for reason in compare(claim, evidence, language_of(claim)).reasons:
        assert 0 <= reason.claim_start <= reason.claim_end <= len(claim)
        assert 0 <= reason.evidence_start <= reason.evidence_end <= len(evidence)
