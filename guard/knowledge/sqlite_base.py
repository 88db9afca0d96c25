"""Search a knowledge base in a SQLite file: rare terms of the claim choose candidates by bm25, see guard/knowledge/ranking.py."""

from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path
from typing import Final

from guard.knowledge.across import Across, beside, closest, is_weak
from guard.knowledge.errors import KnowledgeEmpty, KnowledgeMissing, UnusableKnowledge
from guard.knowledge.evidence import Evidence, Found
from guard.knowledge.meaning import meanings
from guard.knowledge.ports import Document
from guard.knowledge.ranking import (
    CANDIDATES,
    Candidate,
    query_terms,
    ranked,
    vector_of,
    wanted_terms,
    weights_of,
    with_rare,
)
from guard.knowledge.sqlite_store import documents, place

# What is left out, not what is let in: asked for `rowid IN`, FTS5 runs the whole search once for every rowid.
_VALID: Final = """AND rowid NOT IN (
  SELECT passages.id FROM documents JOIN passages ON passages.document = documents.id WHERE valid_to <> '' AND valid_to < :at
  UNION ALL
  SELECT passages.id FROM documents JOIN passages ON passages.document = documents.id WHERE valid_from <> '' AND valid_from > :at)"""
_BEST: Final = (
    "SELECT rowid AS id FROM found WHERE found MATCH :query {valid} ORDER BY bm25(found, 2.0, 1.0) LIMIT :limit"
)
_WHOLE: Final = "SELECT id, vector FROM passages WHERE id IN (SELECT value FROM json_each(?))"
_NAMED: Final = "SELECT id FROM passages WHERE id IN (SELECT value FROM json_each(:numbers)) {valid}"
_VECTORS: Final = """SELECT passages.id, passages.vector FROM passages JOIN documents ON documents.id = passages.document
  WHERE documents.meaning = ?"""
# The texts are read for the best only: sorted beside the ranks they would cost ten times the search.
_QUERY: Final = """
SELECT documents.name, passages.number, passages.title, passages.text, passages.start, documents.valid_from,
       documents.valid_to, found.title || ' ' || found.body, passages.vector, documents.meaning
FROM ({chosen}) AS best JOIN passages ON passages.id = best.id JOIN documents ON documents.id = passages.document
  JOIN found ON found.rowid = best.id
"""


class SqliteBase:
    """A knowledge base in a file. See `guard.knowledge.ports.KnowledgeBase`."""

    def __init__(self, name: str, folder: Path) -> None:
        """Raises KnowledgeMissing, KnowledgeEmpty, UnusableKnowledge."""
        self.name = name
        self._path = place(name, folder)
        if not self._path.exists():
            raise KnowledgeMissing(name)
        self._lock = threading.Lock()
        self._across = Across()
        try:
            self._db = sqlite3.connect(self._path, timeout=1.0, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA query_only = ON")
            empty = self._db.execute("SELECT 1 FROM passages LIMIT 1").fetchone() is None
        except sqlite3.Error as error:
            raise UnusableKnowledge(f"{self._path}: {error}") from error
        if empty:
            self._db.close()
            raise KnowledgeEmpty(name)
        meanings()  # read now, so that the first search is as quick as the others

    def close(self) -> None:
        self._db.close()

    def documents(self) -> tuple[Document, ...]:
        with self._lock:
            return documents(self._db)

    def search(self, claim: str, *, limit: int = 5, at: str = "") -> tuple[Found, ...]:
        wanted = wanted_terms(claim)
        if not wanted:
            return ()
        try:
            with self._lock:
                total = self._db.execute("SELECT count(*) FROM passages").fetchone()[0]
                counts = with_rare(wanted, self._common(wanted))
                query = " OR ".join(f'"{term}"' for term in query_terms(counts))
                weights = weights_of(counts, total)
                candidates = self._candidates(_BEST, at, {"query": query, "limit": CANDIDATES})
                vector = vector_of(claim)
                found = ranked(vector, candidates, weights, limit)
                if not is_weak(found):
                    return found
                abroad = self._abroad(vector, at)
        except sqlite3.Error as error:
            raise UnusableKnowledge(f"{self._path}: {error}") from error
        return beside(found, ranked(vector, abroad, weights, limit), limit)

    def _candidates(self, chosen: str, at: str, values: dict[str, object]) -> list[Candidate]:
        """The passages that a query chooses, as far as they hold at that day."""
        query = _QUERY.format(chosen=chosen.format(valid=_VALID if at else ""))
        return [self._candidate(*row) for row in self._db.execute(query, {**values, "at": at})]

    def _abroad(self, vector: bytes, at: str) -> list[Candidate]:
        """Passages in other languages."""
        stamp = self._db.execute("PRAGMA data_version").fetchone()[0]
        near = self._across.nearest(vector, stamp, lambda: self._db.execute(_VECTORS, (meanings().fingerprint,)))
        numbers = closest(vector, self._db.execute(_WHOLE, (json.dumps(near),)))
        return self._candidates(_NAMED, at, {"numbers": json.dumps(numbers)}) if numbers else []

    def _common(self, wanted: list[str]) -> dict[str, int]:
        counts: dict[str, int] = {}
        for at in range(0, len(wanted), 500):
            part = wanted[at : at + 500]
            marks = ",".join("?" * len(part))
            counts.update(self._db.execute(f"SELECT term, passages FROM common WHERE term IN ({marks})", part))  # noqa: S608 - question marks
        return counts

    def _candidate(
        self, name: str, number: int, title: str, text: str, start: int, dated: str, valid_to: str, indexed: str,
        vector: bytes, meaning: str,
    ) -> Candidate:  # fmt: skip
        evidence = Evidence(text, f"kb:{self.name}/{name}#{number}", title, start, dated, valid_to)
        return Candidate(evidence, indexed.split(" "), vector, meaning)
