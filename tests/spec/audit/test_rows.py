"""A batch in SQLite: every row of it, however many there are, or none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from audit.errors import LogUnavailable
from audit.store import SqliteStore
from audit.store_port import Batch, Edge
from audit.tree import Frontier, leaf_hash

LOG = "x.example/audit/default"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(tmp_path / "log.db")) as opened:
        yield opened


def batch(first: int, count: int, *, twice: int | None = None) -> Batch:
    """Records with a segment each, and a request that begins with each. twice: the number that one of them repeats."""
    numbers = [*range(first, first + count)]
    if twice is not None:
        numbers[-2] = twice
    return Batch(
        leaves=[(LOG, seq, b"header %d" % seq) for seq in numbers],
        bodies=[(LOG, seq, "prompt", f"{seq:032x}", b"sealed %d" % seq, b"wrap") for seq in numbers],
        begun=[(f"{seq:032x}", LOG, f"req_{seq}", "a" * 32) for seq in numbers],
        edges={
            LOG: Edge(Frontier().extended(leaf_hash(b"header %d" % seq) for seq in range(first + count)), first + count)
        },
    )


def numbers(store: SqliteStore, table: str) -> list[int]:
    return [row[0] for row in store.connection.execute(f"select seq from {table} order by rowid")]


@pytest.mark.parametrize("count", [1, 2, 4, 15, 16, 63, 64, 65, 149, 512])
def test_every_row_of_a_batch_is_there(store: SqliteStore, count: int) -> None:
    """In its order, with its own bytes; the next batch stands behind it."""
    for first in (0, count):
        store.extend([LOG], lambda _, edges, first=first: batch(first, count))
    assert numbers(store, "leaf") == numbers(store, "body") == [*range(2 * count)]
    found = [*store.records(LOG)]
    assert [one.header for one in found] == [b"header %d" % seq for seq in range(2 * count)]
    assert [one.bodies[0].ciphertext for one in found] == [b"sealed %d" % seq for seq in range(2 * count)]
    assert store.connection.execute("select count(*) from open_request").fetchone() == (2 * count,)
    assert store.edge(LOG).frontier.size == 2 * count


@pytest.mark.parametrize("count", [2, 17, 70])
def test_a_batch_that_repeats_a_row_is_not_there_at_all(store: SqliteStore, count: int) -> None:
    """Neither the rows before the one that is refused nor those of other tables; and the store writes on."""
    store.extend([LOG], lambda _, edges: batch(0, 3))
    for twice in (0, 2):
        with pytest.raises(LogUnavailable, match="SQLITE_CONSTRAINT"):
            store.extend([LOG], lambda _, edges, twice=twice: batch(3, count, twice=twice))
        assert numbers(store, "leaf") == numbers(store, "body") == [0, 1, 2]
        assert store.connection.execute("select count(*) from open_request").fetchone() == (3,)
        assert store.edge(LOG).frontier.size == 3
    store.extend([LOG], lambda _, edges: batch(3, count))
    assert numbers(store, "leaf") == [*range(3 + count)]
