"""Where records go that the log does not take in time, until it does (FORMAT.md section 14).

Rules of this file
1. Once a record is in the spill file, the file owns it: the writer drops what it still holds of it, and drains the file in
   order. A record that reached the log as well is recognised by its id and not written twice.
2. A record is judged before it is spilled: what the log would refuse is refused at once.
3. The watcher never touches the log: it goes on while the log's disk hangs.
"""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from audit import header as schema
from audit.errors import AuditError, InvalidRecord, LogUnavailable
from audit.events import Event, EventType, Segment
from audit.kms import Kms
from audit.modes import NOT_KEPT, SPILLED, Mode, Modes
from audit.pending import Ack, Pending
from audit.seal import padded_length
from audit.spill import DAMAGED, SpillFile, read

logger = logging.getLogger("haechi.audit")

_NOBODY = "0" * 32
_NONCE_AND_TAG = 28


class Overflow:
    """The spill file of one process, and the thread that watches for records that wait too long."""

    def __init__(self, modes: Modes, folder: Path, kms: Kms) -> None:
        self.modes = modes
        self._folder = folder
        self._kms = kms
        self._lock = threading.Lock()  # of the file and what is said about it
        self._file: SpillFile | None = self._new_file()
        self._since = 0.0
        self._spilling = False
        self.floors: dict[str, int] = {}
        """Of each log a size that it had before any record that may be both in the file and in the log."""
        self.lost: Counter[str] = Counter()
        """Records given up since the last report, by log. Owned by the writer thread but for additions under the lock."""
        self._waiting: deque[tuple[float, Pending]] = deque()
        self._some = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="haechi-audit-overflow", daemon=True)

    @property
    def holds_records(self) -> bool:
        """Whether there is something to drain, or will be in a moment."""
        return self._spilling or (self._file is not None and self._file.count > 0)

    @property
    def path(self) -> Path | None:
        """The file, where one could be made."""
        return None if self._file is None else self._file.path

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def watch(self, pending: Pending) -> None:
        """Spill this record unless it is in the log soon."""
        self._waiting.append((time.monotonic(), pending))
        if not self._some.is_set():
            self._some.set()

    def take(self, batch: Iterable[Pending], error: AuditError) -> None:
        """Settle records that the log did not take: spilled, given up, or refused with the error."""
        kept, refused = list[Pending](), list[Pending]()
        for one in batch:
            (refused if self.modes.of(one.event.tenant) is Mode.STRICT else kept).append(one)
        for one in refused:
            one.ack.durable.settle(error)
        if refused:
            logger.error("%d records were not written: %s", len(refused), error)
        self.spill(kept)

    def spill(self, batch: list[Pending]) -> None:
        """Put records that are nowhere yet into the file, and tell their callers."""
        with self._lock:
            good: list[Pending] = []
            self._spilling = True  # before asking what is done: the writer moves `floors` only while this is False
            try:
                good, entries = self._judged([one for one in batch if not one.ack.durable.done()])
                if good:
                    self._append(entries)
            except AuditError as error:
                self._give_up(good, error)
                return
            finally:
                self._spilling = False
        for one in good:
            one.ack.durable.settle(SPILLED)

    def entries(self, first: int) -> Iterator[tuple[Pending, int]]:
        """Records of the file from that number on, as many as there are now.

        Raises:
            AuditError: the file cannot be read, or is not the one that was written.
        """
        with self._lock:
            file = self._file
            assert file is not None  # noqa: S101  # `drained` said that there is more
            count = file.count
        yield from map(from_bytes, islice(read(file.path, self._kms), first, count))

    def drained(self, count: int) -> float | None:
        """So many records of the file are in the log. When that is all: begin a new file; seconds since the first came.

        None while there are more.
        """
        with self._lock:
            if self._file is None or (self._file.count == 0 == count):
                return 0.0
            if self._file.count != count:
                return None
            try:
                self._file.discard()
            except LogUnavailable as error:
                logger.warning("a drained spill file stays: %s", error)  # its records are recognised by their ids
            self._file = self._new_file()
            return time.monotonic() - self._since

    def set_aside(self) -> None:
        """Begin a new file; the one that cannot be read stays, as evidence."""
        with self._lock:
            assert self._file is not None  # noqa: S101  # it was read just now
            self._file.let_go()
            self._file.path.rename(self._file.path.with_suffix(DAMAGED))
            self._file = self._new_file()

    def stop(self) -> None:
        """End the thread; leave a file that holds records to the next process."""
        self._stopping.set()
        self._some.set()
        self._thread.join()
        if self._file is not None:
            if self._file.count:
                self._file.let_go()
            else:
                self._file.discard()

    def _judged(self, batch: list[Pending]) -> tuple[list[Pending], list[bytes]]:
        good, entries = [], []
        for one in batch:
            try:
                entries.append(to_bytes(one, self.floors.get(one.log, 0)))
            except InvalidRecord as error:
                one.ack.durable.settle(error)
            else:
                good.append(one)
        return good, entries

    def _append(self, entries: list[bytes]) -> None:
        if self._file is None:
            self._file = self._new_file()
        file = self._file
        if file is None:
            raise LogUnavailable("no spill file can be made", hint="check the folder of the spill files")
        now = time.monotonic()
        if file.count and now - self._since > self.modes.age_s_at_most:
            raise LogUnavailable("the log has been away for too long", hint="see what its disk or server says")
        if file.size_bytes + sum(map(len, entries)) > self.modes.bytes_at_most:
            raise LogUnavailable("the spill file is full", hint="see what the log's disk or server says")
        if not file.count:
            self._since = now
            logger.error("the audit log does not take records in time; they go to %s", file.path)
        file.append(entries)

    def _give_up(self, batch: list[Pending], error: AuditError) -> None:
        for one in batch:
            if self.modes.of(one.event.tenant) is Mode.BEST_EFFORT:
                self.lost[one.log] += 1
                one.ack.durable.settle(NOT_KEPT)
            else:
                one.ack.durable.settle(error)
        logger.error("%d records could not be spilled: %s", len(batch), error)

    def _new_file(self) -> SpillFile | None:
        try:
            return SpillFile(self._folder, self._kms, reserve=self.modes.reserve_bytes)
        except AuditError as error:
            logger.warning("no spill file can be made now: %s", error)
            return None

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._some.wait()
            self._some.clear()
            while self._waiting and not self._stopping.is_set():
                since, pending = self._waiting[0]
                left = since + self.modes.after_s - time.monotonic()
                if pending.ack.durable.done():
                    self._waiting.popleft()
                elif left > 0:
                    self._stopping.wait(left)
                else:
                    self._spill_late()

    def _spill_late(self) -> None:
        """Everything that has waited for half the time at least: one sync for all of them."""
        half, late = time.monotonic() - self.modes.after_s / 2, []
        while self._waiting and self._waiting[0][0] <= half:
            late.append(self._waiting.popleft()[1])
        self.spill(late)


def to_bytes(one: Pending, after: int) -> bytes:
    """A record as it lies in a spill file, before encryption. after: a size of its log that it cannot be below.

    Raises:
        InvalidRecord: the log would refuse it.
    """
    try:
        _judge(one)
        event = asdict(one.event)
        event["segments"] = [
            {**asdict(segment), "content": base64.b64encode(segment.content).decode("ascii")}
            for segment in one.event.segments
        ]
        entry = {"at": one.at_us, "id": one.ack.record_id, "log": one.log, "after": after, "event": event}
        return json.dumps(entry).encode("ascii")
    except InvalidRecord:
        raise
    except Exception as error:  # as in the writer: whatever one record brings, the thread goes on
        raise InvalidRecord(f"a record cannot be written: {type(error).__name__}") from error


def from_bytes(data: bytes) -> tuple[Pending, int]:
    """What `to_bytes` was given."""
    entry = json.loads(data)
    event: dict[str, Any] = entry["event"]
    segments = [{**segment, "content": base64.b64decode(segment["content"])} for segment in event["segments"]]
    event["segments"] = tuple(Segment(**segment) for segment in segments)
    event["type"] = EventType(event["type"])
    event["findings"] = tuple((str(name), int(score)) for name, score in event["findings"])
    event["kids"] = tuple(event["kids"])
    return Pending(Event(**event), entry["log"], entry["at"], Ack(entry["id"])), entry["after"]


def _judge(one: Pending) -> None:
    schema.check_names(one.event)
    text = schema.context(
        one.event, log=one.log, record_id=one.ack.record_id, writer=_NOBODY, number=1, at_us=one.at_us
    )
    parts = [
        f'{{"ch":"{"0" * 64}","kc":"{"0" * 64}","kid":"{_NOBODY}",'
        f'"len":{padded_length(len(s.content) + 8) + _NONCE_AND_TAG},"n":"{s.name}"}}'
        for s in one.event.segments
    ]
    schema.complete(text, f"[{','.join(parts)}]".encode("ascii"), one.at_us)
