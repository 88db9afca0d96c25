"""An event on its way to the disk, and the receipt that its caller holds.

Rules of this file
1. A receipt is settled once. Whoever comes second, a writer that was slower than the spill file, changes nothing.
2. A receipt is made for every record, so it is two small objects: nothing to wait on is made before somebody waits.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Lock

from msgspec import Struct

from audit.events import Event

logger = logging.getLogger("haechi.audit")

_ID_BYTES = 16
_IDS_AT_ONCE = 64
_SETTLING = Lock()
"""Of every receipt: who settles and who begins to wait agree on which came first. Nobody's code runs under it."""


class Durable:
    """What becomes of a record: as a future that nobody can cancel. Safe for several threads."""

    __slots__ = ("_callbacks", "_outcome")

    def __init__(self) -> None:
        self._outcome: int | Exception | None = None
        self._callbacks: list[Callable[[Durable], object]] | None = None

    def done(self) -> bool:
        """Whether it is known."""
        return self._outcome is not None

    def result(self, timeout: float | None = None) -> int:
        """The record's sequence number, waited for; negative when it lies elsewhere than in the log, see `audit.modes`.

        timeout: seconds, for ever if None.

        Raises:
            TimeoutError: it is not known yet. The record may still become durable.
            AuditError: the record is not in the log.
        """
        outcome = self._wait(timeout)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def exception(self, timeout: float | None = None) -> Exception | None:
        """Why the record is not in the log, waited for as by `result`; None when it is."""
        outcome = self._wait(timeout)
        return outcome if isinstance(outcome, Exception) else None

    def add_done_callback(self, tell: Callable[[Durable], object]) -> None:
        """Call this once it is known, at once if it is; in the thread that knows."""
        with _SETTLING:
            if self._outcome is None:
                self._callbacks = [*(self._callbacks or ()), tell]
                return
        tell(self)

    def settle(self, outcome: int | Exception) -> None:
        """Say what became of the record, unless that was said before."""
        with _SETTLING:
            if self._outcome is not None:
                return
            self._outcome = outcome
        self._tell()

    def _tell(self) -> None:
        """Call who waits. Nobody joins them any more: the outcome is known."""
        waiting, self._callbacks = self._callbacks, None
        for tell in waiting or ():
            try:
                tell(self)
            except Exception:  # as a future does: who settles has others to tell
                logger.exception("a callback of a receipt failed")

    def _wait(self, timeout: float | None) -> int | Exception:
        if self._outcome is None:
            known = Lock()
            known.acquire()
            self.add_done_callback(lambda _: known.release())
            known.acquire(timeout=-1 if timeout is None else max(timeout, 0))
        if self._outcome is None:
            raise TimeoutError(f"a record is not durable after {timeout} s")
        return self._outcome


@dataclass(slots=True, eq=False)
class Ack:
    """The receipt of an append. record_id: 32 hex digits.

    durable: once the record would survive a power cut, its sequence number; negative when it lies elsewhere than in the log,
    see `audit.modes`. Or the error.
    """

    record_id: str
    durable: Durable = field(default_factory=Durable)


class Pending(Struct, frozen=True):
    """An event on its way to the disk."""

    event: Event
    log: str
    at_us: int
    ack: Ack


def settle_all(batch: Iterable[Pending], numbers: Iterable[int]) -> None:
    """Say of records that they are in the log, and under which numbers."""
    waited_for = []
    with _SETTLING:
        for one, number in zip(batch, numbers, strict=True):
            durable = one.ack.durable
            if durable._outcome is None:
                durable._outcome = number
                if durable._callbacks:
                    waited_for.append(durable)
    for durable in waited_for:
        durable._tell()


class RecordIds:
    """Random ids of records, drawn many at a time. Safe for several threads, and not for a process that is forked off."""

    def __init__(self) -> None:
        self._drawn: list[str] = []

    def take(self) -> str:
        """One that nobody else has: 32 hex digits."""
        try:
            return self._drawn.pop()
        except IndexError:
            many = os.urandom(_ID_BYTES * _IDS_AT_ONCE).hex()
            first, *rest = (many[at : at + 2 * _ID_BYTES] for at in range(0, len(many), 2 * _ID_BYTES))
            self._drawn += rest
            return first
