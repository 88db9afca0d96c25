"""The writer thread: natural group commit, and checkpoints when something changed (FORMAT.md sections 6 and 7).

Rules of this file
1. While one batch is being committed the next one gathers; nothing lingers.
2. An append is acknowledged after its commit returned, and only then. A failed batch fails every append in it.
3. Never sign backwards: a checkpoint is signed only as an extension of what the pin outside the folder remembers.
"""

from __future__ import annotations

import hashlib
import logging
import queue
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field

from audit import header as schema
from audit.canonical import encode
from audit.errors import AuditError, InvalidRecord
from audit.events import Event
from audit.keys import SubjectKeys
from audit.seal import seal
from audit.store import SqliteStore
from audit.tree import leaf_hash
from haechi.base.clock import Clock

logger = logging.getLogger("haechi.audit")

LARGEST_BATCH = 512
PUBLISH_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Ack:
    """The receipt of an append. record_id: 32 hex digits. durable: the sequence number, once committed."""

    record_id: str
    durable: Future[int] = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class Pending:
    """An event on its way to the disk."""

    event: Event
    log: str
    at_us: int
    ack: Ack


class Numbering:
    """Counts the records of one writer, so that a lost one leaves a gap. Owned by the writer thread.

    A number is used up by a commit that is known to have happened. After one whose outcome is unknown the writer goes on
    under a new id: neither a gap nor a repeated number can then come from it.
    """

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begin again under a new random id."""
        self.writer = secrets.token_hex(16)
        self.used = 0


class Writer:
    """One thread that owns the store's writing side."""

    def __init__(
        self, store: SqliteStore, keys: SubjectKeys, *, writer_id: str, clock: Clock, publish: Callable[[], None]
    ) -> None:
        self._store = store
        self._keys = keys
        self._id = writer_id
        self.numbering = Numbering()
        self._clock = clock
        self._publish = publish
        self._queue: queue.SimpleQueue[Pending | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="haechi-audit-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, pending: Pending) -> None:
        """Queue an event; returns at once."""
        self._queue.put(pending)

    def stop(self) -> None:
        """Write what is queued, publish, and end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        changed, due, stopping = False, 0.0, False
        while not stopping:
            batch: list[Pending] = []
            try:
                entry = self._queue.get(timeout=max(0.0, due - time.monotonic()) if changed else None)
                while entry is not None and len(batch) < LARGEST_BATCH:
                    batch.append(entry)
                    entry = self._queue.get_nowait()
                if entry is not None:
                    batch.append(entry)
                stopping = entry is None
            except queue.Empty:
                pass
            if batch:
                self._commit(batch)
                if not changed:
                    changed, due = True, time.monotonic() + PUBLISH_EVERY_S
            if changed and (stopping or time.monotonic() >= due):
                self._try_publish()
                changed = False

    def _try_publish(self) -> None:
        try:
            self._publish()
        except AuditError as error:
            self.numbering.renew()
            logger.error("no checkpoint was signed: %s", error)  # noqa: TRY400  # a traceback says nothing more

    def _commit(self, batch: list[Pending]) -> None:
        try:
            self._append(batch)
        except AuditError as error:
            if len(batch) > 1 and isinstance(error, InvalidRecord):
                for one in batch:  # one bad record must not take its neighbours with it
                    self._commit([one])
                return
            if not isinstance(error, InvalidRecord):
                self.numbering.renew()
            for one in batch:
                _settle(one.ack, error)
            logger.error("%d records were not written: %s", len(batch), error)  # noqa: TRY400

    def _append(self, batch: list[Pending]) -> None:
        prepared = [self._prepare(one, self.numbering.used + 1 + place) for place, one in enumerate(batch)]
        acks: list[tuple[Ack, int]] = []
        with self._store.writing() as db:
            edges = {name: self._store.edge(name) for name in {one.log for one in batch}}
            leaves: dict[str, list[bytes]] = {name: [] for name in edges}
            stamp = {name: max(edge.sts, self._clock.now_us()) for name, edge in edges.items()}
            for one, (header, bodies) in zip(batch, prepared, strict=True):
                header["sts"] = stamp[one.log]
                schema.check(header)
                leaf = encode(header)
                if len(leaf) > schema.MOST_BYTES:
                    raise InvalidRecord(f"a header of {len(leaf)} bytes is longer than {schema.MOST_BYTES}")
                seq = edges[one.log].frontier.size + len(leaves[one.log])
                leaves[one.log].append(leaf_hash(leaf))
                db.execute("insert into leaf values (?, ?, ?)", (one.log, seq, leaf))
                db.executemany("insert into body values (?, ?, ?, ?, ?, ?)", [(one.log, seq, *body) for body in bodies])
                _track_request(db, one, self._id)
                acks.append((one.ack, seq))
            for name, edge in edges.items():
                grown = edge.frontier.extended(leaves[name])
                db.execute(
                    "insert or replace into edge values (?, ?, ?, ?)", (name, grown.size, grown.to_bytes(), stamp[name])
                )
        self.numbering.used += len(batch)
        for ack, seq in acks:
            _settle(ack, seq)

    def _prepare(self, one: Pending, number: int) -> tuple[dict[str, object], list[tuple[str, str, bytes, bytes]]]:
        """Seal outside the lock."""
        header = schema.build(
            one.event,
            log=one.log,
            record_id=one.ack.record_id,
            writer=self.numbering.writer,
            number=number,
            at_us=one.at_us,
        )
        context = hashlib.sha256(b"haechi-audit/1\0" + schema.context_bytes(header)).digest()
        segments, bodies = [], []
        for segment in one.event.segments:
            key = self._keys.for_writing(one.event.tenant, segment.subject, segment.retention, one.at_us)
            sealed = seal(context, segment.name, segment.content, key)
            segments.append(
                {
                    "ch": sealed.ch.hex(),
                    "kc": sealed.kc.hex(),
                    "kid": key.kid,
                    "len": len(sealed.ciphertext),
                    "n": segment.name,
                }
            )
            bodies.append((segment.name, key.kid, sealed.ciphertext, sealed.wrap))
        header["segs"] = segments
        return header, bodies


def _track_request(db: sqlite3.Connection, one: Pending, writer_id: str) -> None:
    event = one.event
    if event.type.value == "request.received":
        db.execute(
            "insert into open_request values (?, ?, ?, ?)", (one.ack.record_id, one.log, event.request_id, writer_id)
        )
    elif event.type.ends_request and event.previous:
        db.execute("delete from open_request where record = ?", (event.previous,))


def _settle(ack: Ack, outcome: int | AuditError) -> None:
    """Tell the caller; one that cancelled its wait does not matter any more."""
    try:
        if isinstance(outcome, AuditError):
            ack.durable.set_exception(outcome)
        else:
            ack.durable.set_result(outcome)
    except InvalidStateError:
        pass
