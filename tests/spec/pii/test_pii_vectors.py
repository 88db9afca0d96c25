"""The tables under tests/vectors/pii: what is found, where exactly, and what must not be taken for it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import pytest

from guard import secrets
from guard.fold import build_views
from guard.pii import scanners
from guard.scanner import Match

TABLES = sorted((Path(__file__).parents[2] / "vectors" / "pii").glob("*.tsv"))


@dataclass(frozen=True)
class Vector:
    table: str
    line: int
    text: str
    entity: str
    start: int
    end: int
    expect: str

    def __str__(self) -> str:
        return f"{self.table}:{self.line}:{self.entity}:{self.expect}"


def vectors() -> list[Vector]:
    found = []
    for table in TABLES:
        with table.open(encoding="utf-8", newline="") as lines:
            rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
            for row in rows:
                text = row["text"].replace("\\n", "\n")
                place = (int(row["start"]), int(row["end"]))
                found.append(Vector(table.stem, rows.line_num, text, row["entity"], *place, row["expect"]))
    return found


def matches(text: str) -> list[Match]:
    views = build_views(text)
    return [match for scanner in (*scanners(), *secrets.scanners()) for match in scanner.scan(views)]


@pytest.mark.parametrize("vector", vectors(), ids=str)
def test_vector(vector: Vector) -> None:
    """`found`: exactly this range with this kind. `absent`: nothing of this kind touches the range."""
    found = [(m.start, m.end) for m in matches(vector.text) if m.entity == vector.entity]
    if vector.expect == "found":
        assert (vector.start, vector.end) in found, (vector.text, matches(vector.text))
    else:
        assert vector.expect == "absent"
        touching = [(a, b) for a, b in found if a < vector.end and vector.start < b]
        assert not touching, (vector.text, [vector.text[a:b] for a, b in touching])


def test_every_kind_has_positives_and_near_misses() -> None:
    """Each table has both, and every kind of personal data stands in some table."""
    kinds = {vector.entity for vector in vectors() if vector.expect == "found"}
    wanted = {entity for scanner in scanners() for entity in scanner.entities}
    assert wanted <= kinds, wanted - kinds
    for table in TABLES:
        rows = [v.expect for v in vectors() if v.table == table.stem]
        assert "found" in rows
        assert "absent" in rows
