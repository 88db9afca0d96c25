"""Connections to the PostgreSQL database that holds knowledge bases, for several gateways.

Rules of this file
1. Nothing waits for ever: connecting, locks and the statements of a search have limits.
2. No error holds the URL or a value: they may be secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from guard.knowledge.errors import UnusableKnowledge
from haechi.base.errors import MissingExtra

if TYPE_CHECKING:
    from psycopg import Connection

TABLES: Final = Path(__file__).with_name("postgres.sql")
_MAKING: Final = 0x6861656368696B62
"""Number of the advisory lock under which the tables are made; `haechikb` in ASCII."""
_CLIENT: Final = {"connect_timeout": 5, "application_name": "haechi-knowledge", "tcp_user_timeout": 10_000}


def connect(url: str, *settings: str) -> Connection[Any]:
    """An open connection in which every statement is a transaction, but for those between begin and commit.

    settings: statements to run first.

    Raises:
        UnusableKnowledge: the server cannot be reached or used. MissingExtra: without the driver.
    """
    psycopg = _driver()
    with translated():
        given = psycopg.conninfo.conninfo_to_dict(url)
        db: Connection[Any] = psycopg.connect("", autocommit=True, **{**_CLIENT, **given})
        try:
            for statement in ("set client_min_messages = error", *settings):
                db.execute(statement)
        except BaseException:
            db.close()
            raise
    return db


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the driver become one of ours.

    Raises:
        UnusableKnowledge: in place of whatever psycopg raised.
    """
    psycopg = _driver()
    try:
        yield
    except psycopg.Error as error:
        said = type(error).__name__ + (f" {error.sqlstate}" if error.sqlstate else "")
        raise UnusableKnowledge(
            f"PostgreSQL does not serve the knowledge base: {said}",
            hint="check the server, its disk and the role's privileges; its own log says more",
        ) from error


def has_tables(db: Connection[Any]) -> bool:
    """Whether the schema that the role finds first holds knowledge bases."""
    row = db.execute("select to_regclass('knowledge_term') is not null").fetchone()
    return bool(row and row[0])


def make_tables(db: Connection[Any]) -> None:
    """Make the tables where they are missing; several processes may try at once.

    Raises:
        UnusableKnowledge: the database does not keep text as UTF-8.
    """
    if has_tables(db):
        return
    encoding = db.execute("show server_encoding").fetchone()
    if encoding is None or encoding[0] != "UTF8":
        raise UnusableKnowledge("the PostgreSQL database is not in UTF-8", hint="create database ... encoding 'UTF8'")
    with db.transaction():
        db.execute("select pg_advisory_xact_lock(%s)", (_MAKING,))
        if not has_tables(db):
            db.execute(TABLES.read_text("utf-8"))


def names(url: str) -> tuple[str, ...]:
    """The knowledge bases of a database, in order.

    Raises:
        UnusableKnowledge; MissingExtra.
    """
    with translated(), connect(url) as db:
        rows = db.execute("select name from knowledge_base order by name").fetchall() if has_tables(db) else []
    return tuple(str(row[0]) for row in rows)


def posted(base: int, term: str) -> str:
    """A term as the index holds it: one index serves all bases, and a search reads the terms of one."""
    return f"{base} {term}"


def _driver() -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise MissingExtra("a knowledge base in PostgreSQL", "postgres") from error
    return psycopg
