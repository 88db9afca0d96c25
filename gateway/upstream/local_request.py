"""What a chat-completion body asks of a local model, checked. No model code here.

Rules of this file
1. A field that is present and null counts as absent, as OpenAI's clients send it.
2. Fields that a local model has no use for are ignored; a field that it knows with a wrong value is an error.
3. A default comes from the model's own generation configuration, else from OpenAI's documentation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.upstream.errors import RequestRefused
from gateway.upstream.ports import Json, prompts_in

MOST_STOPS = 16
"""Stop strings in one request; OpenAI allows 4, vLLM has no limit."""
MOST_TOP_LOGPROBS = 20
"""OpenAI's limit."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen.

    temperature: 0 takes the most likely token; up to 2.
    top_p: smallest set of tokens with that much probability, (0, 1]. top_k: that many likeliest tokens, 0 for all.
    min_p: least probability as a share of the likeliest token's, [0, 1].
    seed: same seed, same prompt, same machine, same load: same answer. None draws one.
    frequency_penalty, presence_penalty: subtracted from the logit of a generated token, per time and once, [-2, 2].
    repetition_penalty: divides (positive) or multiplies (negative) logits of tokens seen in prompt or answer; 1 is off.
    logit_bias: token id and what is added to its logit.
    top_logprobs: how many alternatives are reported per token; None reports no log-probabilities at all.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    top_logprobs: int | None = None

    @property
    def greedy(self) -> bool:
        """Whether nothing is left to chance."""
        return self.temperature == 0.0 or self.top_k == 1

    @property
    def shapes_logits(self) -> bool:
        """Whether logits change before a token is chosen."""
        return bool(
            self.frequency_penalty or self.presence_penalty or self.repetition_penalty != 1.0 or self.logit_bias
        )


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One request, without its messages.

    choices: how many answers (`n`). max_tokens: longest answer in tokens, None for the upstream's own limit.
    stop: strings at which an answer ends; they are not part of it.
    ignore_end: go on after the model's own end of answer (vLLM's `ignore_eos`; for measuring).
    include_usage: a last chunk of a stream carries the usage.
    template: what the chat template is given besides messages and tools.
    prompt: the text to go on with, in the place of messages. echo: the answer begins with it.
    """

    sampling: Sampling
    choices: int = 1
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    ignore_end: bool = False
    include_usage: bool = False
    template: tuple[tuple[str, Any], ...] = ()
    tools: tuple[Json, ...] = ()
    prompt: str | None = None
    echo: bool = False


class _Fields:
    """Typed access to a body; every complaint names the field."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body

    def number(self, name: str, default: float, low: float, high: float) -> float:
        value = self._body.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise RequestRefused(f"{name} must be a number from {low:g} to {high:g}", param=name)
        return float(value)

    def integer(self, name: str, default: int | None, low: int, high: float = math.inf) -> int | None:
        value = self._body.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            upper = "" if high == math.inf else f" to {high:g}"
            raise RequestRefused(f"{name} must be a whole number from {low}{upper}", param=name)
        return value

    def flag(self, name: str) -> bool:
        value = self._body.get(name)
        if value is not None and not isinstance(value, bool):
            raise RequestRefused(f"{name} must be true or false", param=name)
        return bool(value)

    def mapping(self, name: str) -> Mapping[str, Any]:
        value = self._body.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise RequestRefused(f"{name} must be an object", param=name)
        return value

    def objects(self, name: str) -> tuple[Json, ...]:
        value = self._body.get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise RequestRefused(f"{name} must be a list of objects", param=name)
        return tuple(value)

    def strings(self, name: str, most: int) -> tuple[str, ...]:
        value = self._body.get(name)
        given = [] if value is None else [value] if isinstance(value, str) else value
        if not isinstance(given, list) or not all(isinstance(item, str) and item for item in given):
            raise RequestRefused(f"{name} must be a string or a list of strings, none of them empty", param=name)
        if len(given) > most:
            raise RequestRefused(f"{name} has more than {most} strings", param=name)
        return tuple(given)


def parse_request(body: Json, *, defaults: Sampling, vocabulary: int, most_choices: int) -> GenerationRequest:
    """Check a body and fill in what it leaves out.

    defaults: the model's own sampling. vocabulary: token ids are below this. most_choices: largest `n`.

    Raises:
        RequestRefused: a field with a wrong type or out of its range.
    """
    fields = _Fields(body)
    max_tokens = fields.integer("max_completion_tokens", None, 1)
    if max_tokens is None:
        max_tokens = fields.integer("max_tokens", None, 1)
    streaming = fields.mapping("stream_options")
    prompt = next(iter(prompts_in(body)), None)
    return GenerationRequest(
        sampling=_sampling(fields, defaults, vocabulary),
        choices=fields.integer("n", 1, 1, most_choices) or 1,
        max_tokens=max_tokens,
        stop=fields.strings("stop", MOST_STOPS),
        ignore_end=fields.flag("ignore_eos"),
        include_usage=streaming.get("include_usage") is True,
        template=_template(fields, body),
        tools=() if body.get("tool_choice") == "none" else fields.objects("tools"),
        prompt=prompt,
        echo=prompt is not None and fields.flag("echo"),
    )


def _sampling(fields: _Fields, defaults: Sampling, vocabulary: int) -> Sampling:
    top_logprobs = None
    if fields.flag("logprobs"):
        top_logprobs = fields.integer("top_logprobs", 0, 0, MOST_TOP_LOGPROBS)
    top_p = fields.number("top_p", defaults.top_p, 0.0, 1.0)
    top_k = fields.integer("top_k", defaults.top_k, -1)
    return Sampling(
        temperature=fields.number("temperature", defaults.temperature, 0.0, 2.0),
        top_p=top_p or 1e-9,
        top_k=max(top_k or 0, 0),
        min_p=fields.number("min_p", defaults.min_p, 0.0, 1.0),
        seed=fields.integer("seed", None, -(2**63), 2**63 - 1),
        frequency_penalty=fields.number("frequency_penalty", 0.0, -2.0, 2.0),
        presence_penalty=fields.number("presence_penalty", 0.0, -2.0, 2.0),
        repetition_penalty=fields.number("repetition_penalty", defaults.repetition_penalty, 0.01, 100.0),
        logit_bias=_logit_bias(fields.mapping("logit_bias"), vocabulary),
        top_logprobs=top_logprobs,
    )


def _logit_bias(given: Mapping[str, Any], vocabulary: int) -> tuple[tuple[int, float], ...]:
    biases = []
    for key, value in given.items():
        known = key.isascii() and key.isdigit() and len(key) < 10 and int(key) < vocabulary
        if not known or isinstance(value, bool) or not isinstance(value, int | float) or not -100 <= value <= 100:
            raise RequestRefused("logit_bias maps token ids to numbers from -100 to 100", param="logit_bias")
        biases.append((int(key), float(value)))
    return tuple(biases)


# Arguments of the tokenizer's own template call. A client that could set them would replace the template.
_RESERVED = frozenset(
    [
        "conversation",
        "messages",
        "tools",
        "documents",
        "chat_template",
        "add_generation_prompt",
        "continue_final_message",
        "tokenize",
        "padding",
        "truncation",
        "max_length",
        "return_tensors",
        "return_dict",
        "return_assistant_tokens_mask",
        "tokenizer_kwargs",
        "processor_kwargs",
        "self",
        "kwargs",
    ]
)


def _template(fields: _Fields, body: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    given = dict(fields.mapping("chat_template_kwargs"))
    for name in given:
        if name in _RESERVED or not name.isidentifier():
            raise RequestRefused(
                "chat_template_kwargs has a name that no template may be given", param="chat_template_kwargs"
            )
    if body.get("enable_thinking") is not None:
        given["enable_thinking"] = fields.flag("enable_thinking")
    return tuple(sorted(given.items()))
