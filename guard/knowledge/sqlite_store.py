"""The SQLite file of one knowledge base: what writes it.

Invariants of this file
1. Every change is one transaction: a process that is killed leaves what was there before.
2. What was removed or replaced is gone from the file after `purge`: the index is merged, free pages are overwritten, the
   file is written anew and the write-ahead log emptied.
3. One writer at a time, any number of readers beside it (write-ahead log).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from guard.knowledge.errors import KnowledgeMissing, UnknownDocument, UnusableKnowledge, check_name
from guard.knowledge.meaning import meanings
from guard.knowledge.passages import Section, passages
from guard.knowledge.ports import About, Document
from guard.knowledge.ranking import COMMON
from guard.knowledge.terms import terms

_BUSY_S: Final = 30.0
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS documents (
  id INTEGER PRIMARY KEY, root TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, sha256 TEXT NOT NULL,
  source TEXT NOT NULL, licence TEXT NOT NULL, valid_from TEXT NOT NULL, valid_to TEXT NOT NULL,
  meaning TEXT NOT NULL, UNIQUE (root, name));
CREATE INDEX IF NOT EXISTS documents_until ON documents (valid_to) WHERE valid_to <> '';
CREATE INDEX IF NOT EXISTS documents_from ON documents (valid_from) WHERE valid_from <> '';
CREATE TABLE IF NOT EXISTS passages (
  id INTEGER PRIMARY KEY, document INTEGER NOT NULL REFERENCES documents (id), number INTEGER NOT NULL,
  title TEXT NOT NULL, text TEXT NOT NULL, start INTEGER NOT NULL, vector BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS passages_of ON passages (document);
CREATE VIRTUAL TABLE IF NOT EXISTS found USING fts5 (title, body, tokenize = "ascii tokenchars '.'");
CREATE VIRTUAL TABLE IF NOT EXISTS vocabulary USING fts5vocab (found, 'row');
CREATE TABLE IF NOT EXISTS common (term TEXT PRIMARY KEY, passages INTEGER NOT NULL) WITHOUT ROWID;
"""


def place(name: str, folder: Path) -> Path:
    """The file of a knowledge base. folder: the one all knowledge bases lie in."""
    return folder / f"{check_name(name)}.db"


class SqliteWriter:
    """Changes a knowledge base in a file. See `guard.knowledge.ports.KnowledgeWriter`."""

    def __init__(self, name: str, folder: Path, *, make: bool = False) -> None:
        """make: create the file when it is missing. Raises KnowledgeMissing, UnusableKnowledge."""
        path = place(name, folder)
        if not make and not path.exists():
            raise KnowledgeMissing(name)
        self._path = path
        self._removed = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
            for pragma in ("journal_mode = WAL", "secure_delete = ON", "synchronous = FULL"):
                self._db.execute(f"PRAGMA {pragma}")
            self._db.executescript(_TABLES)
            self._db.execute("BEGIN IMMEDIATE")
        except (OSError, sqlite3.Error) as error:
            raise _unusable(path, error) from error

    def __enter__(self) -> SqliteWriter:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is not None:
                self._db.execute("ROLLBACK")
                return
            self._count_common()
            self._db.execute("COMMIT")
            if self._removed:
                self._purge()
        except sqlite3.Error as failed:
            raise _unusable(self._path, failed) from failed
        finally:
            self._db.close()

    def put(self, root: str, name: str, sections: Sequence[Section], about: About, sha256: str) -> int:
        try:
            row = self._db.execute(
                "SELECT id, version FROM documents WHERE root = ? AND name = ?", (root, name)
            ).fetchone()
            if row is not None:
                self._drop(row[0])
            values = (root, name, row[1] + 1 if row else 1, sha256, *_values(about), meanings().fingerprint)
            document = self._db.execute(
                "INSERT INTO documents (root, name, version, sha256, source, licence, valid_from, valid_to, meaning)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            ).lastrowid
            return self._put_passages(document or 0, sections)
        except sqlite3.Error as error:
            raise _unusable(self._path, error) from error

    def _put_passages(self, document: int, sections: Sequence[Section]) -> int:
        number, ours = 0, meanings()
        for number, passage in enumerate(passages(sections), 1):
            row = self._db.execute(
                "INSERT INTO passages (document, number, title, text, start, vector) VALUES (?, ?, ?, ?, ?, ?)",
                (document, number, passage.title, passage.text, passage.start, ours.vector(passage.text)),
            ).lastrowid
            self._db.execute(
                "INSERT INTO found (rowid, title, body) VALUES (?, ?, ?)",
                (row, " ".join(terms(passage.title)), " ".join(terms(passage.text))),
            )
        return number

    def remove(self, name: str, *, root: str | None = None) -> int:
        rows = self._db.execute(
            "SELECT id FROM documents WHERE name = ? AND (? IS NULL OR root = ?)", (name, root, root)
        ).fetchall()
        if not rows:
            raise UnknownDocument(
                f"no document {name!r} in {self._path.stem!r}", hint="`haechi knowledge list --base NAME` names them"
            )
        for (document,) in rows:
            self._drop(document)
        return len(rows)

    def documents(self) -> tuple[Document, ...]:
        return documents(self._db)

    def _drop(self, document: int) -> None:
        self._removed = True
        self._db.execute("DELETE FROM found WHERE rowid IN (SELECT id FROM passages WHERE document = ?)", (document,))
        self._db.execute("DELETE FROM passages WHERE document = ?", (document,))
        self._db.execute("DELETE FROM documents WHERE id = ?", (document,))

    def _count_common(self) -> None:
        if self._removed:  # deleted terms stay in the index until its parts are merged
            self._db.execute("INSERT INTO found (found) VALUES ('optimize')")
        self._db.execute("DELETE FROM common")
        self._db.execute("INSERT INTO common SELECT term, doc FROM vocabulary WHERE doc >= ?", (COMMON,))

    def _purge(self) -> None:
        self._db.execute("VACUUM")
        busy = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise sqlite3.OperationalError("removed, but a reader keeps its bytes in the write-ahead log")


def documents(db: sqlite3.Connection) -> tuple[Document, ...]:
    """Every document of an open knowledge base, by name."""
    rows: Iterable[tuple[str, str, int, str, str, str, str, str, int, str]] = db.execute(
        "SELECT root, name, version, sha256, source, licence, valid_from, valid_to,"
        " (SELECT count(*) FROM passages WHERE document = documents.id), meaning FROM documents ORDER BY name, root"
    )
    return tuple(Document(*row[:4], About(*row[4:8]), row[8], row[9]) for row in rows)


def _values(about: About) -> tuple[str, str, str, str]:
    return (about.source, about.licence, about.valid_from, about.valid_to)


def _unusable(path: Path, error: Exception) -> UnusableKnowledge:
    return UnusableKnowledge(f"{path}: {error}", hint="is it in use, on a full disk, or not a knowledge base?")
