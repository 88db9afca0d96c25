"""An event on its way to the disk, and the receipt that its caller holds."""

from __future__ import annotations

from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import NamedTuple

from audit.errors import AuditError
from audit.events import Event


@dataclass(frozen=True, slots=True)
class Ack:
    """The receipt of an append. record_id: 32 hex digits.

    durable: once the record would survive a power cut, its sequence number; negative when it lies elsewhere than in the log,
    see `audit.modes`. Or the error.
    """

    record_id: str
    durable: Future[int] = field(default_factory=Future)


class Pending(NamedTuple):
    """An event on its way to the disk."""

    event: Event
    log: str
    at_us: int
    ack: Ack


def settle(ack: Ack, outcome: int | AuditError) -> None:
    """Tell the caller; one that cancelled its wait, or was told before, does not matter any more."""
    try:
        if isinstance(outcome, AuditError):
            ack.durable.set_exception(outcome)
        else:
            ack.durable.set_result(outcome)
    except InvalidStateError:
        pass
