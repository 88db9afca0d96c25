"""The receipt of an append: told once, whoever comes first, to everybody who waits."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from audit import Ack, Event, EventType
from audit.errors import LogUnavailable
from audit.pending import Durable, Pending, RecordIds, settle_all


def pending(number: int) -> Pending:
    event = Event(EventType.REQUEST_RECEIVED, "default", f"req_{number}")
    return Pending(event, "x.example/audit/default", 1, Ack(f"{number:032x}"))


def test_a_receipt_is_not_known_before_it_is_settled() -> None:
    """And who waits for a time only is told that it has passed."""
    one = Durable()
    assert not one.done()
    for ask in (one.result, one.exception):
        with pytest.raises(TimeoutError):
            ask(0.001)
    one.settle(7)
    assert one.done()
    assert (one.result(), one.exception()) == (7, None)


def test_the_first_outcome_stays() -> None:
    """A writer that was slower than the spill file does not take it back, alone or with its batch."""
    failed, spilled, free = pending(1), pending(2), pending(3)
    failed.ack.durable.settle(LogUnavailable("no disk"))
    spilled.ack.durable.settle(-1)
    spilled.ack.durable.settle(5)
    settle_all([failed, spilled, free], [10, 11, 12])
    assert isinstance(failed.ack.durable.exception(), LogUnavailable)
    with pytest.raises(LogUnavailable, match="no disk"):
        failed.ack.durable.result()
    assert [one.ack.durable.result() for one in (spilled, free)] == [-1, 12]


def test_everybody_who_waits_is_told_once_and_who_comes_late_at_once() -> None:
    """One whose callback fails keeps nobody else from being told."""
    one, told = pending(1), list[str]()
    durable = one.ack.durable
    durable.add_done_callback(lambda _: told.append("first"))
    durable.add_done_callback(lambda _: 1 // 0)
    durable.add_done_callback(lambda known: told.append(f"third, {known.result()}"))
    settle_all([one], [4])
    durable.settle(5)
    assert told == ["first", "third, 4"]
    durable.add_done_callback(lambda known: told.append(f"late, {known.result()}"))
    assert told[2:] == ["late, 4"]


def test_a_callback_that_fails_is_told_to_the_operator(caplog: pytest.LogCaptureFixture) -> None:
    """Without it, somebody waits for ever and nobody knows why."""
    one = Durable()
    one.add_done_callback(lambda _: 1 // 0)
    with caplog.at_level(logging.ERROR, "haechi.audit"):
        one.settle(1)
    assert "callback" in caplog.text


def test_nobody_waits_for_ever_however_waiting_and_settling_meet() -> None:
    """Threads begin to wait while others settle, one by one and in batches: everybody learns one and the same outcome."""
    rounds = 300
    batches = [[pending(n) for n in range(4)] for _ in range(rounds)]
    starting = threading.Barrier(4)

    def wait(_: int) -> list[int]:
        starting.wait()
        return [one.ack.durable.result(20) for batch in batches for one in batch]

    def settle(number: int) -> list[int]:
        starting.wait()
        for batch in batches:
            if number:
                settle_all(batch, [1, 1, 1, 1])
            else:
                for one in batch:
                    one.ack.durable.settle(0)
        return []

    with ThreadPoolExecutor(4) as pool:
        first, second, *_ = [*pool.map(lambda work: work[0](work[1]), [(wait, 0), (wait, 1), (settle, 0), (settle, 1)])]
    assert first == second
    assert len(first) == 4 * rounds


def test_ids_are_drawn_once_by_whatever_thread() -> None:
    """32 hex digits each, and no two alike."""
    ids = RecordIds()
    with ThreadPoolExecutor(4) as pool:
        drawn = [one for many in pool.map(lambda _: [ids.take() for _ in range(500)], range(4)) for one in many]
    assert len(set(drawn)) == 2000
    assert {(len(one), set(one) <= set("0123456789abcdef")) for one in drawn} == {(32, True)}
