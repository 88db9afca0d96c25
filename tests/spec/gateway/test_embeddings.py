"""`/v1/embeddings` from outside: the stock client, a real server, a real guard and a real audit log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from audit.events import EventType
from benchmarks.gateway_running import Running, running
from gateway.upstream.local import LocalUpstream
from guard import SafetyChecker
from guard.policy import Policy
from guard.policy_file import parse
from tests import tiny_models

BAD = "You are a fucking idiot."
PATH = "/v1/embeddings"
PHONE = "010-1234-5678"
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


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with running("fast") as served:
        yield served


def embed(gateway: Running, given: Any, **more: Any) -> Any:
    return gateway.client().embeddings.create(model="default", input=given, **more)


@pytest.mark.parametrize("encoding", [None, "float", "base64"])
def test_vectors_come_back_as_the_model_server_made_them(gateway: Running, encoding: str | None) -> None:
    """Numbers and base64 pass through; the stock client asks for base64 unless told otherwise, and reads it."""
    gateway.says()
    more = {} if encoding is None else {"encoding_format": encoding}
    answer = embed(gateway, ["one", "three"], **more)
    assert gateway.stub.paths[-1] == PATH
    assert gateway.stub.bodies[-1]["input"] == ["one", "three"]
    assert (answer.model, answer.usage.prompt_tokens) == ("stub-model", 7)
    if encoding == "base64":
        assert all(isinstance(item.embedding, str) for item in answer.data)
    else:
        assert [item.embedding for item in answer.data] == [[3.0, 0.5, -1.0], [5.0, 0.5, -1.0]]


def test_it_is_recorded_and_metered(gateway: Running) -> None:
    """Received and completed, with the texts sealed in the first and the tokens in the second."""
    gateway.says()
    embed(gateway, "a text", user="kim", extra_body={"dimensions": 3})
    received, completed = gateway.last()
    assert (received.type, completed.type) == (EventType.REQUEST_RECEIVED, EventType.RESPONSE_COMPLETED)
    assert {received.act, completed.act} == {"embedding"}
    assert (completed.tokens_in, completed.tokens_out) == (7, 0)
    assert b"a text" in next(s.content for s in received.segments if s.name == "prompt")
    assert f'route="{PATH}"' in gateway.http.get(gateway.url + "/metrics").text


def test_a_server_that_counts_nothing_is_metered_by_estimate(gateway: Running) -> None:
    """About four characters are a token."""
    gateway.says(extra={"usage": None})
    answer = gateway.post({"model": "default", "input": "x" * 400}, path=PATH)
    assert answer.status_code == 200
    assert gateway.last()[-1].tokens_in == 100


@pytest.mark.parametrize(("body", "param"), [({"input": BAD}, "input"), ({"input": ["hi", BAD]}, "input[1]"), ({"input": "hi", "user": BAD}, "user")])  # fmt: skip
def test_what_the_policy_stops_is_not_embedded(gateway: Running, body: Any, param: str) -> None:
    """HTTP 400 `content_filter`, the field and never the word; the record says blocked."""
    gateway.stub.bodies.clear()
    answer = gateway.post({"model": "default", **body}, path=PATH)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "content_filter", param)
    assert "fucking" not in answer.text
    assert gateway.stub.bodies == []
    assert gateway.last()[-1].type is EventType.RESPONSE_BLOCKED


def test_what_is_hidden_stays_hidden() -> None:
    """A mask is embedded, the same in every request, so that the same text has the same vector."""
    with running(SafetyChecker(Policy(parse(HIDING, "policy.yaml")))) as gateway:
        vectors = [embed(gateway, f"call {PHONE} now").data[0].embedding for _ in range(2)]
        sent = [body["input"] for body in gateway.stub.bodies]
        assert sent == ["call ***-****-**** now"] * 2
        assert vectors[0] == vectors[1] == [float(len(sent[0])), 0.5, -1.0]


@pytest.mark.parametrize("given", [[1, 2, 3], [[1, 2], [3]], ["text", 7]])
def test_token_ids_are_refused_because_they_cannot_be_checked(gateway: Running, given: Any) -> None:
    """Fail closed, and say how to mend it."""
    gateway.stub.bodies.clear()
    with pytest.raises(openai.BadRequestError) as refused:
        embed(gateway, given)
    assert refused.value.param == "input"
    assert "send input as text" in str(refused.value)
    assert gateway.stub.bodies == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": 5}, "input"),
        ({"input": []}, "input"),
        ({"input": ["x"] * 2_049}, "input"),
        ({"input": [{"image": "data:"}]}, "input[0]"),
        ({"input": "x", "messages": [{"role": "user", "content": "y"}]}, "messages"),
        ({"input": "x", "input_ids": [1]}, "input_ids"),
    ],
)
def test_a_malformed_request_names_its_field(gateway: Running, body: Any, param: str) -> None:
    """One shape of error, 400, the field in OpenAI's notation."""
    answer = gateway.post({"model": "default", **body}, path=PATH)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize("data", [None, "x", [1], [{"index": 0}], [{"embedding": {"a": 1}}], [{"embedding": "no base64"}], [{"embedding": [1.0, None]}]])  # fmt: skip
def test_an_answer_that_holds_no_vectors_is_an_upstream_error(gateway: Running, data: Any) -> None:
    """502, and the record says failed."""
    gateway.says(extra={"data": data})
    answer = gateway.post({"model": "default", "input": "hi"}, path=PATH)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_error")
    assert gateway.last()[-1].type is EventType.RESPONSE_FAILED


def test_a_model_in_the_gateway_makes_none(tmp_path: Path) -> None:
    """A clear error that says what to start instead."""
    folder = tiny_models.save(tmp_path / "tiny", "qwen3")
    upstream = LocalUpstream.load(str(folder), precision="fp32", data_dir=tmp_path, threads=1)
    with running("fast", upstream=upstream) as gateway:
        with pytest.raises(openai.BadRequestError) as refused:
            embed(gateway, "a text")
        assert "--upstream" in str(refused.value)
        assert gateway.last()[-1].type is EventType.RESPONSE_FAILED
