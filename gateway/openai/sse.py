"""Server-sent events, sans-IO: bytes in, data payloads out; and the frames the gateway sends.

Rules of this file
1. Bytes may be cut anywhere, inside a line ending or a UTF-8 character too; nothing is decoded before its line is whole.
2. Lines end with LF, CRLF or CR (WHATWG HTML 9.2.6); comments and fields other than `data` are skipped.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

DONE: Final = b"[DONE]"
DONE_FRAME: Final = b"data: [DONE]\n\n"

_encode = msgspec.json.Encoder().encode


class EventTooLong(ValueError):
    """A line or an event is longer than the decoder keeps."""


class SseDecoder:
    """Takes the bytes of an event stream and answers the data of each event that they complete."""

    __slots__ = ("_at_start", "_buffer", "_data", "_longest", "_size")

    def __init__(self, *, longest: int = 8 * 1024 * 1024) -> None:
        """longest: bytes of one event, above which the stream is refused."""
        self._buffer = b""
        self._data: list[bytes] = []
        self._size = 0
        self._longest = longest
        self._at_start = True

    def feed(self, received: bytes) -> list[bytes]:
        """The data of every event that is complete now, in order.

        Raises:
            EventTooLong: when an event outgrows the limit.
        """
        buffer = self._buffer + received if self._buffer else received
        if self._at_start:
            if len(buffer) < 3 and b"\xef\xbb\xbf".startswith(buffer):
                self._buffer = buffer
                return []
            self._at_start = False
            buffer = buffer.removeprefix(b"\xef\xbb\xbf")
        if b"\r" in buffer:
            # A CR at the very end may be the first half of CRLF: it waits for the next bytes.
            kept = b"\r" if buffer.endswith(b"\r") else b""
            buffer = buffer[: len(buffer) - len(kept)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        else:
            kept = b""
        lines = buffer.split(b"\n")
        self._buffer = lines.pop() + kept
        events: list[bytes] = []
        for line in lines:
            self._line(line, events)
        if len(self._buffer) + self._size > self._longest:
            raise EventTooLong(f"an event is longer than {self._longest} bytes")
        return events

    def _line(self, line: bytes, events: list[bytes]) -> None:
        if not line:
            if self._data:
                events.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                self._data = []
                self._size = 0
        elif line.startswith(b"data:"):
            value = line[6:] if line.startswith(b"data: ") else line[5:]
            self._data.append(value)
            self._size += len(value)
        elif line == b"data":
            self._data.append(b"")


def frame(event: Any) -> bytes:
    """One event with a JSON payload."""
    return b"data: " + _encode(event) + b"\n\n"


def frames(events: Iterable[Any]) -> bytes:
    """Several events, ready to go out in one write."""
    return b"".join([b"data: " + _encode(event) + b"\n\n" for event in events])


def named_frames(events: Iterable[Any]) -> bytes:
    """Several events of the kind that say their `type` in the frame, too."""
    return b"".join([b"event: " + e["type"].encode() + b"\ndata: " + _encode(e) + b"\n\n" for e in events])
