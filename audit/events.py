"""What callers hand to the log: events with clear facts, and segments of content that will be encrypted.

Rules of this file
1. Both are made for every record, hence structs: a frozen dataclass with as many fields takes ten times as long to make.
"""

from __future__ import annotations

import enum

from msgspec import Struct


class EventType(enum.StrEnum):
    """What happened. The request events come from the gateway, the others from the log itself."""

    REQUEST_RECEIVED = "request.received"
    RESPONSE_COMPLETED = "response.completed"
    RESPONSE_BLOCKED = "response.blocked"
    RESPONSE_ABORTED = "response.aborted"
    RESPONSE_FAILED = "response.failed"
    REQUEST_ORPHANED = "request.orphaned"
    LOG_OPENED = "log.opened"
    LOG_CLOSED = "log.closed"
    HEADS = "heads"
    ACCESS_READ = "access.read"
    ERASURE_INTENT = "erasure.intent"
    ERASURE_DONE = "erasure.done"
    ERASURE_DEFERRED = "erasure.deferred"
    ERASURE_REPLAYED = "erasure.replayed"
    RETENTION_DONE = "retention.done"
    HOLD_PLACED = "hold.placed"
    HOLD_LIFTED = "hold.lifted"
    KEYS_ROTATED = "keys.rotated"
    SPILL_DRAINED = "spill.drained"
    SPILL_DAMAGED = "spill.damaged"
    RECORDS_LOST = "records.lost"
    MODE_CHOSEN = "mode.chosen"
    DISK_FULL = "disk.full"
    CHECKPOINT_ANCHORED = "checkpoint.anchored"
    RIGHTS_STEP = "rights.step"
    RECORD_CORRECTED = "record.corrected"
    RESTRICTION_PLACED = "restriction.placed"
    RESTRICTION_LIFTED = "restriction.lifted"
    ACCESS_APPROVED = "access.approved"
    ACCESS_EXPORTED = "access.exported"
    BREACH_STEP = "breach.step"
    REPORT_MADE = "report.made"

    begins: bool
    """Whether this waits for a record that ends it."""
    ends: bool
    """Whether this ends what its `previous` began."""


_BEGIN = (EventType.REQUEST_RECEIVED, EventType.ERASURE_INTENT)
_END = (
    EventType.RESPONSE_COMPLETED,
    EventType.RESPONSE_BLOCKED,
    EventType.RESPONSE_ABORTED,
    EventType.RESPONSE_FAILED,
    EventType.REQUEST_ORPHANED,
    EventType.ERASURE_DONE,
    EventType.RETENTION_DONE,
)
for _kind in EventType:  # asked of every record, and a property costs as much as a row's place in an index
    _kind.begins, _kind.ends = _kind in _BEGIN, _kind in _END


class Segment(Struct, frozen=True, gc=False):
    """Content about one person. subject: whose it is ("" for nobody's); retention: the class that decides when its key dies."""

    name: str
    content: bytes
    subject: str = ""
    retention: str = "content-30d"


class Event(Struct, frozen=True, gc=False):
    """One record to be. Everything but the segments is written in clear and must name nobody.

    findings: (category, score in millionths). previous: record id of the request.received that this ends.
    chars_*: code points; leaked: released behind the first violating offset. reason: an enum word or "".
    kids: keys that this record says are destroyed. count: of what the type is about, for a certificate the segments.
    until_us: a date that the type is about, for a certificate the day on which the last backup of the keys has gone.
    """

    type: EventType
    tenant: str
    request_id: str
    act: str = "chat.completion"
    decision: str = "allow"
    findings: tuple[tuple[str, int], ...] = ()
    policy: str = ""
    model: str = ""
    previous: str = ""
    purpose: str = "svc"
    retention: str = "meta-1y"
    tokens_in: int = 0
    tokens_out: int = 0
    chars_checked: int = 0
    chars_total: int = 0
    chars_leaked: int = 0
    reason: str = ""
    segments: tuple[Segment, ...] = ()
    kids: tuple[str, ...] = ()
    count: int = 0
    until_us: int = 0
