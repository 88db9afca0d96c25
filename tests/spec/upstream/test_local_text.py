"""The text of an answer as its tokens arrive: whole characters, thoughts apart, stop strings never shown."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.local_text import (
    AnswerText,
    ByteDecoder,
    StopFinder,
    ThinkingSplitter,
    ThinkingStart,
    Vocabulary,
    WholeDecoder,
    byte_alphabet,
)

KOREAN = "안녕하세요, 주민등록번호입니다 👨‍👩‍👧 中文字"


class Bytes:
    """A vocabulary with one token per byte, as the smallest byte-level tokenizer has."""

    added_tokens_decoder: dict[int, object] = {}  # noqa: RUF012  # the shape of the tokenizer's own attribute

    def __init__(self) -> None:
        self._letters = {byte: letter for letter, byte in byte_alphabet().items()}

    def convert_ids_to_tokens(self, token: int) -> str:
        return self._letters[token]

    def decode(self, tokens: list[int], **_: object) -> str:
        return bytes(tokens).decode("utf-8", "replace")


VOCABULARY = Vocabulary(Bytes())


def cut(text: str, places: set[int]) -> list[str]:
    """The text in pieces."""
    edges = [0, *sorted(place for place in places if 0 < place < len(text)), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


def test_the_alphabet_covers_every_byte_once() -> None:
    """GPT-2's table is a bijection of 256 characters and bytes."""
    assert sorted(byte_alphabet().values()) == list(range(256))


@pytest.mark.parametrize("decoder", [ByteDecoder(VOCABULARY), WholeDecoder(Bytes())], ids=["bytes", "whole"])
def test_characters_leave_whole(decoder: ByteDecoder | WholeDecoder) -> None:
    """A syllable or an emoji of several tokens leaves with the last of them."""
    pieces = [decoder.push(byte) for byte in KOREAN.encode()]
    assert "".join([*pieces, decoder.finish()]) == KOREAN
    assert not any("\ufffd" in piece for piece in pieces)
    assert max(map(len, pieces)) == 1


@given(st.binary(max_size=60))
def test_bytes_that_are_no_text_become_replacement_characters(raw: bytes) -> None:
    """Whatever a model writes, what leaves is what a replacing UTF-8 decoder makes of the whole."""
    decoder = ByteDecoder(VOCABULARY)
    assert "".join([*(decoder.push(byte) for byte in raw), decoder.finish()]) == raw.decode("utf-8", "replace")


@given(
    st.text("ab가", max_size=8),
    st.sampled_from(["ab", "aab", "가a", "bb가"]),
    st.text("ab가", max_size=8),
    st.sets(st.integers(0, 20)),
)
def test_a_planted_stop_string_ends_the_text_wherever_it_is_cut(
    before: str, stop: str, after: str, places: set[int]
) -> None:
    """The text before the first stop string leaves, nothing of it and nothing behind it."""
    text = before + stop + after
    finder = StopFinder([stop])
    released = "".join(finder.push(piece) for piece in cut(text, places))
    assert finder.found
    assert released == text[: text.index(stop)]


@given(st.text("<thinkx/>\n ", max_size=12), st.text("<tk/>\n가", max_size=12), st.sets(st.integers(0, 60)))
def test_a_thought_is_split_off_wherever_it_is_cut(thought: str, answer: str, places: set[int]) -> None:
    """Cutting the text anywhere changes neither the thought nor the answer."""

    def split(pieces: list[str]) -> tuple[str, str]:
        splitter = ThinkingSplitter(ThinkingStart.MAYBE)
        parts = [*(splitter.push(piece) for piece in pieces), splitter.finish()]
        return "".join(p.reasoning for p in parts), "".join(p.content for p in parts)

    text = f"<think>\n{thought}\n</think>\n\n{answer}"
    reasoning, content = split(cut(text, places))
    assert (reasoning, content) == split([text])
    if "</think>" not in thought:
        assert reasoning == thought.strip("\n")
        assert content == answer.lstrip("\n")


@pytest.mark.parametrize(
    ("start", "text", "reasoning", "content"),
    [
        (ThinkingStart.MAYBE, "no thought <think>x</think>", "", "no thought <think>x</think>"),
        (ThinkingStart.MAYBE, "\n<think>a</think>b", "a", "b"),
        (ThinkingStart.MAYBE, "<thi", "", "<thi"),
        (ThinkingStart.MAYBE, "<think>never ends", "never ends", ""),
        (ThinkingStart.INSIDE, "deep\n</think>\n\nb", "deep", "b"),
        (ThinkingStart.NEVER, "<think>a</think>b", "", "<think>a</think>b"),
    ],
)
def test_where_a_thought_may_stand(start: ThinkingStart, text: str, reasoning: str, content: str) -> None:
    """Only at the front, only where the model thinks; a thought without an end stays a thought."""
    answer = AnswerText(ByteDecoder(VOCABULARY), start, ())
    deltas = [*(answer.push(byte) for byte in text.encode()), answer.finish()]
    assert "".join(d.reasoning for d in deltas) == reasoning
    assert "".join(d.content for d in deltas) == content


def test_a_stop_string_does_not_end_a_thought() -> None:
    """Stop strings are looked for in the answer only."""
    answer = AnswerText(ByteDecoder(VOCABULARY), ThinkingStart.MAYBE, ("STOP",))
    deltas = [answer.push(byte) for byte in b"<think>STOP</think>one STOP two"]
    assert "".join(d.reasoning for d in deltas) == "STOP"
    assert "".join(d.content for d in deltas) == "one "
    assert answer.is_stopped()


def test_log_probabilities_leave_with_their_text() -> None:
    """Entries of the thought and of what a stop string cut off are not shown."""
    answer = AnswerText(ByteDecoder(VOCABULARY), ThinkingStart.MAYBE, ("END",))
    text = b"<think>a</think>\n\n\xea\xb0\x80bEND"
    deltas = [answer.push(byte, {"token": byte}) for byte in text]
    deltas.append(answer.finish())
    shown = [entry["token"] for delta in deltas for entry in delta.logprobs]
    assert bytes(shown) == "가b".encode()
