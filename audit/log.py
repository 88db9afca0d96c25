"""The audit log of one folder: append from any thread, read with a reason, close.

Rules of this file
1. `append` never touches the disk; the writer thread does.
2. Opening checks what a crash or a restored backup may have left, and closes requests whose process is gone.
3. Content leaves only through `read`, after `access.read` is durable.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from audit import canonical, recover
from audit.erase import Eraser
from audit.errors import AccessRefused, LogUnavailable
from audit.events import Event, EventType, Segment
from audit.header import context_bytes
from audit.keys import SubjectKeys
from audit.kms import FileKms
from audit.pins import Pins
from audit.publisher import SYSTEM, Publisher
from audit.seal import Sealed, unseal
from audit.store import Body, SqliteStore
from audit.writer import Ack, Pending, Writer
from haechi.base.clock import Clock, SystemClock

DEFAULT_ORIGIN = "haechi.local/audit"

__all__ = ["Ack", "AuditLog", "Content", "Event", "EventType", "Segment"]


@dataclass(frozen=True, slots=True)
class Content:
    """A decrypted segment; None when its key was destroyed."""

    name: str
    content: bytes | None


class AuditLog:
    """One process's hold on an audit folder; several processes may hold the same folder."""

    def __init__(
        self, folder: Path, origin: str, kms: FileKms, pins: Pins, clock: Clock, store: Callable[[Path], SqliteStore]
    ) -> None:
        self.folder = folder
        self.origin = origin
        self.clock = clock
        self._id = secrets.token_hex(16)
        self._closed = False
        self._alive = recover.announce_writer(folder, self._id)
        self.keys = SubjectKeys(folder / "keys.db", kms)
        self._store = store(folder / "log.db")
        recover.check_ends(self._store, pins)
        self._publisher = Publisher(store(folder / "log.db"), pins, kms, origin=origin, clock=clock)
        self._writer = Writer(self._store, self.keys, writer_id=self._id, clock=clock, grown=self._publisher.notice)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        origin: str = DEFAULT_ORIGIN,
        passphrase: bytes | None = None,
        clock: Clock | None = None,
        pins: Path | None = None,
        store: Callable[[Path], SqliteStore] = SqliteStore,
    ) -> AuditLog:
        """Open or make the log in a folder.

        origin: name of the log family, kept from the first opening on. passphrase: protects the key file.
        store: how the database is opened. pins: where the last signed checkpoints are remembered; outside the folder,
        default `<folder>-pins` beside it.

        Raises:
            LogUnavailable: the folder cannot be used.
            KeysUnavailable: the key file does not open.
            RolledBack: the log is older than what was signed before.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            kms = recover.open_keys(folder, passphrase)
            origin = recover.keep_origin(folder, origin, kms)
            log = cls(folder, origin, kms, Pins(pins or Pins.beside(folder)), clock or SystemClock(), store)
        except OSError as error:
            raise LogUnavailable(
                f"the audit folder {folder} cannot be used: {error.strerror}",
                hint="check that it is writable and the disk is not full",
            ) from error
        log._publisher.start()
        log._writer.start()
        log.record(Event(EventType.LOG_OPENED, SYSTEM, "", act="log", decision="none"))
        with recover.alone(folder):
            log.close_orphans()
            Eraser(log).recover()
            recover.forget_gone(folder)
        return log

    def append(self, event: Event) -> Ack:
        """Queue an event. The receipt's `durable` holds the sequence number once it is on the disk, or the error.

        Raises:
            LogUnavailable: the log is closed.
        """
        return self._append(event, event.tenant)

    def close_orphans(self) -> int:
        """End requests whose process died: `request.orphaned`. Returns how many. Within `recover.alone`."""
        with_end_missing = recover.open_requests(self._store.connection)
        gone = {writer for writer in {one.writer for one in with_end_missing} if recover.is_gone(self.folder, writer)}
        orphans = [one for one in with_end_missing if one.writer in gone and one.log != self.log_name(SYSTEM)]
        acks = [
            self.append(
                Event(
                    EventType.REQUEST_ORPHANED, one.log.rsplit("/", 1)[-1], one.request,
                    decision="none", previous=one.record, reason="process_died",
                )
            )
            for one in orphans
        ]  # fmt: skip
        for ack in acks:
            ack.durable.result()
        return len(orphans)

    def record(self, event: Event, *, within_s: float = 30) -> int:
        """Append to the system log and wait; the sequence number.

        Raises:
            AuditError: it could not be written.
        """
        return self.append_system(event).durable.result(within_s)

    def sign(self) -> None:
        """Sign what grew now, without waiting for the publishing thread.

        Raises:
            AuditError: it could not be signed.
        """
        self._publisher.publish()

    def append_system(self, event: Event) -> Ack:
        """Queue an event of the log's own affairs."""
        return self._append(event, SYSTEM)

    def read(self, tenant: str, seq: int, *, who: str, purpose: str, ticket: str) -> tuple[Content, ...]:
        """Decrypt a record's segments, after recording who reads what and why.

        Raises:
            AccessRefused: no purpose or ticket, or no such record.
            LogUnavailable: the access could not be recorded, so nothing is shown.
            TamperedLog: a segment is not what was recorded.
        """
        if not purpose or not ticket or not who:
            raise AccessRefused(
                "reading content needs who, a purpose and a ticket", hint="--purpose incident --ticket T-123"
            )
        name = self.log_name(tenant)
        store = SqliteStore(self.folder / "log.db", read_only=True)
        try:
            found = next((data for at, data in store.headers(name, seq, 1) if at == seq), None)
            if found is None:
                raise AccessRefused(f"log {tenant!r} has no record {seq}", hint="haechi audit show lists them")
            header = canonical.decode(found)
            access = Event(
                EventType.ACCESS_READ, SYSTEM, header["req"], act="access.read", decision="none", previous=header["id"],
                purpose=purpose,
                segments=(Segment("access", f"{who}\n{ticket}".encode(), subject=who, retention="access-2y"),),
            )  # fmt: skip
            self.record(access, within_s=10)
            context = hashlib.sha256(b"haechi-audit/1\0" + context_bytes(header)).digest()
            bodies = store.bodies(name, seq)
            return tuple(self._open_segment(context, part, bodies) for part in header["segs"])
        finally:
            store.close()

    def close(self) -> None:
        """Write what is queued, sign, and let go."""
        if self._closed:
            return
        try:
            self.record(Event(EventType.LOG_CLOSED, SYSTEM, "", act="log", decision="none"))
        finally:
            self._closed = True
            self._writer.stop()
            self._publisher.stop()
            self._store.close()
            self.keys.close()
            (self.folder / "writers" / self._id).unlink(missing_ok=True)
            os.close(self._alive)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def log_name(self, tenant: str) -> str:
        """The full name of a tenant's log."""
        return f"{self.origin}/{tenant}"

    def _append(self, event: Event, log: str) -> Ack:
        if self._closed:
            raise LogUnavailable("the audit log is closed", hint="open it again")
        ack = Ack(secrets.token_hex(16))
        self._writer.put(Pending(event, self.log_name(log), self.clock.now_us(), ack))
        return ack

    def _open_segment(self, context: bytes, part: dict[str, object], bodies: Mapping[str, Body]) -> Content:
        name = str(part["n"])
        body = bodies.get(name)
        key = self.keys.for_reading(str(part["kid"]))
        if body is None or key is None or body.ciphertext is None or body.wrap is None:
            return Content(name, None)
        sealed = Sealed(body.ciphertext, body.wrap, bytes.fromhex(str(part["ch"])), bytes.fromhex(str(part["kc"])))
        return Content(name, unseal(context, name, sealed, key))
