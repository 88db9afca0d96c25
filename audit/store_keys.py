"""The database of the keys: a SQLite file of its own, or a schema of its own in PostgreSQL (FORMAT.md section 5).

Rules of this file
1. In the file a deleted row leaves no copy: `secure_delete`, and a rollback journal that is truncated.
2. PostgreSQL keeps copies of deleted rows in its write-ahead log, replicas and backups, where nobody can remove them.
   What lies there is therefore worthless without a generation key that is destroyed elsewhere: see `SubjectKeys.shred`.
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from audit.errors import KeysUnavailable, LogUnavailable
from audit.postgres import Database
from audit.store import make_private
from audit.store_postgres import lock_number

VERSION = 2
"""1 had one key for each subject, class and month; of a gateway that cannot read its keys there may be more."""
_SQLITE = """
create table if not exists tenant_key (tenant text, use text, wrapped blob not null, primary key (tenant, use)) without rowid;
create table if not exists subject_key (
    kid text primary key, tenant text not null, tag blob not null, class text not null, epoch text not null,
    wrapped blob not null) without rowid;
create index if not exists subject_key_place on subject_key (tenant, tag, class, epoch);
create table if not exists state (name text primary key, value integer not null) without rowid;
create table if not exists hold (id text primary key, tenant text not null, tag blob, placed_us integer not null) without rowid;
"""
_FROM_1 = (
    "alter table subject_key rename to subject_key_1",
    "create table subject_key (kid text primary key, tenant text not null, tag blob not null, class text not null,"
    " epoch text not null, wrapped blob not null) without rowid",
    "insert into subject_key select kid, tenant, tag, class, epoch, wrapped from subject_key_1",
    "drop table subject_key_1",
)
_POSTGRES = Path(__file__).with_name("postgres_keys.sql")


class KeyDatabase(ABC):
    """Where keys are stored, wrapped."""

    keeps_copies = False
    """Whether deleted rows stay readable in files that this program cannot search."""

    @abstractmethod
    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """Run a statement with `?` for values."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[None]:
        """One moment of the database for every read within."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[None]:
        """A transaction that no other writer shares.

        Raises:
            LogUnavailable: it cannot be written.
        """

    @abstractmethod
    def rewrap(self, wrapped: Sequence[tuple[bytes, str]]) -> None:
        """Put newly wrapped subject keys in the place of the old ones: bytes and kid."""

    @abstractmethod
    def copies_of(self, secrets: Iterable[bytes]) -> int:
        """How many of these byte strings are still stored where this program can look."""

    @abstractmethod
    def close(self) -> None:
        """Release the database."""


class KeyFile(KeyDatabase):
    """A SQLite file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            make_private(path)
            self._db = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            for pragma in ("journal_mode=truncate", "synchronous=full", "secure_delete=on"):
                self._db.execute(f"pragma {pragma}")
            self._make_tables()
        except (sqlite3.Error, OSError) as error:
            raise LogUnavailable(
                f"the key store {path} cannot be opened", hint="check the folder's owner and mode"
            ) from error

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        return self._db.execute(sql, parameters)

    @contextmanager
    def reading(self) -> Iterator[None]:
        self._db.execute("begin")
        try:
            yield
        finally:
            self._db.execute("rollback")

    @contextmanager
    def writing(self) -> Iterator[None]:
        try:
            self._db.execute("begin immediate")
            try:
                yield
                self._db.execute("commit")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("rollback")
                raise
        except sqlite3.Error as error:
            raise LogUnavailable(
                "the key store cannot be written", hint="check disk space and the folder's mode"
            ) from error

    def rewrap(self, wrapped: Sequence[tuple[bytes, str]]) -> None:
        self._db.executemany("update subject_key set wrapped = ? where kid = ?", wrapped)

    def copies_of(self, secrets: Iterable[bytes]) -> int:
        """Reading the file drops this process's SQLite locks on it, so nothing else may use it meanwhile."""
        beside = self._path.parent.glob(self._path.name + "*")
        data = b"".join(path.read_bytes() for path in sorted(beside))
        return sum(data.count(secret) for secret in secrets)

    def close(self) -> None:
        self._db.close()

    def _make_tables(self) -> None:
        """The tables and their version at once: another process opening finds both or neither."""
        self._db.execute("begin immediate")
        try:
            self._refuse_other_versions()
            if self._db.execute("pragma user_version").fetchone()[0] == 1:
                for statement in _FROM_1:
                    self._db.execute(statement)
            for statement in _SQLITE.split(";\n"):
                self._db.execute(statement)
            self._db.execute(f"pragma user_version={VERSION}")
            self._db.execute("commit")
        finally:
            if self._db.in_transaction:
                self._db.execute("rollback")

    def _refuse_other_versions(self) -> None:
        (version,) = self._db.execute("pragma user_version").fetchone()
        (tables,) = self._db.execute("select count(*) from sqlite_master").fetchone()
        if version not in {1, VERSION} and tables:
            raise _other_version(str(self._path), version)


class KeySchema(KeyDatabase):
    """The schema `<schema>_keys` beside the one of the log."""

    keeps_copies = True

    def __init__(self, url: str) -> None:
        beside = Database(url)
        try:
            schema = str(beside.one("select current_schema()")[0]) + "_keys"
            quoted = '"' + schema.replace('"', '""') + '"'
            if beside.one("select to_regnamespace(?) is null", (quoted,))[0]:
                beside.execute(f"create schema if not exists {quoted}")
        finally:
            beside.close()
        self._db = Database(url, search_path=quoted)
        self._lock = lock_number("keys", schema)
        if self._db.one("select to_regclass('subject_key') is null")[0]:
            with self.writing():
                for statement in _POSTGRES.read_text("utf-8").split(";\n"):
                    if statement.strip():
                        self._db.execute(statement)
        (version,) = self._db.one("select value from state where name = 'version'")
        if version != VERSION:
            self._db.close()
            raise _other_version(f"in schema {schema}", version)

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        return self._db.execute(sql, parameters)

    @contextmanager
    def reading(self) -> Iterator[None]:
        self._db.execute("begin isolation level repeatable read read only")
        try:
            yield
        finally:
            self._db.undo()

    @contextmanager
    def writing(self) -> Iterator[None]:
        with self._db.transaction(self._lock):
            yield

    def rewrap(self, wrapped: Sequence[tuple[bytes, str]]) -> None:
        put = (
            "update subject_key set wrapped = given.wrapped"
            " from unnest(?::bytea[], ?::text[]) as given (wrapped, kid) where subject_key.kid = given.kid"
        )
        for at in range(0, len(wrapped), 5000):
            some = wrapped[at : at + 5000]
            self._db.execute(put, ([one[0] for one in some], [one[1] for one in some]))

    def copies_of(self, secrets: Iterable[bytes]) -> int:
        return int(self._db.one("select count(*) from subject_key where wrapped = any(?)", (list(secrets),))[0])

    def close(self) -> None:
        self._db.close()


def _other_version(where: str, version: object) -> KeysUnavailable:
    return KeysUnavailable(
        f"the key store {where} has version {version}, and this program knows {VERSION}",
        hint="use the release that wrote it, or start a new audit folder",
    )
