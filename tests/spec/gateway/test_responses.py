"""`/v1/responses` from outside: the stock client, a real server, a real guard and a real audit log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pydantic
import pytest

from audit.events import EventType
from benchmarks.gateway_running import Running, running
from benchmarks.gateway_stub import Script
from gateway.parts import BlockedPrompt
from gateway.upstream.local import LocalUpstream
from guard import SafetyChecker
from guard.policy import Policy
from guard.policy_file import parse
from tests import tiny_models

BAD = "You are a fucking idiot."
PATH = "/v1/responses"
MAIL = "jane.doe@example.com"
HIDING = """schema: 1
name: hiding
version: 2026-11
detectors: [pii]
operators:
  input: {default: placeholder}
  output: {default: mask}
both:
  pii: {unsafe: redact, controversial: redact}
"""
WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False},
    "strict": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with running("fast") as served:
        yield served


def ask(gateway: Running, given: Any = "hello", **more: Any) -> Any:
    return gateway.client().responses.create(model="default", input=given, **more)


def streamed(gateway: Running, given: Any = "hello", **more: Any) -> list[Any]:
    return list(ask(gateway, given, stream=True, **more))


def error_of(gateway: Running, **body: Any) -> tuple[int, dict[str, Any]]:
    answer = gateway.post({"model": "default", "input": "hello", **body}, path=PATH)
    return answer.status_code, answer.json()["error"]


def calling(index: int, name: str = "", arguments: str = "") -> dict[str, Any]:
    """A delta in which a model calls a function, or goes on with its arguments."""
    head = {"id": f"call_{index}", "type": "function"} if name else {}
    function = {**({"name": name} if name else {}), "arguments": arguments}
    return {"tool_calls": [{"index": index, **head, "function": function}]}


def comparable(response: Any) -> Any:
    """A response without its ids and times."""
    if isinstance(response, dict):
        return {k: comparable(v) for k, v in response.items() if k not in {"id", "created_at", "completed_at"}}
    return [comparable(item) for item in response] if isinstance(response, list) else response


def test_a_question_is_put_as_a_chat(gateway: Running) -> None:
    """Every field arrives under the name that a chat has for it; fields nobody knows pass through; metadata stays here."""
    gateway.says("Fine.")
    answer = ask(
        gateway,
        "How is the weather?",
        instructions="Be brief.",
        max_output_tokens=20,
        temperature=0.5,
        top_p=0.9,
        metadata={"order": "7"},
        tools=[WEATHER],
        tool_choice={"type": "function", "name": "weather"},
        parallel_tool_calls=False,
        reasoning={"effort": "low"},
        text={"verbosity": "low", "format": {"type": "json_schema", "name": "w", "schema": {}, "strict": True}},
        include=["message.output_text.logprobs"],
        top_logprobs=2,
        user="kim",
        store=False,
        extra_body={"top_k": 5},
    )
    function = {k: v for k, v in WEATHER.items() if k != "type"}
    assert gateway.stub.paths[-1] == "/v1/chat/completions"
    assert gateway.stub.bodies[-1] == {
        "model": "stub-model",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "How is the weather?"},
        ],
        "max_tokens": 20,
        "temperature": 0.5,
        "top_p": 0.9,
        "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
        "reasoning_effort": "low",
        "verbosity": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "w", "schema": {}, "strict": True}},
        "logprobs": True,
        "top_logprobs": 2,
        "user": "kim",
        "top_k": 5,
    }
    assert (answer.instructions, answer.metadata, answer.max_output_tokens) == ("Be brief.", {"order": "7"}, 20)
    assert (answer.tool_choice.name, answer.tools[0].name, answer.text.format.name) == ("weather", "weather", "w")
    assert (answer.store, answer.parallel_tool_calls, answer.reasoning.effort) == (False, False, "low")


def test_a_whole_response(gateway: Running) -> None:
    """Text, status, model and usage; the id is that under which the audit log finds it."""
    gateway.says("Paris ", "it is.")
    answer = ask(gateway)
    assert (answer.status, answer.output_text, answer.model) == ("completed", "Paris it is.", "stub-model")
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (7, 2, 9)
    events = gateway.last()
    assert answer.id.removeprefix("resp_") == events[0].request_id.removeprefix("req_")
    assert {event.act for event in events} == {"response"}
    assert (events[-1].tokens_in, events[-1].tokens_out) == (7, 2)


def test_items_of_a_conversation_become_messages(gateway: Running) -> None:
    """Each kind of item has its message; calls stand in the message that they belong to, a thought before what it led to."""
    gateway.says("ok")
    image, audio = "https://x.example/a.png", {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    ask(
        gateway,
        [
            {"role": "developer", "content": "Be kind."},
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "See"},
                    {"type": "input_image", "image_url": image, "detail": "low"},
                    {"type": "input_file", "filename": "a.txt", "file_data": "data:,x"},
                    audio,
                ],
            },
            {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]},
            {
                "type": "message",
                "id": "msg_1",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "I look.", "annotations": [], "logprobs": []}],
            },
            {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "weather", "arguments": "{}"},
            {"type": "function_call", "id": "fc_2", "call_id": "c2", "name": "weather", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
            {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "rainy"}]},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
            {"role": "user", "content": "Why?"},
        ],
    )
    function = {"name": "weather", "arguments": "{}"}
    assert gateway.stub.bodies[-1]["messages"] == [
        {"role": "developer", "content": "Be kind."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "See"},
                {"type": "image_url", "image_url": {"url": image, "detail": "low"}},
                {"type": "file", "file": {"filename": "a.txt", "file_data": "data:,x"}},
                audio,
            ],
        },
        {
            "role": "assistant",
            "content": "I look.",
            "reasoning_content": "Hm.",
            "tool_calls": [{"id": c, "type": "function", "function": function} for c in ("c1", "c2")],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        {"role": "tool", "tool_call_id": "c2", "content": "rainy"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"role": "user", "content": "Why?"},
    ]


ANSWERS: dict[str, dict[str, Any]] = {
    "a text": {"pieces": ["Paris ", "it ", "is."]},
    "nothing": {"pieces": []},
    "a thought and a text": {"deltas": [{"reasoning_content": "Hm, "}, {"reasoning_content": "so."}, {"content": "Yes."}]},
    "a thought under two names": {"deltas": [{"reasoning_content": "Hm.", "reasoning": "Hm."}, {"content": "Yes."}]},
    "a call": {"deltas": [calling(0, "weather", '{"ci'), calling(0, arguments='ty": "Seoul"}')], "finish": "tool_calls"},
    "a text and two calls": {
        "deltas": [{"content": "I look. "}, calling(0, "weather", '{"city": "a"}'), calling(1, "weather"), calling(1, arguments='{"city": "b"}')],
        "finish": "tool_calls",
    },
    "a call without arguments": {"deltas": [calling(0, "now")], "finish": "tool_calls"},
    "a text that is cut off": {"pieces": ["Paris ", "it"], "finish": "length"},
    "a refusal of the model's own": {"deltas": [{"refusal": "I would "}, {"refusal": "rather not."}]},
    "a blocked text": {"pieces": [BAD]},
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_a_stream_ends_with_the_whole_response(gateway: Running, name: str) -> None:
    """The object in the last event is the one that is answered without a stream; the events before it add up to it."""
    gateway.stub.script = Script(**{"pieces": [], **ANSWERS[name]})
    whole = ask(gateway, tools=[WEATHER])
    events = streamed(gateway, tools=[WEATHER])
    last = events[-1]
    refused = f"{gateway.last()[0].request_id}", whole.id.replace("resp_", "req_")
    ours, theirs = comparable(last.response.model_dump()), comparable(whole.model_dump())
    if "blocked" in name:  # a model that was stopped has not told its tokens
        ours["usage"] = theirs["usage"] = None
    assert json.dumps(ours).replace(*refused) == json.dumps(theirs)
    assert last.type == f"response.{whole.status}"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    assert_items_add_up(events)


def assert_items_add_up(events: list[Any]) -> None:
    """Every item and part is announced, grows by its deltas, and is done with what they add up to."""
    done = [event.item for event in events if event.type == "response.output_item.done"]
    added = [event for event in events if event.type == "response.output_item.added"]
    assert [event.output_index for event in added] == list(range(len(done)))
    assert [event.item.id for event in added] == [item.id for item in done]
    assert [item.model_dump() for item in done] == [item.model_dump() for item in events[-1].response.output]
    grown: dict[tuple[str, int], str] = {}
    for event in events:
        if event.type.endswith(".delta"):
            at = (event.item_id, getattr(event, "content_index", 0))
            grown[at] = grown.get(at, "") + event.delta
    for item in done:
        parts = [item.arguments] if item.type == "function_call" else [getattr(p, "text", None) or getattr(p, "refusal", "") for p in item.content]  # fmt: skip
        assert [grown.get((item.id, number), "") for number in range(len(parts))] == parts


def test_the_clients_own_stream_helper_follows(gateway: Running) -> None:
    """`client.responses.stream` builds text and calls, arguments parsed."""
    gateway.stub.script = Script(**ANSWERS["a text and two calls"])
    with gateway.client().responses.stream(model="default", input="hi", tools=[WEATHER]) as stream:  # type: ignore[list-item]
        texts = [event.snapshot for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert texts[-1] == final.output_text == "I look. "
    calls: list[Any] = [item for item in final.output if item.type == "function_call"]
    assert [call.parsed_arguments for call in calls] == [{"city": "a"}, {"city": "b"}]


class City(pydantic.BaseModel):
    name: str


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_of_a_given_form_stays_of_that_form(gateway: Running, *, stream: bool) -> None:
    """`text_format` of the stock client; what is masked in it is masked inside its JSON."""
    gateway.says('{"name": "Seoul, ', "900101-1234568", '"}')
    responses = gateway.client().responses
    if stream:
        with responses.stream(model="default", input="hi", text_format=City) as opened:
            parsed = opened.get_final_response().output_parsed
    else:
        parsed = responses.parse(model="default", input="hi", text_format=City).output_parsed
    assert parsed is not None
    assert parsed.name.startswith("Seoul, ")
    assert "1234568" not in parsed.name


def test_a_conversation_with_a_function_goes_on_by_sending_everything(gateway: Running) -> None:
    """Items of an answer go back as they came, with the result of the call."""
    said: list[Any] = [{"role": "user", "content": "How is the weather in Seoul?"}]
    gateway.stub.script = Script(**ANSWERS["a thought and a text"])
    said += ask(gateway, said).output
    gateway.stub.script = Script(**ANSWERS["a call"])
    first = ask(gateway, said, tools=[WEATHER])
    said += first.output
    said.append({"type": "function_call_output", "call_id": first.output[0].call_id, "output": "sunny"})
    gateway.says("Sunny.")
    assert ask(gateway, said, tools=[WEATHER]).output_text == "Sunny."
    roles = [message["role"] for message in gateway.stub.bodies[-1]["messages"]]
    assert roles == ["user", "assistant", "tool"]
    assert gateway.stub.bodies[-1]["messages"][1]["tool_calls"][0]["id"] == "call_0"


BLOCKED: dict[str, tuple[dict[str, Any], str | None]] = {
    "input": ({"input": BAD}, "input"),
    "an item": ({"input": [{"role": "assistant", "content": "ok"}, {"role": "user", "content": BAD}]}, "input[1]"),
    "instructions": ({"instructions": BAD}, "instructions"),
    "metadata": ({"metadata": {"k": BAD}}, "metadata"),
    "a function": ({"tools": [{**WEATHER, "description": BAD}]}, "tools[0]"),
    "a schema": ({"text": {"format": {"type": "json_schema", "name": "s", "schema": {"title": BAD}}}}, "text"),
    "a key": ({"metadata": {BAD: "v"}}, None),
}


@pytest.mark.parametrize("name", BLOCKED)
def test_a_blocked_request_names_the_field_that_was_blocked(gateway: Running, name: str) -> None:
    """HTTP 400 `content_filter`, by the name that the client gave the field; the model is not asked."""
    body, param = BLOCKED[name]
    gateway.stub.bodies.clear()
    status, error = error_of(gateway, **body)
    assert (status, error["code"], error["param"]) == (400, "content_filter", param)
    assert gateway.stub.bodies == []
    assert gateway.last()[-1].type is EventType.RESPONSE_BLOCKED


@pytest.mark.parametrize("stream", [False, True])
def test_a_blocked_request_may_be_a_response(stream: bool) -> None:
    """`blocked_prompt = completion`: incomplete, with a refusal, and nothing of the request is repeated."""
    with running("fast", blocked_prompt=BlockedPrompt.COMPLETION) as gateway:
        asked: dict[str, Any] = {"instructions": BAD, "metadata": {"k": BAD}}
        response = streamed(gateway, **asked)[-1].response if stream else ask(gateway, **asked)
        assert (response.status, response.incomplete_details.reason) == ("incomplete", "content_filter")
        assert "Incident req_" in response.output[0].content[0].refusal
        assert "fucking" not in response.model_dump_json()


def test_an_answer_that_is_blocked_in_the_middle_ends_as_incomplete(gateway: Running) -> None:
    """What was released stays, then the refusal with an incident id, then `response.incomplete`; the model is stopped."""
    gateway.says("Well then. ", "You are a ", "fucking idiot.", *["More. "] * 400, delay_s=0.002)
    cut = gateway.stub.cut
    events = streamed(gateway)
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    last = events[-1].response
    assert text.startswith("Well then. ")
    assert "fucking" not in json.dumps([event.model_dump(mode="json") for event in events])
    assert (events[-1].type, last.incomplete_details.reason) == ("response.incomplete", "content_filter")
    assert [part.type for part in last.output[0].content] == ["output_text", "refusal"]
    assert gateway.last()[0].request_id in last.output[0].content[1].refusal
    assert gateway.last()[-1].type is EventType.RESPONSE_BLOCKED
    assert gateway.stub.cut_event.wait(5)
    assert gateway.stub.cut > cut


@pytest.mark.parametrize("stream", [False, True])
def test_a_blocked_call_is_never_shown(gateway: Running, *, stream: bool) -> None:
    """Neither its name nor its arguments: a client must not run half of it."""
    gateway.says(deltas=[calling(0, "weather", json.dumps({"city": BAD}))], finish="tool_calls")
    events = streamed(gateway, tools=[WEATHER]) if stream else []
    response = events[-1].response if stream else ask(gateway, tools=[WEATHER])
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "content_filter")
    assert [item.type for item in response.output] == ["message"]
    assert not any("function_call" in event.type for event in events)


def test_a_stream_that_breaks_says_so(gateway: Running) -> None:
    """An `error` event, then `response.failed` with what had come; the record says failed."""
    gateway.says("one ", "two ", "three ", raw=None, stop_after=3)
    events = streamed(gateway)
    assert [event.type for event in events[-2:]] == ["error", "response.failed"]
    assert events[-2].code == "upstream_error"
    assert (events[-1].response.status, events[-1].response.error.code) == ("failed", "server_error")
    assert gateway.last()[-1].type is EventType.RESPONSE_FAILED


def test_an_error_before_the_stream_is_an_http_error(gateway: Running) -> None:
    """The model server's own status and words."""
    error = {"error": {"message": "no such tool", "type": "invalid_request_error", "param": "tools", "code": "x"}}
    gateway.says(status=400, error=error)
    with pytest.raises(openai.BadRequestError, match="no such tool"):
        streamed(gateway)


NOT_HERE: dict[str, tuple[dict[str, Any], str, str]] = {
    "an earlier response": ({"previous_response_id": "resp_1"}, "previous_response_id", "send the whole conversation"),
    "a conversation": ({"conversation": "conv_1"}, "conversation", "send the whole conversation"),
    "storing": ({"store": True}, "store", "set store to false"),
    "a reference": ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]", "send the whole conversation"),
    "a stored prompt": ({"prompt": {"id": "pmpt_1"}}, "prompt", "send its text"),
    "the background": ({"background": True}, "background", "stream"),
    "cutting": ({"truncation": "auto"}, "truncation", "send a shorter"),
    "a built-in tool": ({"tools": [{"type": "web_search"}]}, "tools[0].type", "describe a function"),
    "a chosen built-in tool": ({"tool_choice": {"type": "file_search"}}, "tool_choice", "for one function"),
    "sources": ({"include": ["web_search_call.action.sources"]}, "include", "nothing else"),
    "a stored file": ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}, "input[0].content[0].file_data", "send it as file_data"),
    "a stored image": ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "input[0].content[0].image_url", "send it as image_url"),
    "a hidden thought": ({"input": [{"type": "reasoning", "summary": [], "encrypted_content": "AAAA"}]}, "input[0].encrypted_content", "leave encrypted_content out"),
    "messages": ({"messages": [{"role": "user", "content": "hi"}]}, "messages", "send input"),
    "several answers": ({"n": 2}, "n", "several times"),
    "a chat's limit": ({"max_tokens": 5}, "max_tokens", "max_output_tokens"),
    "a chat's format": ({"response_format": {"type": "json_object"}}, "response_format", "text.format"),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_HERE)
def test_what_is_not_done_here_is_refused_with_what_to_do_instead(gateway: Running, name: str) -> None:
    """400, the field, and how to mend it; nothing is sent."""
    body, param, advice = NOT_HERE[name]
    gateway.stub.bodies.clear()
    status, error = error_of(gateway, **body)
    assert (status, error["param"]) == (400, param)
    assert advice in error["message"]
    assert gateway.stub.bodies == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": ["hi"]}, "input[0]"),
        ({"input": [{"type": "computer_call"}]}, "input[0].type"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": ["x"]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{"type": "hologram"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        ({"input": [{"role": "assistant", "content": "x", "tool_calls": 5}]}, "input[0].tool_calls"),
        ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "input[0].output"),
        ({"input": [{"type": "reasoning", "summary": "x"}]}, "input[0].summary"),
        ({"instructions": 5}, "instructions"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"text": {"format": {"type": "xml"}}}, "text.format"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"stream": 1}, "stream"),
    ],
)
def test_a_malformed_request_names_its_field(gateway: Running, body: Any, param: str) -> None:
    """One shape of error, 400, the field as OpenAI writes it."""
    status, error = error_of(gateway, **body)
    assert (status, error["type"], error["param"]) == (400, "invalid_request_error", param)


@pytest.mark.parametrize("stream", [False, True])
def test_the_model_sees_placeholders_and_the_client_its_values(stream: bool) -> None:
    """An address is hidden on the way in, in every item, and put back in text and in arguments."""

    def reply(body: dict[str, Any]) -> list[dict[str, Any]]:
        hidden = body["messages"][-1]["content"].split()[-1]
        return [{"content": char} for char in hidden] + [calling(0, "send", json.dumps({"to": hidden}))]

    with running(SafetyChecker(Policy(parse(HIDING, "policy.yaml")))) as gateway:
        gateway.stub.script = Script(reply=reply, finish="tool_calls")
        response = streamed(gateway, f"write to {MAIL}")[-1].response if stream else ask(gateway, f"write to {MAIL}")
        assert MAIL not in json.dumps(gateway.stub.bodies)
        assert response.output_text == MAIL
        assert json.loads(response.output[-1].arguments) == {"to": MAIL}


@pytest.mark.parametrize("stream", [False, True])
def test_moderation_comes_in_the_shape_of_a_response(gateway: Running, *, stream: bool) -> None:
    """The result itself on either side, where a chat has a list of one."""
    gateway.says("Fine.")
    asked: dict[str, Any] = {"moderation": {"model": "haechi"}}
    response = streamed(gateway, **asked)[-1].response if stream else ask(gateway, **asked)
    for side in (response.moderation.input, response.moderation.output):
        assert (side.type, side.flagged) == ("moderation_result", False)
    assert "moderation" not in gateway.stub.bodies[-1]


def test_the_likelihood_of_tokens_is_told_when_asked_for(gateway: Running) -> None:
    """Beside the text that it belongs to, in the delta and in the part."""
    entry = {"token": "Fine.", "logprob": -0.5, "bytes": [70], "top_logprobs": []}
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    choice = {"index": 0, "delta": {"content": "Fine."}, "logprobs": {"content": [entry]}, "finish_reason": "stop"}
    gateway.says(raw=[b"data: " + json.dumps({**chunk, "choices": [choice]}).encode() + b"\n\ndata: [DONE]\n\n"])
    events = streamed(gateway, include=["message.output_text.logprobs"])
    told = [log for event in events if event.type == "response.output_text.delta" for log in event.logprobs]
    assert [log.token for log in told] == ["Fine."]
    assert [log.token for log in events[-1].response.output[0].content[0].logprobs] == ["Fine."]


def test_a_model_in_the_gateway_answers(tmp_path: Path) -> None:
    """No server is needed; an answer that reached its limit is incomplete, and says why."""
    folder = tiny_models.save(tmp_path / "tiny", "qwen3")
    upstream = LocalUpstream.load(str(folder), precision="fp32", data_dir=tmp_path, threads=1)
    with running("fast", upstream=upstream) as gateway:
        asked: dict[str, Any] = {"temperature": 0, "max_output_tokens": 5, "extra_body": {"ignore_eos": True}}
        whole = ask(gateway, "think", **asked)
        assert (whole.status, whole.incomplete_details.reason) == ("incomplete", "max_output_tokens")
        assert whole.usage.output_tokens == 5
        last = streamed(gateway, "think", **asked)[-1].response
        assert comparable(last.model_dump()) == comparable(whole.model_dump())
