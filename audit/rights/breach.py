"""Incidents: a clock of 72 hours from awareness, and what was done when. Each step is a record of the system log.

An incident is its `breach.step` records, each naming the one before; texts stand in encrypted segments. The register lists
incidents that were not notified, too.
"""

from __future__ import annotations

import enum
import json
import secrets
from dataclasses import dataclass, replace

from audit import canonical
from audit.events import Event, EventType, Segment
from audit.log import AuditLog
from audit.publisher import SYSTEM
from audit.rights.errors import ConflictingStep, StepRefused, UnknownRequest
from audit.store_port import Store

CLOCK_HOURS = 72
_KEPT = "breach-5y"
_MARK = b'"typ":"breach.step"'


class BreachStep(enum.StrEnum):
    """What happened in an incident."""

    OPENED = "opened"
    NOTED = "noted"
    AUTHORITY_TOLD = "authority-told"
    PERSONS_TOLD = "persons-told"
    NOT_NOTIFIED = "not-notified"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class BreachTaken:
    """One step. seq: its record in the system log."""

    seq: int
    record: str
    at_us: int
    step: BreachStep


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident. aware_us: when it became known. due_us: when the authority is to be told."""

    id: str
    tenant: str
    aware_us: int
    due_us: int
    steps: tuple[BreachTaken, ...]

    @property
    def told_us(self) -> int:
        """When the authority was first told; 0 while it was not."""
        return next((one.at_us for one in self.steps if one.step is BreachStep.AUTHORITY_TOLD), 0)

    @property
    def closed(self) -> bool:
        """Whether it is over."""
        return self.steps[-1].step is BreachStep.CLOSED

    def overdue(self, now_us: int) -> bool:
        """Whether the authority should have been told by now, and nobody decided that it need not be."""
        decided = self.told_us or any(one.step is BreachStep.NOT_NOTIFIED for one in self.steps)
        return not decided and now_us >= self.due_us


@dataclass(frozen=True, slots=True)
class Extent:
    """What an incident may have touched: records in a period, keys and persons behind them (months of one person are one)."""

    records: int
    segments: int
    keys: int
    persons: int
    categories: tuple[tuple[str, int], ...]


def open_incident(
    log: AuditLog, tenant: str, *, aware_us: int, nature: str, who: str, ticket: str, hours: int = CLOCK_HOURS
) -> Incident:
    """Start the clock, from when it became known and not from now.

    Raises:
        StepRefused: who, ticket or nature is missing, or awareness lies in the future.
    """
    if not nature or aware_us > log.clock.now_us():
        raise StepRefused("an incident has a nature, and is known since some time", hint="--note '...' --aware TIME")
    name = f"{tenant}/{secrets.token_hex(6)}"
    _append(log, name, BreachStep.OPENED, "", aware_us + hours * 3_600_000_000, aware_us, _file(who, ticket, nature))
    return find_incident(log, name)


def take(log: AuditLog, incident_id: str, step: BreachStep, *, who: str, ticket: str, note: str) -> Incident:
    """Record a step: a note, that the authority or the persons were told, or why they need not be; the note says what.

    Raises:
        StepRefused: it is closed, opened again, or who, ticket or note is missing.
        ConflictingStep: somebody else took a step at the same time; nothing has changed but by theirs.
    """
    incident = find_incident(log, incident_id)
    if incident.closed or step is BreachStep.OPENED or not note:
        raise StepRefused("a step of an open incident has a note", hint="haechi audit breach show ID")
    return _take(log, incident, step, _file(who, ticket, note))


def _take(log: AuditLog, incident: Incident, step: BreachStep, file: Segment) -> Incident:
    seq = _append(log, incident.id, step, incident.steps[-1].record, incident.due_us, incident.aware_us, file)
    now = find_incident(log, incident.id)
    if all(one.seq != seq for one in now.steps):
        raise ConflictingStep("somebody else took a step of this incident just now", hint="look at it again")
    return now


def incidents(log: AuditLog) -> list[Incident]:
    """The register, oldest first."""
    store = log.open_store(read_only=True)
    try:
        return read_incidents(store, log.log_name(SYSTEM))
    finally:
        store.close()


def find_incident(log: AuditLog, incident_id: str) -> Incident:
    """One incident, by its id or the part behind the slash.

    Raises:
        UnknownRequest: there is none.
    """
    found = [one for one in incidents(log) if incident_id in {one.id, one.id.rsplit("/", 1)[-1]}]
    if len(found) != 1:
        raise UnknownRequest("there is no such incident", hint="haechi audit breach list")
    return found[0]


def read_incidents(store: Store, system: str) -> list[Incident]:
    """Every incident that a system log tells of."""
    found: dict[str, Incident] = {}
    for seq, leaf in store.headers(system):
        if _MARK in leaf:
            header = canonical.decode(leaf)
            taken = BreachTaken(seq, header["id"], header["sts"], BreachStep(header["rsn"]))
            before = found.get(header["req"])
            if before is None and taken.step is BreachStep.OPENED:
                tenant = header["req"].rsplit("/", 1)[0]
                found[header["req"]] = Incident(header["req"], tenant, header["n"], header["until"], (taken,))
            elif before is not None and header["prev"] == before.steps[-1].record:
                found[header["req"]] = replace(before, steps=(*before.steps, taken))
    return list(found.values())


def notes_of(log: AuditLog, incident: Incident, *, who: str, ticket: str) -> list[str]:
    """What was written at each step; reading it is recorded."""
    told = []
    for one in incident.steps:
        parts = log.read(SYSTEM, one.seq, who=who, purpose="incident", ticket=ticket)
        told.append("" if parts[0].content is None else str(json.loads(parts[0].content)["note"]))
    return told


def extent(log: AuditLog, tenant: str, since_us: int, until_us: int) -> Extent:
    """Approximate numbers for a notification: everything of a tenant in a period. until_us: 0 for no end."""
    store = log.open_store(read_only=True)
    records = segments = 0
    kids: set[str] = set()
    categories: dict[str, int] = {}
    try:
        for _, leaf in store.headers(log.log_name(tenant)):
            header = canonical.decode(leaf)
            if header["sts"] >= since_us and (not until_us or header["sts"] < until_us):
                records, segments = records + 1, segments + len(header["segs"])
                kids.update(part["kid"] for part in header["segs"])
                for found in {one["c"] for one in header["fin"]}:
                    categories[found] = categories.get(found, 0) + 1
    finally:
        store.close()
    entries = log.keys.entries(tenant) if log.keys.knows(tenant) else []
    persons = {entry.tag for entry in entries if entry.kid in kids}
    gone = len(kids - {entry.kid for entry in entries})  # destroyed since: each counts as a person of its own
    return Extent(records, segments, len(kids), len(persons) + gone, tuple(sorted(categories.items())))


def _append(
    log: AuditLog, name: str, step: BreachStep, previous: str, due_us: int, aware_us: int, file: Segment
) -> int:
    return log.record(
        Event(
            EventType.BREACH_STEP, SYSTEM, name, act="breach", decision="none", reason=step.value, previous=previous,
            until_us=due_us, count=aware_us, segments=(file,),
        )
    )  # fmt: skip


def _file(who: str, ticket: str, note: str) -> Segment:
    if not who or not ticket:
        raise StepRefused("a step needs who takes it and a ticket", hint="--who 'J. Lee' --ticket INC-7")
    return Segment("file", json.dumps({"who": who, "ticket": ticket, "note": note}).encode(), who, _KEPT)
