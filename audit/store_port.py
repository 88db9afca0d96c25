"""What every store of the log is: the rows, the questions asked of them, and what a database must provide for both.

Rules of this file
1. A batch is one transaction that no other writer shares: leaf rows, bodies and the new edge are all there or none is.
2. `commit` returns after the batch would survive a power cut.
3. `state.erasures` counts destructions of keys, under the same lock: a writer that sealed with a key and then finds
   another count seals again, so that nothing is ever written under a key that is gone.
4. SQL is written once, in the words that SQLite and PostgreSQL share, with `?` for values.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from audit.tree import Frontier, leaf_hash


@dataclass(frozen=True, slots=True)
class Edge:
    """Where a log ends. sts: sequencing time of the last leaf, microseconds."""

    frontier: Frontier
    sts: int


class Body(NamedTuple):
    """A sealed segment as stored; ciphertext and wrap are None once erased."""

    name: str
    kid: str
    ciphertext: bytes | None
    wrap: bytes | None


class Record(NamedTuple):
    """A leaf with its bodies, as stored. strays: bodies before it that belong to no leaf."""

    seq: int
    header: bytes
    bodies: tuple[Body, ...]
    strays: int = 0


@dataclass(slots=True)
class Batch:
    """Rows of one transaction, in the columns of their tables.

    leaves: log, seq, header. bodies: log, seq, name, kid, ciphertext, wrap. edges: by log. begun: rows of `open_request`.
    ended: records that began and are over. destroyed: kid, seq.
    """

    leaves: list[tuple[str, int, bytes]] = field(default_factory=list)
    bodies: list[tuple[str, int, str, str, bytes, bytes]] = field(default_factory=list)
    edges: dict[str, Edge] = field(default_factory=dict)
    begun: list[tuple[str, str, str, str]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    destroyed: list[tuple[str, int]] = field(default_factory=list)


class Rows(Protocol):
    """A connection that runs SQL with `?` for values."""

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """Run a statement; its rows by `fetchone`, `fetchall` or iteration."""
        ...

    def executemany(self, sql: str, rows: Iterable[Any], /) -> Any:
        """Run a statement once for every row of values."""
        ...


class Store(ABC):
    """One process's hold on the database of a family of logs."""

    @property
    @abstractmethod
    def connection(self) -> Rows:
        """For reads that need their own query."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Rows]:
        """A transaction that no other writer shares.

        Raises:
            LogUnavailable: the database was replaced or cannot be written. Whether the batch was kept is then unknown;
                the next transaction begins on a new handle, because a handle whose sync failed may lie.
        """

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[None]:
        """One moment of the database for every read within, whatever is appended meanwhile."""

    @abstractmethod
    def extend(self, logs: Iterable[str], make: Callable[[int, dict[str, Edge]], Batch]) -> None:
        """One transaction, as `writing`: what `make` makes of `erasures` and the edges of these logs is added.

        `make` may be asked twice; then the first answer counts for nothing.

        Raises:
            LogUnavailable: as `writing`; or what `make` raises, and then nothing is added.
        """

    @abstractmethod
    def stream(self, sql: str, parameters: tuple[object, ...]) -> Iterator[Any]:
        """Rows one after the other, without holding all of them."""

    @abstractmethod
    def size_bytes(self) -> int:
        """Size of the database."""

    @property
    def may_thin(self) -> bool:
        """Whether old checkpoints may be dropped: a role that can only add keeps all of them."""
        return True

    @abstractmethod
    def close(self) -> None:
        """Release the database."""

    def edge(self, log: str) -> Edge:
        """Where the log ends now; an empty tree when it is new."""
        row = self.connection.execute("select size, hashes, sts from edge where log = ?", (log,)).fetchone()
        return edge_of(row)

    def logs(self) -> list[str]:
        """Every log in the database."""
        return [row[0] for row in self.connection.execute("select log from edge order by log")]

    def names(self) -> set[str]:
        """Every name of a log that any table knows, found without reading the tables through."""
        found: set[str] = set()
        for table in ("leaf", "body", "edge", "checkpoint"):
            name = self.connection.execute(f"select min(log) from {table}").fetchone()[0]  # noqa: S608  # fixed names
            while name is not None:
                found.add(str(name))
                find = f"select min(log) from {table} where log > ?"  # noqa: S608
                name = self.connection.execute(find, (name,)).fetchone()[0]
        return found

    def headers(self, log: str, first: int = 0, most: int = -1) -> Iterator[tuple[int, bytes]]:
        """Sequence numbers and header bytes, in order; all of them when `most` is negative."""
        find = "select seq, header from leaf where log = ? and seq >= ? order by seq limit ?"
        for seq, header in self.stream(find, (log, first, most if most >= 0 else 2**62)):
            yield as_int(seq), as_bytes(header)

    def newest(self, log: str) -> Iterator[tuple[int, bytes]]:
        """Sequence numbers and header bytes, from the end."""
        for seq, header in self.stream("select seq, header from leaf where log = ? order by seq desc", (log,)):
            yield as_int(seq), as_bytes(header)

    def records(self, log: str) -> Iterator[Record]:
        """Every record with its bodies, in order."""
        leaves = self.stream("select seq, header from leaf where log = ? order by seq", (log,))
        bodies = self.stream(
            "select seq, name, kid, ciphertext, wrap from body where log = ? order by seq, name", (log,)
        )
        body = next(bodies, None)
        for found, header in leaves:
            seq, mine, strays = as_int(found), list[Body](), 0
            while body is not None and as_int(body[0]) <= seq:
                place, name, kid, ciphertext, wrap = body
                if place == seq:
                    mine.append(Body(str(name), str(kid), optional(ciphertext), optional(wrap)))
                else:
                    strays += 1
                body = next(bodies, None)
            yield Record(seq, as_bytes(header), tuple(mine), strays)

    def has_leaf(self, log: str, seq: int, header: bytes) -> bool:
        """Whether this very record stands at this place."""
        found = self.connection.execute("select header from leaf where log = ? and seq = ?", (log, seq)).fetchone()
        return found is not None and as_bytes(found[0]) == header

    def bodies_of(self, kid: str) -> Iterator[tuple[str, int, str]]:
        """Where content under a key still is: log, sequence number, segment."""
        yield from self.connection.execute(
            "select log, seq, name from body where kid = ? and (ciphertext is not null or wrap is not null)", (kid,)
        ).fetchall()

    def frontier_at(self, log: str, size: int) -> Frontier:
        """The edge of the tree of the first `size` leaves, from the nearest checkpoint below; shorter if there are fewer."""
        row = self.connection.execute(
            "select size, hashes from checkpoint where log = ? and size <= ? order by size desc limit 1", (log, size)
        ).fetchone()
        frontier = Frontier.from_bytes(as_int(row[0]), as_bytes(row[1])) if row else Frontier()
        leaves = (leaf for _, leaf in self.headers(log, frontier.size, max(size - frontier.size, 0)))
        return frontier.extended(map(leaf_hash, leaves))

    def begins_with(self, log: str, frontier: Frontier) -> bool:
        """Whether the log's leaves begin with those that led to this edge."""
        return self.frontier_at(log, frontier.size) == frontier

    def destroyed(self) -> dict[str, int]:
        """Key ids that records of the system log say are destroyed, with the record's number."""
        return {str(kid): int(seq) for kid, seq in self.connection.execute("select kid, seq from destroyed").fetchall()}

    def erasures(self) -> int:
        """How many times keys were destroyed."""
        row = self.connection.execute("select value from state where name = 'erasures'").fetchone()
        return int(row[0]) if row else 0

    def bodies(self, log: str, seq: int) -> dict[str, Body]:
        """The segments of one record."""
        find = "select name, kid, ciphertext, wrap from body where log = ? and seq = ?"
        rows = self.connection.execute(find, (log, seq)).fetchall()
        return {str(row[0]): Body(str(row[0]), str(row[1]), optional(row[2]), optional(row[3])) for row in rows}

    def last_checkpoint(self, log: str) -> tuple[int, bytes, bytes] | None:
        """Size, edge hashes and note of the newest checkpoint."""
        row = self.connection.execute(
            "select size, hashes, note from checkpoint where log = ? order by size desc limit 1", (log,)
        ).fetchone()
        return None if row is None else (as_int(row[0]), as_bytes(row[1]), as_bytes(row[2]))


INSERT_LEAF = "insert into leaf (log, seq, header) values (?, ?, ?)"
INSERT_BODY = "insert into body (log, seq, name, kid, ciphertext, wrap) values (?, ?, ?, ?, ?, ?)"
INSERT_OPEN = "insert into open_request (record, log, request, writer) values (?, ?, ?, ?)"
DELETE_OPEN = "delete from open_request where record = ?"
INSERT_DESTROYED = "insert into destroyed (kid, seq) values (?, ?) on conflict (kid) do nothing"
PUT_EDGE = (
    "insert into edge (log, size, hashes, sts) values (?, ?, ?, ?) on conflict (log) do update set"
    " size = excluded.size, hashes = excluded.hashes, sts = excluded.sts"
)
PUT_STATE = "insert into state (name, value) values (?, ?) on conflict (name) do update set value = excluded.value"


def edge_of(row: Any) -> Edge:
    """An edge from its columns size, hashes, sts; that of an empty tree from None."""
    if row is None:
        return Edge(Frontier(), 0)
    return Edge(Frontier.from_bytes(as_int(row[0]), as_bytes(row[1])), as_int(row[2]))


def as_bytes(value: object) -> bytes:
    """A column's bytes; SQLite lets whoever edits the file store text or numbers where bytes belong."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


def as_int(value: object) -> int:
    """A column's number; -1 for what is none."""
    return value if isinstance(value, int) else -1


def optional(value: object) -> bytes | None:
    """A column's bytes, or None for null."""
    return None if value is None else as_bytes(value)
