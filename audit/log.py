"""The audit log of one folder: append from any thread, read with a reason, close.

Rules of this file
1. `append` never touches the disk; the writer thread does.
2. Opening checks what a crash or a restored backup may have left, and closes requests whose process is gone.
3. Content leaves only through `read`, after `access.read` is durable.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from audit import canonical
from audit.errors import AccessRefused, LogUnavailable, RolledBack, TamperedLog
from audit.events import Event, EventType, Segment
from audit.header import build, check, context_bytes
from audit.keys import SubjectKeys
from audit.kms import FileKms
from audit.note import Checkpoint, parse, public_key, sign
from audit.pins import Pins
from audit.seal import Sealed, unseal
from audit.store import Body, SqliteStore
from audit.tree import Frontier, leaf_hash
from audit.writer import Ack, Pending, Writer
from haechi.base.clock import Clock, SystemClock

SYSTEM = "_system"
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
        self._folder = folder
        self._origin = origin
        self._clock = clock
        self._signer = kms.signer()
        self._pins = pins
        self._id = secrets.token_hex(16)
        self._alive = _announce_writer(folder, self._id)
        self._keys = SubjectKeys(folder / "keys.db", kms)
        self._store = store(folder / "log.db")
        self._closed = False
        _check_ends(self._store, self._pins)
        self._writer = Writer(self._store, self._keys, writer_id=self._id, clock=clock, publish=self._publish)

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
        store: how the database is opened. pins: where the last signed checkpoints are remembered; outside the folder, default `<folder>-pins` beside it.

        Raises:
            LogUnavailable: the folder cannot be used.
            KeysUnavailable: the key file does not open.
            RolledBack: the log is older than what was signed before.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            kms = FileKms.open(folder / "root.key", passphrase)
            origin = _keep_origin(folder, origin, kms)
            memory = Pins(pins or folder.with_name(f"{folder.name}-pins"))
        except OSError as error:
            raise LogUnavailable(
                f"the audit folder {folder} cannot be used: {error.strerror}",
                hint="check that it is writable and the disk is not full",
            ) from error
        log = cls(folder, origin, kms, memory, clock or SystemClock(), store)
        log._writer.start()
        log._event(EventType.LOG_OPENED)
        log.close_orphans()
        return log

    def append(self, event: Event) -> Ack:
        """Queue an event. The receipt's `durable` holds the sequence number once it is on the disk, or the error.

        Raises:
            LogUnavailable: the log is closed.
        """
        return self._append(event, event.tenant)

    def close_orphans(self) -> int:
        """End requests whose process died: `request.orphaned`. Returns how many."""
        closed = 0
        rows = self._store.connection.execute("select record, request, log, writer from open_request").fetchall()
        gone = {writer for writer in {row[3] for row in rows} if _is_gone(self._folder, writer)}
        for record, request, log, writer in rows:
            if writer in gone:
                tenant = log.rsplit("/", 1)[-1]
                event = Event(
                    EventType.REQUEST_ORPHANED, tenant, request, decision="none", previous=record, reason="process_died"
                )
                self.append(event).durable.result()
                closed += 1
        return closed

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
        name = self._log_name(tenant)
        found = next((data for at, data in self._store.headers(name, seq) if at == seq), None)
        if found is None:
            raise AccessRefused(f"log {tenant!r} has no record {seq}", hint="haechi audit show lists them")
        header = canonical.decode(found)
        access = Event(
            EventType.ACCESS_READ, SYSTEM, header["req"], act="access.read", decision="none", previous=header["id"], purpose=purpose,
            segments=(Segment("access", f"{who}\n{ticket}".encode(), subject=who, retention="access-2y"),),
        )  # fmt: skip
        self._append(access, SYSTEM).durable.result(10)
        context = hashlib.sha256(b"haechi-audit/1\0" + context_bytes(header)).digest()
        bodies = self._store.bodies(name, seq)
        return tuple(self._open_segment(context, part, bodies) for part in header["segs"])

    def close(self) -> None:
        """Write what is queued, sign, and let go."""
        if self._closed:
            return
        self._event(EventType.LOG_CLOSED)
        self._closed = True
        self._writer.stop()
        self._store.close()
        self._keys.close()
        (self._folder / "writers" / self._id).unlink(missing_ok=True)
        os.close(self._alive)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _log_name(self, tenant: str) -> str:
        return f"{self._origin}/{tenant}"

    def _append(self, event: Event, log: str) -> Ack:
        if self._closed:
            raise LogUnavailable("the audit log is closed", hint="open it again")
        ack = Ack(secrets.token_hex(16))
        self._writer.put(Pending(event, self._log_name(log), self._clock.now_us(), ack))
        return ack

    def _event(self, kind: EventType) -> None:
        self._append(Event(kind, SYSTEM, "", act="log", decision="none"), SYSTEM).durable.result(30)

    def _open_segment(self, context: bytes, part: dict[str, object], bodies: Mapping[str, Body]) -> Content:
        name = str(part["n"])
        body = bodies.get(name)
        key = self._keys.for_reading(str(part["kid"]))
        if body is None or key is None or body.ciphertext is None or body.wrap is None:
            return Content(name, None)
        sealed = Sealed(body.ciphertext, body.wrap, bytes.fromhex(str(part["ch"])), bytes.fromhex(str(part["kc"])))
        return Content(name, unseal(context, name, sealed, key))

    def _publish(self) -> None:
        """Sign what grew since the last checkpoint; the system log says so first."""
        notes: list[tuple[str, bytes]] = []
        with self._store.writing() as db:
            grown = [
                name
                for name in self._store.logs()
                if self._store.edge(name).frontier.size > _signed_size(self._store, name)
            ]
            if not grown:
                return
            for name in grown:
                self._pins.check(name, self._store)
            tenants = [name for name in grown if name != self._log_name(SYSTEM)]
            if tenants:
                self._append_heads(db, tenants)
            for name in dict.fromkeys([*tenants, self._log_name(SYSTEM)]):
                frontier = self._store.edge(name).frontier
                note = sign(Checkpoint(name, frontier.size, frontier.root()), self._signer)
                db.execute(
                    "insert into checkpoint values (?, ?, ?, ?)", (name, frontier.size, frontier.to_bytes(), note)
                )
                notes.append((name, note))
        self._writer.numbering.used += bool(tenants)
        for name, note in notes:
            self._pins.remember(name, note)

    def _append_heads(self, db: sqlite3.Connection, tenants: list[str]) -> None:
        system = self._log_name(SYSTEM)
        edge = self._store.edge(system)
        numbering = self._writer.numbering
        event = Event(EventType.HEADS, SYSTEM, "", act="log", decision="none")
        header = build(
            event,
            log=system,
            record_id=secrets.token_hex(16),
            writer=numbering.writer,
            number=numbering.used + 1,
            at_us=self._clock.now_us(),
        )
        heads = [(name, self._store.edge(name).frontier) for name in tenants]
        header["heads"] = [{"log": name, "root": f.root().hex(), "size": f.size} for name, f in heads]
        header["segs"], header["sts"] = [], max(edge.sts, self._clock.now_us())
        check(header)
        leaf = canonical.encode(header)
        grown = edge.frontier.extended([leaf_hash(leaf)])
        db.execute("insert into leaf values (?, ?, ?)", (system, edge.frontier.size, leaf))
        db.execute(
            "insert or replace into edge values (?, ?, ?, ?)", (system, grown.size, grown.to_bytes(), header["sts"])
        )


def _announce_writer(folder: Path, writer_id: str) -> int:
    """Hold a lock for as long as this process lives: how others tell its open requests from orphans."""
    writers = folder / "writers"
    writers.mkdir(exist_ok=True, mode=0o700)
    handle = os.open(writers / writer_id, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def _is_gone(folder: Path, writer_id: str) -> bool:
    """Whether the process of that writer ended without closing."""
    path = folder / "writers" / writer_id
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        path.unlink(missing_ok=True)
        return True
    finally:
        os.close(handle)


def _keep_origin(folder: Path, origin: str, kms: FileKms) -> str:
    """The origin is chosen once; the public key line beside it is what an auditor copies."""
    path = folder / "public.key"
    if path.exists():
        return path.read_text("ascii").split("+", 1)[0]
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.write_text(public_key(origin, kms.signer()).line() + "\n", "ascii")
    fresh.replace(path)
    return origin


def _signed_size(store: SqliteStore, name: str) -> int:
    found = store.last_checkpoint(name)
    return found[0] if found else 0


def _check_ends(store: SqliteStore, pins: Pins) -> None:
    """The leaves since the last checkpoint lead to the stored edge, and nothing is older than what was signed."""
    for name in store.logs():
        pins.check(name, store)
        found = store.last_checkpoint(name)
        signed = Frontier.from_bytes(found[0], found[1]) if found else Frontier()
        if found and parse(found[2])[0].root != signed.root():
            raise TamperedLog(
                f"log {name}: a checkpoint and its tree edge differ", hint="haechi audit verify tells where"
            )
        grown = signed.extended(leaf_hash(leaf) for _, leaf in store.headers(name, signed.size))
        if grown != store.edge(name).frontier:
            raise TamperedLog(
                f"log {name}: the last records do not lead to the stored tree", hint="haechi audit verify tells where"
            )
    for name in pins.names():
        if name not in store.logs():
            raise RolledBack(
                f"log {name} was signed before and is not in the folder",
                hint="put the audit folder back; see docs/for-auditors.md",
            )
