"""What a request leaves in the audit log: ids in the right places, text in segments only."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import asdict

from audit.events import Event, EventType
from benchmarks.gateway_running import Running, running
from gateway.health import AUDIT_S
from gateway.keys import check_tenant
from gateway.limits import Limits

NUMBER = "900101-1234568"
USER = "hong.gildong@example.com"


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with running() as served:
        yield served


def segments(event: Event) -> dict[str, Any]:
    return {segment.name: json.loads(segment.content) for segment in event.segments}


def clear_part(event: Event) -> str:
    """Everything of an event that is written in the clear."""
    return repr([value for name, value in asdict(event).items() if name != "segments"])


def ask(gateway: Running, content: str, **more: Any) -> Any:
    return gateway.post({"model": "default", "messages": [{"role": "user", "content": content}], **more})


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_leaves_what_was_sent_forwarded_and_answered(gateway: Running, stream: bool) -> None:
    """Prompt as sent, text as forwarded, answer as released, and what the model said where that differs."""
    gateway.says(f"Yours is {NUMBER}입니다", ". Good.")
    ask(gateway, f"Mine is {NUMBER}입니다", stream=stream)
    received, ended = gateway.last()
    assert NUMBER in segments(received)["prompt"]["messages"][0]["content"]
    assert NUMBER not in json.dumps(segments(received)["forwarded"])
    assert segments(received)["forwarded"]["messages"][0]["content"].startswith("Mine is ")
    assert segments(ended)["generated"] == {"0/content": f"Yours is {NUMBER}입니다. Good."}
    assert NUMBER not in segments(ended)["answer"]["0/content"]
    assert (received.decision, ended.decision) == ("redact", "redact")
    assert dict(received.findings).keys() == {"pii"}
    assert (ended.type, ended.reason) == (EventType.RESPONSE_COMPLETED, "")
    assert (ended.tokens_in, ended.tokens_out) == (7, 2)


def test_nothing_is_stored_twice_when_nothing_was_changed(gateway: Running) -> None:
    """A clean request has no `forwarded`, a clean answer no `generated`."""
    gateway.says("A fine day.")
    ask(gateway, "How is it?")
    received, ended = gateway.last()
    assert segments(received).keys() == {"identity", "prompt"}
    assert segments(ended) == {"answer": {"0/content": "A fine day."}}


def test_ids_flow_and_name_nobody_in_the_clear(gateway: Running) -> None:
    """User and conversation stand in encrypted segments, tied to the user; the header has tenant, request, model, policy."""
    gateway.says("A fine day.")
    answer = ask(gateway, f"Mine is {NUMBER}", user=USER, metadata={"conversation_id": "conversation of Hong"})
    events = gateway.last()
    for event in events:
        assert event.request_id == answer.headers["x-request-id"]
        assert (event.tenant, event.model, event.act) == ("default", "stub-model", "chat.completion")
        assert event.policy == gateway.checker.policy.digest
        assert {segment.subject for segment in event.segments} == {USER}
        for text in (NUMBER, "hong", "Hong", "A fine", gateway.key):
            assert text not in clear_part(event)
    identity = segments(events[0])["identity"]
    assert (identity["user"], identity["conversation"]) == (USER, "conversation of Hong")
    assert events[1].previous


def test_the_conversation_comes_from_the_header_first_and_is_made_up_last(gateway: Running) -> None:
    """`x-haechi-conversation`, then `metadata.conversation_id`, else a random one."""
    gateway.says("ok")
    request = {
        "model": "default",
        "messages": [{"role": "user", "content": "hi"}],
        "metadata": {"conversation_id": "b"},
    }
    gateway.post(request, **{"x-haechi-conversation": "a"})
    assert segments(gateway.last()[0])["identity"]["conversation"] == "a"
    ask(gateway, "hi")
    assert segments(gateway.last()[0])["identity"]["conversation"].startswith("conv_")


def test_the_tenant_comes_from_the_key(gateway: Running) -> None:
    """Two keys of two tenants, two logs."""
    gateway.says("ok")
    key = gateway.parts.keys.create(check_tenant("acme"))
    gateway.post(
        {"model": "default", "messages": [{"role": "user", "content": "hi"}]}, authorization=f"Bearer {key.secret}"
    )
    assert {event.tenant for event in gateway.last()} == {"acme"}
    assert segments(gateway.last()[0])["identity"]["key"] == key.key_id


def test_a_blocked_prompt_is_recorded_with_what_was_sent(gateway: Running) -> None:
    """Received and blocked, the categories in the clear, the words encrypted; nothing forwarded."""
    ask(gateway, "You are a fucking idiot.")
    received, ended = gateway.last()
    assert ended.type is EventType.RESPONSE_BLOCKED
    assert received.decision == ended.decision == "block"
    assert "harassment" in dict(received.findings)
    assert "idiot" in segments(received)["prompt"]["messages"][0]["content"]
    assert "idiot" not in clear_part(received)


@pytest.mark.parametrize("stream", [False, True])
def test_a_blocked_answer_is_recorded_with_what_was_withheld(gateway: Running, stream: bool) -> None:
    """What the model said is there for the auditor, what the client got is beside it, and nothing leaked."""
    gateway.says("Well. Now then. ", "You are a ", "fucking ", "idiot. ")
    ask(gateway, "hi", stream=stream)
    received, ended = gateway.last()
    assert (received.decision, ended.decision) == ("allow", "block")
    assert ended.type is EventType.RESPONSE_BLOCKED
    assert ended.chars_leaked == 0
    assert "fucking" in segments(ended)["generated"]["0/content"]
    assert "fucking" not in json.dumps(segments(ended).get("answer", {}))


def test_a_check_is_recorded_too(gateway: Running) -> None:
    """The check route leaves the same two records."""
    gateway.post({"text": f"Mine is {NUMBER}"}, path="/v1/guard/check")
    received, ended = gateway.last()
    assert (received.act, received.decision, ended.type) == ("guard.check", "redact", EventType.RESPONSE_COMPLETED)
    assert NUMBER in segments(received)["prompt"]["text"]


def test_records_carry_how_much_was_read(gateway: Running) -> None:
    """Coverage: characters checked of characters there were."""
    gateway.says("A fine day.")
    ask(gateway, "hello")
    received, ended = gateway.last()
    assert (received.chars_checked, received.chars_total) == (5, 5)
    assert (ended.chars_checked, ended.chars_total) == (11, 11)


def test_a_long_prompt_does_not_stop_the_others(gateway: Running) -> None:
    """While several megabytes are being checked, health is answered and short requests are served."""
    import threading

    gateway.says("ok")
    text = "the quiet river carries small boats 배가 작다 船很小 " * 150_000
    done: list[Any] = []
    thread = threading.Thread(target=lambda: done.append(ask(gateway, text)))
    thread.start()
    time.sleep(0.1)
    waits = []
    while thread.is_alive():
        began = time.perf_counter()
        assert gateway.http.get(gateway.url + "/healthz").status_code == 200
        waits.append(time.perf_counter() - began)
        time.sleep(0.01)
    thread.join()
    assert done[0].status_code == 200
    assert len(waits) > 3
    assert sorted(waits)[len(waits) // 2] < 0.25


def test_a_late_record_makes_the_gateway_not_ready_for_a_while() -> None:
    """An audit log that does not keep up is seen by /readyz, and by the counters."""
    from audit.log import Ack

    with running(limits=Limits()) as gateway:
        gateway.says("ok")
        gateway.log.spoil = lambda event, ack: Ack(ack.record_id)
        assert ask(gateway, "hi").status_code == 503
        answer = gateway.http.get(gateway.url + "/readyz")
        assert (answer.status_code, answer.json()["audit"]) == (503, "records are late")
        assert "haechi_audit_failures_total{" in gateway.http.get(gateway.url + "/metrics").text
        assert AUDIT_S <= 30
