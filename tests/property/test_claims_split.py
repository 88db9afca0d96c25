"""An answer makes the same claims however it is cut."""

from __future__ import annotations

import itertools

from hypothesis import example, given, settings
from hypothesis import strategies as st

from guard.claims.ports import Claim
from guard.claims.split import ClaimSplitter, claims_of

SENTENCES = (
    "Marie Curie was born in 1867. ", "She won two prizes.\n", "It is 3.14 km, i.e. far. ", "Is it? ", "No. 5 is alive! ",
    "- A list item has 5 words.\n", "# A heading here\n", "```python\nx = 1. The code is long.\n\ny = 2\n```\n", "~~~\n", "```",
    "This line is rather long and was broken by somebody in the middle of\nthe sentence. ", "He said \"no.\" ", "e.g. ",
    "세종대왕은 1443년에 훈민정음을 창제했다. ", "1397년에 태어났다.\n", "그는 왕이었다 ", "감사합니다! ",
    "北京是中国的首都。", "它位于华北。\n\n", "你好！", "他说：“不行。”", "圆周率是3.14。", "   ", "\n", "word " * 30, "长" * 90,
)  # fmt: skip
answers = st.lists(st.sampled_from(SENTENCES), max_size=12).map("".join)


def _streamed(text: str, cuts: list[int]) -> list[Claim]:
    splitter = ClaimSplitter()
    claims = []
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    for start, end in itertools.pairwise(edges):
        claims += splitter.feed(text[start:end])
    return claims + splitter.finish()


@given(answers, st.lists(st.integers(0, 5_000), max_size=30))
@example("She won two prizes.\n   ```python\nx = 1. The code is long.\n\ny = 2\n```\n", [])
@settings(max_examples=250, deadline=None)
def test_an_answer_makes_the_same_claims_however_it_is_cut(text: str, cuts: list[int]) -> None:
    """Cut anywhere, or letter by letter: the same claims at the same places."""
    whole = claims_of(text)
    assert _streamed(text, cuts) == whole
    assert _streamed(text, list(range(len(text)))) == whole
    for claim in whole:
        assert text[claim.start : claim.end] == claim.text


@given(
    st.integers(1_980, 2_020), st.sampled_from(["a", "가 ", "长", "word ", "``", "\n"]), st.lists(st.integers(0, 9_000))
)
@settings(max_examples=60, deadline=None)
def test_a_sentence_longer_than_a_claim_may_be_is_cut_at_the_same_place(size: int, sign: str, cuts: list[int]) -> None:
    """Around the limit of 2,000 code points, with a fence there."""
    text = ("The tower is tall and " + sign * size)[:size] + "\n```\ncode is here. It has words.\n```\nParis is a city."
    assert _streamed(text, cuts) == claims_of(text)
