"""Who looked at a person's content, when and why: from the system log, without decrypting anything.

A person may learn dates and purposes; names of employees stand in encrypted segments and are not part of this.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from audit import canonical
from audit.events import EventType
from audit.log import AuditLog
from audit.publisher import SYSTEM
from audit.store_port import Store

_READ, _EXPORTED = EventType.ACCESS_READ.value, EventType.ACCESS_EXPORTED.value


@dataclass(frozen=True, slots=True)
class Consultation:
    """One reading. kind: `read` one record or `export` of all. seq: of the entry in the system log. records: how many."""

    at_us: int
    kind: str
    purpose: str
    seq: int
    record: str
    records: int


def consultations(log: AuditLog, tenant: str, subject: str) -> list[Consultation]:
    """Every reading of a person's content, oldest first; of what was erased since, nothing can be said."""
    kids = {entry.kid for entry in log.keys.entries(tenant, subject)} if log.keys.knows(tenant) else set()
    store = log.open_store(read_only=True)
    try:
        return list(find_consultations(store, log.log_name(SYSTEM), kids, records_of(store, kids)))
    finally:
        store.close()


def records_of(store: Store, kids: set[str]) -> set[str]:
    """Ids of the records that hold segments under these keys and are not erased."""
    places = {(name, seq) for kid in kids for name, seq, _ in store.bodies_of(kid)}
    return {canonical.decode(next(store.headers(name, seq, 1))[1])["id"] for name, seq in places}


def find_consultations(store: Store, system: str, kids: set[str], records: set[str]) -> Iterator[Consultation]:
    """Readings of these records and exports under these keys that a system log tells of."""
    for seq, leaf in store.headers(system):
        if b'"typ":"access.' not in leaf:
            continue
        header = canonical.decode(leaf)
        if header["typ"] == _READ and header["prev"] in records:
            yield Consultation(header["sts"], "read", header["pur"], seq, header["prev"], 1)
        elif header["typ"] == _EXPORTED and kids & set(header.get("kids", ())):
            yield Consultation(header["sts"], "export", header["pur"], seq, "", header.get("n", 0))
