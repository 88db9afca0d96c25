"""Where API keys are stored: one SQLite file, or the schema of a PostgreSQL database that several machines share.

Rules of this file
1. Both know whether somebody else wrote: SQLite tells at every question, PostgreSQL is asked once in `FRESH_S`.
2. SQL is written once, with `?` for values.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from audit.errors import AuditError, PartMissing
from audit.postgres import Database
from haechi.base.errors import UnusableKeyStore

VERSION = 1
BUSY_TIMEOUT_S = 5.0
FRESH_S = 1.0
"""How long an answer of PostgreSQL may be repeated without asking: a revocation elsewhere is seen within this time."""
_FILE_TABLES = """
CREATE TABLE IF NOT EXISTS store (only INTEGER PRIMARY KEY CHECK (only = 1), version INTEGER NOT NULL, hash_key BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS keys (
    key_id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    label TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    created_us INTEGER NOT NULL,
    revoked_us INTEGER
) WITHOUT ROWID;
"""
_SERVER_TABLES = """
CREATE TABLE IF NOT EXISTS api_key_store (sole INTEGER PRIMARY KEY CHECK (sole = 1), version INTEGER NOT NULL,
    hash_key BYTEA NOT NULL, changes BIGINT NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS keys (
    key_id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    label TEXT NOT NULL,
    digest BYTEA NOT NULL UNIQUE,
    created_us BIGINT NOT NULL,
    revoked_us BIGINT
)
"""
_LOCK = 0x68616563_6B657973  # "haeckeys": whoever makes the tables


class KeyRows(Protocol):
    """The table `keys`, and what is stored beside it."""

    name: str
    """For messages; never a URL."""

    def prepare(self, hash_key: bytes) -> tuple[int, bytes]:
        """Make what is missing, with this hash key if there is none. The version and the hash key that hold."""
        ...

    def execute(self, sql: str, parameters: tuple[object, ...] = ()) -> list[Any]:
        """Run a statement by itself; its rows."""
        ...

    def changes(self) -> object:
        """Something that differs from the last time when another process may have written since."""
        ...

    def wrote(self) -> None:
        """Let other processes know."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


class FileRows:
    """One SQLite file, readable by its owner only."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            self._db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)

    def prepare(self, hash_key: bytes) -> tuple[int, bytes]:
        with self._translated():
            self._db.execute("PRAGMA synchronous = FULL")
            _use_write_ahead_log(self._db)
            # IMMEDIATE, so that two processes that start together do not both make a hash key.
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for statement in _FILE_TABLES.split(";\n"):
                    self._db.execute(statement)
                put = "INSERT OR IGNORE INTO store (only, version, hash_key) VALUES (1, ?, ?)"
                self._db.execute(put, (VERSION, hash_key))
                version, kept = self._db.execute("SELECT version, hash_key FROM store").fetchone()
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        return int(version), bytes(kept)

    def execute(self, sql: str, parameters: tuple[object, ...] = ()) -> list[Any]:
        with self._translated():
            return self._db.execute(sql, parameters).fetchall()

    def changes(self) -> object:
        with self._translated():
            return self._db.execute("PRAGMA data_version").fetchone()[0]

    def wrote(self) -> None:
        pass  # data_version tells every other connection

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Failures of the file become one error; the text of SQLite's own names no key."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise UnusableKeyStore(
                f"the key store {self.name} cannot be used: {error}",
                hint="check that the data folder is writable and not full; haechi doctor says more",
            ) from error


class ServerRows:
    """Tables in the PostgreSQL schema that the URL's role finds first."""

    def __init__(self, url: str) -> None:
        self.name = "in PostgreSQL"
        self._asked = -FRESH_S
        self._changes: object = None
        with self._translated():
            self._db = Database(url)

    def prepare(self, hash_key: bytes) -> tuple[int, bytes]:
        with self._translated():
            if self._db.one("SELECT to_regclass('api_key_store') IS NULL")[0]:
                with self._db.transaction(_LOCK):
                    for statement in _SERVER_TABLES.split(";\n"):
                        self._db.execute(statement)
                    put = "INSERT INTO api_key_store (sole, version, hash_key) VALUES (1, ?, ?) ON CONFLICT (sole) DO NOTHING"
                    self._db.execute(put, (VERSION, hash_key))
            version, kept = self._db.one("SELECT version, hash_key FROM api_key_store")
        return int(version), bytes(kept)

    def execute(self, sql: str, parameters: tuple[object, ...] = ()) -> list[Any]:
        with self._translated():
            cursor = self._db.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def changes(self) -> object:
        now = time.monotonic()
        if now - self._asked >= FRESH_S:
            with self._translated():
                self._changes = self._db.one("SELECT changes FROM api_key_store")[0]
            self._asked = now
        return self._changes

    def wrote(self) -> None:
        self.execute("UPDATE api_key_store SET changes = changes + 1")

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except PartMissing:
            raise
        except AuditError as error:
            raise UnusableKeyStore(f"the API keys cannot be read: {error.message}", hint=error.hint) from error


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Let readers go on while somebody writes. SQLite's own busy timeout does not cover this switch."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
