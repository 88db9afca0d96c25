"""Strange text over HTTP: every route gives a clear answer, never a fault of the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.gateway_running import Running, running
from guard.checker import SafetyChecker
from guard.policy import Policy, PolicyDocument, RuleDocument
from guard.verdict import Category

MEGABYTE = "All is well. " * 80_000
TEXTS = {
    "empty": "",
    "emoji": "😀👍🏽🎉❤️" * 300,
    "controls": "".join(map(chr, range(32))),
    "directions": "abc \u202eשלום\u202c def \u2067x\u2069 ghi jkl mno",
}
FOREIGN = "Это обычное предложение на русском языке о погоде."
PICTURES = "👨‍👩‍👧‍👦🏳️‍🌈🔪" * 30


@pytest.fixture(scope="module", params=["words", "classifier"])
def gateway(request: pytest.FixtureRequest) -> Iterator[Running]:
    """With words and patterns alone, and with the embedded classifier alone."""
    document = PolicyDocument(1, "embedded", "2026-11", ("classifier",), both={Category.TOXICITY: RuleDocument()})
    policy = SafetyChecker.load("fast") if request.param == "words" else SafetyChecker(Policy(document))
    with running(policy) as served:
        served.says("Fine.")
        yield served


def routes(text: str) -> list[tuple[str, dict[str, Any]]]:
    chat = {"model": "default", "messages": [{"role": "user", "content": text}]}
    return [
        ("/v1/chat/completions", chat),
        ("/v1/chat/completions", {**chat, "stream": True}),
        ("/v1/guard/check", {"text": text}),
        ("/v1/guard/scrub", {"text": text}),
        ("/v1/moderations", {"input": text}),
        ("/v1/moderations", {"input": [text, text]}),
    ]


@pytest.mark.parametrize("name", TEXTS)
def test_strange_text_is_answered_on_every_route(gateway: Running, name: str) -> None:
    """It holds nothing bad: by words alone it passes as it is; what the classifier says of it is said clearly."""
    words = gateway.checker.policy.name == "fast"
    for path, body in routes(TEXTS[name]):
        answer = gateway.post(body, path)
        assert (path, answer.status_code) in {(path, 200), (path, 200 if words else 400)}
        assert answer.status_code == 200 or answer.json()["error"]["code"] == "content_filter"
        assert answer.headers["x-haechi-action"] == "allow" or not words
    assert not words or gateway.stub.bodies[-1]["messages"][0]["content"] == TEXTS[name]


def test_a_megabyte_is_read(gateway: Running) -> None:
    """As a prompt, and by the guard's own route."""
    for path, body in (routes(MEGABYTE)[0], routes(MEGABYTE)[2]):
        assert gateway.post(body, path).status_code == 200


def test_half_a_surrogate_pair_is_refused_by_its_json(gateway: Running) -> None:
    """400, as any body that is not text."""
    body = b'{"model": "default", "messages": [{"role": "user", "content": "a\\ud800b"}]}'
    answer = gateway.post(body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("text", [FOREIGN, PICTURES])
def test_a_language_that_nobody_knows_is_not_called_safe(gateway: Running, text: str) -> None:
    """Where only a classifier would judge it, and it cannot: 503 on every route, and nothing reaches the model."""
    alone = gateway.checker.policy.name == "embedded"
    before = len(gateway.stub.bodies)
    for path, body in routes(text):
        answer = gateway.post(body, path)
        assert (path, answer.status_code) == (path, 503 if alone else 200)
        if alone:
            assert answer.json()["error"]["code"] == "guard_unavailable"
    assert len(gateway.stub.bodies) == before + (0 if alone else 2)


def test_what_the_default_policy_could_not_judge_is_said() -> None:
    """It goes on without the classifier in a language that the classifier does not know; the zeros are then no "safe"."""
    silent = [{"detector": "classifier", "reason": "not covered"}]
    with running("default") as gateway:
        checked = gateway.post({"text": FOREIGN}, "/v1/guard/check").json()
        assert (checked["action"], checked["unavailable"]) == ("flag", silent)
        assert (checked["checked"], checked["total"]) == (0, len(FOREIGN))
        known = gateway.post({"text": "All is well."}, "/v1/guard/check").json()
        assert (known.get("unavailable"), known["checked"], known["total"]) == (None, 12, 12)
        foreign, plain = gateway.post({"input": [FOREIGN, "All is well."]}, "/v1/moderations").json()["results"]
        assert foreign["haechi"] == {"unavailable": silent}
        assert "haechi" not in plain
