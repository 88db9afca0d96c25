"""The writer thread: natural group commit (FORMAT.md section 6).

Rules of this file
1. While one batch is being committed the next one gathers. A lone record never lingers; callers who were told together
   come back together, and after such a batch the writer lets them, for as long as they keep coming.
2. An append is acknowledged after its commit returned, and only then. A failed batch fails every append in it.
3. Nothing is written under a key that was destroyed meanwhile: see `Store.erasures`.
4. A commit that failed may have been kept. It is looked for before anybody is told; a record is never written twice.
"""

from __future__ import annotations

import logging
import queue
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable

from audit import header as schema
from audit.ballast import Ballast, is_disk_full
from audit.errors import AuditError, InvalidRecord, LogUnavailable, TamperedLog
from audit.events import Event, EventType
from audit.keys import SubjectKeys
from audit.modes import Mode
from audit.overflow import Overflow
from audit.pending import Ack, Pending, settle_all
from audit.ready import Ready, make_ready
from audit.store_port import Batch, Edge, Store
from audit.tree import leaf_hash
from haechi.base.clock import Clock

__all__ = ["Ack", "Numbering", "Pending", "Seen", "Writer"]
SYSTEM = "_system"
_RECORD_ID = re.compile(rb'"id":"([0-9a-f]{32})"')
logger = logging.getLogger("haechi.audit")

LARGEST_BATCH = 512
LARGEST_CHUNK = 64
"""Records of a spill file at a time; they may be large."""
RETRY_EVERY_S = 0.5
"""How often a log that is away is asked whether it is back."""
LONGEST_QUEUE = 20_000
CROWD = 8
"""Records in a batch from which on the next one is waited for: without, the first to come back is committed alone."""
BREATH_S = 0.000_25
MOST_BREATHS = 8


Placed = list[tuple[str, int, bytes]]
"""Records in their places, about to be committed: log, number and leaf of each, in the order of the batch."""


class _Tip:
    """Where a log ends while a batch is placed behind its edge. stamp: sequencing time of the batch."""

    __slots__ = ("hashes", "size", "stamp")

    def __init__(self, edge: Edge, now_us: int) -> None:
        self.size = edge.frontier.size
        self.stamp = max(edge.sts, now_us)
        self.hashes: list[bytes] = []


class _StaleKeys(Exception):  # not an error: the batch is sealed again
    """Keys were destroyed since they were cached."""

    def __init__(self, erasures: int) -> None:
        super().__init__()
        self.erasures = erasures


class _AlreadyThere(Exception):  # not an error: the rest of the batch is sealed again
    """Records of a spill file had reached the log as well."""

    def __init__(self, ids: set[str]) -> None:
        super().__init__()
        self.ids = ids


class Seen:
    """Ids of records in the log from where a spill file began."""

    def __init__(self) -> None:
        self._next: dict[str, int] = {}
        self._ids: set[bytes] = set()

    def begin(self, log: str, after: int) -> None:
        """Look at this log from there on."""
        self._next.setdefault(log, after)

    def among(self, store: Store, ready: list[Ready]) -> set[str]:
        """Which of these records the log has."""
        for log in {one.pending.log for one in ready}:
            for seq, header in store.headers(log, self._next[log]):
                self._ids.update(_RECORD_ID.findall(header))
                self._next[log] = seq + 1
        return {one.pending.ack.record_id for one in ready if one.pending.ack.record_id.encode() in self._ids}


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
        self,
        store: Store,
        keys: SubjectKeys,
        *,
        writer_id: str,
        clock: Clock,
        origin: str,
        grown: Callable[[], None],
        overflow: Overflow | None = None,
        ballast: Ballast | None = None,
    ) -> None:
        self._store = store
        self._keys = keys
        self._id = writer_id
        self._numbering = Numbering()
        self._clock = clock
        self._grown = grown
        self._origin = origin
        self._overflow = overflow
        self._ballast = ballast
        self._retry_at = 0.0
        self._last = 0
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
        full = self._queue.qsize() >= LONGEST_QUEUE
        if not full:
            self._queue.put(pending)
        if self._overflow is not None and self._spills(pending):
            self._overflow.watch(pending)
        elif full:
            raise LogUnavailable(
                f"{LONGEST_QUEUE} records wait for the disk",
                hint="the disk does not keep up; check its load and health",
            )

    def stop(self) -> None:
        """Write what is queued, and end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            batch, stopping = self._gather()
            if self._overflow is not None:
                if self._overflow.holds_records and not self._may_write(now=stopping):
                    self._overflow.spill([one for one in batch if self._spills(one)])
                    batch = [one for one in batch if not self._spills(one)]  # these may only be in the log, so try
                # What was spilled, the file owns; asked after the drain, which takes time and may have written it.
                batch = [one for one in batch if not one.ack.durable.done()]
            self._last = len(batch)
            if batch:
                self._commit(batch)
                self._grown()

    def _let_come(self) -> None:
        """Wait while the queue grows and not all have come back who were told together, 2 ms at the longest."""
        waiting = -1
        for _ in range(MOST_BREATHS):
            now = self._queue.qsize()
            if now == waiting or now + 1 >= self._last:
                return
            waiting = now
            time.sleep(BREATH_S)

    def _spills(self, one: Pending) -> bool:
        return self._overflow is not None and self._overflow.modes.of(one.event.tenant) is not Mode.STRICT

    def _gather(self) -> tuple[list[Pending], bool]:
        """What is queued, at least one unless a spill file waits to be drained; and whether that is all there ever will be."""
        batch: list[Pending] = []
        waits = self._overflow is not None and self._overflow.holds_records
        try:
            entry = self._queue.get(timeout=RETRY_EVERY_S if waits else None)
            if self._last >= CROWD:
                self._let_come()
            while entry is not None and len(batch) < LARGEST_BATCH - 1:
                batch.append(entry)
                entry = self._queue.get_nowait()
            if entry is not None:
                batch.append(entry)
        except queue.Empty:
            return batch, False
        return batch, entry is None

    def _may_write(self, *, now: bool) -> bool:
        """Drain the spill file first, so that order is kept. False while the log is still away."""
        if not now and time.monotonic() < self._retry_at:
            return False
        try:
            self._drain()
        except AuditError as error:
            logger.debug("the spill file is not drained yet: %s", error)
            self._retry_at = time.monotonic() + RETRY_EVERY_S
            return False
        self._grown()
        return True

    def _commit(self, batch: list[Pending]) -> None:
        try:
            self._append(batch)
        except AuditError as error:
            if is_disk_full(error) and self._ballast is not None and self._ballast.release():
                logger.critical("the audit log's disk is full; the reserve was given up")
                self._commit([*batch, self._own(EventType.DISK_FULL)])
            else:
                self._refuse(batch, error)
        except Exception as error:  # noqa: BLE001  # this thread must outlive whatever one record brings: see _refuse
            self._refuse(batch, InvalidRecord(f"a record cannot be written: {type(error).__name__}"))

    def _refuse(self, batch: list[Pending], error: AuditError) -> None:
        if len(batch) > 1 and isinstance(error, InvalidRecord):
            for one in batch:  # one bad record must not take its neighbours with it
                self._commit([one])
            return
        if self._overflow is not None and not isinstance(error, InvalidRecord):
            self._overflow.take(batch, error)
            return
        for one in batch:
            one.ack.durable.settle(error)
        logger.error("%d records were not written: %s", len(batch), error)

    def _append(self, batch: list[Pending], seen: Seen | None = None) -> None:
        """Seal and commit. seen: of records of a spill file, those that are in the log already are left out."""
        while batch:
            ready = make_ready(batch, self._keys, writer=self._numbering.writer, first=self._numbering.used + 1)
            placed: Placed = []
            try:
                self._write(ready, placed, seen)
            except _StaleKeys as stale:
                self._keys.forget()
                self._erasures = stale.erasures
                continue
            except _AlreadyThere as there:
                batch = [one for one in batch if one.ack.record_id not in there.ids]
                continue
            except LogUnavailable:
                self._numbering.renew()  # unless it was kept after all; then a new id does no harm
                if not self._was_kept(placed):
                    raise
                logger.warning("a commit of %d records reported a failure and was kept", len(placed))
            else:
                self._numbering.used += len(batch)
            settle_all(batch, [seq for _, seq, _ in placed])
            return

    def _write(self, ready: list[Ready], placed: Placed, seen: Seen | None) -> None:
        """One transaction. placed: filled with what is about to be committed."""

        def place(erasures: int, edges: dict[str, Edge]) -> Batch:
            if erasures != self._erasures:
                raise _StaleKeys(erasures)
            if seen is not None and (there := seen.among(self._store, ready)):
                raise _AlreadyThere(there)
            if self._overflow is not None and not self._overflow.holds_records:
                self._overflow.floors.update((name, edge.frontier.size) for name, edge in edges.items())
            return self._place(ready, placed, edges)

        self._store.extend({one.pending.log for one in ready}, place)

    def _place(self, ready: list[Ready], placed: Placed, edges: dict[str, Edge]) -> Batch:
        """Number, stamp and hash; under the lock, or on the word of a store that checks it under the lock."""
        placed.clear()
        batch, bodies = Batch(leaves=placed), []
        tips = {name: _Tip(edge, self._clock.now_us()) for name, edge in edges.items()}
        for pending, context, segments, sealed in ready:
            name = pending.log
            tip = tips[name]
            leaf = schema.complete(context, segments, tip.stamp)
            seq, tip.size = tip.size, tip.size + 1
            tip.hashes.append(leaf_hash(leaf))
            placed.append((name, seq, leaf))
            bodies += [(name, seq, *body) for body in sealed]
            kind = pending.event.type
            if kind.begins or kind.ends:
                _track(batch, pending, seq, self._id)
        batch.bodies = bodies
        for name, tip in tips.items():
            batch.edges[name] = Edge(edges[name].frontier.extended(tip.hashes), tip.stamp)
        return batch

    def _drain(self) -> None:
        """Everything in the spill file goes into the log, in order; then the log says so.

        Raises:
            AuditError: the log is still away.
        """
        overflow, count, seen = self._overflow, 0, Seen()
        assert overflow is not None  # noqa: S101  # asked by who has one
        while (seconds := overflow.drained(count)) is None:
            read, damage = self.replay(overflow.entries(count), seen)
            count += read
            if damage is not None:
                logger.critical("%s", damage)
                overflow.set_aside()
                self._append([self._own(EventType.SPILL_DAMAGED, count=count)])
                return
        if not count:
            return
        self._append([self._own(EventType.SPILL_DRAINED, count=count), *self._lost(overflow)])
        logger.warning("%d spilled records are in the log, the first %.1f s late", count, seconds)

    def replay(self, entries: Iterable[tuple[Pending, int]], seen: Seen) -> tuple[int, TamperedLog | None]:
        """Append records of a spill file. Returns how many were read, and what is wrong with the file after them.

        Raises:
            LogUnavailable: the log is away.
        """
        count, chunk, damage = 0, list[Pending](), None
        try:
            for one, after in entries:
                seen.begin(one.log, after)
                chunk.append(one)
                if len(chunk) == LARGEST_CHUNK:
                    self._replay_chunk(chunk, seen)
                    count, chunk = count + len(chunk), []
        except TamperedLog as error:
            damage = error
        self._replay_chunk(chunk, seen)
        return count + len(chunk), damage

    def _replay_chunk(self, chunk: list[Pending], seen: Seen) -> None:
        try:
            self._append(chunk, seen)
        except InvalidRecord as error:
            if len(chunk) > 1:
                for one in chunk:
                    self._replay_chunk([one], seen)
            else:
                logger.critical("a spilled record does not fit the log: %s", error)
                self._append([self._own(EventType.RECORDS_LOST, count=1)])

    def _own(self, kind: EventType, *, count: int = 0, reason: str = "") -> Pending:
        event = Event(kind, SYSTEM, "", act="log", decision="none", count=count, reason=reason)
        return Pending(event, f"{self._origin}/{SYSTEM}", self._clock.now_us(), Ack(secrets.token_hex(16)))

    def _lost(self, overflow: Overflow) -> list[Pending]:
        lost, overflow.lost = overflow.lost, Counter()
        return [self._own(EventType.RECORDS_LOST, count=n, reason=log.rsplit("/", 1)[-1]) for log, n in lost.items()]

    def _was_kept(self, placed: Placed) -> bool:
        """Whether a batch whose commit failed is in the log all the same. A batch is whole, so its last record tells.

        Raises:
            LogUnavailable: it cannot be found out now.
        """
        if not placed:
            return False
        with self._store.writing():
            return self._store.has_leaf(*placed[-1])


def _track(batch: Batch, one: Pending, seq: int, writer_id: str) -> None:
    """Keep the tables beside the log: what was begun and not ended yet, and which keys are said to be destroyed."""
    event = one.event
    if event.type.begins:
        batch.begun.append((one.ack.record_id, one.log, event.request_id, writer_id))
    elif event.type.ends and event.previous:
        batch.ended.append(event.previous)
    if event.kids and event.type.ends:
        batch.destroyed += [(kid, seq) for kid in event.kids]
