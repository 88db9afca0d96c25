"""Ask the model for further answers to a request, while the first one is on its way.

Rules of this file
1. The further answers go to nobody: a guard compares claims with them, and forgets them.
2. Leaving stops what is still being generated.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import Final

from gateway.upstream.ports import Json, Upstream, UpstreamError
from guard.claims.samples import Samples

TEMPERATURE: Final = 0.8
"""Of the samples, where the request asks for less: at 0 every answer is the same."""
_NOT_OURS: Final = ("stream", "stream_options", "n", "logprobs", "top_logprobs", "seed")


@asynccontextmanager
async def sampled(
    upstream: Upstream, body: Json, count: int, used: Callable[[int, int], None]
) -> AsyncGenerator[Samples]:
    """Further answers, as a future. used: told of the tokens that each of them took."""
    samples: Samples = Future()
    task = asyncio.create_task(_fill(samples, upstream, _request(body), count, used))
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


async def _fill(samples: Samples, upstream: Upstream, body: Json, count: int, used: Callable[[int, int], None]) -> None:
    tasks: list[asyncio.Task[Json]] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks += [group.create_task(upstream.complete(body)) for _ in range(count)]
    except* UpstreamError as failed:
        samples.set_exception(failed.exceptions[0])
    if samples.done():
        return
    answers = [task.result() for task in tasks]
    for answer in answers:
        usage = answer.get("usage") or {}
        used(int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0))
    samples.set_result(_texts(answers))


def _texts(answers: Sequence[Json]) -> list[str]:
    messages = [choice.get("message") or {} for answer in answers for choice in answer.get("choices") or []]
    return [message["content"] for message in messages if isinstance(message.get("content"), str)]
