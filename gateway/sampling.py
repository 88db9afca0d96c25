"""Ask the model for further answers to a request, while the first one is on its way.

Rules of this file
1. The further answers go to nobody: a guard compares claims with them, and forgets them.
2. Leaving stops what is still being generated.
3. Whoever caused them pays for them: each is counted the moment it was asked for, and by what it took once that is known.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from gateway.openai.usage import estimate
from gateway.upstream.ports import Json, Upstream, UpstreamError
from guard.claims.samples import Samples

TEMPERATURE: Final = 0.8
"""Of the samples, where the request asks for less: at 0 every answer is the same."""
_NOT_OURS: Final = ("stream", "stream_options", "n", "logprobs", "top_logprobs", "seed", "echo", "best_of")


@dataclass(slots=True)
class Sampled:
    """What the further answers to one request took. asked: how many. counted: of how many the model told the tokens."""

    asked: int = 0
    counted: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def count(self, answer: Json) -> None:
        """An answer that came."""
        usage = answer.get("usage")
        if not isinstance(usage, dict):
            self.tokens_out += sum(map(estimate, _texts([answer])))
            return
        self.counted += 1
        self.tokens_in += int(usage.get("prompt_tokens") or 0)
        self.tokens_out += int(usage.get("completion_tokens") or 0)

    def all_in(self, prompt: int) -> int:
        """Tokens of the prompts: as told, and `prompt`, those of the request, where an answer did not come or did not tell."""
        return self.tokens_in + (self.asked - self.counted) * prompt


def with_samples(usage: Any, taken: Sampled) -> Any:
    """The `usage` of an answer with what its further answers took, under a key of ours; OpenAI's own stay the answer's."""
    if not taken.asked or not isinstance(usage, dict):
        return usage
    prompt = int(usage.get("prompt_tokens") or 0)
    ours = {"answers": taken.asked, "prompt_tokens": taken.all_in(prompt), "completion_tokens": taken.tokens_out}
    return {**usage, "haechi_samples": ours}


@asynccontextmanager
async def sampled(upstream: Upstream, body: Json, count: int, taken: Sampled) -> AsyncGenerator[Samples]:
    """Further answers, as a future. taken: where each of them is counted."""
    samples: Samples = Future()
    taken.asked += count
    task = asyncio.create_task(_fill(samples, upstream, _request(body), count, taken))
    try:
        yield samples
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        samples.cancel()


def _request(body: Json) -> Json:
    kept = {name: value for name, value in body.items() if name not in _NOT_OURS}
    asked = body.get("temperature")
    return {**kept, "temperature": max(TEMPERATURE, asked) if isinstance(asked, int | float) else 1.0}


async def _fill(samples: Samples, upstream: Upstream, body: Json, count: int, taken: Sampled) -> None:
    async def one() -> Json:
        answer = await upstream.complete(body)
        taken.count(answer)
        return answer

    tasks: list[asyncio.Task[Json]] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks += [group.create_task(one()) for _ in range(count)]
    except* UpstreamError as failed:
        samples.set_exception(failed.exceptions[0])
    if samples.done():
        return
    samples.set_result(_texts([task.result() for task in tasks]))


def _texts(answers: Sequence[Json]) -> list[str]:
    messages = [choice.get("message") or {} for answer in answers for choice in answer.get("choices") or []]
    return [message["content"] for message in messages if isinstance(message.get("content"), str)]
