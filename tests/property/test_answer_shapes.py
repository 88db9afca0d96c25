"""No JSON that a model server can send is a fault of the gateway: it is told, or called what it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.answer import AnswerGuard, AnswerTerms
from gateway.errors import UpstreamGarbled
from gateway.in_force import InForce
from gateway.openai.chat import CHAT
from gateway.openai.form import Form
from gateway.openai.merge import merged
from gateway.openai.request import ModelRequest
from gateway.openai.responses import RESPONSES
from gateway.openai.text import TEXT, text_as_chat
from guard import SafetyChecker
from haechi.base.ids import RequestId
from tests.property.test_request_shapes import ANYTHING, places, put

FAST = InForce(SafetyChecker.load("fast"))
REQUEST, INCIDENT = ModelRequest(body={}, raw=b"", model="m"), RequestId("req_1")
ENTRY = {"token": "ok", "logprob": -1, "bytes": [1], "top_logprobs": [{"token": "ok", "logprob": -1}]}
CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
SAID = {"role": "assistant", "content": "ok", "reasoning_content": "Hm.", "refusal": None, "tool_calls": [CALL]}
USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}
OLDER = {"tokens": ["ok"], "token_logprobs": [-1], "top_logprobs": [{"ok": -1}], "text_offset": [0]}


def answer(said: str) -> dict[str, Any]:
    """A whole answer, or a chunk that holds one."""
    choice = {"index": 0, said: SAID, "logprobs": {"content": [ENTRY]}, "finish_reason": "stop", "stop_reason": None}
    around = {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "moderation": {"input": {"results": [1]}},
    }
    return {**around, "choices": [choice], "usage": USAGE}


def older() -> dict[str, Any]:
    """An answer of the older route."""
    choice = {"index": 0, "text": "ok", "logprobs": OLDER, "finish_reason": "stop"}
    return {"id": "x", "object": "text_completion", "created": 1, "model": "m", "choices": [choice], "usage": USAGE}


def guard() -> AnswerGuard:
    terms = AnswerTerms(
        names=frozenset({"f"}), structured=False, longest=1_000, expected=1, keep_usage=True, refusal="no"
    )
    return AnswerGuard(FAST, terms)


FORMS = [CHAT, TEXT, RESPONSES]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.act)
@given(data=st.data())
def test_a_whole_answer_is_told_or_called_garbled(form: Form, data: st.DataObject) -> None:
    """With anything in the place of any value of it."""
    seed = older() if form is TEXT else answer("message")
    given_back = put(seed, data.draw(st.sampled_from(places(seed))), data.draw(ANYTHING))
    guarded, released = guard(), None
    try:
        completion = text_as_chat(given_back, "message") if form is TEXT else given_back
        guarded.work([completion])
        released = guarded.whole(completion)
    except UpstreamGarbled:
        return
    json.dumps(form.teller(REQUEST, {}, INCIDENT).whole(released))
    guarded.tally(), guarded.texts()


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.act)
@given(data=st.data())
def test_a_stream_is_told_or_called_garbled(form: Form, data: st.DataObject) -> None:
    """The same for two chunks of a stream, one of them strange."""
    seed = older() if form is TEXT else answer("delta")
    strange = put(seed, data.draw(st.sampled_from(places(seed))), data.draw(ANYTHING))
    pair = data.draw(st.permutations([seed, strange]))
    guarded, teller, told = guard(), form.teller(REQUEST, {}, INCIDENT), b""
    try:
        chunks = merged([text_as_chat(chunk, "delta") if form is TEXT else chunk for chunk in pair])
        guarded.work(chunks)
        guarded.asks(chunks)
        told = teller.pieces(guarded.chunks(chunks))
    except UpstreamGarbled:
        return
    assert told + teller.closing()
    guarded.tally(), guarded.texts()
