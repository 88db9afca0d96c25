"""An answer told in another form says what the chat said: nothing more, nothing less, nothing twice."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.openai.request import ModelRequest
from gateway.openai.response_told import AsResponse
from gateway.openai.text import AsText, text_as_chat
from haechi.base.ids import RequestId

REQUEST = ModelRequest(body={}, raw=b"", model="m")
INCIDENT = RequestId("req_1")
ENVELOPE = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
WORDS = st.text(st.sampled_from("ab 가나 中\n\"\\{}"), min_size=1, max_size=6)  # fmt: skip


def _call(index: int, text: str, *, first: bool) -> dict[str, Any]:
    head = {"id": f"call_{index}", "type": "function"} if first else {}
    function = {"name": f"f{index}", "arguments": text} if first else {"arguments": text}
    return {"tool_calls": [{"index": index, **head, "function": function}]}


@st.composite
def answers(draw: st.DrawFn) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The deltas of an answer as the guard may release them, and the message that they add up to."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    message: dict[str, Any] = {"role": "assistant", "content": None}
    calls: list[dict[str, Any]] = []
    for name in draw(st.lists(st.sampled_from(["reasoning_content", "content", "refusal", "call"]), max_size=12)):
        text = draw(WORDS)
        if name != "call":
            deltas.append({name: text})
            message[name] = (message.get(name) or "") + text
            continue
        index = draw(st.integers(0, len(calls)))
        deltas.append(_call(index, text, first=index == len(calls)))
        if index == len(calls):
            calls.append({"id": f"call_{index}", "function": {"name": f"f{index}", "arguments": ""}})
        calls[index]["function"]["arguments"] += text
    if calls:
        message["tool_calls"] = calls
    return deltas, message


def events_of(told: bytes) -> list[dict[str, Any]]:
    """The events, each of which says its type twice."""
    events = []
    for block in told.decode().split("\n\n")[:-1]:
        kind, data = block.split("\n", 1)
        events.append(json.loads(data.removeprefix("data: ")))
        assert kind == f"event: {events[-1]['type']}"
    return events


def said(response: dict[str, Any]) -> list[tuple[str, str]]:
    """Every text of a response with the kind of item or part that it stands in, in any order."""
    texts = []
    for item in response["output"]:
        if item["type"] == "function_call":
            texts.append((item["name"] + item["call_id"], item["arguments"]))
        else:
            texts += [(part["type"], part.get("text", part.get("refusal"))) for part in item["content"]]
    return sorted(texts)


@given(answers(), st.sampled_from(["stop", "length", "tool_calls", "content_filter"]), st.data())
def test_a_response_is_the_same_streamed_and_whole(
    answer: tuple[list[dict[str, Any]], dict[str, Any]], finish: str, data: st.DataObject
) -> None:
    """However the deltas fall into batches: same texts, same status; numbers without gaps; deltas add up to what is done."""
    deltas, message = answer
    whole = AsResponse(REQUEST, {}, INCIDENT).whole(
        {**ENVELOPE, "choices": [{"index": 0, "message": message, "finish_reason": finish}]}
    )
    chunks: list[dict[str, Any]] = [
        {**ENVELOPE, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    chunks.append({**ENVELOPE, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    teller, told = AsResponse(REQUEST, {}, INCIDENT), b""
    while chunks:
        count = data.draw(st.integers(1, len(chunks)))
        told += teller.pieces(chunks[:count])
        chunks = chunks[count:]
    events = events_of(told + teller.closing())
    last = events[-1]["response"]
    assert said(last) == said(whole)
    assert (last["status"], last["incomplete_details"]) == (whole["status"], whole["incomplete_details"])
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events].count(f"response.{last['status']}") == 1
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert done == last["output"]
    for item in done:
        grown = [e["delta"] for e in events if e["type"].endswith(".delta") and e["item_id"] == item["id"]]
        parts = item.get("content", [])
        texts = (
            [item["arguments"]] if item["type"] == "function_call" else [p.get("text", p.get("refusal")) for p in parts]
        )
        assert sorted("".join(grown)) == sorted("".join(texts))


LOGPROBS = st.lists(st.tuples(WORDS, st.floats(-9, 0)), min_size=1, max_size=4).map(
    lambda entries: {
        "tokens": [token for token, _ in entries],
        "token_logprobs": [value for _, value in entries],
        "top_logprobs": [{token: value} for token, value in entries],
        "text_offset": list(range(len(entries))),
    }
)
TEXT_CHOICE = st.fixed_dictionaries(
    {
        "text": st.text(max_size=8),
        "logprobs": st.none() | LOGPROBS,
        "finish_reason": st.sampled_from(["stop", "length"]),
    }
)


@given(st.lists(TEXT_CHOICE, min_size=1, max_size=4))
def test_a_text_completion_survives_being_a_chat(choices: list[dict[str, Any]]) -> None:
    """What a model server says on its older route is what the client gets, when the guard changes nothing."""
    numbered = [{"index": index, **choice} for index, choice in enumerate(choices)]
    answer = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "choices": numbered}
    assert AsText().whole(text_as_chat(answer, "message")) == answer
    (frame, empty) = AsText().pieces([text_as_chat(answer, "delta")]).split(b"\n\n")
    assert json.loads(frame.removeprefix(b"data: ")) == answer
    assert empty == b""
