"""Restriction of processing and correction: what stays stored and is not used, and what is set beside a record.

A restriction is a record of the system log with the ids of the person's keys; it ends with a record that names it. It holds
for every key of the person, also for later ones. A correction is a record in the person's own log, under the
person's key, that names the record it corrects: what was recorded stays, and what is right stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from audit import canonical
from audit.errors import AccessRefused, UnknownSubject
from audit.events import Event, EventType, Segment
from audit.header import MOST_KIDS
from audit.log import AuditLog
from audit.publisher import SYSTEM
from audit.rights.errors import UnknownRequest
from audit.store_port import Store

ALLOWED = frozenset({"consent", "legal-claims", "rights-of-others", "public-interest", "rights"})
"""Purposes for which restricted content may be read (GDPR 18(2)); `rights` is answering the person themselves."""
CORRECTION = "correction-1y"
_MARK = b'"typ":"restriction.'


@dataclass(frozen=True, slots=True)
class Restriction:
    """A restriction in force. id: of its record. kids: the person's keys when it was placed."""

    id: str
    tenant: str
    request: str
    placed_us: int
    kids: tuple[str, ...]


def place(log: AuditLog, tenant: str, subject: str, *, who: str, ticket: str, request: str = "") -> Restriction:
    """Restrict the processing of everything that is stored about a person.

    Raises:
        UnknownSubject: nothing is.
    """
    entries = log.keys.entries(tenant, subject) if log.keys.knows(tenant) else []
    if not entries:
        raise UnknownSubject(f"tenant {tenant!r} has no content of this subject", hint="compare the spelling")
    kids = tuple(entry.kid for entry in entries)
    # One record is enough, whatever the number of keys: any one key finds the person's others.
    ack = log.append_system(
        Event(
            EventType.RESTRICTION_PLACED, SYSTEM, request, act="restrict", decision="none", reason=tenant,
            kids=kids[-MOST_KIDS:], count=len(kids), segments=(_by(who, ticket),),
        )
    )  # fmt: skip
    ack.durable.result(30)
    return next(one for one in in_force(log) if one.id == ack.record_id)


def lift(log: AuditLog, restriction_id: str, *, who: str, ticket: str) -> Restriction:
    """End a restriction; the person is told before (GDPR 18(3)).

    Raises:
        UnknownRequest: none of that id is in force.
    """
    found = next((one for one in in_force(log) if one.id == restriction_id), None)
    if found is None:
        raise UnknownRequest("there is no such restriction", hint="haechi audit restrict list")
    log.record(
        Event(
            EventType.RESTRICTION_LIFTED, SYSTEM, found.request, act="restrict", decision="none", reason=found.tenant,
            previous=found.id, segments=(_by(who, ticket),),
        )
    )  # fmt: skip
    return found


def in_force(log: AuditLog) -> list[Restriction]:
    """Every restriction that was placed and not lifted."""
    store = log.open_store(read_only=True)
    try:
        return read_restrictions(store, log.log_name(SYSTEM))
    finally:
        store.close()


def read_restrictions(store: Store, system: str) -> list[Restriction]:
    """What a system log says is restricted."""
    found: dict[str, Restriction] = {}
    for _, leaf in store.headers(system):
        if _MARK in leaf:
            header = canonical.decode(leaf)
            if header["typ"] == EventType.RESTRICTION_LIFTED.value:
                found.pop(header["prev"], None)
            else:
                kids = tuple(header.get("kids", ()))
                found[header["id"]] = Restriction(header["id"], header["rsn"], header["req"], header["sts"], kids)
    return list(found.values())


def restricts(log: AuditLog, tenant: str, kids: Iterable[str]) -> str:
    """The id of a restriction on the person that one of these keys belongs to; empty when there is none."""
    wanted, placed = set(kids), [one for one in in_force(log) if one.tenant == tenant]
    if not placed or not log.keys.knows(tenant):
        return ""
    tags = {entry.kid: entry.tag for entry in log.keys.entries(tenant)}
    mine = {tags[kid] for kid in wanted if kid in tags}
    return next((one.id for one in placed if mine & {tags[kid] for kid in one.kids if kid in tags}), "")


def correct(log: AuditLog, tenant: str, subject: str, record: str, text: str, *, who: str, request: str = "") -> str:
    """Set a correction beside a record. Returns the id of the correction.

    Raises:
        AccessRefused: there is no such record in the tenant's log, or it holds nothing of this person.
    """
    kids = {entry.kid for entry in log.keys.entries(tenant, subject)} if log.keys.knows(tenant) else set()
    store = log.open_store(read_only=True)
    try:
        header = next(
            (
                canonical.decode(leaf)
                for _, leaf in store.headers(log.log_name(tenant))
                if f'"id":"{record}"'.encode() in leaf
            ),
            None,
        )
    finally:
        store.close()
    if header is None or not any(part["kid"] in kids for part in header["segs"]):
        raise AccessRefused("no such record of this person", hint="name a record id of the person's export")
    ack = log.append(
        Event(
            EventType.RECORD_CORRECTED, tenant, header["req"], act="correct", decision="none", previous=record,
            reason=request.rsplit("/", 1)[-1],
            segments=(Segment("correction", text.encode(), subject, CORRECTION), _by(who, request)),
        )
    )  # fmt: skip
    ack.durable.result(30)
    return ack.record_id


def _by(who: str, ticket: str) -> Segment:
    return Segment("details", f"{who}\n{ticket}".encode(), who, "access-6y")
