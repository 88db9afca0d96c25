"""The door from outside: the stock client, a real server, a real guard and a real audit log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from benchmarks.gateway_running import Running, running
from gateway.limits import Limits
from gateway.parts import BlockedPrompt

BAD = "You are a fucking idiot."
HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with running(limits=Limits(body_bytes=200_000, messages=50, audit_s=10.0)) as served:
        yield served


def ask(gateway: Running, content: str = "hello", **more: Any) -> Any:
    fields = {"model": "default", "messages": [{"role": "user", "content": content}], **more}
    return gateway.client().chat.completions.create(**fields)


def text_of(chunks: list[Any]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_an_ordinary_question(gateway: Running) -> None:
    """The model's answer comes back as it is, with the upstream's id, model and usage."""
    gateway.says("Paris ", "is ", "it.")
    answer = ask(gateway)
    assert answer.choices[0].message.content == "Paris is it."
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.model, answer.id, answer.usage.completion_tokens) == ("stub-model", "chatcmpl-1", 3)


def test_a_streamed_question(gateway: Running) -> None:
    """Role first, text as it comes, one finish; usage only when asked for."""
    gateway.says("Paris ", "is ", "it.")
    chunks = list(ask(gateway, stream=True))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert text_of(chunks) == "Paris is it."
    assert [c.choices[0].finish_reason for c in chunks][-1] == "stop"
    assert all(c.usage is None and c.choices for c in chunks)
    with_usage = list(ask(gateway, stream=True, stream_options={"include_usage": True}))
    assert (with_usage[-1].choices, with_usage[-1].usage.completion_tokens) == ([], 3)


def test_headers_say_what_happened(gateway: Running) -> None:
    """Every answer has an opaque id, the action and the policy with its digest."""
    gateway.says("Fine.")
    answer = gateway.post({"model": "default", "messages": HELLO})
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["x-haechi-action"] == "allow"
    name, _, digest = answer.headers["x-haechi-policy"].partition("@")
    assert name == "default"
    assert gateway.checker.policy.digest.startswith(digest)


def test_unknown_fields_and_the_default_model_reach_the_upstream(gateway: Running) -> None:
    """The body goes on as it came, but for the name that `default` stands for."""
    gateway.says("Fine.")
    extra = {"top_k": 5, "chat_template_kwargs": {"enable_thinking": False}, "seed": 7, "logit_bias": {"50256": -100}}
    gateway.post({"model": "default", "messages": HELLO, **extra})
    assert gateway.stub.bodies[-1] == {"model": "stub-model", "messages": HELLO, **extra}


def test_personal_data_is_masked_on_the_way_in_and_out(gateway: Running) -> None:
    """A resident number glued to a particle neither reaches the model nor comes back."""
    gateway.says("주민등록번호 900101-", "1234568입니다", ". Mail jane.", "doe@example.com", "으로.")
    for stream in (False, True):
        answer = ask(gateway, "제 주민등록번호는 900101-1234568입니다.", stream=stream)
        text = text_of(list(answer)) if stream else answer.choices[0].message.content
        sent = gateway.stub.bodies[-1]["messages"][0]["content"]
        assert "1234568" not in sent
        assert "1234568" not in text
        assert "jane" not in text
        assert "주민등록번호" in sent
        assert "입니다" in text


@pytest.mark.parametrize("words", ["You are a fucking idiot.", "야 이 씨발 새끼야.", "你这个傻逼，去死吧。"])
def test_a_blocked_prompt_is_a_400_that_the_client_does_not_repeat(gateway: Running, words: str) -> None:
    """The error names an incident and no rule or word, and nothing reaches the model."""
    before = len(gateway.stub.bodies)
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as refused:
            ask(gateway, words, stream=stream)
        assert refused.value.code == "content_filter"
        assert refused.value.response.headers["x-request-id"] in refused.value.message
        assert refused.value.response.headers["x-haechi-action"] == "block"
        assert not any(word in refused.value.message for word in (words, "idiot", "새끼", "toxicity", "harassment"))
    assert len(gateway.stub.bodies) == before


def test_a_blocked_prompt_can_be_a_completion_instead() -> None:
    """The other form: an empty answer with a refusal, whole and streamed."""
    with running(blocked_prompt=BlockedPrompt.COMPLETION) as gateway:
        whole = ask(gateway, BAD)
        assert whole.choices[0].finish_reason == "content_filter"
        assert whole.choices[0].message.content is None
        assert "Incident req_" in whole.choices[0].message.refusal
        chunks = list(ask(gateway, BAD, stream=True))
        assert chunks[-1].choices[0].finish_reason == "content_filter"
        assert "Incident req_" in "".join(c.choices[0].delta.refusal or "" for c in chunks)
        assert gateway.stub.bodies == []


@pytest.mark.parametrize(
    "pieces",
    [
        ["You are a fuc", "king idi", "ot. ", "More."],
        ["야 이 씨", "발 새", "끼야. ", "더."],
        ["你这个傻", "逼，去", "死吧。", "还有。"],
    ],
)
def test_a_blocked_answer_is_a_completion_that_was_filtered(gateway: Running, pieces: list[str]) -> None:
    """Whole or streamed: finish reason and refusal, no word of it, and usage if it was asked for."""
    gateway.says(*pieces)
    whole = ask(gateway)
    assert whole.choices[0].finish_reason == "content_filter"
    assert whole.choices[0].message.content is None
    assert "Incident req_" in whole.choices[0].message.refusal
    chunks = list(ask(gateway, stream=True, stream_options={"include_usage": True}))
    ends = [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]
    assert ends == ["content_filter"]
    assert "Incident req_" in "".join(c.choices[0].delta.refusal or "" for c in chunks if c.choices)
    assert chunks[-1].usage is not None
    for word in ("king", "idi", "씨", "새끼", "逼", "死"):
        assert word not in text_of(chunks)


def test_the_model_is_stopped_before_the_client_is_told(gateway: Running) -> None:
    """On a block the connection to the upstream is closed at once; most of the stream is never made."""
    gateway.stub.cut_event.clear()
    gateway.says("Well. ", "You are a ", "fucking ", "idiot. ", *["more "] * 3_000, delay_s=0.002)
    sent = gateway.stub.sent
    chunks = list(ask(gateway, stream=True))
    assert chunks[-1].choices[0].finish_reason == "content_filter"
    assert gateway.stub.cut_event.wait(2)
    assert gateway.stub.sent - sent < 500


def test_only_the_choice_concerned_is_stopped(gateway: Running) -> None:
    """With several choices each has its own guard and its own end."""
    gateway.says(raw=[
        b'data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"You are a fucking idiot. "}}]}\n\n',
        b'data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":1,"delta":{"role":"assistant","content":"A fine day. "}}]}\n\n',
        b'data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
        b'data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}\n\n',
        b"data: [DONE]\n\n",
    ])  # fmt: skip
    chunks = list(ask(gateway, stream=True, n=2))
    ends = {c.choices[0].index: c.choices[0].finish_reason for c in chunks if c.choices[0].finish_reason}
    assert ends == {0: "content_filter", 1: "stop"}
    assert text_of([c for c in chunks if c.choices[0].index == 1]) == "A fine day. "
    assert text_of([c for c in chunks if c.choices[0].index == 0]) == ""


def test_tools_work_streamed_and_whole(gateway: Running) -> None:
    """A tool call comes back with id, name and arguments that parse, its secrets masked."""
    tool = {"type": "function", "function": {"name": "send", "parameters": {"type": "object", "properties": {}}}}
    first = {
        "tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "send", "arguments": ""}}]
    }
    arguments = ['{"to": "jane', ".doe@exam", 'ple.com", "n": 1', "}"]
    deltas = [first, *[{"tool_calls": [{"index": 0, "function": {"arguments": a}}]} for a in arguments]]
    gateway.says(deltas=deltas, finish="tool_calls")
    call = ask(gateway, tools=[tool]).choices[0].message.tool_calls[0]
    chunks = list(ask(gateway, tools=[tool], stream=True))
    pieces = [c.choices[0].delta.tool_calls[0] for c in chunks if c.choices[0].delta.tool_calls]
    assert (call.id, call.function.name) == (pieces[0].id, pieces[0].function.name) == ("call_1", "send")
    streamed = json.loads("".join(p.function.arguments or "" for p in pieces if p.function))
    assert json.loads(call.function.arguments) == streamed
    assert streamed["n"] == 1
    assert "jane" not in streamed["to"]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def valid(**changes: Any) -> bytes:
    return json.dumps({"model": "default", "messages": HELLO, **changes}).encode()


BAD_BODIES: list[tuple[bytes, int, str, str | None]] = [
    (b"", 400, "invalid_json", None),
    (b"{", 400, "invalid_json", None),
    (b'{"model": NaN}', 400, "invalid_json", None),
    (b'{"model": "\xff"}', 400, "invalid_json", None),
    (b'{"model": "default", "messages": [{"role": "user", "content": "\\ud800"}]}', 400, "invalid_json", None),
    (b"[" * 100_000, 400, "invalid_json", None),
    (b'{"a":' * 900 + b"1" + b"}" * 900, 400, "invalid_value", "model"),
    (b"[]", 400, "invalid_value", None),
    (b"null", 400, "invalid_value", None),
    (valid(model=None), 400, "invalid_value", "model"),
    (valid(model=7), 400, "invalid_value", "model"),
    (valid(model=""), 404, "model_not_found", "model"),
    (valid(model="a b\n"), 404, "model_not_found", "model"),
    (valid(model="jane.doe@example.com"), 404, "model_not_found", "model"),
    (valid(messages=None), 400, "invalid_value", "messages"),
    (valid(messages="hi"), 400, "invalid_value", "messages"),
    (valid(messages=[]), 400, "invalid_value", "messages"),
    (valid(messages=["hi"]), 400, "invalid_value", "messages[0]"),
    (valid(messages=[{"content": "hi"}]), 400, "invalid_value", "messages[0].role"),
    (valid(messages=[{"role": "wizard", "content": "hi"}]), 400, "invalid_value", "messages[0].role"),
    (valid(messages=[{"role": ["user"], "content": "hi"}]), 400, "invalid_value", "messages[0].role"),
    (valid(messages=[{"role": "user"}]), 400, "invalid_value", "messages[0].content"),
    (valid(messages=[{"role": "user", "content": 7}]), 400, "invalid_value", "messages[0].content"),
    (valid(messages=[{"role": "user", "content": [7]}]), 400, "invalid_value", "messages[0].content[0]"),
    (
        valid(messages=[{"role": "user", "content": [{"type": "text"}]}]),
        400,
        "invalid_value",
        "messages[0].content[0].text",
    ),
    (valid(messages=[{"role": "assistant", "tool_calls": "x"}]), 400, "invalid_value", "messages[0].tool_calls"),
    (valid(messages=HELLO * 51), 400, "invalid_value", "messages"),
    (valid(stream="yes"), 400, "invalid_value", "stream"),
    (valid(stream_options=1), 400, "invalid_value", "stream_options"),
    (valid(n=0), 400, "invalid_value", "n"),
    (valid(n=True), 400, "invalid_value", "n"),
    (valid(tools={}), 400, "invalid_value", "tools"),
    (valid(user=7), 400, "invalid_value", "user"),
    (valid(pad="x" * 200_000), 413, "request_too_large", None),
]


@pytest.mark.parametrize(("body", "status", "code", "param"), BAD_BODIES, ids=[repr(b[0][:60]) for b in BAD_BODIES])
def test_a_bad_body_gets_one_clear_error(
    gateway: Running, body: bytes, status: int, code: str, param: str | None
) -> None:
    """OpenAI's shape, the right status, the field that is wrong; the model hears nothing of it."""
    before = len(gateway.stub.bodies)
    answer = gateway.post(body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)
    assert set(error) == {"message", "type", "param", "code"}
    assert answer.headers["x-request-id"]
    assert len(gateway.stub.bodies) == before


def test_a_deeply_nested_field_is_refused_or_forwarded_but_never_a_fault(gateway: Running) -> None:
    """Nesting between what the parser takes and what we walk is the sender's mistake, not ours."""
    gateway.says("ok")
    for depth in (50, 200, 400, 600, 900):
        body = (
            b'{"model":"default","messages":[{"role":"user","content":"hi"}],"x":'
            + b"[" * depth
            + b'"y"'
            + b"]" * depth
            + b"}"
        )
        assert gateway.post(body).status_code in {200, 400}


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic abc", "Bearer " + "x" * 10_000, "Bearer é"])
def test_a_wrong_key_is_a_401(gateway: Running, header: str) -> None:
    """No key and a wrong key get the same kind of answer, before the body is looked at."""
    headers = {b"authorization": header.encode("latin-1")} if header else {}
    answer = gateway.http.post(gateway.url + "/v1/chat/completions", content=b"{", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


def test_a_revoked_key_is_a_401_at_once(gateway: Running) -> None:
    """Revoking needs no restart."""
    key = gateway.parts.keys.create()
    headers = {"authorization": f"Bearer {key.secret}"}
    assert gateway.http.get(gateway.url + "/v1/models", headers=headers).status_code == 200
    gateway.parts.keys.revoke(key.key_id)
    assert gateway.http.get(gateway.url + "/v1/models", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("PUT", "/v1/models", 405, "method_not_allowed"),
        ("POST", "/v1/nowhere", 404, "unknown_url"),
        ("GET", "/v1", 404, "unknown_url"),
        ("GET", "/nowhere", 404, "unknown_url"),
        ("GET", "/v1/v1/chat/completions", 404, "unknown_url"),
        ("GET", "/docs", 404, "unknown_url"),
        ("POST", "/healthz", 405, "method_not_allowed"),
    ],
)
def test_wrong_paths_and_methods(gateway: Running, method: str, path: str, status: int, code: str) -> None:
    """One error shape on the whole surface."""
    answer = gateway.http.request(method, gateway.url + path, headers={"authorization": f"Bearer {gateway.key}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    if status == 405:
        assert answer.headers["allow"]


def test_models_are_listed_and_retrieved(gateway: Running) -> None:
    """The upstream's models and the name `default`."""
    client = gateway.client()
    assert {model.id for model in client.models.list()} == {"stub-model", "default"}
    assert client.models.retrieve("stub-model").owned_by == "stub"
    with pytest.raises(openai.NotFoundError) as missing:
        client.models.retrieve("org/none")
    assert missing.value.code == "model_not_found"


def test_too_many_headers(gateway: Running) -> None:
    """A flood of headers is refused."""
    flood = {f"x-{i}": "y" for i in range(150)}
    assert gateway.post(valid(), **flood).status_code == 431
    assert gateway.post(valid(), **{"x-long": "y" * 40_000}).status_code in {400, 431}


def test_a_compressed_body_is_refused(gateway: Running) -> None:
    """A few compressed bytes can be gigabytes."""
    assert gateway.post(valid(), **{"content-encoding": "gzip"}).status_code == 415


def test_a_body_without_announced_length_is_limited_too(gateway: Running) -> None:
    """Chunked uploads are counted as they come."""
    pieces = (b"x" * 50_000 for _ in range(10))
    headers = {"authorization": f"Bearer {gateway.key}"}
    answer = gateway.http.post(gateway.url + "/v1/chat/completions", content=pieces, headers=headers)
    assert answer.status_code == 413


def test_the_check_route(gateway: Running) -> None:
    """The verdict of the policy on a text, in the words of `haechi check --jsonl`."""
    answer = gateway.post({"text": BAD, "direction": "output"}, path="/v1/guard/check").json()
    assert (answer["action"], answer["severity"]) == ("block", "unsafe")
    assert {"category", "score", "severity", "start", "end", "detector"} == set(answer["findings"][0])
    assert gateway.post({"text": 1}, path="/v1/guard/check").json()["error"]["param"] == "text"
    assert gateway.post({"text": "x", "direction": 1}, path="/v1/guard/check").json()["error"]["param"] == "direction"


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"messages": [{"role": "user", "content": BAD}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": BAD}]}]}, "messages"),
        ({"metadata": {"k": BAD}}, "metadata"),
        ({"user": BAD}, "user"),
        ({"tools": [{"type": "function", "function": {"name": "f", "description": BAD}}]}, "tools[0]"),
        ({"next_year": BAD}, None),
        ({"metadata": {BAD: "v"}}, None),
    ],
)
def test_a_blocked_request_names_the_field_that_was_blocked(
    gateway: Running, more: dict[str, Any], param: str | None
) -> None:
    """A name of the protocol, or none: a name that only the client knows may be what was blocked."""
    error = gateway.post({"model": "default", "messages": HELLO, **more}).json()["error"]
    assert (error["code"], error["param"]) == ("content_filter", param)


@pytest.mark.parametrize(("route", "field", "meant"), [("check", "evidnce", "evidence"), ("check", "txt", "text"), ("scrub", "modes", "mode"), ("scrub", "evidence", "known: id, mode, text")])  # fmt: skip
def test_a_misspelt_field_of_a_native_route_is_refused(gateway: Running, route: str, field: str, meant: str) -> None:
    """It is named, with the nearest that there is: a text that was not held against its evidence must not seem to have been."""
    answer = gateway.post({"text": "x", field: []}, path=f"/v1/guard/{route}")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_value", field)
    assert meant in error["message"]


@pytest.mark.parametrize(
    ("route", "field", "value"),
    [("guard/check", "direction", []), ("guard/scrub", "mode", {}), ("guard/check", "conversation", [{"role": []}])],
)
def test_a_value_of_another_kind_is_no_fault_of_the_gateway(
    gateway: Running, route: str, field: str, value: Any
) -> None:
    """What cannot even be compared is refused like any wrong value."""
    answer = gateway.post({"text": "x", field: value}, path=f"/v1/{route}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)


def test_a_row_of_the_command_line_can_be_sent_to_the_check_route(gateway: Running) -> None:
    """`id` and `lang` of `haechi check --jsonl` are no mistakes."""
    row = {"id": "1", "text": "x", "lang": "en", "evidence": ["x"], "question": "y"}
    assert gateway.post(row, path="/v1/guard/check").status_code == 200


def test_the_scrub_route(gateway: Running) -> None:
    """The text without personal data, and what was found, in code points of the original."""
    text = "메일은 jane.doe@example.com입니다"
    answer = gateway.post({"text": text}, path="/v1/guard/scrub").json()
    (entity,) = answer["entities"]
    assert text[entity["start"] : entity["end"]] == "jane.doe@example.com"
    assert set(entity) == {"type", "start", "end", "score"}
    assert answer["text"].startswith("메일은 ")
    assert answer["text"].endswith("입니다")
    assert gateway.post({"text": text, "mode": "x"}, path="/v1/guard/scrub").json()["error"]["param"] == "mode"


def test_moderations_as_the_stock_client_asks_them(gateway: Running) -> None:
    """A string, several strings, parts; OpenAI's category names and scores."""
    client = gateway.client()
    (result,) = client.moderations.create(input=BAD).results
    assert result.flagged
    assert result.categories.harassment
    assert result.category_scores.harassment > 0.5
    assert not result.categories.self_harm
    assert [r.flagged for r in client.moderations.create(input=["a boat", BAD]).results] == [False, True]
    assert client.moderations.create(input=[{"type": "text", "text": BAD}]).results[0].flagged
    for given in (None, [], 7, [7], [{"type": "image_url", "image_url": {"url": "x"}}]):
        assert gateway.post({"input": given}, path="/v1/moderations").json()["error"]["param"] == "input"


def test_operations_need_no_key_and_tell_no_text(gateway: Running) -> None:
    """Health, readiness and counters; nothing anybody wrote is in them."""
    gateway.says("Fine.")
    ask(gateway, "the word xylophone", user="jane@example.com")
    assert gateway.http.get(gateway.url + "/healthz").json() == {"status": "ok"}
    ready = gateway.http.get(gateway.url + "/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    page = gateway.http.get(gateway.url + "/metrics").text
    assert 'haechi_requests_total{outcome="completed",route="/v1/chat/completions"}' in page
    assert 'haechi_tokens_total{direction="out"}' in page
    for text in ("xylophone", "jane", gateway.key, "stub-model"):
        assert text not in page


def test_readiness_says_what_is_missing() -> None:
    """Without a model server the gateway is alive and not ready."""
    with running(base_url="http://127.0.0.1:9/v1") as gateway:
        assert gateway.http.get(gateway.url + "/healthz").status_code == 200
        answer = gateway.http.get(gateway.url + "/readyz")
        assert (answer.status_code, answer.json()["model"]) == (503, "HAE-U202")


def test_errors_of_the_upstream_pass_on(gateway: Running) -> None:
    """Status, body and Retry-After, as the stock client expects them."""
    body = {"error": {"message": "slow down", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"}}
    gateway.says(status=429, error=body, headers={"retry-after": "3"})
    for stream in (False, True):
        with pytest.raises(openai.RateLimitError) as limited:
            ask(gateway, stream=stream)
        assert limited.value.response.headers["retry-after"] == "3"
        assert limited.value.message.endswith("slow down'}}") or "slow down" in limited.value.message


def test_an_error_of_the_upstream_is_read_too(gateway: Running) -> None:
    """An error message can quote what it should not."""
    gateway.says(status=400, error={"error": {"message": "bad input: jane.doe@example.com", "type": "x", "code": BAD}})
    answer = gateway.post(valid())
    assert answer.status_code == 400
    assert "jane" not in answer.text
    assert "idiot" not in answer.text


def test_a_request_that_is_too_slow_to_arrive() -> None:
    """A sender that trickles its body is given up."""
    with running(limits=Limits(body_s=0.3, audit_s=10.0)) as gateway, httpx.Client(timeout=10) as http:

        def trickle() -> Iterator[bytes]:
            import time

            yield b"{"
            time.sleep(1)
            yield b"}"

        answer = http.post(
            gateway.url + "/v1/chat/completions", content=trickle(), headers={"authorization": f"Bearer {gateway.key}"}
        )
        assert (answer.status_code, answer.headers["x-should-retry"]) == (408, "false")
