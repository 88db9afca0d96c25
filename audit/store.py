"""Where leaves, bodies and tree edges lie: one SQLite file per audit folder (FORMAT.md section 6).

Rules of this file
1. Writers queue at `flock`: SQLite's own busy handling starves them.
2. synchronous=FULL: a commit that returned survives a power cut.
3. Each commit first checks that the paths still name the files that are open: a log that was moved away must be noticed.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import Any

from audit.errors import LogUnavailable
from audit.store_port import (
    DELETE_OPEN,
    INSERT_DESTROYED,
    PUT_EDGE,
    Batch,
    Body,
    Edge,
    Record,
    Store,
    as_bytes,
    as_int,
    edge_of,
)

__all__ = [
    "Batch",
    "Body",
    "Edge",
    "Record",
    "SqliteStore",
    "Store",
    "as_bytes",
    "as_int",
    "make_private",
    "refuse_network_folder",
    "sync_folder",
]

_FETCHED = 64  # rows at a time: SQLite and who reads them, by turns, would keep pushing each other out of the cache
_ROWS_AT_ONCE = (64, 16, 4, 1)
_NETWORK = ("nfs", "cifs", "smb", "afs", "ceph", "fuse.sshfs", "fuse.glusterfs", "lustre")
# Rowid tables where rows are large: in a table without rowid a row beyond a quarter of a page goes to pages of its own.
_SCHEMA = """
create table if not exists leaf (log text, seq integer, header blob not null, primary key (log, seq));
create table if not exists body (log text, seq integer, name text, kid text not null, ciphertext blob, wrap blob,
    primary key (log, seq, name));
create table if not exists edge (log text primary key, size integer not null, hashes blob not null, sts integer not null) without rowid;
create index if not exists body_of_key on body (kid);
create table if not exists destroyed (kid text primary key, seq integer not null) without rowid;
create table if not exists state (name text primary key, value integer not null) without rowid;
create table if not exists checkpoint (log text, size integer, hashes blob not null, note blob not null,
    primary key (log, size)) without rowid;
create table if not exists open_request (record text primary key, log text not null, request text not null, writer text not null)
    without rowid;
"""
# What is read under the lock, in one statement: there is a batch for every lone record.
_ERASURES_AND_EDGE = """
select coalesce((select value from state where name = 'erasures'), 0), size, hashes, sts
from (select ? as wanted) left join edge on log = wanted
"""


class SqliteStore(Store):
    """One process's hold on the file."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._file, self._wal = str(path), f"{path}-wal"
        try:
            if read_only:
                self._db = _connect_for_reading(path)
                self._lock_file = -1
                return
            refuse_network_folder(path.parent)
            self._lock_file = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            make_private(path)
            with self._locked():
                self._db = _connect(path)
                self._db.executescript(_SCHEMA)
            sync_folder(path.parent)
        except (sqlite3.Error, OSError) as error:
            raise LogUnavailable(
                f"the audit log {path} cannot be opened: {_reason(error)}",
                hint="check that the folder exists, is writable and not full",
            ) from error
        self._identity = self._identify()
        self._doubtful = False

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._locked():
                if self._doubtful and _file_of(self._file) == self._identity[0]:
                    self._reconnect()
                if self._identify() != self._identity:
                    raise LogUnavailable(
                        f"the audit log {self.path} was moved or replaced",
                        hint="stop the gateway and put the file back",
                    )
                self._db.execute("begin immediate")
                try:
                    yield self._db
                    self.commit()
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("rollback")
                    raise
        except (sqlite3.Error, OSError) as error:
            self._doubtful = True
            raise LogUnavailable(
                f"the audit log cannot be written: {_reason(error)}", hint="check disk space and the folder's mode"
            ) from error

    def _reconnect(self) -> None:
        self._db.close()
        self._db = _connect(self.path)
        self._db.execute("select 1 from edge limit 1").fetchone()
        # The last connection to close takes the WAL with it, so the new one may have made another.
        self._identity = self._identity[0], self._identify()[1]
        self._doubtful = False

    def commit(self) -> None:
        """Make the transaction durable."""
        self._db.execute("commit")

    def extend(self, logs: Iterable[str], make: Callable[[int, dict[str, Edge]], Batch]) -> None:
        with self.writing():
            erasures, edges = 0, {}
            for log in logs:
                row = self._db.execute(_ERASURES_AND_EDGE, (log,)).fetchone()
                erasures, edges[log] = row[0], edge_of(row[1:] if row[1] is not None else None)
            self.insert(make(erasures, edges))

    def insert(self, batch: Batch) -> None:
        """Add a batch to the transaction that is open."""
        db = self._db
        # As bytearrays: Python's binding looks for an adapter for every value that is bytes, which takes longer than a copy.
        leaves = [(log, seq, bytearray(header)) for log, seq, header in batch.leaves]
        bodies = [
            (log, seq, name, kid, bytearray(data), bytearray(wrap)) for log, seq, name, kid, data, wrap in batch.bodies
        ]
        _put(db, "leaf (log, seq, header)", leaves)
        _put(db, "body (log, seq, name, kid, ciphertext, wrap)", bodies)
        _put(db, "open_request (record, log, request, writer)", batch.begun)
        if batch.ended:
            db.executemany(DELETE_OPEN, [(record,) for record in batch.ended])
        if batch.destroyed:
            db.executemany(INSERT_DESTROYED, batch.destroyed)
        for log, edge in batch.edges.items():
            db.execute(PUT_EDGE, (log, edge.frontier.size, edge.frontier.to_bytes(), edge.sts))

    def stream(self, sql: str, parameters: tuple[object, ...]) -> Iterator[Any]:
        cursor = self._db.execute(sql, parameters)
        return chain.from_iterable(iter(partial(cursor.fetchmany, _FETCHED), []))

    def size_bytes(self) -> int:
        pages, size = (self._db.execute(f"pragma {name}").fetchone()[0] for name in ("page_count", "page_size"))
        return int(pages) * int(size)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        self._db.execute("begin")
        try:
            self._db.execute("select 1 from edge limit 1").fetchone()
            yield
        finally:
            self._db.execute("rollback")

    def close(self) -> None:
        self._db.close()
        if self._lock_file >= 0:
            os.close(self._lock_file)
            self._lock_file = -1  # closed again, the number might be another file's

    @property
    def connection(self) -> sqlite3.Connection:
        return self._db

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._lock_file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock_file, fcntl.LOCK_UN)

    def _identify(self) -> tuple[tuple[int, int], tuple[int, int]]:
        return _file_of(self._file), _file_of(self._wal)


def _put(db: sqlite3.Connection, into: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Rows of a table, many in a statement: half the work of a statement for each."""
    at = 0
    while at < len(rows):
        count = next(count for count in _ROWS_AT_ONCE if count <= len(rows) - at)
        db.execute(_inserting(into, len(rows[0]), count), tuple(chain.from_iterable(rows[at : at + count])))
        at += count


@lru_cache(maxsize=64)
def _inserting(into: str, width: int, count: int) -> str:
    # `or rollback`: of pages that a statement of many rows might have to undo alone, SQLite would keep copies. Here nothing is
    # undone alone: whatever fails gives up the transaction.
    marks = ",".join(["(" + ",".join("?" * width) + ")"] * count)
    return f"insert or rollback into {into} values {marks}"  # noqa: S608  # fixed words


def _file_of(path: str) -> tuple[int, int]:
    found = os.stat(path)  # noqa: PTH116  # twice a commit, and pathlib costs more than the call
    return found.st_dev, found.st_ino


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    # Of a new file: with pages of 4 KiB a quarter of each stays empty beside two records of 1 KiB.
    for pragma in (
        "page_size=8192",
        "journal_mode=wal",
        "synchronous=full",
        "secure_delete=on",
        "wal_autocheckpoint=1000",
    ):
        db.execute(f"pragma {pragma}")
    return db


def make_private(path: Path) -> None:
    """Make the file for its owner only, before SQLite makes it for everybody.

    An existing one is left alone: closing any handle of a file drops the locks that SQLite holds on it in this process.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _connect_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing; on a medium that cannot be written not even the shared memory of the WAL."""
    wal = path.with_name(path.name + "-wal")
    still = not os.access(path.parent, os.W_OK) and not (wal.exists() and wal.stat().st_size)
    mode = "immutable=1" if still else "mode=ro"
    db = sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True, isolation_level=None, check_same_thread=False)
    db.execute("select 1 from edge limit 1")
    return db


def refuse_network_folder(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> None:
    """Locks of a network file system do not keep two machines apart.

    Raises:
        LogUnavailable: the folder lies on one.
    """
    try:
        lines = mounts.read_text("utf-8", "replace").splitlines()
    except OSError:
        return  # not Linux: nothing to ask
    kinds = {fields[1].replace("\\040", " "): fields[2] for fields in map(str.split, lines) if len(fields) > 2}
    place = folder.resolve()
    kind = next((kinds[str(one)] for one in (place, *place.parents) if str(one) in kinds), "")
    if kind.startswith(_NETWORK):
        raise LogUnavailable(
            f"the audit folder {folder} lies on a network file system ({kind})",
            hint="use a local disk; several machines need the PostgreSQL store",
        )


def sync_folder(folder: Path) -> None:
    """SQLite may swallow a failed directory sync; a file whose name is not durable is not there after a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _reason(error: Exception) -> str:
    return (
        error.strerror or ""
        if isinstance(error, OSError)
        else str(getattr(error, "sqlite_errorname", type(error).__name__))
    )
