"""Where sentences end in three languages, and that a stream finds the same ends as a whole text."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.sentences import ends, last_end, segments
from tests.cost import least_cpu

CASES = {
    "plain": ["One two. ", "Three! ", "Four? ", "Five"],
    "decimals and hosts": ["It costs 3.14 at example.com today. ", "Fine."],
    "abbreviations": ["Dr. Kim met Mr. Lee, e.g. at St. Mary's. ", "Then they left."],
    "initials": ["J. R. Smith of the U.S. Army spoke. ", "Nobody heard."],
    "quotes": ['He said "no." ', "She left.) ", "End"],
    "ellipsis": ["Well... ", "no."],
    "korean": ["오늘은 날씨가 좋다. ", "산책을 가자! ", "좋아?"],
    "korean without marks": [
        "오늘은 정말 날씨가 좋고 하늘도 맑아서 기분이 참 좋습니다 ",
        "내일은 비가 온다고 하니 우산을 챙기세요",
    ],
    "korean, short, left together": ["좋아요 버튼을 눌러 주세요"],
    "a decimal in korean": ["원주율은 3.14입니다. ", "끝"],
    "chinese": ["今天天气很好。", "我们去公园吧！", "好吗？", "他说：“不行。”", "走"],
    "chinese, numbers": ["圆周率是3.14。", "对；", "行"],
    "lines": ["First line\n", "Second line\n\n", "Third"],
    "list": ["1. Take the bread\n", "2. Cut it. ", "Then eat.\n", "- one\n", "- two"],
    "a wrapped line": ["This is a rather long line of a mail that was broken in the middle of\na sentence. ", "End."],
    "code": ["Look:\n", "```python\nx = a.b\nif x. y:\n    pass\n```\n", "Done. ", "Good."],
    "code with a gap": ["```\na = 1. \n\n", "b = 2\n```\n", "After"],
    "nothing": [],
}


@pytest.mark.parametrize("name", CASES)
def test_sentences_end_where_a_reader_would_end_them(name: str) -> None:
    """Each case is a list of sentences; together they are the text."""
    text = "".join(CASES[name])
    assert [text[s.start : s.end] for s in segments(text, 1000)] == CASES[name]


@pytest.mark.parametrize("name", CASES)
def test_a_text_that_is_still_growing_has_no_end_that_goes_away_later(name: str) -> None:
    """What was an end in a prefix, blanks and closing quotes behind it aside, is an end of the whole."""
    text = "".join(CASES[name])
    closing = " \n”’」』）"
    whole = {len(text[:end].rstrip(closing)) for end in ends(text)}
    for cut in range(len(text)):
        found = last_end(text[:cut])
        assert not found or len(text[:found].rstrip(closing)) in whole


@given(st.text(alphabet="aB1.。!\n 다요습니`-「」'\"", max_size=200), st.integers(1, 40), st.integers(0, 40))
def test_segments_cover_the_text_and_keep_to_their_length(text: str, longest: int, together: int) -> None:
    """Nothing is lost, doubled or longer than allowed."""
    spans = list(segments(text, longest, together=min(together, longest)))
    assert "".join(text[s.start : s.end] for s in spans) == text
    assert all(0 < len(s) <= longest for s in spans)


def test_short_sentences_of_a_long_text_go_together() -> None:
    """A model is not asked a quarter of a million times about one text."""
    assert len(list(segments("No. " * 10_000, 600, together=300))) < 200


def found(text: str) -> list[int]:
    return list(ends(text))


def test_finding_ends_is_linear() -> None:
    """Twice the text, about twice the work; the worst mixtures of signs included."""
    for pattern in ("a. ", "``` ", "```\n", "다요 ", ".\n", "\n", "x" * 70 + "\n", ". . "):
        text = pattern * 4_000
        short, long = (least_cpu(partial(found, whole), tries=2) for whole in (text, text * 4))
        assert long < 40 * max(short, 0.002)
