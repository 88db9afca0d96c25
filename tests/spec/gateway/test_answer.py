"""The guard on the way out: streamed or whole, every field, every choice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.answer import AnswerGuard, AnswerTerms
from gateway.in_force import InForce
from guard.checker import SafetyChecker
from guard.verdict import Action

REFUSAL = "stopped"


@pytest.fixture(scope="module")
def checker() -> SafetyChecker:
    return SafetyChecker.load("default")


def terms(**changes: Any) -> AnswerTerms:
    base: dict[str, Any] = {
        "names": frozenset({"get_weather"}),
        "structured": False,
        "longest": 10_000,
        "expected": 1,
        "keep_usage": True,
        "refusal": REFUSAL,
    }
    return AnswerTerms(**{**base, **changes})


def chunk(delta: dict[str, Any], finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "finish_reason": finish, **more}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def streamed(guard: AnswerGuard, chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [out for each in chunks for out in guard.chunk(each)]


def text_of(chunks: list[dict[str, Any]], key: str = "content", index: int = 0) -> str:
    return "".join(
        c["delta"].get(key) or "" for out in chunks for c in out["choices"] if c["index"] == index and key in c["delta"]
    )


def test_a_harmless_stream_comes_out_as_it_went_in(checker: SafetyChecker) -> None:
    """Text, role and finish are kept; every chunk carries the upstream's envelope."""
    guard = AnswerGuard(InForce(checker), terms())
    out = streamed(
        guard,
        [
            chunk({"role": "assistant", "content": ""}),
            *[chunk({"content": w}) for w in ("An ", "apple", ".")],
            chunk({}, "stop"),
        ],
    )
    assert text_of(out) == "An apple."
    assert out[0]["choices"][0]["delta"]["role"] == "assistant"
    assert out[-1]["choices"][0] == {"index": 0, "delta": {}, "finish_reason": "stop"}
    assert {o["id"] for o in out} == {"c1"}
    assert guard.complete
    assert not guard.any_blocked


def test_the_first_chunk_names_the_role_even_if_the_upstream_did_not(checker: SafetyChecker) -> None:
    """Stock clients expect the role first."""
    out = streamed(AnswerGuard(InForce(checker), terms()), [chunk({"content": "Hello there. "}), chunk({}, "stop")])
    assert out[0]["choices"][0]["delta"]["role"] == "assistant"


@pytest.mark.parametrize("names", [["get_weather"], ["get_", "weather"]])
def test_tool_calls_keep_their_shape(checker: SafetyChecker, names: list[str]) -> None:
    """Name and id come at once when the tool was declared; arguments come whole; nothing is lost."""
    guard = AnswerGuard(InForce(checker), terms())
    first = {
        "tool_calls": [
            {"index": 0, "id": "call_1", "type": "function", "function": {"name": names[0], "arguments": ""}}
        ]
    }
    rest = [{"tool_calls": [{"index": 0, "function": {"name": n}}]} for n in names[1:]]
    pieces = [{"tool_calls": [{"index": 0, "function": {"arguments": p}}]} for p in ('{"city"', ': "Se', 'oul"}')]
    out = streamed(guard, [chunk(first), *map(chunk, rest), *map(chunk, pieces), chunk({}, "tool_calls")])
    calls = [call for o in out for c in o["choices"] for call in c["delta"].get("tool_calls", ())]
    assert {call["index"] for call in calls} == {0}
    assert "".join(call.get("function", {}).get("name", "") for call in calls) == "get_weather"
    assert json.loads("".join(call.get("function", {}).get("arguments", "") for call in calls)) == {"city": "Seoul"}
    assert out[-1]["choices"][0]["finish_reason"] == "tool_calls"
    if len(names) == 1:
        assert calls[0]["id"] == "call_1"
        assert calls[0]["function"]["name"] == "get_weather"


def test_choices_do_not_mix(checker: SafetyChecker) -> None:
    """Each choice has its own text, and the answer is complete when all of them ended."""
    guard = AnswerGuard(InForce(checker), terms(expected=2))
    out = streamed(guard, [chunk({"content": "One "}), chunk({"content": "Two "}, index=1), chunk({}, "stop")])
    assert not guard.complete
    out += streamed(guard, [chunk({"content": "more."}, index=1), chunk({}, "stop", index=1)])
    assert (text_of(out), text_of(out, index=1)) == ("One ", "Two more.")
    assert guard.complete


def test_token_texts_wait_for_their_text(checker: SafetyChecker) -> None:
    """Log-probabilities go out with released text only, all of them when nothing was changed."""
    tokens = ["An", " app", "le", " a", " day."]
    chunks = [chunk({"content": t}, logprobs={"content": [{"token": t, "logprob": -1.0}]}) for t in tokens]
    out = streamed(AnswerGuard(InForce(checker), terms()), [*chunks, chunk({}, "stop")])
    sent, told = "", ""
    for each in out:
        choice = each["choices"][0]
        sent += choice["delta"].get("content", "")
        told += "".join(e["token"] for e in (choice.get("logprobs") or {}).get("content", ()))
        assert sent.startswith(told)
    assert told == "".join(tokens)


def test_token_ids_are_never_passed_on(checker: SafetyChecker) -> None:
    """Ids of tokens are the text in another spelling."""
    out = streamed(
        AnswerGuard(InForce(checker), terms()), [chunk({"content": "Hi "}, token_ids=[1, 2]), chunk({}, "stop")]
    )
    assert "token_ids" not in json.dumps(out)


def test_whole_and_streamed_answers_release_the_same(checker: SafetyChecker) -> None:
    """One engine: a whole answer is a stream of one piece."""
    text = "The boat is small. Write to me. 배가 작다. 船很小。"
    whole = AnswerGuard(InForce(checker), terms()).whole(
        {"id": "c", "object": "chat.completion", "created": 1, "model": "m",
         "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}
    )  # fmt: skip
    out = streamed(AnswerGuard(InForce(checker), terms()), [*[chunk({"content": c}) for c in text], chunk({}, "stop")])
    assert whole["choices"][0]["message"]["content"] == text_of(out) == text


def test_structured_text_is_released_whole_and_stays_json(checker: SafetyChecker) -> None:
    """With a response format of JSON the content comes in one piece that parses."""
    guard = AnswerGuard(InForce(checker), terms(structured=True))
    pieces = ['{"a": "', "one", '", "b": [1, 2]}']
    out = streamed(guard, [*[chunk({"content": p}) for p in pieces], chunk({}, "stop")])
    parts = [c["delta"]["content"] for o in out for c in o["choices"] if c["delta"].get("content")]
    assert len(parts) == 1
    assert json.loads(parts[0]) == {"a": "one", "b": [1, 2]}


def test_a_text_too_long_to_be_checked_whole_is_stopped(checker: SafetyChecker) -> None:
    """What cannot be kept until it is complete is blocked, not passed."""
    guard = AnswerGuard(InForce(checker), terms(structured=True, longest=10))
    out = streamed(guard, [chunk({"content": "{" + "x" * 20}), chunk({}, "stop")])
    assert out[-1]["choices"][0]["finish_reason"] == "content_filter"
    assert guard.tally().action is Action.BLOCK


def test_usage_is_left_out_when_nobody_asked(checker: SafetyChecker) -> None:
    """The gateway asks for token counts for itself; the client sees them only if it asked too."""
    usage = {
        "id": "c1",
        "object": "chat.completion.chunk",
        "choices": [],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }
    quiet = AnswerGuard(InForce(checker), terms(keep_usage=False))
    assert streamed(quiet, [chunk({"content": "Hi "}), usage])[-1]["choices"]
    assert quiet.usage == usage["usage"]
    assert AnswerGuard(InForce(checker), terms()).chunk(usage) == [usage]
