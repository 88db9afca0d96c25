"""What goes wrong with a chat goes wrong with every other form in the same way: closed, and recorded once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.gateway_running import Running, running
from gateway.limits import Limits
from tests.faults.gateway_faults.test_ends import LONG, breaking_on, ends, hang_up, never_durable, never_written

TEXT, RESPONSE, EMBEDDING = "/v1/completions", "/v1/responses", "/v1/embeddings"
ASKS = {TEXT: "prompt", RESPONSE: "input", EMBEDDING: "input"}
DOORS = [(TEXT, False), (TEXT, True), (RESPONSE, False), (RESPONSE, True), (EMBEDDING, False)]
ENDINGS = ("[DONE]", "response.completed", '"finish_reason":"stop"')


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with running("fast") as served:
        yield served


@pytest.fixture(scope="module")
def hurried() -> Iterator[Running]:
    with running("fast", limits=Limits()) as served:
        yield served


def asking(path: str, text: str = "hello", *, stream: bool = False) -> dict[str, Any]:
    return {"model": "default", ASKS[path]: text, **({"stream": True} if stream else {})}


@pytest.mark.parametrize("path", [TEXT, RESPONSE])
@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_hangs_up(gateway: Running, path: str, stream: bool) -> None:
    """The model is stopped, and the request ends as aborted."""
    gateway.says(*LONG, delay_s=0.005)
    gateway.stub.cut_event.clear()
    hang_up(gateway, asking(path, stream=stream), after=b"more" if stream else b"", path=path)
    assert gateway.stub.cut_event.wait(3)
    assert ends(gateway.last()) == [("response.aborted", "client_gone")]


@pytest.mark.parametrize(("path", "stream"), DOORS)
@pytest.mark.parametrize("fault", [never_durable, never_written])
def test_nothing_goes_out_before_the_request_is_on_disk(hurried: Running, fault: Any, path: str, stream: bool) -> None:
    """503 within the deadline, no retry, and no model was asked."""
    hurried.says("fine")
    hurried.stub.bodies.clear()
    hurried.log.spoil = fault("request.received")
    try:
        answer = hurried.post(asking(path, stream=stream), path=path)
    finally:
        hurried.log.spoil = lambda event, ack: ack
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "audit_unavailable")
    assert answer.headers["x-should-retry"] == "false"
    assert hurried.stub.bodies == []


@pytest.mark.parametrize(("path", "stream"), DOORS)
def test_no_answer_is_complete_before_its_end_is_on_disk(hurried: Running, path: str, stream: bool) -> None:
    """Withheld with a 503, or a stream that says that it failed."""
    hurried.says("fine ", "words ", "here", delay_s=0.01)
    hurried.log.spoil = never_written("response.completed")
    try:
        answer = hurried.post(asking(path, stream=stream), path=path)
    finally:
        hurried.log.spoil = lambda event, ack: ack
    assert answer.status_code == 503 or stream
    assert "audit_unavailable" in answer.text
    assert not any(ending in answer.text for ending in ENDINGS)
    assert "here" not in answer.text


@pytest.mark.parametrize(("path", "stream"), DOORS)
def test_a_guard_that_cannot_answer_lets_nothing_through(path: str, stream: bool) -> None:
    """503 and no retry on the way in; on the way out no word behind the failure."""
    with running(breaking_on("quicksand", "fast")) as gateway:
        gateway.says("fine")
        answer = gateway.post(asking(path, "quicksand", stream=stream), path=path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "guard_unavailable")
        assert answer.headers["x-should-retry"] == "false"
        assert gateway.stub.bodies == []
        assert ends(gateway.last()) == [("response.failed", "guard_unavailable")]
        if path == EMBEDDING:
            return
        gateway.says("It is a ", "pool of quick", "sand, ", "they say.", " secretword", delay_s=0.005)
        answer = gateway.post(asking(path, stream=stream), path=path)
        assert "guard_unavailable" in answer.text
        assert "secretword" not in answer.text
        assert not any(ending in answer.text for ending in ENDINGS)
        assert ends(gateway.last()) == [("response.failed", "guard_unavailable")]


@pytest.mark.parametrize(("path", "stream"), DOORS)
def test_an_upstream_that_refuses_keeps_its_status(gateway: Running, path: str, stream: bool) -> None:
    """Failed, because of the upstream."""
    gateway.says(status=404, error={"error": {"message": "no such model"}})
    answer = gateway.post(asking(path, stream=stream), path=path)
    assert (answer.status_code, answer.json()["error"]["message"]) == (404, "no such model")
    assert ends(gateway.last()) == [("response.failed", "upstream_error")]


@pytest.mark.parametrize("path", ASKS)
def test_nobody_gets_in_without_a_key(gateway: Running, path: str) -> None:
    """401 before anything is read or recorded."""
    gateway.stub.bodies.clear()
    before = len(gateway.requests())
    answer = gateway.http.post(gateway.url + path, json=asking(path))
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert gateway.stub.bodies == []
    assert len(gateway.requests()) == before


STRANGE: list[Any] = [None, "x", [1], [{"index": 0}], [{"text": {"a": 1}, "message": "x"}], [{"message": {"content": [7], "tool_calls": "x"}}], [{"message": {"tool_calls": [5, {"function": "x"}, {"function": {"name": 5, "arguments": {}}}]}}]]  # fmt: skip


@pytest.mark.parametrize("choices", STRANGE, ids=[str(number) for number in range(len(STRANGE))])
@pytest.mark.parametrize("path", [TEXT, RESPONSE])
def test_a_model_server_that_talks_nonsense_is_no_fault_of_the_gateway(
    gateway: Running, path: str, choices: Any
) -> None:
    """An empty answer or an upstream error; never a fault of ours, and always one end record."""
    gateway.says(extra={"usage": "many", "moderation": "x"}, usage=False)
    gateway.stub.nonsense = {"choices": choices}
    try:
        answer = gateway.post(asking(path), path=path)
    finally:
        gateway.stub.nonsense = None
    assert answer.status_code in {200, 502}
    assert len(ends(gateway.last())) == 1
