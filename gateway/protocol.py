"""The server's HTTP/1.1 protocol with bounds on what comes before a request exists: its line and headers.

uvicorn hands a request to the app when its headers are complete, and keeps them in memory until then, however many there
are and however slowly they come. Pass this class as `http=` to uvicorn.Config.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.errors import HeadersTooLarge, SlowBody
from gateway.openai.errors import error_body, error_status
from haechi.base.errors import HaechiError

HEAD_BYTES: Final = 64 * 1024
"""Most bytes of a request line with its headers; twice what Limits.header_bytes lets through, so that the usual offender
is told by the app, and half of what one read brings."""
HEAD_S: Final = 20.0
"""Seconds for them to arrive, counted from the first byte, or from the connection."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    head_bytes = HEAD_BYTES
    head_s = HEAD_S

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_seen = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_done()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._expect_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head_done()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head_timer is not None:
            self._head_seen += len(data)
            if self._head_seen > self.head_bytes:
                self._refuse(
                    HeadersTooLarge(f"more than {self.head_bytes} bytes of headers", hint="send fewer or shorter ones")
                )

    def _expect_head(self) -> None:
        self._head_done()
        self._head_seen = 0
        self._head_timer = self.loop.call_later(self.head_s, self._too_slow)

    def _head_done(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        if self._head_seen:
            self._refuse(
                SlowBody(f"the headers did not arrive within {self.head_s:g} seconds", hint="send them faster")
            )
        else:
            self._head_done()
            self.transport.close()  # nothing was asked, so nothing is answered

    def _refuse(self, error: HaechiError) -> None:
        """Answer and close; whatever else comes on this connection is dropped."""
        self._head_done()
        if self.transport.is_closing():
            return
        body = msgspec.json.encode(error_body(error))
        head = f"HTTP/1.1 {error_status(error)} Refused\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.transport.close()
