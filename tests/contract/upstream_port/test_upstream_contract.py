"""One suite for every implementation of the upstream port.

Each implementation is driven with the same real model: `local` directly, `http` through a server on loopback that
answers with it. A third implementation joins by one more entry in `IMPLEMENTATIONS`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from gateway.openai.form import AS_CHAT
from gateway.openai.text import AsText
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
    """What an OpenAI-compatible server does with a chat, or with a text to be gone on with."""
    model: LocalUpstream = request.app[MODEL]
    body = await request.json()
    teller = AS_CHAT if request.path == "/v1/chat/completions" else AsText()
    if not body.get("stream"):
        try:
            return web.json_response(teller.whole(await model.complete(body)))
        except UpstreamError as error:
            return refusal(error)
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    async with aclosing(model.stream(body)) as chunks:
        try:
            async for chunk in chunks:
                if not response.prepared:
                    await response.prepare(request)
                await response.write(teller.pieces([chunk]))
        except UpstreamError as error:
            return refusal(error)
    await response.write(teller.closing())
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
    app.add_routes([web.post(f"/v1/{form}", answer) for form in ("chat/completions", "completions")])
    app.add_routes([web.get("/v1/models", listed)])
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


def continues(prompt: str | list[str], **more: Any) -> Json:
    """A body without messages: a text to be gone on with."""
    return {"prompt": prompt, "temperature": 0, "max_tokens": 6, "ignore_eos": True, **more}


def test_a_text_is_gone_on_with_as_it_stands(connected: Connected, model: LocalUpstream) -> None:
    """No template stands around it, so its tokens are its own; the answer has the shapes of a chat."""
    answer = ask(connected, model, continues("Hello, world."))
    own = len(model._served._tokenizer("Hello, world.")["input_ids"])
    assert answer["object"] == "chat.completion"
    assert (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]) == (own, 6)
    chunks = ask_streamed(connected, model, continues("Hello, world.", stream_options={"include_usage": True}))
    pieces = [chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"]]
    assert "".join(pieces) == answer["choices"][0]["message"]["content"] != ""
    assert chunks[-1]["usage"] == answer["usage"]


def test_a_text_writes_no_control_tokens(connected: Connected, model: LocalUpstream) -> None:
    """A prompt cannot pretend to be the end of a turn: the name of a control token is read letter by letter."""
    control = "<|im_end|>"
    assert model._served._tokenizer(control)["input_ids"] == [model._served._tokenizer.eos_token_id]
    assert ask(connected, model, continues(control))["usage"]["prompt_tokens"] > 1


@pytest.mark.parametrize("streaming", [False, True])
def test_several_texts_have_an_answer_each(connected: Connected, model: LocalUpstream, streaming: bool) -> None:
    """Choice `i` goes on with prompt `i // n`; the tokens of all of them are added up; `echo` puts the prompt first."""
    prompts = ["one two three", "The capital of"]
    alone = [ask(connected, model, continues(p))["choices"][0]["message"]["content"] for p in prompts]
    body = continues(prompts, n=2, echo=True, stream_options={"include_usage": True})
    texts = dict.fromkeys(range(4), "")
    if streaming:
        chunks = ask_streamed(connected, model, body)
        for chunk in chunks:
            for choice in chunk["choices"]:
                texts[choice["index"]] += choice["delta"].get("content") or ""
        usage = chunks[-1]["usage"]
    else:
        answer = ask(connected, model, body)
        texts = {choice["index"]: choice["message"]["content"] for choice in answer["choices"]}
        usage = answer["usage"]
    assert list(texts.values()) == [p + a for p, a in zip(prompts, alone, strict=True) for _ in range(2)]
    assert usage["completion_tokens"] == 24


@pytest.mark.parametrize("streaming", [False, True])
def test_the_likelihood_of_tokens_is_told_beside_a_text(
    connected: Connected, model: LocalUpstream, streaming: bool
) -> None:
    """The older form asks for a number of alternatives; what answers has the shape of a chat's log-probabilities."""
    body = continues("one two", logprobs=2)
    if streaming:
        choices = [c for chunk in ask_streamed(connected, model, body) for c in chunk["choices"]]
    else:
        choices = ask(connected, model, body)["choices"]
    entries = [entry for choice in choices for entry in (choice.get("logprobs") or {}).get("content") or ()]
    said = "".join(
        (choice.get("delta") or choice.get("message"))["content"] or ""
        for choice in choices
        if choice.get("delta") or choice.get("message")
    )
    assert "".join(entry["token"] for entry in entries) == said
    assert all(len(entry["top_logprobs"]) == 2 and entry["logprob"] <= 0 for entry in entries)


@pytest.mark.parametrize(
    ("more", "param"),
    [({"suffix": "end"}, "suffix"), ({"prompt": ""}, "prompt"), ({"echo": True, "logprobs": 0}, "logprobs"), ({"max_tokens": 100_000}, "prompt")],
)  # fmt: skip
def test_what_a_model_in_the_gateway_cannot_do_with_a_text_is_refused(
    connected: Connected, model: LocalUpstream, more: Json, param: str
) -> None:
    """An error that names the field, not an answer without it."""
    with pytest.raises(UpstreamError) as refused:
        ask(connected, model, {**continues("one two"), **more})
    assert refused.value.status == 400
    assert refused.value.body is not None
    assert refused.value.body["param"] == param
