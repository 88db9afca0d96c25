"""Search a knowledge base in PostgreSQL: rare terms of the claim choose candidates, see guard/knowledge/ranking.py."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from guard.knowledge.across import Across, beside, closest, is_weak
from guard.knowledge.errors import KnowledgeEmpty, KnowledgeMissing, UnusableKnowledge, check_name
from guard.knowledge.evidence import Evidence, Found
from guard.knowledge.meaning import meanings
from guard.knowledge.ports import Document
from guard.knowledge.postgres import connect, has_tables, posted, translated
from guard.knowledge.postgres_store import documents
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

if TYPE_CHECKING:
    from psycopg import Connection

_SETTINGS: Final = (
    "set default_transaction_read_only = on",
    "set statement_timeout = '5s'",
    "set lock_timeout = '1s'",
    "set enable_seqscan = off",  # the planner cannot know how rare the terms of a query are; we do
)
# bm25 with its usual constants, of terms that occur or do not.
_VALID: Final = """(%(at)s = '' or ((document.valid_to = '' or document.valid_to >= %(at)s)
  and (document.valid_from = '' or document.valid_from <= %(at)s)))"""
# Documents that do not hold are few and found by an index; joined to every posting, all of them would cost most of a search.
_INVALID: Final = """
select id from knowledge_document where base = %(base)s and valid_to <> '' and %(at)s <> '' and valid_to < %(at)s
union all
select id from knowledge_document where base = %(base)s and valid_from <> '' and %(at)s <> '' and valid_from > %(at)s
"""
_SEARCH: Final = f"""
select document.name, passage.number, passage.title, passage.text, passage.start, document.valid_from, document.valid_to,
       posting.terms, passage.vector, document.meaning
from (
  select posting.passage, sum(asked.weight * 2.2 / (1 + 1.2 * (0.25 + 0.75::float8 * posting.size / %(average)s))) as rank
  from unnest(%(terms)s::text[], %(weights)s::float8[]) as asked (term, weight)
  join knowledge_posting posting on posting.terms @> array[asked.term]
  where posting.document not in ({_INVALID})
  group by posting.passage order by rank desc, posting.passage limit %(limit)s) best
join knowledge_posting posting on posting.passage = best.passage
join knowledge_passage passage on passage.id = best.passage
join knowledge_document document on document.id = posting.document
order by best.rank desc, best.passage
"""  # noqa: S608 - constants of this file
_NAMED: Final = f"""
select document.name, passage.number, passage.title, passage.text, passage.start, document.valid_from, document.valid_to,
       posting.terms, passage.vector, document.meaning
from unnest(%(numbers)s::bigint[]) as named (passage)
join knowledge_posting posting on posting.passage = named.passage
join knowledge_passage passage on passage.id = named.passage
join knowledge_document document on document.id = posting.document
where document.base = %(base)s and {_VALID} order by named.passage
"""  # noqa: S608 - constants of this file
_WHOLE: Final = "select id, vector from knowledge_passage where id = any(%s)"
_VECTORS: Final = """
select passage.id, passage.vector from knowledge_document document
join knowledge_passage passage on passage.document = document.id where document.base = %s and document.meaning = %s
"""


class PostgresBase:
    """A knowledge base in PostgreSQL. See `guard.knowledge.ports.KnowledgeBase`."""

    def __init__(self, name: str, url: str) -> None:
        """Raises KnowledgeMissing, KnowledgeEmpty, UnusableKnowledge."""
        self.name = check_name(name)
        self._url = url
        self._lock = threading.Lock()
        self._across = Across()
        self._db = connect(url, *_SETTINGS)
        try:
            with translated():
                self._base = self._number()
                empty = self._size()[0] == 0
        except BaseException:
            self._db.close()
            raise
        if empty:
            self._db.close()
            raise KnowledgeEmpty(name)
        meanings()  # read now, so that the first search is as quick as the others

    def close(self) -> None:
        self._db.close()

    def __del__(self) -> None:
        """A policy that was reloaded drops its bases without a word."""
        db = getattr(self, "_db", None)  # absent where the server could not be reached
        if db is not None:
            db.close()

    def documents(self) -> tuple[Document, ...]:
        with self._lock, translated():
            return documents(self._alive(), self._base)

    def search(self, claim: str, *, limit: int = 5, at: str = "") -> tuple[Found, ...]:
        wanted = wanted_terms(claim)
        if not wanted:
            return ()
        with self._lock:
            try:
                return self._ranked(claim, wanted, limit, at)
            except UnusableKnowledge:
                if not self._db.broken:
                    raise
                return self._ranked(claim, wanted, limit, at)  # the server was restarted since the last search

    def _ranked(self, claim: str, wanted: list[str], limit: int, at: str) -> tuple[Found, ...]:
        candidates, weights = self._found(wanted, at)
        vector = vector_of(claim)
        found = ranked(vector, candidates, weights, limit)
        if is_weak(found):
            found = beside(found, ranked(vector, self._abroad(vector, at), weights, limit), limit)
        return found

    def _abroad(self, vector: bytes, at: str) -> list[Candidate]:
        """Passages in other languages."""
        ours = meanings()
        with translated():
            db = self._alive()
            stamp = db.execute("select xmin::text from knowledge_base where id = %s", (self._base,)).fetchone()
            near = self._across.nearest(
                vector, stamp, lambda: db.execute(_VECTORS, (self._base, ours.fingerprint), binary=True)
            )
            numbers = closest(vector, db.execute(_WHOLE, (near,), binary=True))
            values = {"numbers": numbers, "base": self._base, "at": at}
            rows = db.execute(_NAMED, values, binary=True).fetchall() if numbers else []
        return [self._candidate(*row) for row in rows]

    def _found(self, wanted: list[str], at: str) -> tuple[list[Candidate], dict[str, float]]:
        with translated():
            db = self._alive()
            total, size = self._size()
            common = db.execute(
                "select term, passages from knowledge_term where base = %s and term = any(%s)", (self._base, wanted)
            ).fetchall()
            counts = with_rare(wanted, dict(common))
            weights = weights_of(counts, total)
            asked = query_terms(counts)
            values = {
                "terms": [posted(self._base, term) for term in asked],
                "weights": [weights[term] for term in asked],
                "average": max(1.0, size / max(1, total)),
                "base": self._base,
                "at": at,
                "limit": CANDIDATES,
            }
            rows = db.execute(_SEARCH, values, binary=True).fetchall()
        return [self._candidate(*row) for row in rows], weights

    def _alive(self) -> Connection[Any]:
        """The connection; a new one where it broke."""
        if self._db.closed:
            self._db = connect(self._url, *_SETTINGS)
        return self._db

    def _number(self) -> int:
        row = None
        if has_tables(self._db):
            row = self._db.execute("select id from knowledge_base where name = %s", (self.name,)).fetchone()
        if row is None:
            raise KnowledgeMissing(self.name)
        return int(row[0])

    def _size(self) -> tuple[int, int]:
        """Passages and terms of the base."""
        row = self._db.execute("select passages, terms from knowledge_base where id = %s", (self._base,)).fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)

    def _candidate(
        self, name: str, number: int, title: str, text: str, start: int, dated: str, valid_to: str, posts: list[str],
        vector: bytes, meaning: str,
    ) -> Candidate:  # fmt: skip
        evidence = Evidence(text, f"kb:{self.name}/{name}#{number}", title, start, dated, valid_to)
        return Candidate(evidence, [post.partition(" ")[2] for post in posts], vector, meaning)
