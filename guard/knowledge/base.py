"""Search one knowledge base: rare terms of the claim choose candidates by bm25, all its terms rank them.

Why no embeddings: docs/decisions/0030-knowledge-search.md.
"""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from guard.knowledge.errors import KnowledgeEmpty, KnowledgeMissing, UnusableKnowledge
from guard.knowledge.evidence import Evidence, Found
from guard.knowledge.store import COMMON, Document, documents, place
from guard.knowledge.terms import terms

CANDIDATES: Final = 40
"""Passages that are ranked anew by all terms of the claim."""
_RARE: Final = 14
"""Terms a query looks for at most."""
_POSTINGS: Final = 6_000
"""Passages that the terms of a query may name together, so that a search has a bound; two terms are always looked for."""
_LONGEST_CLAIM: Final = 2_000
"""Code points of a claim that are read."""
_VALID: Final = """AND rowid IN (SELECT passages.id FROM passages JOIN documents ON documents.id = passages.document
  WHERE (valid_to = '' OR valid_to >= :at) AND (valid_from = '' OR valid_from <= :at))"""
_BEST: Final = (
    "SELECT rowid AS id FROM found WHERE found MATCH :query {valid} ORDER BY bm25(found, 2.0, 1.0) LIMIT :limit"
)
# The texts are read for the best only: sorted beside the ranks they would cost ten times the search.
_QUERY: Final = f"""
SELECT documents.name, passages.number, passages.title, passages.text, passages.start, documents.valid_from,
       documents.valid_to, found.title || ' ' || found.body
FROM ({_BEST}) AS best JOIN passages ON passages.id = best.id JOIN documents ON documents.id = passages.document
  JOIN found ON found.rowid = best.id
"""  # noqa: S608 - constants of this file


class KnowledgeBase:
    """One knowledge base, open for reading; follows what is written meanwhile. Safe for several threads."""

    def __init__(self, name: str, folder: Path) -> None:
        """Raises KnowledgeMissing, KnowledgeEmpty, UnusableKnowledge."""
        self.name = name
        self._path = place(name, folder)
        if not self._path.exists():
            raise KnowledgeMissing(name)
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(self._path, timeout=1.0, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA query_only = ON")
            empty = self._db.execute("SELECT 1 FROM passages LIMIT 1").fetchone() is None
        except sqlite3.Error as error:
            raise UnusableKnowledge(f"{self._path}: {error}") from error
        if empty:
            self._db.close()
            raise KnowledgeEmpty(name)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def documents(self) -> tuple[Document, ...]:
        """Every document, by name."""
        with self._lock:
            return documents(self._db)

    def search(self, claim: str, *, limit: int = 5, at: str = "") -> tuple[Found, ...]:
        """The passages that fit a claim best, best first; none when no term of it occurs.

        at: ISO date; documents that are outdated or not yet valid then are left out. Empty: all, with their dates.
        """
        wanted = set(terms(claim[:_LONGEST_CLAIM]))
        if not wanted:
            return ()
        try:
            with self._lock:
                total = self._db.execute("SELECT count(*) FROM passages").fetchone()[0]
                counts = self._counts(wanted)
                values = {"query": _query(counts), "at": at, "limit": CANDIDATES}
                rows = self._db.execute(_QUERY.format(valid=_VALID if at else ""), values).fetchall()
        except sqlite3.Error as error:
            raise UnusableKnowledge(f"{self._path}: {error}") from error
        weights = {term: math.log(1 + total / count) for term, count in counts.items()}
        return self._ranked(rows, weights, limit)

    def _counts(self, wanted: set[str]) -> dict[str, int]:
        """In how many passages each term occurs; one that is not common is taken as just below."""
        counts = dict.fromkeys(sorted(wanted), COMMON // 4)
        terms_ = list(counts)
        for at in range(0, len(terms_), 500):
            part = terms_[at : at + 500]
            marks = ",".join("?" * len(part))
            counts.update(self._db.execute(f"SELECT term, passages FROM common WHERE term IN ({marks})", part))  # noqa: S608 - question marks
        return counts

    def _ranked(self, rows: Iterable[tuple[str, ...]], weights: dict[str, float], limit: int) -> tuple[Found, ...]:
        whole = sum(weights.values())
        found = []
        for name, number, title, text, start, dated, valid_to, indexed in rows:
            share = sum(weights[term] for term in weights.keys() & set(indexed.split(" "))) / whole
            source = f"kb:{self.name}/{name}#{number}"
            found.append(Found(Evidence(text, source, title, int(start), dated, valid_to), min(1.0, share)))
        return tuple(sorted(found, key=lambda one: -one.score)[:limit])


def _query(counts: dict[str, int]) -> str:
    """The rarest terms, any of which may occur, within the bound on postings."""
    chosen: list[str] = []
    spent = 0
    for term, count in sorted(counts.items(), key=lambda entry: (entry[1], -len(entry[0]))):
        spent += count
        if len(chosen) >= _RARE or (spent > _POSTINGS and len(chosen) >= 2):
            break
        chosen.append(f'"{term}"')
    return " OR ".join(chosen)


def open_base(name: str, folder: Path) -> KnowledgeBase:
    """Open a knowledge base. folder: the one all of them lie in, `<data-dir>/knowledge`."""
    return KnowledgeBase(name, folder)
