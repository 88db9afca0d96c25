"""The log in PostgreSQL: for several machines, or for who runs PostgreSQL anyway (FORMAT.md section 6).

Rules of this file
1. Writers of a schema queue at one advisory lock; PostgreSQL hands it out in order of asking.
2. Taking the lock is a statement of its own: what is read after it was committed before it.
3. A connection that broke in `commit` leaves its outcome open. Who asks next takes the lock first, so the answer is final.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from audit.errors import KeysUnavailable
from audit.postgres import Database, translated
from audit.store_port import (
    DELETE_OPEN,
    INSERT_BODY,
    INSERT_DESTROYED,
    INSERT_LEAF,
    INSERT_OPEN,
    PUT_EDGE,
    Batch,
    Edge,
    Rows,
    Store,
    edge_of,
)

TABLES = Path(__file__).with_name("postgres.sql")
_COPY_FROM = 24  # rows; below it single inserts in one round trip are quicker
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

    def ends(self, logs: Iterable[str]) -> tuple[int, dict[str, Edge]]:
        names = list(logs)
        counted, edges = self._db.pipelined(
            ("select value from state where name = 'erasures'", ()),
            ("select log, size, hashes, sts from edge where log = any(?)", (names,)),
        )
        found = {str(row[0]): edge_of(row[1:]) for row in edges.fetchall()}
        count = counted.fetchone()
        return (int(count[0]) if count else 0), {name: found.get(name) or edge_of(None) for name in names}

    def insert(self, batch: Batch) -> None:
        db = self._db.connection()
        if len(batch.leaves) >= _COPY_FROM:
            self._copy("leaf (log, seq, header)", ("text", "int8", "bytea"), batch.leaves)
            types = ("text", "int8", "text", "text", "bytea", "bytea")
            self._copy("body (log, seq, name, kid, ciphertext, wrap)", types, batch.bodies)
        with translated(), db.pipeline():
            if len(batch.leaves) < _COPY_FROM:
                self._many(INSERT_LEAF, batch.leaves)
                self._many(INSERT_BODY, batch.bodies)
            self._many(INSERT_OPEN, batch.begun)
            self._many(DELETE_OPEN, [(record,) for record in batch.ended])
            self._many(INSERT_DESTROYED, batch.destroyed)
            ends = [(log, edge.frontier.size, edge.frontier.to_bytes(), edge.sts) for log, edge in batch.edges.items()]
            self._many(PUT_EDGE, ends)

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
            with translated():
                if not db.closed and not db.broken:
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

    def _many(self, sql: str, rows: list[Any]) -> None:
        if rows:
            self._db.executemany(sql, rows)


def lock_number(use: str, name: str) -> int:
    """A number for PostgreSQL's advisory locks, the same on every machine."""
    digest = hashlib.sha256(f"haechi-audit\0{use}\0{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _in_transaction(db: Any) -> bool:
    return cast(int, db.info.transaction_status) != 0
