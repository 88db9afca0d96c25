"""The pooled client to any OpenAI-compatible server, against a real one on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from benchmarks.gateway_stub import Script, Stub, serving
from gateway.errors import UpstreamGarbled, UpstreamRefused, UpstreamTimedOut, UpstreamUnreachable
from gateway.upstream.http import HttpUpstream

BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
STREAM = {**BODY, "stream": True}


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    app = Stub()
    with serving(app) as url:
        app.url = url + "/v1"  # type: ignore[attr-defined]
        yield app


def asked(stub: Stub, script: Script, work: Callable[[HttpUpstream], Awaitable[Any]], **options: Any) -> Any:
    """Run one piece of work against the stub with this script."""
    stub.script = script

    async def run() -> Any:
        upstream = HttpUpstream(stub.url, **options)  # type: ignore[attr-defined]
        try:
            return await work(upstream)
        finally:
            await upstream.aclose()

    return asyncio.run(run())


async def all_chunks(upstream: HttpUpstream) -> list[dict[str, Any]]:
    async with aclosing(upstream.stream(STREAM)) as chunks:
        return [chunk async for chunk in chunks]


def test_a_whole_answer_and_the_key(stub: Stub) -> None:
    """The body goes out as given; the upstream's key is sent, nothing of ours is."""
    answer = asked(stub, Script(pieces=["hello"]), lambda up: up.complete({**BODY, "top_k": 3}), api_key="sk-up")
    assert answer["choices"][0]["message"]["content"] == "hello"
    assert stub.bodies[-1] == {**BODY, "top_k": 3}
    assert stub.headers[-1]["authorization"] == "Bearer sk-up"


def test_a_long_body_arrives_whole(stub: Stub) -> None:
    """Several megabytes, with their length announced."""
    body = {**BODY, "pad": "가" * 1_000_000}
    asked(stub, Script(pieces=["hello"]), lambda up: up.complete(body))
    assert stub.bodies[-1] == body
    assert int(stub.headers[-1]["content-length"]) > 3_000_000


def test_models_are_listed(stub: Stub) -> None:
    """The list is the upstream's own."""
    assert asked(stub, Script(), lambda up: up.models())[0]["id"] == "stub-model"


def test_a_stream_gives_its_chunks_in_order(stub: Stub) -> None:
    """Every chunk once, without the closing mark."""
    chunks = asked(stub, Script(pieces=["a", "b", "c"]), all_chunks)
    assert [c["choices"][0]["delta"].get("content") for c in chunks] == ["", "a", "b", "c", None]


def test_odd_but_legal_streams_are_read(stub: Stub) -> None:
    """Comments, CRLF, empty choices, split characters, no `[DONE]`."""
    event = 'data: {"choices":[{"index":0,"delta":{"content":"가"}}]}\r\n\r\n'.encode()
    raw = [b": ping\r\n\r\n", b'data: {"choices":[]}\n\n', event[:38], event[38:40], event[40:], b":\n\n"]
    chunks = asked(stub, Script(raw=raw), all_chunks)
    assert [c["choices"] for c in chunks] == [[], [{"index": 0, "delta": {"content": "가"}}]]


def test_a_connection_is_used_again(stub: Stub) -> None:
    """Whole answers and finished streams give their connection back."""

    async def several(upstream: HttpUpstream) -> int:
        for _ in range(3):
            await upstream.complete(BODY)
            await all_chunks(upstream)
        connector = upstream._client().connector
        assert connector is not None
        return sum(len(pooled) for pooled in connector._conns.values())  # type: ignore[attr-defined]

    assert asked(stub, Script(pieces=["x"]), several) == 1


def test_leaving_a_stream_closes_the_connection(stub: Stub) -> None:
    """The server sees the cut at once, long before its answer ends."""
    stub.cut_event.clear()

    async def leave(upstream: HttpUpstream) -> None:
        async with aclosing(upstream.stream(STREAM)) as chunks:
            async for _ in chunks:
                return

    sent = stub.sent
    asked(stub, Script(pieces=["x "] * 2_000, delay_s=0.005), leave)
    assert stub.cut_event.wait(2)
    assert stub.sent - sent < 200


def test_cancelling_a_whole_answer_closes_the_connection(stub: Stub) -> None:
    """A client that leaves a non-streamed request stops the model too."""
    stub.cut_event.clear()

    async def cancel(upstream: HttpUpstream) -> None:
        task = asyncio.ensure_future(upstream.complete(BODY))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.wait([task])

    asked(stub, Script(pieces=["x "] * 1_000, delay_s=0.005), cancel)
    assert stub.cut_event.wait(2)


ERROR = {
    "error": {
        "message": "too long",
        "type": "invalid_request_error",
        "param": "messages",
        "code": "context_length_exceeded",
    }
}


@pytest.mark.parametrize("work", [lambda up: up.complete(BODY), all_chunks], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("script", "status", "body"),
    [
        (Script(status=400, error=ERROR), 400, ERROR["error"]),
        (Script(status=429, error=ERROR, headers={"retry-after": "7"}), 429, ERROR["error"]),
        (Script(status=404, error={"object": "error", "message": "no model", "type": "NotFoundError", "code": 404}), 404,
         {"message": "no model", "type": "NotFoundError", "param": None, "code": 404}),
        (Script(status=500, error=b"<html>oops</html>"), 500, None),
        (Script(status=401, error=ERROR), 502, None),
        (Script(status=302, error=b"", headers={"location": "http://127.0.0.1:1/"}), 502, None),
    ],
)  # fmt: skip
def test_an_error_of_the_upstream_keeps_its_status_and_its_body(
    stub: Stub, script: Script, status: int, body: Any, work: Any
) -> None:
    """Except where it is about the gateway's own credentials, or is no error status; redirects are not followed."""
    with pytest.raises(UpstreamRefused) as refused:
        asked(stub, script, work)
    assert (refused.value.status, refused.value.body) == (status, body)
    assert refused.value.retry_after == script.headers.get("retry-after", "")


@pytest.mark.parametrize("work", [lambda up: up.complete(BODY), all_chunks], ids=["whole", "stream"])
def test_a_server_that_is_not_there(work: Any) -> None:
    """Connection refused is a 502 with a hint for the operator."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]

    async def run() -> None:
        upstream = HttpUpstream(f"http://127.0.0.1:{port}/v1")
        try:
            await work(upstream)
        finally:
            await upstream.aclose()

    with pytest.raises(UpstreamUnreachable) as unreachable:
        asyncio.run(run())
    assert unreachable.value.status == 502
    assert "--upstream" in unreachable.value.hint


@pytest.mark.parametrize("work", [lambda up: up.complete(BODY), all_chunks], ids=["whole", "stream"])
def test_a_silent_server(stub: Stub, work: Any) -> None:
    """No byte for the agreed time is a 504."""
    with pytest.raises(UpstreamTimedOut) as silent:
        asked(stub, Script(pieces=["x"], delay_s=3), work, timeout_s=0.2)
    assert silent.value.status == 504


@pytest.mark.parametrize(
    "script",
    [
        Script(raw=[b"data: {broken\n\n"]),
        Script(raw=[b"data: [1]\n\n"]),
        Script(raw=[b"data: \xff\n\n"]),
        Script(stop_after=3),
    ],
)
def test_a_garbled_or_broken_stream(stub: Stub, script: Script) -> None:
    """What is not a chunk, and an end before the end, is an error and never a short answer."""
    with pytest.raises(UpstreamGarbled):
        asked(stub, script, all_chunks)


def test_chunks_before_a_failure_are_delivered_first(stub: Stub) -> None:
    """A failure does not swallow what came before it."""
    good = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    seen: list[Any] = []

    async def collect(upstream: HttpUpstream) -> None:
        async for chunk in upstream.stream(STREAM):
            seen.append(chunk)  # noqa: PERF401  # the failure must not lose what was seen

    with pytest.raises(UpstreamGarbled):
        asked(stub, Script(raw=[good + good + b"data: {\n\n"]), collect)
    assert len(seen) == 2


def test_an_error_inside_a_stream_is_an_error(stub: Stub) -> None:
    """vLLM reports a late failure as an event."""
    with pytest.raises(UpstreamRefused) as refused:
        asked(stub, Script(raw=[b'data: {"error":{"message":"out of memory","code":500}}\n\n']), all_chunks)
    assert refused.value.body == {"message": "out of memory", "code": 500}


def test_a_stream_that_is_not_one(stub: Stub) -> None:
    """Asked for a stream, a server that answers with JSON is not understood."""

    async def not_asking(upstream: HttpUpstream) -> list[Any]:
        return [chunk async for chunk in upstream.stream(BODY)]

    with pytest.raises(UpstreamGarbled):
        asked(stub, Script(pieces=["x"]), not_asking)
