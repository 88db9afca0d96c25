"""One knowledge base in PostgreSQL: what writes it.

Invariants of this file
1. Every change is one transaction; one writer of a base at a time, who holds the lock of its row.
2. What was removed or replaced is gone from the tables after `_purge`: they are written anew. The write-ahead log, replicas
   and backups keep it until the server's own rules drop it.
3. `knowledge_term` counts in how many passages of a base each term occurs, by what was added and removed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from guard.knowledge.errors import KnowledgeMissing, UnknownDocument, UnusableKnowledge, check_name
from guard.knowledge.meaning import meanings
from guard.knowledge.passages import Passage, Section, passages
from guard.knowledge.ports import About, Document
from guard.knowledge.postgres import connect, has_tables, make_tables, posted, translated
from guard.knowledge.postgres_rows import Rows
from guard.knowledge.terms import terms

if TYPE_CHECKING:
    from psycopg import Connection

_COUNTED: Final = 200_000
"""Distinct terms that are counted in memory before they are written."""
_SETTINGS: Final = ("set lock_timeout = '30s'", "set idle_in_transaction_session_timeout = '10min'")
_TABLES: Final = "knowledge_document, knowledge_passage, knowledge_posting, knowledge_term"
_PUT_COUNTS: Final = """
insert into knowledge_term as known (base, term, passages) select %s, term, passages from counted
on conflict (base, term) do update set passages = known.passages + excluded.passages
"""
_DOCUMENTS: Final = (
    "select root, name, version, sha256, source, licence, valid_from, valid_to, passages, meaning"
    " from knowledge_document where base = %s order by name, root"
)
# New postings wait in a list that every search reads through; merged by who owns the index, else by the server's autovacuum.
_MERGE: Final = """
select gin_clean_pending_list(oid) from pg_class
where oid = to_regclass('knowledge_posting_terms') and pg_has_role(relowner, 'usage')
"""
_KEEPERS: Final = """
select count(*) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and age(backend_xmin) >= age(%s::text::xid)
"""


@dataclass(frozen=True, slots=True)
class _Put:
    """A document of the base. number: its row's."""

    number: int
    version: int


class PostgresWriter:
    """Changes a knowledge base in PostgreSQL. See `guard.knowledge.ports.KnowledgeWriter`."""

    def __init__(self, name: str, url: str, *, make: bool = False) -> None:
        """make: create the base when it is missing. Raises KnowledgeMissing, UnusableKnowledge."""
        self._name = check_name(name)
        self._removed = False
        self._counted: Counter[str] = Counter()
        self._passages = self._terms = 0
        self._known: dict[tuple[str, str], _Put] | None = None
        self._db = connect(url, *_SETTINGS)
        try:
            with translated():
                self._base = self._locked(make=make)
                self._rows = Rows(self._db)
        except BaseException:
            self._db.close()
            raise

    def _locked(self, *, make: bool) -> int:
        """The number of the base, locked for this writer until its transaction ends."""
        if make:
            make_tables(self._db)
        elif not has_tables(self._db):
            raise KnowledgeMissing(self._name)
        self._db.execute("begin")
        if make:
            self._db.execute("insert into knowledge_base (name) values (%s) on conflict do nothing", (self._name,))
        row = self._db.execute("select id from knowledge_base where name = %s for update", (self._name,)).fetchone()
        if row is None:
            raise KnowledgeMissing(self._name)
        return int(row[0])

    def __enter__(self) -> PostgresWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with translated():
                if error is not None:
                    self._db.execute("rollback")
                    return
                self._rows.write()
                self._write_counts()
                self._db.execute(
                    "update knowledge_base set passages = passages + %s, terms = terms + %s where id = %s",
                    (self._passages, self._terms, self._base),
                )
                change = self._db.execute("select pg_current_xact_id()::xid::text").fetchone()
                self._db.execute("commit")
                self._db.execute(_MERGE)
                if self._removed:
                    self._purge(str(change[0]) if change else "0")
        finally:
            self._db.close()

    def put(self, root: str, name: str, sections: Sequence[Section], about: About, sha256: str) -> int:
        ours = meanings()
        found = list(passages(sections))
        with translated():
            former = self._versions().pop((root, name), None)
            if former is not None:
                self._drop(former.number)
            version = former.version + 1 if former is not None else 1
            document = self._rows.add_document(
                self._base, root, name, version, sha256, *_values(about), ours.fingerprint, len(found)
            )
            self._versions()[root, name] = _Put(document, version)
            for number, passage in enumerate(found, 1):
                self._put_passage(document, number, passage)
            if len(self._counted) > _COUNTED:
                self._write_counts()
        return len(found)

    def _versions(self) -> dict[tuple[str, str], _Put]:
        """Documents of the base by root and name; read once, since nobody else writes meanwhile."""
        if self._known is None:
            rows = self._db.execute(
                "select root, name, id, version from knowledge_document where base = %s", (self._base,)
            )
            self._known = {(root, name): _Put(number, version) for root, name, number, version in rows}
        return self._known

    def _put_passage(self, document: int, number: int, passage: Passage) -> None:
        indexed = [*terms(passage.title), *terms(passage.text)]
        distinct = dict.fromkeys(indexed)
        self._count(distinct, 1, len(indexed))
        values = (number, passage.title, passage.text, passage.start, meanings().vector(passage.text))
        self._rows.add_passage(document, values, len(indexed), [posted(self._base, term) for term in distinct])

    def _count(self, distinct: Iterable[str], passages: int, size: int) -> None:
        for term in distinct:
            self._counted[term] += passages
        self._passages += passages
        self._terms += passages * size

    def remove(self, name: str, *, root: str | None = None) -> int:
        with translated():
            self._rows.write()
            self._known = None
            rows = self._db.execute(
                "select id from knowledge_document where base = %s and name = %s and (%s::text is null or root = %s)",
                (self._base, name, root, root),
            ).fetchall()
            if not rows:
                raise UnknownDocument(
                    f"no document {name!r} in {self._name!r}", hint="`haechi knowledge list --base NAME` names them"
                )
            for (document,) in rows:
                self._drop(document)
        return len(rows)

    def documents(self) -> tuple[Document, ...]:
        with translated():
            self._rows.write()
            return documents(self._db, self._base)

    def _drop(self, document: int) -> None:
        self._removed = True
        self._rows.write()
        gone = self._db.execute(
            "delete from knowledge_posting where document = %s returning size, terms", (document,)
        ).fetchall()
        for size, posts in gone:
            self._count([post.partition(" ")[2] for post in posts], -1, size)
        self._db.execute("delete from knowledge_passage where document = %s", (document,))
        self._db.execute("delete from knowledge_document where id = %s", (document,))

    def _write_counts(self) -> None:
        self._db.execute('create temp table if not exists counted (term text collate "C", passages int)')
        self._db.execute("truncate counted")
        with self._db.cursor() as cursor, cursor.copy("copy counted from stdin (format binary)") as copy:
            copy.set_types(("text", "int4"))
            for row in sorted(self._counted.items()):
                copy.write_row(row)
        self._db.execute(_PUT_COUNTS, (self._base,))
        self._db.execute("delete from knowledge_term where base = %s and passages <= 0", (self._base,))
        self._counted.clear()

    def _purge(self, change: str) -> None:
        self._db.execute(f"vacuum (full) {_TABLES}")
        keepers = self._db.execute(_KEEPERS, (change,)).fetchone()
        if keepers and keepers[0]:
            raise UnusableKnowledge(
                "removed, but an older transaction keeps its bytes in the tables",
                hint="end it, then run any `haechi knowledge remove` or `sync` that removes something",
            )


def documents(db: Connection[Any], base: int) -> tuple[Document, ...]:
    """Every document of a base, by name."""
    return tuple(
        Document(root, name, version, sha256, About(*about), passages_, meaning)
        for root, name, version, sha256, *about, passages_, meaning in db.execute(_DOCUMENTS, (base,))
    )


def _values(about: About) -> tuple[str, str, str, str]:
    return (about.source, about.licence, about.valid_from, about.valid_to)
