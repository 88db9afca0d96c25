"""No JSON that a client can send is a fault of the gateway: it is understood, or refused with the field that is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import GatewayError
from gateway.limits import Limits
from gateway.openai.chat import CHAT, declared_names
from gateway.openai.embedding import parse_embedding
from gateway.openai.form import Form
from gateway.openai.grounding import asked_grounding, question_in, spoken_evidence, without
from gateway.openai.moderation import asked_moderation
from gateway.openai.request import ModelRequest
from gateway.openai.responses import RESPONSES
from gateway.openai.text import TEXT
from gateway.prompt import screen
from guard import SafetyChecker
from guard.policy import EvidenceFrom
from haechi.base.ids import RequestId

CHECKER = SafetyChecker.load("fast")
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
SEEDS: dict[str, dict[str, Any]] = {
    "chat.completion": {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
        "functions": [{"name": "f"}], "function_call": "auto",
        "tool_choice": "auto", "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}},
        "stream_options": {"include_usage": True}, "metadata": {"k": "v"}, "user": "kim", "n": 1, "stream": False,
        "moderation": {"model": "m", "policy": {"input": {"mode": "score"}}}, "evidence": ["x"], "haechi": {"citations": True},
    },
    "completion": {
        "prompt": ["hi"], "suffix": "x", "echo": True, "logprobs": 1, "n": 1, "stream": True,
        "response_format": {"type": "json_object"}, "metadata": {"k": "v"}, "user": "kim",
    },
    "response": {
        "instructions": "Be kind.", "metadata": {"k": "v"}, "user": "kim", "stream": True, "store": False,
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "hi"}, {"type": "input_image", "image_url": "u", "detail": "low"}]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}], "content": None},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "ok"}]},
            CALL, {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "ok"}]},
        ],
        "tools": [{"type": "function", "name": "f", "parameters": {}}],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "s", "schema": {}}},
        "reasoning": {"effort": "low"}, "include": ["message.output_text.logprobs"], "truncation": "disabled",
        "max_output_tokens": 5, "top_logprobs": 1, "parallel_tool_calls": True,
    },
    "embedding": {"input": ["hi"], "encoding_format": "float", "user": "kim"},
}  # fmt: skip
SCALARS = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.sampled_from(["", "x", "message", "text"])
)
WORDS = st.sampled_from(["type", "content", "text", "role", "name", "tools", "index", "format", "k"])
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2), max_leaves=4
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))] if path else [
        place for key, item in inner for place in places(item, (key,))
    ]  # fmt: skip


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """The value with something else at a place."""
    if not path:
        return new
    key, *rest = path
    if isinstance(value, dict):
        return {**value, key: put(value[key], tuple(rest), new)}
    return [put(item, tuple(rest), new) if place == key else item for place, item in enumerate(value)]


def understood(parse: Callable[[bytes, Limits], ModelRequest], body: dict[str, Any]) -> ModelRequest | None:
    """The request, or None when it was refused as a request is to be refused."""
    refused: GatewayError | None = None
    try:
        request = parse(json.dumps(body).encode(), Limits())
        asked_moderation(request.body), asked_grounding(request.body)
    except GatewayError as error:
        refused = error
    if refused is None:
        return request
    assert refused.status in {400, 404}
    assert refused.param is not None
    return None


@pytest.mark.parametrize("form", [CHAT, TEXT, RESPONSES], ids=lambda form: form.act)
@given(data=st.data())
def test_a_form_understands_or_refuses(form: Form, data: st.DataObject) -> None:
    """With anything in the place of any value: an error of the gateway's, or a request that is guarded and told."""
    seed = SEEDS[form.act]
    body = {"model": "m", **put(seed, data.draw(st.sampled_from(places(seed))), data.draw(ANYTHING))}
    request = understood(form.parse, body)
    if request is None:
        return
    screened = screen(CHECKER, without(request.body, {"moderation", "evidence", "haechi"}))
    assert not screened.blocked
    declared_names(screened.forwarded)
    spoken_evidence(screened.forwarded, EvidenceFrom, request.places)
    question_in(screened.forwarded)
    told = form.teller(request, screened.forwarded, RequestId("req_1")).whole(
        {"id": "x", "model": "m", "choices": [{"index": 0, "message": {"content": "ok"}, "finish_reason": "stop"}]}
    )
    json.dumps(told)


@given(st.sampled_from(places(SEEDS["embedding"])), ANYTHING)
@example(("input",), [True])
def test_an_embedding_is_understood_or_refused(place: tuple[Any, ...], new: Any) -> None:
    """The same for what is to be embedded."""
    body = {"model": "m", **put(SEEDS["embedding"], place, new)}
    request = understood(parse_embedding, body)
    assert request is None or not screen(CHECKER, request.body).blocked
