"""However a request ends, it is recorded once as received and once as ended, and the model is stopped."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
import pytest

from audit.events import Event, EventType
from audit.log import Ack
from benchmarks.gateway_running import Running, running
from gateway.limits import Limits
from guard.checker import SafetyChecker
from guard.policy import Policy
from guard.registry import Detector, load_detector
from guard.scanner import Match
from guard.verdict import Category
from guard.views import TextViews

HELLO = [{"role": "user", "content": "hello"}]
LONG = ["more "] * 2_000


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with running() as served:
        yield served


@pytest.fixture(scope="module")
def hurried() -> Iterator[Running]:
    """A gateway that waits for the disk as short as the default says."""
    with running(limits=Limits()) as served:
        yield served


def body(**changes: Any) -> dict[str, Any]:
    return {"model": "default", "messages": HELLO, **changes}


def ends(records: Sequence[Event]) -> list[tuple[str, str]]:
    """The one received record is checked away; what remains is how the request ended."""
    assert [event.type for event in records].count(EventType.REQUEST_RECEIVED) == 1
    assert records[0].type is EventType.REQUEST_RECEIVED
    return [(event.type.value, event.reason) for event in records[1:]]


def hang_up(gateway: Running, request: dict[str, Any], *, after: bytes, path: str = "/v1/chat/completions") -> None:
    """Send a request over a bare socket and close it once these bytes have come (b"": right after sending)."""
    content = json.dumps(request).encode()
    address = urlsplit(gateway.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\nContent-Length: {len(content)}\r\n\r\n"
        connection.sendall(head.encode() + content)
        received = b""
        while after not in received:
            piece = connection.recv(4096)
            assert piece, received
            received += piece
        if not after:
            time.sleep(0.15)


@pytest.mark.parametrize(
    ("stream", "after"),
    [(True, b"more"), (True, b""), (False, b"")],
    ids=["mid-stream", "before the first token", "whole"],
)
def test_a_client_that_hangs_up(gateway: Running, stream: bool, after: bytes) -> None:
    """The model is stopped, and the request ends as aborted."""
    delay = 0.005 if after or not stream else 0.5
    gateway.says(*LONG, delay_s=delay)
    gateway.stub.cut_event.clear()
    hang_up(gateway, body(stream=stream), after=after)
    assert gateway.stub.cut_event.wait(3)
    assert ends(gateway.last()) == [("response.aborted", "client_gone")]


def test_what_was_sent_before_hanging_up_is_in_the_record(gateway: Running) -> None:
    """The end record holds what the client got, and how much of it had been checked."""
    gateway.says(*LONG, delay_s=0.002)
    hang_up(gateway, body(stream=True), after=b"more")
    end = gateway.last()[-1]
    answer = next(segment for segment in end.segments if segment.name == "answer")
    assert b"more" in answer.content
    assert 0 < end.chars_checked <= end.chars_total


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "script",
    [
        {"status": 500, "error": {"error": {"message": "no"}}},
        {"status": 404, "error": {"error": {"message": "no such model"}}},
        {"status": 500, "error": b"<html>"},
    ],
)
def test_an_upstream_that_refuses(gateway: Running, script: dict[str, Any], stream: bool) -> None:
    """Failed, because of the upstream; its status reaches the client."""
    gateway.says(**script)
    answer = gateway.post(body(stream=stream))
    assert answer.status_code == script["status"]
    assert "x-should-retry" not in answer.headers
    assert ends(gateway.last()) == [("response.failed", "upstream_error")]


BROKEN: dict[str, dict[str, Any]] = {
    "breaks off": {"stop_after": 20},
    "stops without an end": {"raw": [b'data: {"choices":[{"index":0,"delta":{"content":"a b c "}}]}\n\n', b"data: [DONE]\n\n"]},
    "says nothing": {"raw": [b"data: [DONE]\n\n"]},
    "sends garbage": {"raw": [b"data: {\n\n"]},
    "sends odd shapes": {"raw": [b'data: {"choices":[7]}\n\n']},
    "sends odder shapes": {"raw": [b'data: {"choices":[{"delta":"x"}]}\n\n']},
    "fails late": {"raw": [b'data: {"choices":[{"index":0,"delta":{"content":"a b c "}}]}\n\n', b'data: {"error":{"message":"oom"}}\n\n']},
}  # fmt: skip


@pytest.mark.parametrize("script", BROKEN.values(), ids=BROKEN.keys())
def test_a_stream_that_breaks_is_never_passed_off_as_whole(gateway: Running, script: dict[str, Any]) -> None:
    """The client gets an error, as a status or inside the stream, and no `[DONE]`."""
    gateway.says(*LONG, **script)
    answer = gateway.post(body(stream=True))
    assert "[DONE]" not in answer.text
    assert '"finish_reason":"' not in answer.text
    if answer.status_code == 200:
        last = json.loads(answer.text.strip().splitlines()[-1].removeprefix("data: "))
        assert last["error"]["message"]
    else:
        assert answer.status_code == 502
    assert ends(gateway.last()) == [("response.failed", "upstream_error")]


def test_the_stock_client_sees_a_broken_stream_as_an_error(gateway: Running) -> None:
    """An error event raises APIError."""
    gateway.says(*LONG, stop_after=30)
    with pytest.raises(openai.APIError):
        list(gateway.client().chat.completions.create(model="default", messages=HELLO, stream=True))  # type: ignore[arg-type]


def test_an_upstream_that_is_not_there() -> None:
    """502, recorded; the address is not told."""
    with running(base_url="http://127.0.0.1:9/v1", default_model="m") as gateway:
        for stream in (False, True):
            answer = gateway.post(body(stream=stream))
            assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_error")
            assert "127.0.0.1" not in answer.text
            assert ends(gateway.last()) == [("response.failed", "upstream_error")]


@pytest.mark.parametrize("stream", [False, True])
def test_a_deadline(stream: bool) -> None:
    """The answer that takes too long is given up, the model stopped."""
    with running(limits=Limits(request_s=0.5, audit_s=10.0)) as gateway:
        gateway.says(*LONG, delay_s=0.02 if stream else 0.005)
        answer = gateway.post(body(stream=stream))
        assert gateway.stub.cut_event.wait(3)
        assert '"code":"timeout"' in answer.text
        assert answer.status_code == (200 if stream else 504)
        assert ends(gateway.last()) == [("response.failed", "timeout")]


class Broken:
    """A scanner that fails on a word, standing for a detector whose model or file is broken."""

    name = "broken"
    categories = frozenset({Category.TOXICITY})
    reach = 8

    def __init__(self, word: str) -> None:
        self._word = word

    def scan(self, views: TextViews) -> Sequence[Match]:
        if self._word in views.raw:
            raise OSError("the detector is broken")
        return ()

    def hold(self, views: TextViews) -> int:
        return 0


def breaking_on(word: str, name: str = "default") -> SafetyChecker:
    """A policy with a lexicon that fails when it sees the word."""
    policy = Policy.load(name)
    detectors = {name: load_detector(name) for name in policy.detectors}
    lexicon = detectors["lexicon"]
    detectors["lexicon"] = Detector(lexicon.name, (*lexicon.scanners, Broken(word)), lexicon.classifiers)
    return SafetyChecker(policy, detectors)


@pytest.mark.parametrize("stream", [False, True])
def test_a_guard_that_cannot_answer_lets_nothing_through(stream: bool) -> None:
    """503 and no retry on the way in; on the way out no word behind the failure."""
    with running(breaking_on("quicksand")) as gateway:
        gateway.says("fine")
        answer = gateway.post({**body(stream=stream), "messages": [{"role": "user", "content": "quicksand"}]})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "guard_unavailable")
        assert answer.headers["x-should-retry"] == "false"
        assert gateway.stub.bodies == []
        assert ends(gateway.last()) == [("response.failed", "guard_unavailable")]
        gateway.says("It is a ", "pool of quick", "sand, ", "they say.", " secretword", delay_s=0.005)
        answer = gateway.post(body(stream=stream))
        assert "guard_unavailable" in answer.text
        assert "secretword" not in answer.text
        assert "[DONE]" not in answer.text
        assert ends(gateway.last()) == [("response.failed", "guard_unavailable")]


class Exploding(SafetyChecker):
    """A checker with a defect: it raises where it must not."""

    def stream(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("a defect that quotes the text: hello")


@pytest.mark.parametrize("stream", [False, True])
def test_a_fault_of_ours_is_an_error_and_nothing_reaches_the_model(
    stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """500, no retry, and a log line that names the place without quoting anything."""
    with running(Exploding(Policy.load("default"))) as gateway:
        answer = gateway.post(body(stream=stream))
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
        assert answer.headers["x-should-retry"] == "false"
        assert gateway.stub.bodies == []
        assert "hello" not in caplog.text
        assert "RuntimeError at" in caplog.text


class Rotten:
    """A stream guard with a defect in every part of it."""

    blocked = False

    def feed(self, delta: str) -> str:
        raise ZeroDivisionError("quotes the text: " + delta)

    def finish(self) -> Any:
        raise ZeroDivisionError

    def abort(self) -> Any:
        raise ZeroDivisionError


class RottenOutside(SafetyChecker):
    """A checker whose guard of answers is broken and cannot even be closed."""

    def stream(self, direction: Any = "output", **more: Any) -> Any:
        return Rotten() if direction == "output" else super().stream(direction, **more)


@pytest.mark.parametrize("stream", [False, True])
def test_a_guard_that_cannot_even_be_closed_still_leaves_an_end_record(stream: bool) -> None:
    """A fault in the middle of an answer: nothing of it goes out, and the request ends as failed."""
    with running(RottenOutside(Policy.load("default"))) as gateway:
        gateway.says("fine ", "words")
        answer = gateway.post(body(stream=stream))
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
        assert ends(gateway.last()) == [("response.failed", "internal_error")]


def never_durable(kind: EventType | str) -> Callable[[Event, Ack], Ack]:
    """A receipt that never becomes durable, for records of one kind: a disk that hangs."""
    return lambda event, ack: Ack(ack.record_id) if event.type.value.startswith(kind) else ack


def never_written(kind: EventType | str) -> Callable[[Event, Ack], Ack]:
    """A receipt that says the write failed: a disk that is full."""

    def spoil(event: Event, ack: Ack) -> Ack:
        if not event.type.value.startswith(kind):
            return ack
        lost = Ack(ack.record_id)
        lost.durable.settle(OSError(28, "No space left on device"))
        return lost

    return spoil


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", [never_durable, never_written])
def test_nothing_goes_to_the_model_before_the_request_is_on_disk(hurried: Running, fault: Any, stream: bool) -> None:
    """A disk that hangs or is full: 503 within the deadline, no retry, and the model was never asked."""
    hurried.says("fine")
    hurried.stub.bodies.clear()
    hurried.log.spoil = fault("request.received")
    try:
        began = time.monotonic()
        answer = hurried.post(body(stream=stream))
        assert time.monotonic() - began < 5
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "audit_unavailable")
        assert answer.headers["x-should-retry"] == "false"
        assert hurried.stub.bodies == []
        assert ends(hurried.last()) == [("response.failed", "audit_unavailable")]
    finally:
        hurried.log.spoil = lambda event, ack: ack


@pytest.mark.parametrize("fault", [never_durable, never_written])
def test_no_answer_is_complete_before_its_end_is_on_disk(hurried: Running, fault: Any) -> None:
    """Whole: withheld with a 503. Streamed: an error in the place of the finish and `[DONE]`."""
    hurried.says("fine ", "words ", "here")
    hurried.log.spoil = fault("response.completed")
    try:
        whole = hurried.post(body())
        assert (whole.status_code, whole.json()["error"]["code"]) == (503, "audit_unavailable")
        assert "fine" not in whole.text
        stream = hurried.post(body(stream=True))
        assert "audit_unavailable" in stream.text
        assert "[DONE]" not in stream.text
        assert '"finish_reason":"stop"' not in stream.text
    finally:
        hurried.log.spoil = lambda event, ack: ack
    assert len(hurried.last()) == 2


def test_a_closed_log_refuses_every_request() -> None:
    """When records cannot even be queued, nothing is answered."""
    with running() as gateway:
        gateway.log.close()
        answer = gateway.post(body())
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "audit_unavailable")
        assert gateway.stub.bodies == []


def test_too_many_requests_at_once() -> None:
    """Beyond the limit: 429, which the stock client repeats; those under way are not disturbed."""
    with running(limits=Limits(in_flight=1, audit_s=10.0)) as gateway:
        gateway.says(*["x "] * 100, delay_s=0.005)
        first: list[httpx.Response] = []
        thread = threading.Thread(target=lambda: first.append(gateway.post(body(stream=True))))
        thread.start()
        time.sleep(0.2)
        with httpx.Client() as other:
            refused = other.post(gateway.url + "/v1/chat/completions", json=body())
        thread.join()
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
        assert "[DONE]" in first[0].text


def test_a_server_that_stops_records_what_it_cuts_off() -> None:
    """A stream that is under way when the server is stopped ends as aborted."""
    with running() as gateway:
        gateway.says(*LONG, delay_s=0.01)
        thread = threading.Thread(target=lambda: _ignore(gateway))
        thread.start()
        deadline = time.monotonic() + 10
        while not gateway.stub.bodies and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2)
    thread.join(10)
    records = [event for event, _ in gateway.log.seen if event.request_id]
    assert ends(records) == [("response.aborted", "shutdown")]
    assert all(ack.durable.done() and ack.durable.exception() is None for _, ack in gateway.log.seen)


def _ignore(gateway: Running) -> None:
    try:
        gateway.post(body(stream=True))
    except httpx.HTTPError:
        return  # the connection is cut, which is what this test does


def test_many_clients_that_hang_up_anywhere(gateway: Running) -> None:
    """A crowd that leaves at different moments: every request received once and ended once, every model stopped.

    Who hangs up before the guard has read the request leaves no trace; who has seen a word of the answer does.
    """
    gateway.says(*["more "] * 60, delay_s=0.002)
    before = set(gateway.requests())

    def visit(number: int) -> None:
        if number % 4 == 3:
            gateway.post(body(stream=True))
        else:
            hang_up(gateway, body(stream=number % 2 == 0), after=b"more" if number % 4 == 0 else b"")

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fresh = {request: events for request, events in gateway.requests().items() if request not in before}
    assert 16 <= len(fresh) <= 32
    kinds = {ends(events)[0][0] for events in fresh.values() if len(ends(events)) == 1}
    assert all(len(ends(events)) == 1 for events in fresh.values())
    assert kinds <= {"response.completed", "response.aborted"}
    for _, ack in gateway.log.seen:
        assert ack.durable.result(5) >= 0
