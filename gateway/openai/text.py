"""`/v1/completions`, OpenAI's older way to ask: a text to be gone on with. Read, told, and turned from and into chat shapes.

Rules of this file
1. What stands for a text and cannot be read (token ids, embeddings of a prompt) is refused: the guard could not check it.
2. Log-probabilities travel inside as those of a chat, so that the guard lets out only what it lets out there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from gateway.errors import InvalidRequest
from gateway.limits import Limits
from gateway.openai.form import Form
from gateway.openai.request import (
    ModelRequest,
    choices_asked,
    flag,
    is_json_asked,
    optional,
    parse_object,
    refuse_fields,
    shared_fields,
)
from gateway.openai.sse import DONE_FRAME, frame, frames
from gateway.upstream.ports import Json
from haechi.base.ids import RequestId

UNREADABLE: Final = ("prompt_embeds", "prompt_token_ids", "input_ids", "input_embeds")
"""How vLLM and SGLang take a prompt that is no text."""
_SAYS: Final = ("text", "refusal", "finish_reason", "logprobs")
_CHOICE_KEYS: Final = frozenset({"delta", "message", "logprobs", "finish_reason"})


def parse_text(raw: bytes, limits: Limits) -> ModelRequest:
    """A request for a text to be gone on with.

    Raises:
        MalformedBody, InvalidRequest, UnusableModelName: see each.
    """
    body = parse_object(raw)
    shared = shared_fields(body)
    refuse_fields(body, ("messages",), "is no field of a completion", "send it to /v1/chat/completions")
    refuse_fields(body, UNREADABLE, "cannot be checked, so it is not sent on", "send the text in prompt")
    flag(body, "echo")
    optional(body, "suffix", str, "a string")
    choices = choices_asked(body, limits) * _prompts(body.get("prompt"))
    if choices > limits.choices:
        raise InvalidRequest(
            f"more than {limits.choices} answers in one request", hint="send fewer prompts at once", param="prompt"
        )
    return ModelRequest(body=body, raw=raw, choices=choices, structured=is_json_asked(body), **shared)


def _prompts(prompt: Any) -> int:
    """How many there are."""
    if prompt is None:
        raise InvalidRequest("the field prompt is missing", param="prompt")
    if isinstance(prompt, str):
        return 1
    if not isinstance(prompt, list) or not prompt:
        raise InvalidRequest("prompt has to be a string or an array of strings", param="prompt")
    refuse_token_ids(prompt, "prompt")
    return len(prompt)


def refuse_token_ids(texts: list[Any], name: str) -> None:
    """Refuse an array of texts in which something else stands.

    Raises:
        InvalidRequest: token ids cannot be checked without the model's own vocabulary.
    """
    for place, text in enumerate(texts):
        if isinstance(text, int | list):
            raise InvalidRequest(
                "token ids cannot be checked, so they are not sent on", hint=f"send {name} as text", param=name
            )
        if not isinstance(text, str):
            raise InvalidRequest(f"{name} has to be a string or an array of strings", param=f"{name}[{place}]")


class AsText:
    """Tells a chat's answer as the going on of a text."""

    __slots__ = ()

    def whole(self, completion: Json) -> Json:
        choices = [_told(choice, choice["message"]) for choice in completion["choices"]]
        return {**completion, **_head(completion), "choices": choices}

    def pieces(self, chunks: Sequence[Json]) -> bytes:
        return frames([told for chunk in chunks if (told := _chunk(chunk)) is not None])

    def closing(self, error: Json | None = None) -> bytes:
        return DONE_FRAME if error is None else frame({"error": error})


def _head(answer: Json) -> Json:
    return {"id": str(answer.get("id", "")).removeprefix("chat"), "object": "text_completion"}


def _chunk(chunk: Json) -> Json | None:
    choices = [_told(choice, choice["delta"]) for choice in chunk["choices"]]
    choices = [choice for choice in choices if any(choice.get(name) for name in _SAYS)]
    if chunk["choices"] and not choices:
        return None  # a delta that only names the role
    return {**chunk, **_head(chunk), "choices": choices}


def _told(choice: Json, said: Json) -> Json:
    """A choice with its text. `refusal` is ours: OpenAI's older answer has no place for it."""
    told = {key: value for key, value in choice.items() if key not in _CHOICE_KEYS}
    content = said.get("content")
    told["text"] = content if isinstance(content, str) else ""
    told["logprobs"] = _joined(choice.get("logprobs"))
    told["finish_reason"] = choice.get("finish_reason")
    if said.get("refusal"):
        told["refusal"] = said["refusal"]
    return told


def text_as_chat(answer: Json, said: str) -> Json:
    """A `text_completion` of a model server in chat shapes. said: `message` for a whole answer, `delta` for a piece."""
    choices = answer.get("choices")
    if not isinstance(choices, list):
        return answer
    kind = "chat.completion" if said == "message" else "chat.completion.chunk"
    turned = [_as_chat(choice, said) if isinstance(choice, dict) else choice for choice in choices]
    return {**answer, "object": kind, "choices": turned}


def _as_chat(choice: Json, said: str) -> Json:
    kept = {key: value for key, value in choice.items() if key not in {"text", "logprobs"}}
    kept[said] = {"content": choice.get("text")}
    entries = _entries(choice.get("logprobs"))
    return kept if entries is None else {**kept, "logprobs": {"content": entries}}


def _entries(logprobs: Any) -> list[Json] | None:
    """Parallel arrays as one entry for each token; None when there are none, or they are not parallel."""
    tokens = logprobs.get("tokens") if isinstance(logprobs, dict) else None
    if not isinstance(tokens, list):
        return None
    likely, likeliest, offsets = (
        _parallel(logprobs.get(name), len(tokens)) for name in ("token_logprobs", "top_logprobs", "text_offset")
    )
    return [
        {"token": token, "logprob": likely[i], "top_logprobs": _alternatives(likeliest[i]), "text_offset": offsets[i]}
        for i, token in enumerate(tokens)
    ]


def _parallel(given: Any, length: int) -> list[Any]:
    return given if isinstance(given, list) and len(given) == length else [None] * length


def _alternatives(given: Any) -> list[Json] | None:
    return [{"token": token, "logprob": value} for token, value in given.items()] if isinstance(given, dict) else None


def _joined(logprobs: Any) -> Json | None:
    """The entries of a chat as parallel arrays."""
    entries = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not entries:
        return None
    return {
        "tokens": [entry.get("token") for entry in entries],
        "token_logprobs": [entry.get("logprob") for entry in entries],
        "top_logprobs": _if_any([_likeliest(entry.get("top_logprobs")) for entry in entries]),
        "text_offset": _if_any([entry.get("text_offset") for entry in entries]),
    }


def _if_any(values: list[Any]) -> list[Any] | None:
    return values if any(value is not None for value in values) else None


def _likeliest(alternatives: Any) -> Json | None:
    if alternatives is None:
        return None
    return {other["token"]: other["logprob"] for other in alternatives}


_AS_TEXT: Final = AsText()


def _teller(request: ModelRequest, body: Json, incident: RequestId) -> AsText:
    return _AS_TEXT


TEXT: Final = Form("completion", "prompt", parse_text, _teller)
