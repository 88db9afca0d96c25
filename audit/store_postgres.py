"""The log in PostgreSQL: for several machines, or for who runs PostgreSQL anyway (FORMAT.md section 6).

Rules of this file
1. Writers of a schema queue at one advisory lock; PostgreSQL hands it out in order of asking.
2. Taking the lock is a statement of its own: what the next statement reads was committed before it.
3. A batch takes two messages: lock and read; write and commit. One more costs as much as the sync of a good disk.
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
        with self._db.undone_on_error():
            *_, counted, ends = self._db.together(
                *beginning(self._lock),
                ("select value from state where name = 'erasures'", ()),
                ("select log, size, hashes, sts from edge where log = any(?)", (names,)),
            )
            edges = {name: edge_of(None) for name in names} | {row[0]: edge_of(row[1:]) for row in ends.rows}
            batch = make(counted.rows[0][0] if counted.rows else 0, edges)
            few = len(batch.leaves) < _COPY_FROM
            if not few:
                self._copy("leaf (log, seq, header)", ("text", "int8", "bytea"), batch.leaves)
                types = ("text", "int8", "text", "text", "bytea", "bytea")
                self._copy("body (log, seq, name, kid, ciphertext, wrap)", types, batch.bodies)
            self._db.commit(*_statements(batch, with_records=few))

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
                for statement in TABLES.read_text("utf-8").split(";\n"):
                    if statement.strip():
                        self._db.execute(statement)

    def _copy(self, columns: str, types: tuple[str, ...], rows: list[Any]) -> None:
        if not rows:
            return
        statement = f"copy {columns} from stdin (format binary)"
        with translated(), self._db.connection().cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)


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
