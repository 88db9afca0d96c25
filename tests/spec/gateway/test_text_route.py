"""`/v1/completions` from outside: the stock client, a real server, a real guard and a real audit log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
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
PATH = "/v1/completions"
PHONE = "010-1234-5678"
HIDING = """schema: 1
name: hiding
version: 2026-11
detectors: [pii, secrets]
operators:
  input: {default: placeholder}
  output: {default: mask}
both:
  pii: {unsafe: redact, controversial: redact}
  secrets: {unsafe: redact, controversial: redact}
"""


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with running("fast") as served:
        yield served


def ask(gateway: Running, prompt: Any = "The capital of France", **more: Any) -> Any:
    return gateway.client().completions.create(model="default", prompt=prompt, **more)


def error_of(gateway: Running, **body: Any) -> tuple[int, dict[str, Any]]:
    answer = gateway.post({"model": "default", **body}, path=PATH)
    return answer.status_code, answer.json()["error"]


def test_a_text_is_gone_on_with(gateway: Running) -> None:
    """The request goes to the upstream's own route as it came; text, finish, model and usage come back."""
    gateway.says(" is", " Paris.")
    answer = ask(gateway, max_tokens=5, stop=["\n"], seed=7, extra_body={"top_k": 5})
    assert (answer.object, answer.model, answer.choices[0].text) == ("text_completion", "stub-model", " is Paris.")
    assert (answer.choices[0].finish_reason, answer.usage.completion_tokens) == ("stop", 2)
    assert gateway.stub.paths[-1] == PATH
    sent = {"model": "stub-model", "prompt": "The capital of France", "max_tokens": 5, "stop": ["\n"], "seed": 7}
    assert gateway.stub.bodies[-1] == {**sent, "top_k": 5}


def test_a_streamed_text(gateway: Running) -> None:
    """Pieces of text, one finish, usage only when asked for; and no piece that says nothing."""
    gateway.says(" is", " Paris", ".")
    chunks = list(ask(gateway, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == " is Paris."
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "stop"
    assert all(chunk.choices[0].text for chunk in chunks[:-1])
    counted = list(ask(gateway, stream=True, stream_options={"include_usage": True}))
    assert (counted[-1].choices, counted[-1].usage.completion_tokens) == ([], 3)


@pytest.mark.parametrize("stream", [False, True])
def test_several_prompts_have_an_answer_each(gateway: Running, *, stream: bool) -> None:
    """Two prompts with `n` 2 are four answers, told apart by their index; a blocked one ends alone."""
    gateway.says("fine", choices=4)
    answer = ask(gateway, ["one", "two"], n=2, stream=stream)
    choices = [choice for part in (answer if stream else [answer]) for choice in part.choices]
    texts: dict[int, str] = {}
    for choice in choices:
        texts[choice.index] = texts.get(choice.index, "") + choice.text
    assert texts == dict.fromkeys(range(4), "fine")


@pytest.mark.parametrize("stream", [False, True])
def test_a_blocked_answer_ends_with_content_filter(gateway: Running, *, stream: bool) -> None:
    """What was released stays, nothing of the rest comes; an incident id, no rule; the record says blocked."""
    gateway.says("Well then. ", "You are a ", "fucking idiot.", " More.")
    answer = ask(gateway, stream=stream)
    parts = list(answer) if stream else [answer]
    text = "".join(part.choices[0].text for part in parts)
    last = parts[-1].choices[0]
    assert last.finish_reason == "content_filter"
    assert "fucking" not in text
    assert "More" not in text
    events = gateway.last()
    assert events[0].request_id in last.refusal
    assert [event.type for event in events] == [EventType.REQUEST_RECEIVED, EventType.RESPONSE_BLOCKED]
    assert {event.act for event in events} == {"completion"}


@pytest.mark.parametrize(("body", "param"), [({"prompt": BAD}, "prompt"), ({"prompt": ["hi", BAD]}, "prompt[1]"), ({"prompt": "hi", "suffix": BAD}, "suffix"), ({"prompt": "hi", "metadata": {"k": BAD}}, "metadata"), ({"prompt": "hi", BAD: 1}, None)])  # fmt: skip
def test_a_blocked_prompt_names_the_field_that_was_blocked(gateway: Running, body: Any, param: str | None) -> None:
    """HTTP 400 `content_filter`; the model is not asked; the field is named, the word is not."""
    gateway.stub.bodies.clear()
    status, error = error_of(gateway, **body)
    assert (status, error["code"], error["param"]) == (400, "content_filter", param)
    assert "fucking" not in json.dumps(error)
    assert gateway.stub.bodies == []


@pytest.mark.parametrize("stream", [False, True])
def test_a_blocked_prompt_may_be_an_answer(stream: bool) -> None:
    """`blocked_prompt = completion`: an empty text with a refusal, streamed or not."""
    with running("fast", blocked_prompt=BlockedPrompt.COMPLETION) as gateway:
        answer = ask(gateway, BAD, stream=stream)
        parts = list(answer) if stream else [answer]
        assert "".join(part.choices[0].text for part in parts) == ""
        assert parts[-1].choices[0].finish_reason == "content_filter"
        assert any("Incident req_" in getattr(part.choices[0], "refusal", "") for part in parts)


@pytest.mark.parametrize("prompt", [[1, 2, 3], [[1, 2], [3]], ["text", 7]])
def test_token_ids_are_refused_because_they_cannot_be_checked(gateway: Running, prompt: Any) -> None:
    """Fail closed, before anything is recorded or sent, and say how to mend it."""
    gateway.stub.bodies.clear()
    with pytest.raises(openai.BadRequestError) as refused:
        ask(gateway, prompt)
    assert refused.value.param == "prompt"
    assert "send prompt as text" in str(refused.value)
    assert gateway.stub.bodies == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", None]}, "prompt[1]"),
        ({"prompt": "a", "n": 0}, "n"),
        ({"prompt": ["a"] * 65, "n": 2}, "prompt"),
        ({"prompt": "a", "stream": "yes"}, "stream"),
        ({"prompt": "a", "echo": 1}, "echo"),
        ({"prompt": "a", "suffix": 1}, "suffix"),
        ({"prompt": "a", "messages": []}, "messages"),
        ({"prompt": "a", "prompt_embeds": "AAAA"}, "prompt_embeds"),
        ({"prompt": "a", "prompt_token_ids": [1]}, "prompt_token_ids"),
    ],
)
def test_a_malformed_request_names_its_field(gateway: Running, body: Any, param: str) -> None:
    """One shape of error, 400, the field in OpenAI's notation."""
    status, error = error_of(gateway, **body)
    assert (status, error["type"], error["param"]) == (400, "invalid_request_error", param)


@pytest.mark.parametrize("stream", [False, True])
def test_the_likelihood_of_tokens_goes_out_behind_unchanged_text(gateway: Running, *, stream: bool) -> None:
    """OpenAI's older arrays come back as they were, offsets too."""
    pieces = ["All ", "is ", "well."]
    told: list[dict[str, Any]] = []
    for at, text in enumerate(pieces):
        arrays = {"tokens": [text], "token_logprobs": [-0.5], "top_logprobs": [{text: -0.5}], "text_offset": [at]}
        told.append({"content": text, "logprobs": arrays})
    gateway.says(deltas=told)
    answer = ask(gateway, logprobs=1, stream=stream)
    logs = [part.choices[0].logprobs for part in (answer if stream else [answer]) if part.choices[0].logprobs]
    assert [token for log in logs for token in log.tokens] == pieces
    assert [offset for log in logs for offset in log.text_offset] == [0, 1, 2]
    assert [value for log in logs for value in log.top_logprobs] == [{text: -0.5} for text in pieces]


@pytest.mark.parametrize("stream", [False, True])
def test_the_model_sees_placeholders_and_the_client_its_values(stream: bool) -> None:
    """A number is hidden on the way in and put back on the way out, letter by letter too."""
    with running(SafetyChecker(Policy(parse(HIDING, "policy.yaml")))) as gateway:
        gateway.stub.script = Script(reply=lambda body: [{"content": char} for char in body["prompt"]])
        answer = ask(gateway, f"call {PHONE} now", stream=stream)
        text = "".join(part.choices[0].text for part in (answer if stream else [answer]))
        assert PHONE not in gateway.stub.bodies[-1]["prompt"]
        assert text == f"call {PHONE} now"


def test_use_is_metered_and_counted(gateway: Running) -> None:
    """Tokens stand in the end record, and the route in the metrics."""
    gateway.says("one ", "two")
    ask(gateway)
    assert (gateway.last()[-1].tokens_in, gateway.last()[-1].tokens_out) == (7, 2)
    assert f'route="{PATH}"' in gateway.http.get(gateway.url + "/metrics").text


def test_a_model_in_the_gateway_goes_on_with_a_text(tmp_path: Path) -> None:
    """No server is needed: the local model reads the prompt itself, and its words pass the same guard."""
    folder = tiny_models.save(tmp_path / "tiny", "qwen3")
    upstream = LocalUpstream.load(str(folder), precision="fp32", data_dir=tmp_path, threads=1)
    with running("fast", upstream=upstream) as gateway:
        options: dict[str, Any] = {"temperature": 0, "max_tokens": 4, "echo": True}
        whole = ask(gateway, "one two three", **options)
        assert whole.choices[0].text.startswith("one two three")
        assert whole.id.startswith("cmpl-")
        streamed = "".join(part.choices[0].text for part in ask(gateway, "one two three", stream=True, **options))
        assert streamed == whole.choices[0].text
        with pytest.raises(openai.BadRequestError, match="fills no gap"):
            ask(gateway, "one", suffix="three")
