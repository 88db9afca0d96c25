"""Pieces that arrived together become one piece, and nothing else changes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.openai.merge import merged


def chunk(delta: dict[str, Any], index: int = 0, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": "a", "choices": [{"index": index, "delta": delta, "finish_reason": finish}], **more}


PIECES = st.builds(
    chunk,
    st.one_of(
        st.fixed_dictionaries({"content": st.text(max_size=5)}),
        st.fixed_dictionaries({"reasoning_content": st.text(max_size=5)}),
        st.just({"role": "assistant", "content": "x"}),
        st.just({}),
    ),
    st.integers(0, 1),
    st.sampled_from([None, None, None, "stop"]),
)


def told(chunks: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What a reader of the stream knows, letter by letter, in order."""
    out: list[tuple[Any, ...]] = []
    for each in chunks:
        choice = each["choices"][0]
        for key, text in choice["delta"].items():
            out += [(choice["index"], key, letter) for letter in text]
        if choice["finish_reason"]:
            out.append((choice["index"], "finish", choice["finish_reason"]))
    return out


@given(st.lists(PIECES, max_size=12))
def test_a_reader_cannot_tell(chunks: list[dict[str, Any]]) -> None:
    """Every letter of every field of every choice, in the same order, and no more chunks than before."""
    before = [dict(each) for each in chunks]
    joined = merged(chunks)
    assert told(joined) == told(chunks)
    assert len(joined) <= len(chunks)
    assert chunks == before


def test_a_run_becomes_one() -> None:
    """Pieces of one text are joined."""
    assert merged([chunk({"content": c}) for c in "abc"]) == [chunk({"content": "abc"})]


def test_what_carries_more_than_text_is_left_alone() -> None:
    """Other choices, other fields, log-probabilities, another id: no joining across them."""
    apart = [
        chunk({"content": "a"}),
        chunk({"content": "b"}, index=1),
        chunk({"reasoning": "c"}, index=1),
        chunk({"content": "d"}, x=1),
    ]
    assert merged(apart) == apart
    scored = chunk({"content": "a"})
    scored["choices"][0]["logprobs"] = {"content": []}
    assert merged([scored, scored]) == [scored, scored]


def test_odd_shapes_pass_through() -> None:
    """What is not a chunk is for others to judge."""
    odd = [{"choices": 7}, {"choices": [7]}, {"choices": [{"delta": 7}]}, {}, {"choices": []}]
    assert merged(odd) == odd
