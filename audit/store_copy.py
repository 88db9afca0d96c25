"""The evidence of a log, copied out of a database that runs: for an auditor, for the independent verifier, for safekeeping.

One moment of the database: leaves, bodies, edges, checkpoints. No key, and none of the bookkeeping, goes with it.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from audit.errors import LogUnavailable
from audit.pins import Pins
from audit.second import PUBLIC_FILE
from audit.store import SqliteStore
from audit.store_port import INSERT_BODY, INSERT_LEAF, PUT_EDGE, Record, Store

_AT_ONCE = 500


def copy_log(store: Store, source: Path, target: Path, *, pins: Path | None = None) -> int:
    """Write a folder that verifies as the log does. source: the audit folder, for public.key and the pins beside it.

    Returns how many records.

    Raises:
        LogUnavailable: the target is not empty or cannot be written.
    """
    try:
        if target.exists() and any(target.iterdir()):
            raise LogUnavailable(f"{target} is not empty", hint="name a new folder")
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        memory = Pins(pins or Pins.beside(source)).folder
        if memory.is_dir():  # before the records: a pin never says more than they hold
            beside = Pins.beside(target)
            beside.mkdir(mode=0o700)
            for note in memory.glob("*.note"):
                shutil.copyfile(note, beside / note.name)
        shutil.copyfile(source / "public.key", target / "public.key")
        if (source / PUBLIC_FILE).exists():
            shutil.copyfile(source / PUBLIC_FILE, target / PUBLIC_FILE)
        copy = SqliteStore(target / "log.db")
        try:
            with store.snapshot():
                count = sum(_copy_one(store, copy, name) for name in sorted(store.names()))
            copy.connection.execute("pragma journal_mode=delete")
        finally:
            copy.close()
        (target / "log.lock").unlink(missing_ok=True)
    except (OSError, sqlite3.Error) as error:
        raise LogUnavailable(f"{target} cannot be written: {error}", hint="check its disk, owner and mode") from error
    return count


def _copy_one(store: Store, copy: SqliteStore, name: str) -> int:
    count, records = 0, store.records(name)
    while some := list(islice(records, _AT_ONCE)):
        with copy.writing() as db:
            db.executemany(INSERT_LEAF, [(name, one.seq, one.header) for one in some])
            db.executemany(INSERT_BODY, _bodies(name, some))
        count += len(some)
    edge = store.edge(name)
    rows = store.connection.execute("select size, hashes, note from checkpoint where log = ?", (name,)).fetchall()
    with copy.writing() as db:
        db.execute(PUT_EDGE, (name, edge.frontier.size, edge.frontier.to_bytes(), edge.sts))
        put = "insert into checkpoint (log, size, hashes, note) values (?, ?, ?, ?)"
        db.executemany(put, [(name, *row) for row in rows])
    return count


def _bodies(name: str, records: list[Record]) -> Iterator[tuple[object, ...]]:
    for one in records:
        for body in one.bodies:
            yield name, one.seq, body.name, body.kid, body.ciphertext, body.wrap
