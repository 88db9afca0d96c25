"""Rows on their way into the tables of a knowledge base in PostgreSQL: gathered, then copied, a few round trips for thousands.

Invariants of this file
1. Numbers of documents and passages come from the tables' own sequences, a block at a time: no two writers share one.
2. Rows are copied in the order of their references: documents, passages, postings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from psycopg import Connection

_FULL: Final = 2_000
"""Passages that are gathered before they are copied; some megabytes."""
_BLOCK: Final = 500
_NUMBERS: Final = "select nextval(pg_get_serial_sequence(%s, 'id')) from generate_series(1, %s)"
_COPIES: Final = {
    "copy knowledge_document (id, base, root, name, version, sha256, source, licence, valid_from, valid_to, meaning,"
    " passages) from stdin (format binary)": "int8 int4 text text int4 text text text text text text int4",
    "copy knowledge_passage (id, document, number, title, text, start, vector) from stdin (format binary)": (
        "int8 int8 int4 text text int4 bytea"
    ),
    "copy knowledge_posting (passage, document, size, terms) from stdin": "",
}


class Rows:
    """What was put and is not in the tables yet. Of one writer's transaction."""

    def __init__(self, db: Connection[Any]) -> None:
        self._db = db
        self._documents: list[tuple[object, ...]] = []
        self._passages: list[tuple[object, ...]] = []
        self._postings: list[tuple[object, ...]] = []
        self._free: dict[str, Iterator[int]] = {}

    def add_document(self, *values: object) -> int:
        """Values in the order of the table, without the number, which is answered."""
        number = self._next("knowledge_document")
        self._documents.append((number, *values))
        return number

    def add_passage(self, document: int, values: Iterable[object], size: int, posts: Iterable[str]) -> None:
        """values: number, title, text, start, vector. size: terms with repetitions. posts: distinct, as the index holds them.

        Terms are letters and digits (guard/knowledge/terms.py), so that quotes around them are all an array needs.
        """
        passage = self._next("knowledge_passage")
        self._passages.append((passage, document, *values))
        inside = '","'.join(posts)
        self._postings.append((passage, document, size, f'{{"{inside}"}}' if inside else "{}"))
        if len(self._passages) >= _FULL:
            self.write()

    def write(self) -> None:
        """Copy what was gathered."""
        gathered = (self._documents, self._passages, self._postings)
        for (statement, types), rows in zip(_COPIES.items(), gathered, strict=True):
            if rows:
                with self._db.cursor() as cursor, cursor.copy(statement) as copy:
                    if types:
                        copy.set_types(types.split())
                    for row in rows:
                        copy.write_row(row)
                rows.clear()

    def _next(self, table: str) -> int:
        number = next(self._free.get(table, iter(())), None)
        if number is None:
            found = self._db.execute(_NUMBERS, (table, _BLOCK)).fetchall()
            self._free[table] = (int(row[0]) for row in found)
            number = next(self._free[table])
        return number
