"""What opening a log checks and mends: the end of every log, requests of dead processes, and who is alive."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from audit.errors import KeysUnavailable, RolledBack, TamperedLog
from audit.kms import FileKms
from audit.note import VerifierKey, parse, public_key
from audit.pins import Pins, check
from audit.store import SqliteStore
from audit.tree import Frontier, leaf_hash


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A `request.received` that has no end yet. record: its id. writer: the process that wrote it."""

    record: str
    request: str
    log: str
    writer: str


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """No other process announces itself or recovers meanwhile: of several that open together, one does the work."""
    writers = folder / "writers"
    writers.mkdir(exist_ok=True, mode=0o700)
    handle = os.open(writers / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def announce_writer(folder: Path, writer_id: str) -> int:
    """Hold a lock for as long as this process lives: how others tell its open requests from orphans."""
    with alone(folder):
        handle = os.open(folder / "writers" / writer_id, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def forget_gone(folder: Path) -> None:
    """Remove what dead processes left in `writers`; within `alone`."""
    for path in (folder / "writers").iterdir():
        if path.name != "lock":
            is_gone(folder, path.name)


def open_requests(db: sqlite3.Connection) -> list[OpenRequest]:
    """Requests without an end, of living and dead processes."""
    rows = db.execute("select record, request, log, writer from open_request").fetchall()
    return [OpenRequest(*row) for row in rows]


def is_gone(folder: Path, writer_id: str) -> bool:
    """Whether the process of that writer ended without closing; within `alone`."""
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


def open_keys(folder: Path, passphrase: bytes | None) -> FileKms:
    """The root keys of a folder; made only when nothing was ever written with them.

    Raises:
        KeysUnavailable: the key file is gone, does not open, or is another folder's.
    """
    path = folder / "root.key"
    used = [name for name in ("public.key", "keys.db", "log.db") if (folder / name).exists()]
    if used and not path.exists():
        raise KeysUnavailable(
            f"the key file {path} is missing, and {used[0]} was made with it",
            hint="restore it from its backup; without it no content can be read and nothing can be signed",
        )
    kms = FileKms.open(path, passphrase)
    public = folder / "public.key"
    if public.exists():
        line = VerifierKey.parse(public.read_text("ascii"))
        if line.public != public_key(line.name, kms.signer()).public:
            raise KeysUnavailable(
                f"the key file {path} does not belong to {public}",
                hint="use the key file that was made with this folder",
            )
    return kms


def keep_origin(folder: Path, origin: str, kms: FileKms) -> str:
    """The origin is chosen once; the public key line beside it is what an auditor copies."""
    path = folder / "public.key"
    if path.exists():
        return VerifierKey.parse(path.read_text("ascii")).name
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.write_text(public_key(origin, kms.signer()).line() + "\n", "ascii")
    fresh.replace(path)
    return origin


def check_ends(store: SqliteStore, pins: Pins) -> None:
    """The leaves since the last checkpoint lead to the stored edge, and nothing is older than what was signed.

    Raises:
        TamperedLog: they do not.
        RolledBack: the store is older, or a log that was signed is gone.
    """
    signed_before = pins.notes()
    with store.snapshot():
        names = store.logs()
        for name in names:
            if name in signed_before:
                check(signed_before[name], store)
            _check_end(store, name)
    for name in signed_before:
        if name not in names:
            raise RolledBack(
                f"log {name} was signed before and is not in the folder",
                hint="put the audit folder back; see docs/for-auditors.md",
            )


def _check_end(store: SqliteStore, name: str) -> None:
    found = store.last_checkpoint(name)
    signed = Frontier.from_bytes(found[0], found[1]) if found else Frontier()
    if found and parse(found[2])[0].root != signed.root():
        raise TamperedLog(f"log {name}: a checkpoint and its tree edge differ", hint="haechi audit verify tells where")
    grown = signed.extended(leaf_hash(leaf) for _, leaf in store.headers(name, signed.size))
    if grown != store.edge(name).frontier:
        raise TamperedLog(
            f"log {name}: the last records do not lead to the stored tree", hint="haechi audit verify tells where"
        )
