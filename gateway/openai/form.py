"""The forms in which a client may ask a model: chat, text, responses. Inside the gateway every one of them is a chat.

Rules of this file
1. A form reads a request into the shapes of gateway/upstream/ports.py, so that one guard reads all of them.
2. A teller is given only what the guard released, and writes nothing but that and what the client itself sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.limits import Limits
from gateway.openai.request import ModelRequest
from gateway.openai.sse import DONE_FRAME, frame, frames
from gateway.upstream.ports import Json
from haechi.base.ids import RequestId


class Teller(Protocol):
    """Tells one answer, whole or as a stream."""

    def whole(self, completion: Json) -> Json:
        """A `chat.completion` in this form."""
        ...

    def pieces(self, chunks: Sequence[Json]) -> bytes:
        """The events for some `chat.completion.chunk`s; b"" when they say nothing in this form."""
        ...

    def closing(self, error: Json | None = None) -> bytes:
        """The end of a stream that has begun. error: OpenAI's error object, when it ends with one."""
        ...


@dataclass(frozen=True, slots=True)
class Form:
    """One way to ask a model.

    act: its name in the audit log. field: where its text stands, for errors.
    teller: given the request, its body after the guard (of which the answer may repeat fields) and the request's id.
    """

    act: str
    field: str
    parse: Callable[[bytes, Limits], ModelRequest]
    teller: Callable[[ModelRequest, Json, RequestId], Teller]


class AsChat:
    """A chat, told as it is."""

    __slots__ = ()

    def whole(self, completion: Json) -> Json:
        return completion

    def pieces(self, chunks: Sequence[Json]) -> bytes:
        return frames(chunks)

    def closing(self, error: Json | None = None) -> bytes:
        return DONE_FRAME if error is None else frame({"error": error})


AS_CHAT = AsChat()
