"""The writer thread: natural group commit (FORMAT.md section 6).

Rules of this file
1. While one batch is being committed the next one gathers; nothing lingers.
2. An append is acknowledged after its commit returned, and only then. A failed batch fails every append in it.
3. Nothing is written under a key that was destroyed meanwhile: see `Store.erasures`.
4. A commit that failed may have been kept. It is looked for before anybody is told; a record is never written twice.
"""

from __future__ import annotations

import hashlib
import logging
import queue
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import NamedTuple

from audit import header as schema
from audit.canonical import encode
from audit.errors import AuditError, InvalidRecord, LogUnavailable
from audit.events import Event
from audit.keys import KeyPlace, SubjectKeys, epoch_of
from audit.seal import seal
from audit.store_port import Batch, Edge, Store
from audit.tree import leaf_hash
from haechi.base.clock import Clock

logger = logging.getLogger("haechi.audit")

LARGEST_BATCH = 512
LONGEST_QUEUE = 20_000


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


class _Ready(NamedTuple):
    """A sealed record that lacks only its place and time. context: its header's bytes without `segs` and `sts`."""

    pending: Pending
    context: bytes
    segments: bytes
    bodies: list[tuple[str, str, bytes, bytes]]


class _Placed(NamedTuple):
    """A record in its place, about to be committed."""

    pending: Pending
    seq: int
    leaf: bytes


class _StaleKeys(Exception):  # not an error: the batch is sealed again
    """Keys were destroyed since they were cached."""

    def __init__(self, erasures: int) -> None:
        super().__init__()
        self.erasures = erasures


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
        self, store: Store, keys: SubjectKeys, *, writer_id: str, clock: Clock, grown: Callable[[], None]
    ) -> None:
        self._store = store
        self._keys = keys
        self._id = writer_id
        self._numbering = Numbering()
        self._clock = clock
        self._grown = grown
        self._erasures = store.erasures()
        self._queue: queue.SimpleQueue[Pending | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="haechi-audit-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, pending: Pending) -> None:
        """Queue an event; returns at once.

        Raises:
            LogUnavailable: the disk is so far behind that the queue is full.
        """
        if self._queue.qsize() >= LONGEST_QUEUE:
            raise LogUnavailable(
                f"{LONGEST_QUEUE} records wait for the disk",
                hint="the disk does not keep up; check its load and health",
            )
        self._queue.put(pending)

    def stop(self) -> None:
        """Write what is queued, and end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            batch: list[Pending] = []
            entry = self._queue.get()
            try:
                while entry is not None and len(batch) < LARGEST_BATCH - 1:
                    batch.append(entry)
                    entry = self._queue.get_nowait()
                if entry is not None:
                    batch.append(entry)
                stopping = entry is None
            except queue.Empty:
                pass
            if batch:
                self._commit(batch)
                self._grown()

    def _commit(self, batch: list[Pending]) -> None:
        try:
            self._append(batch)
        except AuditError as error:
            self._refuse(batch, error)
        except Exception as error:  # noqa: BLE001  # this thread must outlive whatever one record brings: see _refuse
            self._refuse(batch, InvalidRecord(f"a record cannot be written: {type(error).__name__}"))

    def _refuse(self, batch: list[Pending], error: AuditError) -> None:
        if len(batch) > 1 and isinstance(error, InvalidRecord):
            for one in batch:  # one bad record must not take its neighbours with it
                self._commit([one])
            return
        if not isinstance(error, InvalidRecord):
            self._numbering.renew()
        for one in batch:
            _settle(one.ack, error)
        logger.error("%d records were not written: %s", len(batch), error)

    def _append(self, batch: list[Pending]) -> None:
        while True:
            ready = self._seal(batch)
            placed: list[_Placed] = []
            try:
                self._write(ready, placed)
            except _StaleKeys as stale:
                self._keys.forget()
                self._erasures = stale.erasures
                continue
            except LogUnavailable:
                if not self._was_kept(placed):
                    raise
                logger.warning("a commit of %d records reported a failure and was kept", len(placed))
            break
        self._numbering.used += len(batch)
        for one in placed:
            _settle(one.pending.ack, one.seq)

    def _write(self, ready: list[_Ready], placed: list[_Placed]) -> None:
        """One transaction. placed: filled with what is about to be committed."""
        with self._store.writing():
            erasures, edges = self._store.ends({one.pending.log for one in ready})
            if erasures != self._erasures:
                raise _StaleKeys(erasures)
            batch = Batch()
            hashes: dict[str, list[bytes]] = {name: [] for name in edges}
            stamp = {name: max(edge.sts, self._clock.now_us()) for name, edge in edges.items()}
            for one in ready:
                name = one.pending.log
                leaf = schema.complete(one.context, one.segments, stamp[name])
                seq = edges[name].frontier.size + len(hashes[name])
                hashes[name].append(leaf_hash(leaf))
                batch.leaves.append((name, seq, leaf))
                batch.bodies += [(name, seq, *body) for body in one.bodies]
                _track(batch, one.pending, seq, self._id)
                placed.append(_Placed(one.pending, seq, leaf))
            for name, edge in edges.items():
                batch.edges[name] = Edge(edge.frontier.extended(hashes[name]), stamp[name])
            self._store.insert(batch)

    def _was_kept(self, placed: list[_Placed]) -> bool:
        """Whether a batch whose commit failed is in the log all the same. A batch is whole, so its last record tells.

        Raises:
            LogUnavailable: it cannot be found out now.
        """
        if not placed:
            return False
        with self._store.writing():
            return self._store.has_leaf(placed[-1].pending.log, placed[-1].seq, placed[-1].leaf)

    def _seal(self, batch: list[Pending]) -> list[_Ready]:
        """Everything that can be done outside the lock."""
        places: dict[tuple[int, str], KeyPlace] = {}
        for at, one in enumerate(batch):
            schema.check_names(one.event)
            for segment in one.event.segments:
                place = KeyPlace(one.event.tenant, segment.subject, segment.retention, epoch_of(one.at_us))
                places[at, segment.name] = place
        keys = self._keys.obtain(places.values()) if places else {}
        ready = []
        for at, one in enumerate(batch):
            header = schema.build(
                one.event, log=one.log, record_id=one.ack.record_id, writer=self._numbering.writer,
                number=self._numbering.used + 1 + at, at_us=one.at_us,
            )  # fmt: skip
            context = encode(header)
            bound = hashlib.sha256(b"haechi-audit/1\0" + context).digest()
            listed, bodies = [], []
            for segment in one.event.segments:
                key = keys[places[at, segment.name]]
                sealed = seal(bound, segment.name, segment.content, key)
                listed.append(
                    f'{{"ch":"{sealed.ch.hex()}","kc":"{sealed.kc.hex()}","kid":"{key.kid}",'
                    f'"len":{len(sealed.ciphertext)},"n":"{segment.name}"}}'
                )
                bodies.append((segment.name, key.kid, sealed.ciphertext, sealed.wrap))
            ready.append(_Ready(one, context, f"[{','.join(listed)}]".encode("ascii"), bodies))
        return ready


def _track(batch: Batch, one: Pending, seq: int, writer_id: str) -> None:
    """Keep the tables beside the log: what was begun and not ended yet, and which keys are said to be destroyed."""
    event = one.event
    if event.type.begins:
        batch.begun.append((one.ack.record_id, one.log, event.request_id, writer_id))
    elif event.type.ends and event.previous:
        batch.ended.append(event.previous)
    if event.kids and event.type.ends:
        batch.destroyed += [(kid, seq) for kid in event.kids]


def _settle(ack: Ack, outcome: int | AuditError) -> None:
    """Tell the caller; one that cancelled its wait does not matter any more."""
    try:
        if isinstance(outcome, AuditError):
            ack.durable.set_exception(outcome)
        else:
            ack.durable.set_result(outcome)
    except InvalidStateError:
        pass
