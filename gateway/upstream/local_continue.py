"""Texts that a model inside the gateway goes on with: one generation for each prompt, told as one answer. No model code here.

The generations come one after the other, in the order of the prompts; choice `i` belongs to prompt `i // n`.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.upstream.errors import RequestRefused
from gateway.upstream.ports import Json, prompts_in

UNASKED = 16
"""Tokens of an answer when the request sets no limit: OpenAI's default for this route."""


def single_prompts(body: Json) -> list[Json]:
    """A body for each prompt, with `logprobs` as a chat asks for them.

    Raises:
        RequestRefused: the body wants what only a model server can do.
    """
    if body.get("suffix"):
        raise RequestRefused("this model goes on with a text and fills no gap", param="suffix", hint="leave suffix out")
    asked = body.get("logprobs")
    wanted = isinstance(asked, int) and not isinstance(asked, bool)
    if body.get("echo") and wanted:
        raise RequestRefused("this model scores no prompt", param="logprobs", hint="leave out echo or logprobs")
    more = {"logprobs": True, "top_logprobs": asked} if wanted else {}
    given = body if body.get("max_tokens") is not None else {**body, "max_tokens": UNASKED}
    return [{**given, **more, "prompt": prompt} for prompt in prompts_in(body)]


def joined(answers: Sequence[Json], each: int) -> Json:
    """The answers to the prompts as one. each: choices of a prompt."""
    choices = [moved(choice, place * each) for place, answer in enumerate(answers) for choice in answer["choices"]]
    return {**answers[0], "choices": choices, "usage": added_up([answer["usage"] for answer in answers])}


def moved(choice: Json, by: int) -> Json:
    """A choice at its place among those of all prompts."""
    return {**choice, "index": choice["index"] + by}


def added_up(usages: Sequence[Json]) -> Json:
    """The tokens of several generations."""
    return {name: sum(usage[name] for usage in usages) for name in usages[0]}
