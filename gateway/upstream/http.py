"""Any OpenAI-compatible server as the model: vLLM, SGLang, Ollama, DashScope, OpenAI.

Rules of this file
1. One pooled client per process and event loop; nothing of it exists before the first request.
2. Leaving a stream early closes its connection, which is what makes vLLM and SGLang stop generating. A connection
   goes back to the pool only after a complete answer.
3. What goes wrong is an UpstreamError: the upstream's own status and error object where it gave one. Its credentials
   are the operator's business: an upstream's 401 or 403 is a 502 to the client, and said in the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from gateway.errors import UpstreamGarbled, UpstreamRefused, UpstreamTimedOut, UpstreamUnreachable
from gateway.openai.sse import DONE, EventTooLong, SseDecoder
from gateway.openai.text import text_as_chat
from gateway.upstream.ports import Json, UpstreamError

logger = logging.getLogger("haechi.gateway.upstream")

CONNECT_S = 10.0
"""Seconds to make a connection."""
MOST_CONNECTIONS = 1_024
IDLE_S = 4.0
"""Seconds an idle connection is kept; uvicorn, which serves vLLM and SGLang, closes one after 5."""
DRAIN_S = 0.05
"""Seconds to wait for the end of a body whose `[DONE]` has arrived."""
LONGEST_ANSWER = 64 * 1024 * 1024
"""Bytes of a whole answer; with n = 128 long answers stay below."""
PIECE = 256 * 1024
"""Bytes of a request body written at once."""
LONGEST_ERROR = 64 * 1024
"""Bytes of an error answer that are read."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class HttpUpstream:
    """An OpenAI-compatible server at `base_url` (with its `/v1`)."""

    def __init__(self, base_url: str, *, api_key: str = "", timeout_s: float = 300.0) -> None:
        """timeout_s: longest wait for an answer to begin, and between two pieces of it."""
        self._base = base_url.rstrip("/")
        self._where = urlsplit(self._base).netloc
        self._headers = {"content-type": "application/json", "user-agent": "haechi"}
        if api_key:
            self._headers["authorization"] = f"Bearer {api_key}"
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def models(self) -> list[Json]:
        """The upstream's own list."""
        response = await self._send("GET", "/models", None)
        async with response:
            listed = await self._whole(response)
        data = listed.get("data")
        if not isinstance(data, list):
            raise self._garbled("its list of models has no data")
        return [model for model in data if isinstance(model, dict)]

    async def complete(self, body: Json) -> Json:
        """One whole answer. Cancelling closes the connection."""
        response = await self._send("POST", _path(body), body)
        async with response:
            answer = await self._whole(response)
        return answer if "messages" in body else text_as_chat(answer, "message")

    def stream(self, body: Json) -> HttpStream:
        """The chunks of a streamed answer."""
        return HttpStream(self, body)

    async def embed(self, body: Json) -> Json:
        """The upstream's own vectors."""
        response = await self._send("POST", "/embeddings", body)
        async with response:
            return await self._whole(response)

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=MOST_CONNECTIONS, keepalive_timeout=IDLE_S)
            # Identity is asked for, so that no chunk waits in a compressor.
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                headers={**self._headers, "accept-encoding": "identity"},
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                read_bufsize=2**18,
            )
        return self._session

    async def _send(self, method: str, path: str, body: Json | None) -> aiohttp.ClientResponse:
        """An answer with status 200 and its body still to be read."""
        data = _encode(body) if body is not None else None
        try:
            try:
                response = await self._request(method, path, data)
            except (aiohttp.ServerDisconnectedError, ConnectionResetError):
                # A pooled connection that the server closed just now; nothing of an answer has been seen.
                response = await self._request(method, path, data)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._translate(error) from error
        if response.status != 200:
            async with response:
                raise await self._refusal(response)
        return response

    async def _request(self, method: str, path: str, data: bytes | None) -> aiohttp.ClientResponse:
        """Send one request. A long body goes out in pieces, so that other requests get their turn between them."""
        url = self._base + path
        if data is None or len(data) <= PIECE:
            return await self._client().request(method, url, data=data, allow_redirects=False)
        length = {"content-length": str(len(data))}
        return await self._client().request(method, url, data=_pieces(data), headers=length, allow_redirects=False)

    async def _whole(self, response: aiohttp.ClientResponse) -> Json:
        try:
            received = bytearray()
            async for piece in response.content.iter_any():
                received += piece
                if len(received) > LONGEST_ANSWER:
                    raise self._garbled("its answer is too long")
            answer = _decode(received)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._translate(error) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._garbled("its answer is not JSON") from error
        if not isinstance(answer, dict):
            raise self._garbled("its answer is not an object")
        return answer

    async def _refusal(self, response: aiohttp.ClientResponse) -> UpstreamError:
        """The upstream's error answer as ours."""
        try:
            received = await response.content.read(LONGEST_ERROR)
            parsed = _decode(received)
        except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            parsed = None  # a proxy's HTML page, or nothing: the status is all there is to pass on
        return self.refused(response.status, parsed, response.headers.get("retry-after", ""))

    def refused(self, status: int, parsed: Any, retry_after: str = "") -> UpstreamRefused:
        """An error of the upstream, by its status and parsed body."""
        logger.warning("upstream %s answered with status %d", self._where, status)
        if status in {401, 403, 407}:
            return UpstreamRefused(
                "the model server does not accept the gateway's credentials",
                hint="set the upstream's API key (HAECHI_UPSTREAM_KEY)",
                status=502,
            )
        body = parsed.get("error") if isinstance(parsed, dict) else None
        if isinstance(parsed, dict) and not isinstance(body, dict) and isinstance(parsed.get("message"), str):
            body = {key: parsed.get(key) for key in ("message", "type", "param", "code")}  # vLLM before 0.10
        if not 400 <= status <= 599:
            return UpstreamRefused(f"the model server answered with status {status}", status=502)
        return UpstreamRefused(
            f"the model server answered with status {status}",
            status=status,
            body=body if isinstance(body, dict) else None,
            retry_after=retry_after,
        )

    def _translate(self, error: BaseException) -> UpstreamError:
        """A failure of the connection as ours. The operator is told where; the client is not."""
        if isinstance(error, TimeoutError):
            logger.error("upstream %s was silent for too long", self._where)
            return UpstreamTimedOut("the model server did not answer in time", status=504)
        if isinstance(error, aiohttp.ClientConnectorError):
            logger.error(
                "cannot reach the upstream %s (%s): is it running, and is --upstream right?",
                self._where,
                error.strerror,
            )
            return UpstreamUnreachable(
                "the model server cannot be reached", hint="is it running, and is --upstream right?", status=502
            )
        logger.error("upstream %s broke off: %s", self._where, type(error).__name__)
        return UpstreamGarbled("the model server broke off", status=502)

    def _garbled(self, what: str) -> UpstreamGarbled:
        logger.error("upstream %s: %s", self._where, what)
        return UpstreamGarbled("the model server sent something that is not an answer", hint=what, status=502)

    async def open_stream(self, body: Json) -> aiohttp.ClientResponse:
        """A streamed answer whose headers have arrived."""
        response = await self._send("POST", _path(body), body)
        if not response.content_type.startswith("text/event-stream"):
            response.close()
            raise self._garbled(f"asked for a stream, it answered with {response.content_type}")
        return response

    def parse(self, payload: bytes) -> Json:
        """One event of a stream."""
        try:
            chunk = _decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._garbled("an event of its stream is not JSON") from error
        if not isinstance(chunk, dict):
            raise self._garbled("an event of its stream is not an object")
        if chunk.get("error") and not chunk.get("choices"):
            raise self.refused(502, chunk)
        return chunk

    def broken(self, error: BaseException) -> UpstreamError:
        """A stream that could not be read on."""
        if isinstance(error, EventTooLong):
            return self._garbled("an event of its stream is too long")
        return self._translate(error)


def _path(body: Json) -> str:
    return "/chat/completions" if "messages" in body else "/completions"


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), PIECE):
        yield data[start : start + PIECE]


class HttpStream:
    """Chunks as they arrive. `ready()` takes those that have arrived already, so that they can go out in one write."""

    __slots__ = ("_body", "_decoder", "_done", "_failure", "_pending", "_response", "_upstream")

    def __init__(self, upstream: HttpUpstream, body: Json) -> None:
        self._upstream = upstream
        self._body = body
        self._decoder = SseDecoder()
        self._pending: list[Json] = []
        self._response: aiohttp.ClientResponse | None = None
        self._done = False
        self._failure: UpstreamError | None = None

    def __aiter__(self) -> AsyncIterator[Json]:
        return self

    async def __anext__(self) -> Json:
        while not self._pending:
            if self._failure is not None:
                raise self._failure
            if self._done:
                raise StopAsyncIteration
            await self._read()
        return self._pending.pop(0)

    def ready(self) -> list[Json]:
        """Chunks that need no waiting."""
        taken, self._pending = self._pending, []
        return taken

    async def aclose(self) -> None:
        """Leave. The connection is closed at once unless the stream was read to its `[DONE]`."""
        response, self._response = self._response, None
        if response is None:
            return
        try:
            if self._done and not response.content.at_eof():
                await self._drain(response)
        finally:
            # Idempotent; closes whatever the end of the body did not already give back to the pool.
            response.close()

    async def _drain(self, response: aiohttp.ClientResponse) -> None:
        """Read the few bytes after `[DONE]`, so that the connection can be used again."""
        try:
            async with asyncio.timeout(DRAIN_S):
                while await response.content.readany():
                    pass
        except (aiohttp.ClientError, TimeoutError, OSError):
            return  # the answer is complete; only the connection is lost

    async def _read(self) -> None:
        """Wait for bytes and turn them into chunks; a failure is raised once the chunks before it are taken."""
        try:
            if self._response is None:
                self._response = await self._upstream.open_stream(self._body)
            received = await self._response.content.readany()
            for payload in self._decoder.feed(received):
                if payload == DONE:
                    self._done = True
                    return
                chunk = self._upstream.parse(payload)
                self._pending.append(chunk if "messages" in self._body else text_as_chat(chunk, "delta"))
            self._done = not received
        except UpstreamError as error:
            self._failure = error
        except (aiohttp.ClientError, TimeoutError, OSError, EventTooLong) as error:
            self._failure = self._upstream.broken(error)
