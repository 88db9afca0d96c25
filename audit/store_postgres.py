"""The log in PostgreSQL: for several machines, or for who runs PostgreSQL anyway (FORMAT.md section 6).

Rules of this file
1. Writers of a schema queue at one advisory lock; PostgreSQL hands it out in order of asking.
2. Taking the lock is a statement of its own: what the next statement reads was committed before it.
3. A batch takes two messages: lock and read; write and commit. One more costs as much as the sync of a good disk. Who writes
   alone knows what would be read: one message then, in which the database checks that under the lock and writes.
4. A connection that broke in `commit` leaves its outcome open. Who asks next takes the lock first, so the answer is final.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any, cast

from audit.errors import KeysUnavailable, LogUnavailable
from audit.postgres import Database, Statement, beginning, translated
from audit.postgres_values import big, bigs, blobs, ints, texts
from audit.store_port import (
    INSERT_DESTROYED,
    PUT_EDGE,
    Batch,
    Edge,
    Rows,
    Store,
    edge_of,
)

TABLES = Path(__file__).with_name("postgres.sql")
_COPY_FROM = 16  # rows; below it one message less is quicker
_TRUE = b"\1"
_FETCHED = 1000  # rows of a stream at a time


class PostgresStore(Store):
    """One process's hold on the schema that the URL's role finds first."""

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self._db = Database(url, read_only=read_only)
        self._streams = 0
        schema = str(self._db.one("select current_schema()")[0])
        self._lock = lock_number("log", schema)
        if not read_only:
            self._make_tables()
        find = "select to_regclass('checkpoint') is not null and has_table_privilege('checkpoint', 'delete')"
        self._may_thin = bool(self._db.one(find)[0])
        self._ends = _Ends()
        find = "select count(*) from pg_proc where proname = 'extend_log' and pg_function_is_visible(oid)"
        self._can_guess = self._db.one(f"{find} and has_function_privilege(oid, 'execute')")[0] == 1

    @property
    def connection(self) -> Database:
        return self._db

    @contextmanager
    def writing(self) -> Iterator[Rows]:
        with self._db.transaction(self._lock):
            yield self._db

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        self._db.execute("begin isolation level repeatable read read only")
        try:
            yield
        finally:
            self._db.undo()

    def extend(self, logs: Iterable[str], make: Callable[[int, dict[str, Edge]], Batch]) -> None:
        names = list(logs)
        if self._can_guess and self._extend_from_memory(names, make):
            return
        with self._db.undone_on_error():
            *_, counted, ends = self._db.together(
                *beginning(self._lock),
                ("select value from state where name = 'erasures'", ()),
                ("select log, size, hashes, sts from edge where log = any(?)", (names,)),
            )
            edges = {name: edge_of(None) for name in names} | {row[0]: edge_of(row[1:]) for row in ends.rows}
            erasures = counted.rows[0][0] if counted.rows else 0
            batch = make(erasures, edges)
            few = len(batch.leaves) < _COPY_FROM
            if not few:
                self._copy("leaf (log, seq, header)", ("text", "int8", "bytea"), batch.leaves)
                types = ("text", "int8", "text", "text", "bytea", "bytea")
                self._copy("body (log, seq, name, kid, ciphertext, wrap)", types, batch.bodies)
            self._db.commit(*_statements(batch, with_records=few))
        self._ends.found(erasures, edges, batch.edges)

    def _extend_from_memory(self, names: list[str], make: Callable[[int, dict[str, Edge]], Batch]) -> bool:
        """`extend` in one message, if nobody else writes: then the logs end where this process left them. Else nothing is done."""
        edges = self._ends.of(names)
        if edges is None:
            return False
        self._ends.forget()  # whatever comes now, unless it is a success: then what is read under the lock is asked next
        batch = make(self._ends.erasures, edges)
        if batch.destroyed:
            return False
        if self._db.call("extend_log", _values(self._lock, self._ends.erasures, edges, batch)) != _TRUE:
            return False
        self._ends.left(batch.edges)
        return True

    def stream(self, sql: str, parameters: tuple[object, ...]) -> Iterator[Any]:
        db = self._db.connection()
        self._streams += 1
        own = not _in_transaction(db)
        with translated():
            if own:
                db.execute("begin read only")
            cursor = db.cursor(f"haechi_{self._streams}", binary=True)
        try:
            with translated():
                cursor.execute(sql.replace("?", "%s"), parameters)
                while rows := cursor.fetchmany(_FETCHED):
                    yield from rows
        finally:
            with suppress(LogUnavailable), translated():  # a line that died was told above, or all rows had come
                cursor.close()
                if own:
                    db.execute("commit")

    def size_bytes(self) -> int:
        tables = "pg_total_relation_size('leaf') + pg_total_relation_size('body')"
        return int(self._db.one(f"select {tables}")[0])

    def belongs_to(self, public_key: str) -> None:
        """Remember whose log this schema holds, or find that it is somebody else's.

        Raises:
            KeysUnavailable: another key signs here.
        """
        found = self._db.one("select public_key from identity")
        if found is None:
            with self.writing() as db:
                put = "insert into identity (sole, public_key) values (1, ?) on conflict (sole) do nothing"
                db.execute(put, (public_key,))
            found = self._db.one("select public_key from identity")
        if found[0] != public_key:
            raise KeysUnavailable(
                "this PostgreSQL schema holds the log of another key file",
                hint="give each audit folder a schema of its own, or copy root.key and public.key of the first machine",
            )

    @property
    def may_thin(self) -> bool:
        return self._may_thin

    def close(self) -> None:
        self._db.close()

    def is_made(self) -> bool:
        """Whether the schema has the tables."""
        return bool(self._db.one("select to_regclass('leaf') is not null")[0])

    def _make_tables(self) -> None:
        if not self.is_made():
            with self._db.transaction(self._lock):
                self._db.together((TABLES.read_text("utf-8"), ()))

    def _copy(self, columns: str, types: tuple[str, ...], rows: list[Any]) -> None:
        if not rows:
            return
        statement = f"copy {columns} from stdin (format binary)"
        with translated(), self._db.connection().cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)


class _Ends:
    """Where this process believes that the logs end, which the database checks. Only as long as nobody else writes."""

    def __init__(self) -> None:
        self.erasures = 0
        self._edges: dict[str, Edge] = {}
        self._trusted = False

    def of(self, names: Iterable[str]) -> dict[str, Edge] | None:
        """The ends of these logs; None when one is not known, or somebody else was seen writing."""
        found = {name: self._edges[name] for name in names if name in self._edges}
        return found if self._trusted and len(found) == len(set(names)) else None

    def forget(self) -> None:
        """Trust nothing before the next answer."""
        self._trusted = False

    def left(self, edges: dict[str, Edge]) -> None:
        """This process has written alone."""
        self._edges.update(edges)
        self._trusted = True

    def found(self, erasures: int, before: dict[str, Edge], after: dict[str, Edge]) -> None:
        """What was read under the lock and what was written then. Somebody who left the logs elsewhere will do so again."""
        self._trusted = all(self._edges.get(name, edge) == edge for name, edge in before.items())
        self.erasures = erasures
        self._edges.update(after)


def _values(lock: int, erasures: int, old: dict[str, Edge], batch: Batch) -> list[bytes]:
    """What `extend_log` in `postgres.sql` is called with."""
    logs, new = list(old), [batch.edges[log] for log in old]
    owner = {log: number for number, log in enumerate(logs, 1)}
    at = {(log, seq): number for number, (log, seq, _) in enumerate(batch.leaves, 1)}
    names, kids, ciphertexts, wraps = (
        zip(*[body[2:] for body in batch.bodies], strict=True) if batch.bodies else [()] * 4
    )
    return [
        big(lock), big(erasures), texts(logs),
        bigs([edge.frontier.size for edge in old.values()]), blobs([edge.frontier.to_bytes() for edge in old.values()]),
        bigs([edge.frontier.size for edge in new]), blobs([edge.frontier.to_bytes() for edge in new]),
        bigs([edge.sts for edge in new]),
        ints([owner[log] for log, _, _ in batch.leaves]), bigs([seq for _, seq, _ in batch.leaves]),
        blobs([header for _, _, header in batch.leaves]),
        ints([at[body[:2]] for body in batch.bodies]), texts(names), texts(kids), blobs(ciphertexts), blobs(wraps),
        texts([one[0] for one in batch.begun]), texts([one[1] for one in batch.begun]), texts([one[2] for one in batch.begun]),
        texts([one[3] for one in batch.begun]), texts(batch.ended),
    ]  # fmt: skip


def _statements(batch: Batch, *, with_records: bool) -> Iterator[Statement]:
    """What adds a batch. with_records: also its leaves and bodies."""
    if with_records:
        yield from _rows("leaf (log, seq, header)", batch.leaves)
        yield from _rows("body (log, seq, name, kid, ciphertext, wrap)", batch.bodies)
    yield from _rows("open_request (record, log, request, writer)", batch.begun)
    if batch.ended:
        yield "delete from open_request where record = any(?)", (batch.ended,)
    yield from ((INSERT_DESTROYED, row) for row in batch.destroyed)
    for log, edge in batch.edges.items():
        yield PUT_EDGE, (log, edge.frontier.size, edge.frontier.to_bytes(), edge.sts)


def _rows(columns: str, rows: Sequence[tuple[object, ...]]) -> Iterator[Statement]:
    """Rows of a table, in one statement where there are any."""
    if rows:
        marks = ",".join(["(" + ",".join("?" * len(rows[0])) + ")"] * len(rows))
        yield f"insert into {columns} values {marks}", tuple(chain.from_iterable(rows))  # noqa: S608  # fixed words


def lock_number(use: str, name: str) -> int:
    """A number for PostgreSQL's advisory locks, the same on every machine."""
    digest = hashlib.sha256(f"haechi-audit\0{use}\0{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _in_transaction(db: Any) -> bool:
    return cast(int, db.info.transaction_status) != 0
