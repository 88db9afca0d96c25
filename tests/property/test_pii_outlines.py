"""The choice of patterns by a candidate's outline refuses nothing that a pattern would accept."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.pii import anywhere, china, english, korea
from guard.pii.pattern import Lane, Pattern, PatternSpec, outline_expression

NUMBERS = [spec for module in (anywhere, china, english, korea) for spec in module.SPECS if spec.lane is Lane.DIGITS]
FOLLOWED = ("", " ", ".", ",", "입니다", "。", "년", "号", " x", "\n", " 12", "-")


@pytest.mark.parametrize("spec", NUMBERS, ids=lambda spec: spec.rule)
def test_an_outline_refuses_no_match_wherever_it_is_cut(spec: PatternSpec) -> None:
    pattern = Pattern(spec)
    outline = outline_expression(spec)
    body = spec.body[spec.body.index("(?P<v>") :] if spec.body.startswith("(?=") else spec.body  # no look-ahead to draw
    zeros = str.maketrans("123456789", "000000000")

    @settings(max_examples=12, deadline=None)
    @given(value=st.from_regex(body, fullmatch=True), after=st.sampled_from(FOLLOWED))
    def holds(value: str, after: str) -> None:
        text = value + after
        if pattern.expression.match(text) is not None:
            seen = text.translate(zeros)
            assert all(outline.match(seen[:end], partial=True) is not None for end in range(1, len(seen) + 1))

    holds()
