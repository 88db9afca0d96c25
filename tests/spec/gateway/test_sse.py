"""Server-sent events: cut anywhere, ended anyhow, with comments between."""

from __future__ import annotations

import pytest

from gateway.openai.sse import DONE, EventTooLong, SseDecoder, frame, frames

STREAM = 'data: {"t":"가나"}\n\n: a comment\n\nevent: x\ndata: {"t":"好"}\n\ndata:[DONE]\n\n'.encode()
EVENTS = ['{"t":"가나"}'.encode(), '{"t":"好"}'.encode(), DONE]


def decoded(pieces: list[bytes]) -> list[bytes]:
    decoder = SseDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
def test_events_are_the_same_wherever_the_bytes_are_cut(ending: bytes) -> None:
    """Every split into two, and one byte at a time, gives the same events, with each of the three line endings."""
    stream = STREAM.replace(b"\n", ending)
    # A lone CR is only known to be a whole line ending when something follows it.
    stream += b":\n" if ending == b"\r" else b""
    for cut in range(len(stream) + 1):
        assert decoded([stream[:cut], stream[cut:]]) == EVENTS
    assert decoded([stream[i : i + 1] for i in range(len(stream))]) == EVENTS


def test_a_byte_order_mark_is_skipped_even_when_cut() -> None:
    """A stream may begin with a byte order mark."""
    assert decoded([b"\xef", b"\xbb", b"\xbfdata: 1\n\n"]) == [b"1"]


def test_data_lines_of_one_event_are_joined() -> None:
    """Several data lines are one payload with line feeds between."""
    assert decoded([b"data: a\ndata: b\n\n"]) == [b"a\nb"]


def test_an_event_that_does_not_end_is_no_event() -> None:
    """Bytes without the empty line are held back."""
    assert decoded([b"data: a\n"]) == []


def test_an_endless_event_is_refused() -> None:
    """A line or an event without end does not fill the memory."""
    with pytest.raises(EventTooLong):
        SseDecoder(longest=100).feed(b"data: " + b"x" * 200)
    with pytest.raises(EventTooLong):
        SseDecoder(longest=100).feed(b"data: abcdefgh\n" * 50)


def test_frames_are_read_back_as_they_were_written() -> None:
    """What is sent decodes to what was meant, one frame or several in one write."""
    assert decoded([frame({"a": "가\n"})]) == ['{"a":"가\\n"}'.encode()]
    assert decoded([frames([{"a": 1}, {"b": 2}])]) == [b'{"a":1}', b'{"b":2}']
