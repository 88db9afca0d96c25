"""The engine writes what the model's own generate would, alone or together, and survives the model's faults."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from gateway.upstream.errors import ContextTooLong, GenerationFailed, ModelClosed, NotEnoughMemory, TooManyWaiting
from gateway.upstream.local import LocalUpstream
from gateway.upstream.local_engine import Engine, EngineLimits
from gateway.upstream.local_load import LoadedModel
from gateway.upstream.local_model import served
from gateway.upstream.precision import Precision
from tests import tiny_models
from tests.tiny_models import asks

Json = dict[str, Any]
FAMILIES: dict[str, Json] = {
    "qwen2": {},
    "qwen2 with a sliding window": {"use_sliding_window": True, "sliding_window": 24, "max_window_layers": 1},
    "qwen3": {},
    "qwen3_moe": {},
    "qwen3_next": {},
}
BODIES = [
    asks(text, ignore_eos=True, max_tokens=40) for text in ("hi", "count " * 60, "你好 " * 9, "안녕 하세요 " * 25)
]


@contextmanager
def serving(model: Any, words: Any) -> Iterator[LocalUpstream]:
    """An upstream for a model that is not in a folder."""
    upstream = LocalUpstream(served(LoadedModel(model, words, "tiny", Precision.FP32), threads=1))
    try:
        yield upstream
    finally:
        asyncio.run(upstream.aclose())


def generated(model: Any, words: Any, body: Json) -> str:
    """What the runtime's own generation writes."""
    prompt = words.apply_chat_template(body["messages"], add_generation_prompt=True, tokenize=False)
    tokens = torch.tensor([words(prompt, add_special_tokens=False)["input_ids"]])
    mask = torch.ones_like(tokens)
    made = model.generate(
        tokens, attention_mask=mask, max_new_tokens=40, min_new_tokens=40, do_sample=False, eos_token_id=-1
    )
    return str(words.decode(made[0, tokens.shape[1] :], skip_special_tokens=True))


def text(answer: Json) -> str:
    message = answer["choices"][0]["message"]
    return str(message.get("reasoning_content", "") + message["content"])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "family",
    [pytest.param(name, marks=[pytest.mark.slow] if name == "qwen3_next" else []) for name in FAMILIES],
)
def test_what_is_written_is_what_the_model_writes(family: str) -> None:
    """Prompts read in pieces and rows padded together give the tokens of the runtime's own greedy generation."""
    words = tiny_models.tokenizer("qwen2_5.jinja")
    more = {"initializer_range": 0.3, "tie_word_embeddings": False, **FAMILIES[family]}
    model = tiny_models.model(family.split()[0], words, seed=3, **more).eval()
    expected = [generated(model, words, body) for body in BODIES]
    assert len(set(expected)) == len(expected)

    async def together(upstream: LocalUpstream) -> list[str]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(upstream.complete(body)) for body in BODIES]
        return [text(task.result()) for task in tasks]

    with serving(model, words) as upstream:
        assert [text(asyncio.run(upstream.complete(body))) for body in BODIES] == expected
        assert asyncio.run(together(upstream)) == expected
        assert upstream._served.engine.batched is (family != "qwen3_next")


class Failing:
    """The model itself, except that chosen steps raise."""

    def __init__(self, model: Any, error: Exception, steps: set[int]) -> None:
        self._model, self._error, self._steps = model, error, steps
        self._step = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, **given: Any) -> Any:
        self._step += 1
        if self._step in self._steps:
            raise self._error
        return self._model(**given)


@pytest.mark.parametrize("step", [1, 2, 5], ids=["reading", "first step", "later step"])
@pytest.mark.parametrize(
    ("error", "told", "status"),
    [(RuntimeError("shapes"), GenerationFailed, 502), (torch.OutOfMemoryError("no"), NotEnoughMemory, 503)],
    ids=["fault", "out of memory"],
)
def test_a_fault_of_the_model_ends_its_answers_and_nothing_else(
    step: int, error: Exception, told: type[Exception], status: int
) -> None:
    """Every request that was in the step gets an error; the next one is answered."""
    words = tiny_models.tokenizer()
    model = Failing(tiny_models.model("qwen2", words).eval(), error, {step})
    body = asks("count", ignore_eos=True, max_tokens=8)
    with serving(model, words) as upstream:
        with pytest.raises(told) as failed:
            asyncio.run(upstream.complete(body))
        assert failed.value.status == status  # type: ignore[attr-defined]
        assert asyncio.run(upstream.complete(body))["usage"]["completion_tokens"] == 8
        assert upstream.places_taken == 0


def test_a_closed_model_ends_what_is_under_way_and_takes_no_more() -> None:
    """Closing answers those who wait with status 503, and later ones too."""
    words = tiny_models.tokenizer()
    model = tiny_models.model("qwen2", words).eval()

    async def run(upstream: LocalUpstream) -> None:
        task = asyncio.create_task(upstream.complete(asks("count", ignore_eos=True, max_tokens=450)))
        while not upstream.places_taken:
            await asyncio.sleep(0.002)
        await upstream.aclose()
        with pytest.raises(ModelClosed):
            await task

    upstream = LocalUpstream(served(LoadedModel(model, words, "tiny", Precision.FP32), threads=1))
    asyncio.run(run(upstream))


def limited(limits: EngineLimits) -> tuple[LocalUpstream, Engine]:
    """An upstream with narrow limits."""
    words = tiny_models.tokenizer()
    model = tiny_models.model("qwen2", words).eval()
    whole = served(LoadedModel(model, words, "tiny", Precision.FP32), threads=1)
    whole.engine.close()
    engine = Engine(model, limits, threads=1)
    kept = {name: getattr(whole, name) for name in whole.__slots__}
    return LocalUpstream(type(whole)(**{**kept, "engine": engine})), engine


def test_more_requests_than_places_wait_their_turn_and_a_full_queue_refuses() -> None:
    """With two places and two seats, four are answered and the fifth is told to come back: status 429."""
    upstream, _ = limited(EngineLimits(rows=2, waiting=2, context=512))
    body = asks("count", ignore_eos=True, max_tokens=60)

    async def run() -> list[Json]:
        first = []
        for taken in (1, 2):
            first.append(asyncio.create_task(upstream.complete(body)))
            while upstream.places_taken < taken:
                await asyncio.sleep(0.001)
        seated = [asyncio.create_task(upstream.complete(body)) for _ in range(2)]
        await asyncio.sleep(0.01)
        with pytest.raises(TooManyWaiting) as refused:
            await upstream.complete(body)
        assert refused.value.status == 429
        return [await task for task in first + seated]

    answers = asyncio.run(run())
    asyncio.run(upstream.aclose())
    assert [answer["usage"]["completion_tokens"] for answer in answers] == [60] * 4


def test_what_can_never_fit_into_memory_is_refused_at_once() -> None:
    """The room for running answers is counted in tokens; several choices share it."""
    upstream, _ = limited(EngineLimits(rows=4, waiting=2, context=512, memory_tokens=200))
    with pytest.raises(ContextTooLong):
        asyncio.run(upstream.complete(asks("count", n=2, max_tokens=150)))
    assert asyncio.run(upstream.complete(asks("count", max_tokens=20)))["choices"]
    asyncio.run(upstream.aclose())


def test_a_waiting_request_can_be_cancelled() -> None:
    """Who leaves the queue is never read, and those behind move up."""
    upstream, _ = limited(EngineLimits(rows=1, waiting=4, context=512))
    body = asks("count", ignore_eos=True, max_tokens=80)

    async def run() -> None:
        first = asyncio.create_task(upstream.complete(body))
        while not upstream.places_taken:
            await asyncio.sleep(0.001)
        second = asyncio.create_task(upstream.complete(body))
        third = asyncio.create_task(upstream.complete(body))
        await asyncio.sleep(0.005)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert not first.done()
        await first
        await third

    asyncio.run(run())
    asyncio.run(upstream.aclose())


def test_a_long_prompt_does_not_stop_other_answers() -> None:
    """Between two pieces of a long prompt the others get a token: they end before it begins to answer."""
    upstream, _ = limited(EngineLimits(rows=4, waiting=4, context=512, piece=4))
    long = asks("count " * 70, ignore_eos=True, max_tokens=1)
    short = asks("hi", ignore_eos=True, max_tokens=8)

    async def run() -> list[str]:
        ended: list[str] = []

        async def answer(name: str, body: Json) -> None:
            await upstream.complete(body)
            ended.append(name)

        async with asyncio.TaskGroup() as group:
            group.create_task(answer("short", short))
            await asyncio.sleep(0)
            group.create_task(answer("long", long))
        return ended

    ended = asyncio.run(run())
    asyncio.run(upstream.aclose())
    assert ended == ["short", "long"]
