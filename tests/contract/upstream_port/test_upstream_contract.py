"""One suite for every implementation of the upstream port.

Each implementation is driven with the same real model: `local` directly, `http` through a server on loopback that
answers with it. A third implementation joins by one more entry in `IMPLEMENTATIONS`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from gateway.upstream.http import HttpUpstream
from gateway.upstream.local import LocalUpstream
from gateway.upstream.ports import Json, Upstream, UpstreamError
from tests import tiny_models
from tests.tiny_models import asks

Connected = Callable[[LocalUpstream], AbstractAsyncContextManager[Upstream]]
TAKES = "one two three four five six seven eight nine ten"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalUpstream]:
    root = tmp_path_factory.mktemp("contract")
    folder = tiny_models.save(root / "tiny", "qwen3", answers=tiny_models.ANSWERS)
    upstream = LocalUpstream.load(str(folder), precision="fp32", data_dir=root, threads=1)
    yield upstream
    asyncio.run(upstream.aclose())


@asynccontextmanager
async def directly(model: LocalUpstream) -> AsyncIterator[Upstream]:
    """The local upstream itself."""
    yield model


def refusal(error: UpstreamError) -> web.Response:
    """An error as OpenAI-compatible servers send it."""
    return web.json_response({"error": error.body}, status=error.status)


async def answer(request: web.Request) -> web.StreamResponse:
    """What an OpenAI-compatible server does with a chat completion."""
    model: LocalUpstream = request.app[MODEL]
    body = await request.json()
    if not body.get("stream"):
        try:
            return web.json_response(await model.complete(body))
        except UpstreamError as error:
            return refusal(error)
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    async with aclosing(model.stream(body)) as chunks:
        try:
            async for chunk in chunks:
                if not response.prepared:
                    await response.prepare(request)
                await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        except UpstreamError as error:
            return refusal(error)
    await response.write(b"data: [DONE]\n\n")
    return response


async def listed(request: web.Request) -> web.Response:
    """The models of the server."""
    return web.json_response({"object": "list", "data": await request.app[MODEL].models()})


MODEL = web.AppKey("model", LocalUpstream)


@asynccontextmanager
async def over_http(model: LocalUpstream) -> AsyncIterator[Upstream]:
    """The http upstream in front of a server that has the model."""
    app = web.Application()
    app[MODEL] = model
    app.add_routes([web.post("/v1/chat/completions", answer), web.get("/v1/models", listed)])
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    upstream = HttpUpstream(f"http://127.0.0.1:{port}/v1")
    try:
        yield upstream
    finally:
        await upstream.aclose()
        await runner.cleanup()


IMPLEMENTATIONS: dict[str, Connected] = {"local": directly, "http": over_http}


@pytest.fixture(params=sorted(IMPLEMENTATIONS))
def connected(request: pytest.FixtureRequest) -> Connected:
    return IMPLEMENTATIONS[request.param]


def ask(connected: Connected, model: LocalUpstream, body: Json) -> Json:
    """One whole answer."""

    async def run() -> Json:
        async with connected(model) as upstream:
            return await upstream.complete(body)

    return asyncio.run(run())


def ask_streamed(connected: Connected, model: LocalUpstream, body: Json) -> list[Json]:
    """All chunks."""

    async def run() -> list[Json]:
        async with connected(model) as upstream:
            return [chunk async for chunk in upstream.stream({**body, "stream": True})]

    return asyncio.run(run())


async def quiet(model: LocalUpstream) -> None:
    """Wait until the model writes nothing."""
    async with asyncio.timeout(10):
        while model.places_taken:
            await asyncio.sleep(0.01)


def test_it_lists_models(connected: Connected, model: LocalUpstream) -> None:
    """OpenAI model objects with an id."""

    async def run() -> list[Json]:
        async with connected(model) as upstream:
            return await upstream.models()

    models = asyncio.run(run())
    assert {"id", "object", "created", "owned_by"} <= set(models[0])


def test_a_whole_answer(connected: Connected, model: LocalUpstream) -> None:
    """A `chat.completion` with a message, a reason and the usage."""
    answer = ask(connected, model, asks("count"))
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"]["content"] == TAKES
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] > 0


@pytest.mark.parametrize("question", sorted(tiny_models.ANSWERS))
def test_a_streamed_answer_is_the_whole_one_in_pieces(
    connected: Connected, model: LocalUpstream, question: str
) -> None:
    """`chat.completion.chunk` objects in order, without `[DONE]`; the last choice carries the reason."""
    chunks = ask_streamed(connected, model, asks(question))
    message = ask(connected, model, asks(question))["choices"][0]["message"]
    deltas: list[dict[str, Any]] = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert all(chunk["object"] == "chat.completion.chunk" for chunk in chunks)
    assert "".join(delta.get("content") or "" for delta in deltas) == message["content"]
    assert "".join(delta.get("reasoning_content") or "" for delta in deltas) == message.get("reasoning_content", "")
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks if chunk["choices"][0]["finish_reason"]] == [
        "stop"
    ]


def test_fields_reach_the_model(connected: Connected, model: LocalUpstream) -> None:
    """What the port does not know passes through: a stop string and a field of vLLM's do their work."""
    assert (
        ask(connected, model, asks("count", stop="five"))["choices"][0]["message"]["content"] == "one two three four "
    )
    longer = ask(connected, model, asks("count", ignore_eos=True, max_tokens=50))
    assert longer["usage"]["completion_tokens"] == 50


@pytest.mark.parametrize("streaming", [False, True])
def test_a_refusal_keeps_status_and_body(connected: Connected, model: LocalUpstream, streaming: bool) -> None:
    """The model's own error object and status arrive in an UpstreamError."""
    with pytest.raises(UpstreamError) as refused:
        (ask_streamed if streaming else ask)(connected, model, asks("count", max_tokens=100_000))
    assert refused.value.status == 400
    assert refused.value.body is not None
    assert refused.value.body["code"] == "context_length_exceeded"


ENDLESS = asks("count", ignore_eos=True, max_tokens=450)


def test_leaving_a_stream_stops_the_model(connected: Connected, model: LocalUpstream) -> None:
    """After `aclose` on the iterator nothing is written for nobody."""

    async def run() -> int:
        async with connected(model) as upstream:
            async with aclosing(upstream.stream({**ENDLESS, "stream": True})) as chunks:  # type: ignore[type-var]
                async for _ in chunks:
                    break
            await quiet(model)
            left = await upstream.complete(asks("capital"))
            return len(left["choices"])

    assert asyncio.run(run()) == 1


def test_cancelling_a_whole_answer_stops_the_model(connected: Connected, model: LocalUpstream) -> None:
    """The task that waits for an answer may be cancelled at any time."""

    async def run() -> None:
        async with connected(model) as upstream:
            task = asyncio.create_task(upstream.complete(ENDLESS))
            async with asyncio.timeout(10):
                while not model.places_taken:
                    await asyncio.sleep(0.002)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await quiet(model)

    asyncio.run(run())


def test_several_answers_at_once(connected: Connected, model: LocalUpstream) -> None:
    """Streams and whole answers under way together do not mix."""

    async def run() -> list[str]:
        async with connected(model) as upstream, asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(upstream.complete(asks(question))) for question in sorted(tiny_models.ANSWERS) * 2
            ]
        return [task.result()["choices"][0]["message"]["content"] for task in tasks]

    expected = [
        ask(directly, model, asks(question))["choices"][0]["message"]["content"]
        for question in sorted(tiny_models.ANSWERS)
    ]
    assert asyncio.run(run()) == expected * 2
