"""Erasure and retention by destroying keys, and holds that forbid it (FORMAT.md section 9).

Steps of `_destroy`
1. `erasure.intent` with the key ids is durable; a process that dies from here on is followed by one that finishes.
2. Under the log's lock the keys are deleted and `state.erasures` counts: no writer can use a cached key afterwards.
3. Ciphertexts and wraps are removed, in small transactions, so that appends are not kept waiting.
4. Checks: nothing of the keys in the key store's files, no body left, other content still opens, the tree is unchanged.
5. `erasure.done` or `retention.done` with the same key ids: from here a verifier accepts that the bodies are gone.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from audit import canonical, recover
from audit.errors import ErasureIncomplete, TamperedLog, UnknownHold, UnknownSubject
from audit.events import Event, EventType, Segment
from audit.header import MOST_KIDS, context_bytes, read
from audit.keys import Hold, KeyEntry, SubjectKeys
from audit.publisher import SYSTEM
from audit.seal import Sealed, unwrap
from audit.store_port import PUT_STATE, Store
from audit.writer import Ack
from haechi.base.clock import Clock

BODIES_A_TRANSACTION = 500
SAMPLE = 20
_LIFETIME = re.compile(r".*-([1-9][0-9]{0,3})([dmy])")


@dataclass(frozen=True, slots=True)
class Why:
    """Why keys are destroyed or held. who, ticket: go into an encrypted segment. ground: a word, `gdpr-17-1-b`.

    request: the id of the request, not a person's name. backups_until_us: when the last backup of the key store that may
    still hold the keys is gone.
    """

    who: str
    ticket: str
    ground: str = "request"
    request: str = ""
    backups_until_us: int = 0


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was destroyed, and where the log says so. seqs: records of the system log. deferred_by: the hold that forbade it."""

    tenant: str
    kids: tuple[str, ...]
    segments: int
    seqs: tuple[int, ...]
    deferred_by: str = ""


@dataclass(frozen=True, slots=True)
class DueKeys:
    """Keys of one retention class and month. due: when they are to be destroyed; None for a class without a lifetime."""

    tenant: str
    retention: str
    epoch: str
    kids: tuple[str, ...]
    held: int
    due: datetime | None

    def overdue(self, now: datetime) -> bool:
        """Whether they should be gone by now."""
        return self.due is not None and self.due <= now


class OpenLog(Protocol):
    """What this module needs of an open `AuditLog`."""

    folder: Path
    keys: SubjectKeys
    clock: Clock

    def log_name(self, tenant: str) -> str:
        """The full name of a tenant's log."""
        ...

    def append_system(self, event: Event) -> Ack:
        """Queue an event of the log's own affairs."""
        ...

    def open_store(self, *, read_only: bool = False) -> Store:
        """A hold on the database of one's own."""
        ...

    def is_gone(self, writer: str) -> bool:
        """Whether the process of that writer ended without closing."""
        ...


class Eraser:
    """Destroys, spares and renews the keys of one audit folder, with its log open."""

    def __init__(self, log: OpenLog) -> None:
        self._log = log

    def erase(self, tenant: str, subject: str, why: Why) -> Certificate:
        """Make every segment of a subject unreadable.

        Raises:
            UnknownSubject: there is no key of that subject.
            ErasureIncomplete: a check found something left.
        """
        keys = self._log.keys
        entries = keys.entries(tenant, subject) if keys.knows(tenant) else []
        if not entries:
            raise UnknownSubject(
                f"tenant {tenant!r} has no content of this subject",
                hint="compare the spelling; it may be erased already",
            )
        held = keys.held(entries)
        if held:
            hold = next(iter(held.values()))
            self._record(EventType.ERASURE_DEFERRED, why, count=len(held), note=hold)
            return Certificate(tenant, (), 0, (), deferred_by=hold)
        return self._destroy(tenant, [entry.kid for entry in entries], why, EventType.ERASURE_DONE)

    def schedule(self) -> tuple[DueKeys, ...]:
        """Every class and month of keys that exists, with the day it is due."""
        groups: dict[tuple[str, str, str], list[KeyEntry]] = defaultdict(list)
        for entry in self._log.keys.entries():
            groups[entry.tenant, entry.retention, entry.epoch].append(entry)
        return tuple(
            DueKeys(*place, tuple(e.kid for e in entries), len(self._log.keys.held(entries)), due(*place[1:]))
            for place, entries in sorted(groups.items())
        )

    def expire(self, why: Why) -> tuple[Certificate, ...]:
        """Destroy the keys of every class and month whose time is over, but for held ones."""
        now = datetime.fromtimestamp(self._log.clock.now_us() / 1e6, tz=UTC)
        ended = []
        for group in self.schedule():
            if group.overdue(now):
                held = self._log.keys.held(e for e in self._log.keys.entries(group.tenant) if e.kid in set(group.kids))
                kids = [kid for kid in group.kids if kid not in held]
                if kids:
                    ended.append(self._destroy(group.tenant, kids, why, EventType.RETENTION_DONE))
        return tuple(ended)

    def place_hold(self, tenant: str, subject: str | None, why: Why) -> Hold:
        """Forbid erasure and expiry for a subject, or for a whole tenant."""
        hold = Hold(secrets.token_hex(16), tenant, subject is None, self._log.clock.now_us())
        self._record(EventType.HOLD_PLACED, why, note=hold.id)
        self._log.keys.place_hold(hold, subject)
        return hold

    def lift_hold(self, hold_id: str, why: Why) -> Hold:
        """Allow them again.

        Raises:
            UnknownHold: there is none of that id.
        """
        if all(hold.id != hold_id for hold in self._log.keys.holds()):
            raise UnknownHold(f"there is no hold {hold_id!r}", hint="haechi audit hold list")
        self._record(EventType.HOLD_LIFTED, why, note=hold_id)
        lifted = self._log.keys.lift_hold(hold_id)
        assert lifted is not None  # noqa: S101  # found above; holds are lifted by hand, one at a time
        return lifted

    def rotate(self, why: Why) -> int:
        """Wrap every subject key under new tenant keys; bodies are not touched. Returns how many."""
        count = sum(self._log.keys.rotate(tenant) for tenant in self._log.keys.tenants())
        self._record(EventType.KEYS_ROTATED, why, count=count)
        return count

    def recover(self) -> int:
        """Finish erasures whose process died, and repeat those that a restored key store has undone. Returns how many."""
        repeated = 0
        with self._store() as store:
            gone = [
                one
                for one in recover.open_requests(store.connection)
                if one.log == self._log.log_name(SYSTEM) and self._log.is_gone(one.writer)
            ]
            intents = {one.record: one for one in gone}
            for seq, leaf in store.headers(self._log.log_name(SYSTEM)) if intents else ():
                header = canonical.decode(leaf)
                if header["id"] in intents:
                    kind = EventType.RETENTION_DONE if header["rsn"] == "retention" else EventType.ERASURE_DONE
                    self._finish(store, read(leaf).kids, Why("recovery", str(seq), header["rsn"]), kind, header["id"])
                    repeated += 1
            counted = store.erasures()
            return repeated if self._log.keys.erasures() == counted else repeated + self._replay(store, counted)

    def _replay(self, store: Store, counted: int) -> int:
        existing = {entry.kid for entry in self._log.keys.entries()}
        undone = [kid for kid in store.destroyed() if kid in existing]
        for at in range(0, len(undone), MOST_KIDS):
            chunk = undone[at : at + MOST_KIDS]
            self._log.keys.destroy(chunk, counted)
            self._record(EventType.ERASURE_REPLAYED, Why("recovery", ""), kids=tuple(chunk), count=len(chunk))
        self._log.keys.destroy((), counted)
        return len(undone)

    def _destroy(self, tenant: str, kids: Sequence[str], why: Why, kind: EventType) -> Certificate:
        segments, seqs = 0, []
        with self._store() as store:
            for at in range(0, len(kids), MOST_KIDS):
                chunk = list(kids[at : at + MOST_KIDS])
                word = "retention" if kind is EventType.RETENTION_DONE else why.ground
                intent = self._log.append_system(
                    Event(
                        EventType.ERASURE_INTENT, SYSTEM, why.request, act="erase", decision="none", reason=word,
                        kids=tuple(chunk), segments=_details(why, tenant),
                    )
                )  # fmt: skip
                intent.durable.result(30)
                count, seq = self._finish(store, chunk, why, kind, intent.record_id)
                segments += count
                seqs.append(seq)
        return Certificate(tenant, tuple(kids), segments, tuple(seqs))

    def _finish(self, store: Store, kids: Sequence[str], why: Why, kind: EventType, intent: str) -> tuple[int, int]:
        """Steps 2 to 5; each may be repeated. Returns segments erased and the certificate's place."""
        before = {name: store.edge(name).frontier for name in store.logs()}
        with store.writing() as db:
            counted = store.erasures() + 1
            stored = self._log.keys.destroy(kids, counted)
            db.execute(PUT_STATE, ("erasures", counted))
        segments = sum(_remove_bodies(store, kid) for kid in kids)
        self._check(store, kids, stored)
        for name, frontier in before.items():
            if not store.begins_with(name, frontier):
                raise ErasureIncomplete(f"the tree of {name} is not the one before", hint="haechi audit verify")
        seq = self._record(kind, why, kids=tuple(kids), count=segments, previous=intent)
        return segments, seq

    def _check(self, store: Store, kids: Sequence[str], stored: tuple[bytes, ...]) -> None:
        left = self._log.keys.copies_of(stored)
        if left:
            raise ErasureIncomplete(f"{left} copies of destroyed keys are left in the key store", hint="run it again")
        for kid in kids:
            if self._log.keys.for_reading(kid) is not None or next(store.bodies_of(kid), None) is not None:
                raise ErasureIncomplete("a key or a body is still there", hint="run it again")
        opened, failed = self._sample(store)
        if failed:
            raise ErasureIncomplete(
                f"{failed} of {opened + failed} other segments do not open", hint="haechi audit verify"
            )

    def _sample(self, store: Store) -> tuple[int, int]:
        """How many of a few remaining segments open, and how many do not. Their content is not decrypted."""
        opened = failed = 0
        rows = store.connection.execute(
            "select log, seq, name, kid from body where wrap is not null order by seq desc limit ?", (SAMPLE,)
        ).fetchall()
        for log, seq, name, kid in rows:
            key = self._log.keys.for_reading(kid)
            if key is None:
                continue  # being erased by another process just now
            header = canonical.decode(next(store.headers(log, seq, 1))[1])
            part = next(p for p in header["segs"] if p["n"] == name)
            body = store.bodies(log, seq)[name]
            context = hashlib.sha256(b"haechi-audit/1\0" + context_bytes(header)).digest()
            sealed = Sealed(
                body.ciphertext or b"", body.wrap or b"", bytes.fromhex(part["ch"]), bytes.fromhex(part["kc"])
            )
            try:
                unwrap(context, name, sealed, key)
                opened += 1
            except TamperedLog:
                failed += 1
        return opened, failed

    def _record(
        self, kind: EventType, why: Why, *, kids: tuple[str, ...] = (), count: int = 0, previous: str = "",
        note: str = "",
    ) -> int:  # fmt: skip
        ack = self._log.append_system(
            Event(
                kind, SYSTEM, why.request, act="erase", decision="none", reason=why.ground, previous=previous,
                kids=kids, count=count, until_us=why.backups_until_us, segments=_details(why, note),
            )
        )  # fmt: skip
        return ack.durable.result(30)

    @contextmanager
    def _store(self) -> Iterator[Store]:
        """A hold on the file of our own: the log's writer has its own, and the two exclude each other by the lock."""
        store = self._log.open_store()
        try:
            yield store
        finally:
            store.close()


def due(retention: str, epoch: str) -> datetime | None:
    """When keys of a class and month are to be destroyed: its lifetime after the month ended; None without a lifetime.

    retention: ends in `-<n>d`, `-<n>m` or `-<n>y`: days, calendar months or years. epoch: `2026-11`.
    """
    found = _LIFETIME.fullmatch(retention)
    if found is None:
        return None
    year, month = map(int, epoch.split("-"))
    number = int(found[1])
    months = (
        year * 12 + month + {"d": 0, "m": number, "y": 12 * number}[found[2]]
    )  # `month` counts from 1: the next one
    end = datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)
    return end + timedelta(days=number) if found[2] == "d" else end


def _details(why: Why, note: str = "") -> tuple[Segment, ...]:
    text = "\n".join((why.who, why.ticket, note))
    return (Segment("details", text.encode(), subject=why.who, retention="access-6y"),)


def _remove_bodies(store: Store, kid: str) -> int:
    """Remove ciphertexts and wraps under a key, a few at a time. Returns how many there were."""
    places = list(store.bodies_of(kid))
    for at in range(0, len(places), BODIES_A_TRANSACTION):
        with store.writing() as db:
            db.executemany(
                "update body set ciphertext = null, wrap = null where log = ? and seq = ? and name = ?",
                places[at : at + BODIES_A_TRANSACTION],
            )
    return len(places)
