"""The audit log of one folder: append from any thread, read with a reason, close.

Rules of this file
1. `append` never touches the disk; the writer thread does.
2. Opening checks what a crash or a restored backup may have left, and closes requests whose process is gone.
3. Content leaves only through `read`, after `access.read` is durable.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from audit import canonical, recover
from audit.ballast import Ballast
from audit.erase import Eraser
from audit.errors import AccessRefused, AuditError, KeysUnavailable, LogUnavailable
from audit.events import Event, EventType, Segment
from audit.header import context_bytes
from audit.kms import Kms
from audit.modes import Modes
from audit.overflow import Overflow, from_bytes
from audit.pending import RecordIds
from audit.pins import Pins
from audit.publisher import SYSTEM, Publisher
from audit.reader_key import ReaderKey
from audit.seal import Sealed, unseal
from audit.second import SecondKey, SecondSigner, check_second
from audit.spill import DAMAGED, left_behind, read, wipe
from audit.store_place import SQLITE, Place
from audit.store_port import Body, Store
from audit.writer import Ack, Pending, Seen, Writer
from haechi.base.clock import Clock, SystemClock

logger = logging.getLogger("haechi.audit")

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
        self, place: Place, origin: str, kms: Kms, pins: Pins, clock: Clock, opener: Callable[[], Store],
        modes: Modes, reader: ReaderKey | None,
    ) -> None:  # fmt: skip
        self.folder = place.folder
        self.place = place
        self.origin = origin
        self.clock = clock
        self._id = secrets.token_hex(16)
        self._ids = RecordIds()
        self._closed = False
        self._opener = opener
        with ExitStack() as opened:
            self._alive = place.liveness()
            opened.callback(self._alive.close)
            self._alive.announce(self._id)
            self.keys = place.keys(kms, reader)
            opened.callback(self.keys.close)
            self._store = opener()
            opened.callback(self._store.close)
            recover.check_owner(self._store, place.folder)
            recover.check_ends(self._store, pins)
            newest = self._store.last_checkpoint(f"{origin}/{SYSTEM}")
            if newest is not None:
                check_second(place.folder, newest[2], f"{origin}/{SYSTEM}")
            published = opener()
            opened.callback(published.close)
            self._second = SecondSigner(place.folder, kms)
            self._publisher = Publisher(published, pins, kms, self._second, origin=origin, clock=clock, tidy=self._tidy)
            self.modes = modes
            self._spills = modes.folder or place.folder / "spill"
            self._overflow = Overflow(modes, self._spills, kms) if modes.may_spill else None
            self._ballast = Ballast(place.folder / "reserve", modes.ballast_bytes) if modes.ballast_bytes else None
            self._writer = Writer(
                self._store, self.keys, writer_id=self._id, clock=clock, origin=origin, grown=self._publisher.notice,
                overflow=self._overflow, ballast=self._ballast,
            )  # fmt: skip
            opened.pop_all()

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        origin: str = DEFAULT_ORIGIN,
        passphrase: bytes | None = None,
        clock: Clock | None = None,
        pins: Path | None = None,
        store: Callable[[Path], Store] | None = None,
        database: str = SQLITE,
        kms: Kms | None = None,
        modes: Modes | None = None,
        reader: ReaderKey | None = None,
    ) -> AuditLog:
        """Open or make the log in a folder.

        origin: name of the log family, kept from the first opening on. passphrase: protects the key file. pins: where the
        last signed checkpoints are remembered; outside the folder, default `<folder>-pins` beside it. database: `sqlite`
        for a file in the folder, or a `postgresql://` URL; the folder then holds the keys of this machine. kms: who keeps
        the root keys, default a file in the folder. store: how a database in the folder is opened. modes: what happens to
        records that the log does not take in time, default an error for everybody. reader: to whom subject keys are sealed;
        with its public half only, this process writes and cannot read.

        Raises:
            LogUnavailable: the folder or the database cannot be used.
            KeysUnavailable: the key file does not open, or the database is another folder's.
            RolledBack: the log is older than what was signed before.
        """
        place = Place(folder, database)
        opener = place.open if store is None else partial(store, folder / "log.db")
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            root: Kms = kms or recover.open_keys(folder, passphrase)
            recover.check_signer(folder, root)
            origin = recover.keep_origin(folder, origin, root)
            log = cls(
                place,
                origin,
                root,
                Pins(pins or Pins.beside(folder)),
                clock or SystemClock(),
                opener,
                modes or Modes(),
                reader,
            )
        except OSError as error:
            raise LogUnavailable(
                f"the audit folder {folder} cannot be used: {error.strerror}",
                hint="check that it is writable and the disk is not full",
            ) from error
        if log._ballast is not None and not log._ballast.fill():
            logger.warning("the audit log's disk has no room for a reserve")
        with log._alive.alone():
            left = log._recover_spills(root)
        log._publisher.start()
        log._writer.start()
        if log._overflow is not None:
            log._overflow.start()
        log.record(Event(EventType.LOG_OPENED, SYSTEM, "", act="log", decision="none"))
        for event in (*left, *log._say_modes()):
            log.record(event)
        with log._alive.alone():
            log.close_orphans()
            Eraser(log).recover()
            log._alive.forget_gone()
        return log

    def _tidy(self) -> None:
        """What is due now and then; in the publishing thread."""
        self._alive.keep()
        if self.keys.is_shred_due():
            self.shred()

    def _recover_spills(self, kms: Kms) -> list[Event]:
        """Drain what processes that died have spilled. Returns what is to be recorded about it; before the writer starts."""
        said = []
        for path in left_behind(self._spills) if self._spills.is_dir() else ():
            kind, count = EventType.SPILL_DRAINED, 0
            damage: AuditError | None
            try:
                count, damage = self._writer.replay(map(from_bytes, read(path, kms)), Seen())
            except KeysUnavailable as error:
                damage = error
            if damage is None:
                wipe(path)
            else:
                logger.critical("%s", damage)
                path.rename(path.with_suffix(DAMAGED))
                kind = EventType.SPILL_DAMAGED
            if count or damage is not None:
                logger.warning("recovered %d records that a process had spilled before it died", count)
                said.append(Event(kind, SYSTEM, "", act="log", decision="none", count=count, reason="recovered"))
        return said

    def _say_modes(self) -> list[Event]:
        """That records of a tenant may be given up is itself a record."""
        reasons = [("all" if tenant == "*" else tenant) for tenant in self.modes.may_lose]
        return [Event(EventType.MODE_CHOSEN, SYSTEM, "", act="log", decision="none", reason=name) for name in reasons]

    def open_store(self, *, read_only: bool = False) -> Store:
        """A hold on the database of one's own; the log's writer has its own, and the two exclude each other by the lock.

        Raises:
            LogUnavailable: it cannot be opened.
        """
        return self.place.open(read_only=read_only)

    def is_gone(self, writer: str) -> bool:
        """Whether the process of that writer ended without closing; while no other process opens the log."""
        return self._alive.is_gone(writer)

    def append(self, event: Event) -> Ack:
        """Queue an event. The receipt's `durable` holds the sequence number once it is on the disk, or the error.

        Raises:
            LogUnavailable: the log is closed.
        """
        return self._append(event, event.tenant)

    def close_orphans(self) -> int:
        """End requests whose process died: `request.orphaned`. Returns how many. Within `alone`."""
        with_end_missing = recover.open_requests(self._store.connection)
        gone = {writer for writer in {one.writer for one in with_end_missing} if self.is_gone(writer)}
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

    def sign_twice(self) -> SecondKey:
        """From now on checkpoints also carry an ML-DSA-44 signature. The public key, for auditors to keep.

        Raises:
            KeysUnavailable, PartMissing: it cannot be made.
            AuditError: it could not be recorded or signed.
        """
        key = self._second.make(self.origin)
        self.record(Event(EventType.KEYS_ROTATED, SYSTEM, "", act="log", decision="none", reason="second-signature"))
        self.sign()
        return key

    def shred(self) -> int:
        """Make copies of destroyed keys worthless that lie where nobody can delete them; see `SubjectKeys.shred`.

        Returns how many keys were wrapped again. Recorded as `keys.rotated` with the reason `shred`.

        Raises:
            LogUnavailable, KeysUnavailable: not done.
        """
        count = self.keys.shred()
        self.append_system(
            Event(EventType.KEYS_ROTATED, SYSTEM, "", act="erase", decision="none", reason="shred", count=count)
        )
        return count

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
        store = self.open_store(read_only=True)
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
            if self._overflow is not None:
                self._overflow.stop()
            self._publisher.stop()
            self._store.close()
            self.keys.close()
            self._alive.close()

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
        ack = Ack(self._ids.take())
        self._writer.put(Pending(event, f"{self.origin}/{log}", self.clock.now_us(), ack))
        return ack

    def _open_segment(self, context: bytes, part: dict[str, object], bodies: Mapping[str, Body]) -> Content:
        name = str(part["n"])
        body = bodies.get(name)
        key = self.keys.for_reading(str(part["kid"]))
        if body is None or key is None or body.ciphertext is None or body.wrap is None:
            return Content(name, None)
        sealed = Sealed(body.ciphertext, body.wrap, bytes.fromhex(str(part["ch"])), bytes.fromhex(str(part["kc"])))
        return Content(name, unseal(context, name, sealed, key))
