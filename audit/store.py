"""Where leaves, bodies and tree edges lie: one SQLite file per audit folder (FORMAT.md section 6).

Rules of this file
1. A batch is one transaction under `flock`: leaf rows, bodies and the new edge are all there or none is. SQLite's own
   busy handling starves writers; the lock file queues them.
2. synchronous=FULL: a commit that returned survives a power cut.
3. Each commit first checks that the paths still name the files that are open: a log that was moved away must be noticed.
4. `state.erasures` counts destructions of keys, under the same lock: a writer that sealed with a key and then finds
   another count seals again, so that nothing is ever written under a key that is gone.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from audit.errors import LogUnavailable
from audit.tree import Frontier, leaf_hash

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


@dataclass(frozen=True, slots=True)
class Edge:
    """Where a log ends. sts: sequencing time of the last leaf, microseconds."""

    frontier: Frontier
    sts: int


@dataclass(frozen=True, slots=True)
class Body:
    """A sealed segment as stored; ciphertext and wrap are None once erased."""

    name: str
    kid: str
    ciphertext: bytes | None
    wrap: bytes | None


@dataclass(frozen=True, slots=True)
class Record:
    """A leaf with its bodies, as stored. strays: bodies before it that belong to no leaf."""

    seq: int
    header: bytes
    bodies: tuple[Body, ...]
    strays: int = 0


class SqliteStore:
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
            _sync_folder(path.parent)
        except (sqlite3.Error, OSError) as error:
            raise LogUnavailable(
                f"the audit log {path} cannot be opened: {_reason(error)}",
                hint="check that the folder exists, is writable and not full",
            ) from error
        self._identity = self._identify()
        self._doubtful = False

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that no other writer shares.

        Raises:
            LogUnavailable: the file was replaced or cannot be written. Whether the batch was kept is then unknown;
                the next transaction begins on a new handle, because a handle whose sync failed may lie.
        """
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

    def edge(self, log: str) -> Edge:
        """Where the log ends now; an empty tree when it is new."""
        row = self._db.execute("select size, hashes, sts from edge where log = ?", (log,)).fetchone()
        if row is None:
            return Edge(Frontier(), 0)
        return Edge(Frontier.from_bytes(as_int(row[0]), as_bytes(row[1])), as_int(row[2]))

    def logs(self) -> list[str]:
        """Every log in the file."""
        return [row[0] for row in self._db.execute("select log from edge order by log")]

    def names(self) -> set[str]:
        """Every name of a log that any table knows, found without reading the tables through."""
        found: set[str] = set()
        for table in ("leaf", "body", "edge", "checkpoint"):
            name = self._db.execute(f"select min(log) from {table}").fetchone()[0]  # noqa: S608  # fixed names
            while name is not None:
                found.add(str(name))
                name = self._db.execute(f"select min(log) from {table} where log > ?", (name,)).fetchone()[0]  # noqa: S608
        return found

    def size_bytes(self) -> int:
        """Size of the database."""
        pages, size = (self._db.execute(f"pragma {name}").fetchone()[0] for name in ("page_count", "page_size"))
        return int(pages) * int(size)

    def headers(self, log: str, first: int = 0, most: int = -1) -> Iterator[tuple[int, bytes]]:
        """Sequence numbers and header bytes, in order; all of them when `most` is negative."""
        for seq, header in self._db.execute(
            "select seq, header from leaf where log = ? and seq >= ? order by seq limit ?", (log, first, most)
        ):
            yield as_int(seq), as_bytes(header)

    def newest(self, log: str) -> Iterator[tuple[int, bytes]]:
        """Sequence numbers and header bytes, from the end."""
        for seq, header in self._db.execute("select seq, header from leaf where log = ? order by seq desc", (log,)):
            yield as_int(seq), as_bytes(header)

    def records(self, log: str) -> Iterator[Record]:
        """Every record with its bodies, in order."""
        leaves = self._db.execute("select seq, header from leaf where log = ? order by seq", (log,))
        bodies = self._db.execute(
            "select seq, name, kid, ciphertext, wrap from body where log = ? order by seq, name", (log,)
        )
        body = bodies.fetchone()
        for found, header in leaves:
            seq, mine, strays = as_int(found), [], 0
            while body is not None and as_int(body[0]) <= seq:
                if body[0] == seq:
                    mine.append(Body(str(body[1]), str(body[2]), _optional(body[3]), _optional(body[4])))
                else:
                    strays += 1
                body = bodies.fetchone()
            yield Record(seq, as_bytes(header), tuple(mine), strays)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """One moment of the file for every read within, whatever is appended meanwhile."""
        self._db.execute("begin")
        try:
            self._db.execute("select 1 from edge limit 1").fetchone()
            yield
        finally:
            self._db.execute("rollback")

    def bodies_of(self, kid: str) -> Iterator[tuple[str, int, str]]:
        """Where content under a key still is: log, sequence number, segment."""
        yield from self._db.execute(
            "select log, seq, name from body where kid = ? and (ciphertext is not null or wrap is not null)", (kid,)
        ).fetchall()

    def frontier_at(self, log: str, size: int) -> Frontier:
        """The edge of the tree of the first `size` leaves, from the nearest checkpoint below; shorter if there are fewer."""
        row = self._db.execute(
            "select size, hashes from checkpoint where log = ? and size <= ? order by size desc limit 1", (log, size)
        ).fetchone()
        frontier = Frontier.from_bytes(as_int(row[0]), as_bytes(row[1])) if row else Frontier()
        leaves = (leaf for _, leaf in self.headers(log, frontier.size, size - frontier.size))
        return frontier.extended(map(leaf_hash, leaves))

    def begins_with(self, log: str, frontier: Frontier) -> bool:
        """Whether the log's leaves begin with those that led to this edge."""
        return self.frontier_at(log, frontier.size) == frontier

    def destroyed(self) -> dict[str, int]:
        """Key ids that records of the system log say are destroyed, with the record's number."""
        return dict(self._db.execute("select kid, seq from destroyed"))

    def erasures(self) -> int:
        """How many times keys were destroyed."""
        row = self._db.execute("select value from state where name = 'erasures'").fetchone()
        return int(row[0]) if row else 0

    def bodies(self, log: str, seq: int) -> dict[str, Body]:
        """The segments of one record."""
        rows = self._db.execute("select name, kid, ciphertext, wrap from body where log = ? and seq = ?", (log, seq))
        return {str(row[0]): Body(str(row[0]), str(row[1]), _optional(row[2]), _optional(row[3])) for row in rows}

    def last_checkpoint(self, log: str) -> tuple[int, bytes, bytes] | None:
        """Size, edge hashes and note of the newest checkpoint."""
        row = self._db.execute(
            "select size, hashes, note from checkpoint where log = ? order by size desc limit 1", (log,)
        ).fetchone()
        return None if row is None else (as_int(row[0]), as_bytes(row[1]), as_bytes(row[2]))

    def close(self) -> None:
        """Release the file."""
        self._db.close()
        if self._lock_file >= 0:
            os.close(self._lock_file)

    @property
    def connection(self) -> sqlite3.Connection:
        """For reads that need their own query."""
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


def _file_of(path: str) -> tuple[int, int]:
    found = os.stat(path)  # noqa: PTH116  # twice a commit, and pathlib costs more than the call
    return found.st_dev, found.st_ino


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode=wal", "synchronous=full", "secure_delete=on", "wal_autocheckpoint=1000"):
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
    for candidate in (place, *place.parents):
        kind = kinds.get(str(candidate))
        if kind is not None:
            if kind.startswith(_NETWORK):
                raise LogUnavailable(
                    f"the audit folder {folder} lies on a network file system ({kind})",
                    hint="use a local disk; several machines need the PostgreSQL store",
                )
            return


def as_bytes(value: object) -> bytes:
    """A column's bytes; SQLite lets whoever edits the file store text or numbers where bytes belong."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


def as_int(value: object) -> int:
    """A column's number; -1 for what is none."""
    return value if isinstance(value, int) else -1


def _optional(value: object) -> bytes | None:
    return None if value is None else as_bytes(value)


def _sync_folder(folder: Path) -> None:
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
