"""One HTTP request and its answer, over raw ASGI.

Rules of this file
1. The answer is begun once and ended once; what is written after the client has gone is dropped by the server.
2. A client that goes away cancels the task that works for it, and `gone` says so; any other cancellation is the
   server's own shutdown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from types import TracebackType
from typing import Any, Final

import msgspec

from gateway.errors import BodyTooLarge, EncodedBody, HeadersTooLarge, SlowBody
from gateway.limits import Limits

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON: Final = (b"content-type", b"application/json")
EVENTS: Final = (b"content-type", b"text/event-stream; charset=utf-8")
NO_STORE: Final = (b"cache-control", b"no-store")
NO_BUFFER: Final = (b"x-accel-buffering", b"no")

_encode = msgspec.json.Encoder().encode


class ClientGone(Exception):
    """The client closed the connection before it had the whole answer."""


class Exchange:
    """A request to be read and an answer to be written."""

    __slots__ = ("_closed", "_receive", "_scope", "_send", "_task", "_watcher", "gone", "headers", "started", "status")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._watcher: asyncio.Task[None] | None = None
        self._task: asyncio.Task[Any] | None = None
        self._closed = False
        self.headers: list[Header] = []
        """Set before the answer begins; sent with it."""
        self.started = False
        self.gone = False
        self.status = 0

    @property
    def method(self) -> str:
        """The HTTP method, in capitals."""
        return str(self._scope["method"])

    def header(self, name: bytes) -> str:
        """The first header of that (lower-case) name, "" when there is none."""
        for key, value in self._scope["headers"]:
            if key == name:
                return str(value, "latin-1")
        return ""

    def check_headers(self, limits: Limits) -> None:
        """Refuse a flood of header fields.

        Raises:
            HeadersTooLarge: more fields or bytes than the limits allow.
        """
        fields = self._scope["headers"]
        if len(fields) > limits.header_fields or sum([len(k) + len(v) for k, v in fields]) > limits.header_bytes:
            raise HeadersTooLarge(
                f"more than {limits.header_fields} header fields, or {limits.header_bytes} bytes of them",
                hint="send fewer or shorter headers",
            )

    async def body(self, limits: Limits) -> bytes:
        """The whole request body.

        Raises:
            BodyTooLarge, SlowBody, EncodedBody: see each.
            ClientGone: the client left while sending it.
        """
        if self.header(b"content-encoding") not in {"", "identity"}:
            raise EncodedBody("the body is compressed", hint="send it as plain JSON")
        announced = self.header(b"content-length")
        if announced.isdigit() and int(announced) > limits.body_bytes:
            raise _too_large(limits)
        try:
            async with asyncio.timeout(limits.body_s):
                return await self._read_all(limits)
        except TimeoutError as error:
            raise SlowBody(
                f"the body did not arrive within {limits.body_s:g} seconds",
                hint="check the connection and send it again",
            ) from error

    async def _read_all(self, limits: Limits) -> bytes:
        pieces: list[bytes] = []
        size = 0
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.gone = True
                raise ClientGone
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            if size > limits.body_bytes:
                raise _too_large(limits)
            more = message.get("more_body", False)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def __aenter__(self) -> Exchange:
        """From here on, a client that goes away cancels the calling task. The body has been read before."""
        self._task = asyncio.current_task()
        self._watcher = asyncio.create_task(self._watch(), name="haechi client watcher")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        if self._watcher is not None:
            self._watcher.cancel()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self._closed and self._task is not None:
            self._closed = True
            self.gone = True
            self._task.cancel()

    async def start(self, status: int, headers: Iterable[Header]) -> None:
        """Begin the answer."""
        self.started = True
        self.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": [*headers, *self.headers]})

    async def write(self, data: bytes) -> None:
        """A piece of the answer; waits while the client reads slowly."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        """The last piece. A disconnect from here on is no longer news."""
        self._closed = True
        await self._send({"type": "http.response.body", "body": data})

    async def answer(self, status: int, data: bytes, headers: Iterable[Header] = (JSON,)) -> None:
        """A whole answer at once."""
        await self.start(status, [*headers, (b"content-length", b"%d" % len(data))])
        await self.end(data)

    async def answer_json(self, status: int, content: Any, headers: Iterable[Header] = ()) -> None:
        """A whole answer of JSON."""
        await self.answer(status, _encode(content), [JSON, *headers])


def _too_large(limits: Limits) -> BodyTooLarge:
    return BodyTooLarge(
        f"the body is longer than {limits.body_bytes} bytes", hint="send less, or images by URL instead of inline"
    )
