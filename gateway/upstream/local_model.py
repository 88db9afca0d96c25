"""A loaded model with everything that requests need of it: limits, defaults, prompt builder, engine."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import decoders

from gateway.upstream.errors import ContextTooLong
from gateway.upstream.local_engine import Engine, EngineLimits, Job
from gateway.upstream.local_load import LoadedModel, load_model, locate
from gateway.upstream.local_memory import available_memory
from gateway.upstream.local_prompt import Prompt, PromptBuilder, end_tokens, token_text
from gateway.upstream.local_request import GenerationRequest, Sampling, parse_request
from gateway.upstream.local_sampling import Chooser, Chosen
from gateway.upstream.local_text import AnswerText, ByteDecoder, Decoder, Vocabulary, WholeDecoder
from gateway.upstream.ports import Json
from gateway.upstream.precision import Precision

ROWS = 8
"""Answers written at once."""
WRITTEN_UNASKED = 2_048
"""Tokens of an answer when the request sets no limit: enough for a thought and an answer, and an end to a loop."""
SHARE_OF_MEMORY = 0.3
"""Part of the memory free after loading that may hold running answers; joining rows copies them once."""
LEAST_LOGPROB = -9_999.0
"""OpenAI's number for "practically impossible"; JSON has no minus infinity."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model being served. context: longest prompt and answer together, in tokens."""

    name: str
    precision: Precision
    context: int
    prompts: PromptBuilder
    engine: Engine
    defaults: Sampling
    vocabulary: int
    _tokenizer: Any
    _bytes: Vocabulary | None
    _ends: frozenset[int]

    def parse(self, body: Json) -> GenerationRequest:
        """Check a body. Raises RequestRefused."""
        return parse_request(
            body, defaults=self.defaults, vocabulary=self.vocabulary, most_choices=self.engine.limits.rows
        )

    def job(self, prompt: Prompt, request: GenerationRequest, emit: Callable[[object], bool]) -> Job:
        """What the engine is given for one request.

        Raises:
            ContextTooLong: prompt and requested answer exceed the context.
        """
        sampling = request.sampling
        seen = frozenset(prompt.tokens) if sampling.repetition_penalty != 1.0 else frozenset[int]()
        first = secrets.randbits(62) if sampling.seed is None else sampling.seed
        seeds = [(first + index) % 2**63 for index in range(request.choices)]
        return Job(
            prompt=prompt.tokens,
            longest=self._longest(len(prompt.tokens), request),
            ends=frozenset() if request.ignore_end else self._ends,
            choosers=[Chooser(sampling, seed, seen) for seed in seeds],
            texts=[AnswerText(self._decoder(), prompt.start, request.stop) for _ in seeds],
            emit=emit,
            describe=self._describe if sampling.top_logprobs is not None else None,
        )

    def _longest(self, prompt: int, request: GenerationRequest) -> int:
        room, asked = self.context - prompt, request.max_tokens
        where = "messages" if request.prompt is None else "prompt"
        if room < 1 or (asked or 0) > room:
            wish = f"{prompt} in the {where}" + (f" and {asked} in the answer" if asked else "")
            raise ContextTooLong(
                f"this model's context is {self.context} tokens, and the request asks for {wish}",
                param=where,
                hint=f"shorten the {where}, or ask for a shorter answer",
            )
        return asked or min(room, WRITTEN_UNASKED)

    def _decoder(self) -> Decoder:
        return ByteDecoder(self._bytes) if self._bytes is not None else WholeDecoder(self._tokenizer)

    def _describe(self, chosen: Chosen) -> Json:
        entry = self._entry(chosen.token, chosen.logprob or 0.0)
        entry["top_logprobs"] = [self._entry(other.token, other.logprob) for other in chosen.likeliest]
        return entry

    def _entry(self, token: int, logprob: float) -> Json:
        text = token_text(self._tokenizer, token)
        raw = self._bytes.bytes_of(token) if self._bytes is not None else text.encode()
        return {"token": text, "logprob": max(logprob, LEAST_LOGPROB), "bytes": list(raw)}


def serve_model(
    model: str, precision: Precision, data_dir: Path, *, threads: int | None, tell: Callable[[str], None]
) -> ServedModel:
    """Find, load and start a model. Raises UpstreamError."""
    loaded = load_model(locate(model, data_dir, tell), precision)
    return served(loaded, threads=threads)


def served(loaded: LoadedModel, *, threads: int | None = None) -> ServedModel:
    """Start the engine of a loaded model."""
    model, tokenizer = loaded.model, loaded.tokenizer
    config = model.config.get_text_config(decoder=True)
    context = int(getattr(config, "max_position_embeddings", 0) or 2_048)
    limits = EngineLimits(rows=ROWS, context=context, memory_tokens=_memory_tokens(model, config))
    byte_level = isinstance(tokenizer.backend_tokenizer.decoder, decoders.ByteLevel)
    return ServedModel(
        name=loaded.name,
        precision=loaded.precision,
        context=min(context, limits.memory_tokens),
        prompts=PromptBuilder(tokenizer),
        engine=Engine(model, limits, threads=threads),
        defaults=_defaults(model.generation_config),
        vocabulary=int(config.vocab_size),
        _tokenizer=tokenizer,
        _bytes=Vocabulary(tokenizer) if byte_level else None,
        _ends=end_tokens(tokenizer, model.generation_config.eos_token_id),
    )


def _memory_tokens(model: Any, config: Any) -> int:
    """Tokens of keys and values that fit into the share of memory that answers may take."""
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    each = 2 * config.num_hidden_layers * heads * width * model.dtype.itemsize
    free = torch.cuda.mem_get_info()[0] if model.device.type == "cuda" else available_memory()
    if free is None:
        return EngineLimits().memory_tokens
    return max(1, int(int(free * SHARE_OF_MEMORY) // each))


def _defaults(generation: Any) -> Sampling:
    """The model maker's sampling; without any, OpenAI's defaults."""
    if generation.do_sample is False:
        return Sampling(temperature=0.0)
    unset = Sampling()
    top_k = generation.top_k if generation.do_sample else None
    return Sampling(
        temperature=_or(generation.temperature, unset.temperature),
        top_p=_or(generation.top_p, unset.top_p),
        top_k=top_k or 0,
        min_p=_or(getattr(generation, "min_p", None), unset.min_p),
        repetition_penalty=_or(generation.repetition_penalty, unset.repetition_penalty),
    )


def _or(value: float | None, default: float) -> float:
    return default if value is None else float(value)
