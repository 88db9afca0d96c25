"""A model inside the gateway: any Qwen that transformers can load, behind the upstream port.

Rules of this file
1. Importing it costs no model code; `LocalUpstream.load` imports what is needed.
2. The event loop only moves finished pieces: prompts are built in one thread, the model runs in another.
3. Leaving `stream()` or cancelling `complete()` ends the generation, and waits until its place is free.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.upstream.demo_model import DEMO_ID, DEMO_NOTICE
from gateway.upstream.errors import RequestRefused, UnknownModel
from gateway.upstream.local_answer import Answer, Choice
from gateway.upstream.local_continue import added_up, joined, moved, single_prompts
from gateway.upstream.local_request import GenerationRequest
from gateway.upstream.ports import Json, prompts_in
from gateway.upstream.precision import Precision, parse_precision
from haechi.base.errors import MissingExtra

if TYPE_CHECKING:
    from gateway.upstream.local_engine import Job, Piece
    from gateway.upstream.local_model import ServedModel

__all__ = ["DEMO_ID", "DEMO_NOTICE", "LocalUpstream"]

logger = logging.getLogger("haechi.gateway.model")

ALIAS = "default"
"""A model name that every local upstream answers to."""


class LocalUpstream:
    """One model in this process. Made by `load`; used from one event loop at a time."""

    def __init__(self, served: ServedModel) -> None:
        self._served = served
        self._created = int(time.time())
        self._prompts = ThreadPoolExecutor(max_workers=1, thread_name_prefix="haechi-prompt")
        told = f"{served.name} {served.precision} {served.context}"
        self._fingerprint = "fp_" + hashlib.sha256(told.encode()).hexdigest()[:10]

    @classmethod
    def load(
        cls,
        model: str,
        *,
        precision: str = "auto",
        data_dir: Path,
        threads: int | None = None,
        tell: Callable[[str], None] = logger.info,
    ) -> LocalUpstream:
        """Load a model. Takes seconds to minutes; call it before the event loop runs.

        model: "" or "default" for the embedded demo model, a hub name, a folder, or a GGUF file.
        precision: a word of `Precision`. data_dir: where converted models are kept.
        threads: processor threads for the arithmetic; None leaves torch's choice, one per core.
        tell: hears about steps that take long.

        Raises:
            UpstreamError: why the model cannot be served (gateway/upstream/errors.py).
            MissingExtra: the model runtime is not installed.
        """
        wanted = parse_precision(precision)
        try:
            from gateway.upstream.local_model import serve_model
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] not in {
                "torch",
                "transformers",
                "safetensors",
                "gguf",
                "huggingface_hub",
            }:
                raise
            raise MissingExtra("a model inside the gateway", "local") from error
        return cls(serve_model(model, wanted, data_dir, threads=threads, tell=tell))

    @property
    def name(self) -> str:
        """The model's name in answers."""
        return self._served.name

    @property
    def precision(self) -> Precision:
        """What the weights are held in; never AUTO."""
        return self._served.precision

    @property
    def context(self) -> int:
        """Longest prompt and answer together, in tokens."""
        return self._served.context

    @property
    def places_taken(self) -> int:
        """Answers being written now."""
        return self._served.engine.places_taken

    async def models(self) -> list[Json]:
        """The model under its own name, then under `default`."""
        return [
            {
                "id": name,
                "object": "model",
                "created": self._created,
                "owned_by": "haechi",
                "max_model_len": self.context,
            }
            for name in dict.fromkeys((self.name, ALIAS))
        ]

    async def complete(self, body: Json) -> Json:
        """One whole `chat.completion`."""
        if not prompts_in(body):
            return await self._complete(body)
        answers = [await self._complete(one) for one in single_prompts(body)]
        return joined(answers, len(answers[0]["choices"]))

    async def _complete(self, body: Json) -> Json:
        async with self._generation(body) as generation:
            choices = [Choice() for _ in range(generation.request.choices)]
            async for piece in generation.pieces():
                choices[piece.index].add(piece.delta, piece.finish, piece.tokens)
            return generation.answer.whole(choices)

    def stream(self, body: Json) -> AsyncGenerator[Json, None]:
        """The chunks of one answer."""
        return self._stream_prompts(body) if prompts_in(body) else self._stream(body)

    async def _stream_prompts(self, body: Json) -> AsyncGenerator[Json, None]:
        """One prompt after the other."""
        usages: list[Json] = []
        last: Json = {}
        bodies = single_prompts(body)
        each = self._served.parse(bodies[0]).choices
        for place, one in enumerate(bodies):
            async with aclosing(self._stream(one)) as chunks:
                async for chunk in chunks:
                    if chunk["choices"]:
                        yield {**chunk, "choices": [moved(choice, place * each) for choice in chunk["choices"]]}
                    else:
                        last = chunk
                        usages.append(chunk["usage"])
        if usages:
            yield {**last, "usage": added_up(usages)}

    async def _stream(self, body: Json) -> AsyncGenerator[Json, None]:
        async with self._generation(body) as generation:
            answer, request = generation.answer, generation.request
            tokens = [0] * request.choices
            begun = [False] * request.choices
            async for piece in generation.pieces():
                tokens[piece.index] = piece.tokens
                for chunk in answer.chunks(piece.index, piece.delta, piece.finish, first=not begun[piece.index]):
                    if request.include_usage:
                        chunk["usage"] = None
                    yield chunk
                begun[piece.index] = True
            if request.include_usage:
                yield answer.last(tokens)

    async def embed(self, body: Json) -> Json:
        """A model that writes makes no vectors worth having."""
        raise RequestRefused(
            "the model inside this gateway writes texts and makes no embeddings",
            param="model",
            hint="start the gateway with --upstream and a model server that makes them",
        )

    async def aclose(self) -> None:
        """End every generation and let go of the model's thread."""
        await asyncio.get_running_loop().run_in_executor(self._prompts, self._served.engine.close)
        self._prompts.shutdown(wait=False)

    @asynccontextmanager
    async def _generation(self, body: Json) -> AsyncIterator[_Generation]:
        self._check_name(body.get("model"))
        served, loop = self._served, asyncio.get_running_loop()
        request = served.parse(body)
        if request.prompt is None:
            build = partial(served.prompts.build, body.get("messages"), request)
        else:
            build = partial(served.prompts.build_plain, request.prompt)
        prompt = await loop.run_in_executor(self._prompts, build)
        arrivals: asyncio.Queue[object] = asyncio.Queue()
        job = served.job(prompt, request, partial(_post, loop, arrivals))
        logprobs = request.sampling.top_logprobs is not None
        echo = (request.prompt or "") if request.echo else ""
        answer = Answer(self.name, self._fingerprint, len(prompt.tokens), logprobs=logprobs, echo=echo)
        generation = _Generation(request, answer, job, arrivals)
        served.engine.submit(job)
        try:
            yield generation
        finally:
            await generation.end()

    def _check_name(self, name: object) -> None:
        if name not in {None, "", ALIAS, self.name}:
            raise UnknownModel(
                "the model of this name is not served here",
                param="model",
                hint=f"served are {self.name!r} and {ALIAS!r}",
            )


def _post(loop: asyncio.AbstractEventLoop, arrivals: asyncio.Queue[object], event: object) -> bool:
    """Hand an event of the engine's thread to the event loop; False when the loop is gone."""
    try:
        loop.call_soon_threadsafe(arrivals.put_nowait, event)
    except RuntimeError:
        return False
    return True


class _Generation:
    """One request being answered, as the event loop sees it."""

    def __init__(self, request: GenerationRequest, answer: Answer, job: Job, arrivals: asyncio.Queue[object]) -> None:
        self.request = request
        self.answer = answer
        self._job = job
        self._arrivals = arrivals
        self._released = False

    async def pieces(self) -> AsyncIterator[Piece]:
        """What is written, until every choice has ended."""
        open_choices = self.request.choices
        while open_choices:
            piece = await self._next()
            open_choices -= bool(piece.finish)
            yield piece

    async def _next(self) -> Piece:
        from gateway.upstream.errors import GenerationFailed
        from gateway.upstream.local_engine import Failed, Released

        event = await self._arrivals.get()
        if isinstance(event, Failed):
            raise event.error
        if isinstance(event, Released):
            self._released = True
            raise GenerationFailed("the answer broke off")
        return event  # type: ignore[return-value]  # the engine sends pieces, Failed and Released

    async def end(self) -> None:
        """Stop writing, and wait until the place is free: at most one step of the model."""
        from gateway.upstream.local_engine import Released

        self._job.cancel()
        while not self._released:
            self._released = isinstance(await self._arrivals.get(), Released)
