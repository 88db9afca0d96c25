"""Which rows made which run: manifests of data files, and the mark of a run that learned from an erased person.

A data file that `haechi data build` wrote has `FILE.manifest.json` beside it: a Merkle root over its row hashes, and for
each row its hash and the opaque key of the person. A run keeps the hashes of the rows it used in `rows.json`, so that the
two can be compared after somebody's erasure. The mark is `contains-erased.json` in the run's folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alignment.errors import TaintedRun

MANIFEST: Final = ".manifest.json"
TAINT: Final = "contains-erased.json"
ROWS: Final = "rows.json"


@dataclass(frozen=True, slots=True)
class Taint:
    """A run's rows that should not have been learned from. found: when it was noticed, a date."""

    rows: int
    found: str


def taint_of(run: Path) -> Taint | None:
    """The mark of a run; an unreadable mark counts as one."""
    path = run / TAINT
    if not path.exists():
        return None
    try:
        said = json.loads(path.read_text("utf-8"))
        return Taint(int(said["rows"]), str(said["found"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Taint(0, "unknown")


def refuse_tainted(run: Path) -> None:
    """Raises TaintedRun when the run learned from somebody who was erased since."""
    taint = taint_of(run)
    if taint is not None:
        raise TaintedRun(
            f"{run} was trained on {taint.rows} row(s) of erased people (found {taint.found})",
            hint="haechi data build made a clean file; train again on it",
        )


def mark_tainted(run: Path, rows: int, found: str) -> None:
    """Mark a run; a mark that is there stays as it is."""
    path = run / TAINT
    if not path.exists():
        beside = path.with_suffix(".partial")
        beside.write_text(json.dumps({"rows": rows, "found": found}), "utf-8")
        beside.replace(path)


def write_rows(run: Path, hashes: Sequence[str], *, trained: int) -> None:
    """Remember which rows a run was given; the first `trained` of them are those it learns from, the others are held out."""
    beside = (run / ROWS).with_suffix(".partial")
    beside.write_text(json.dumps({"root": merkle_root(hashes), "trained": trained, "rows": list(hashes)}), "utf-8")
    beside.replace(run / ROWS)


def read_rows_of(run: Path) -> frozenset[str]:
    """The hashes of a run's rows; none when it is no run."""
    return frozenset(_rows_of(run)[0])


def trained_rows_of(run: Path) -> frozenset[str]:
    """The hashes of the rows that a run learned from, without those it held out; none when it is no run."""
    rows, trained = _rows_of(run)
    return frozenset(rows[:trained])


def _rows_of(run: Path) -> tuple[list[str], int]:
    try:
        said = json.loads((run / ROWS).read_text("utf-8"))
        rows = list(said["rows"])
        return rows, int(said.get("trained", len(rows)))
    except (OSError, ValueError, KeyError, TypeError):
        return [], 0


def merkle_root(hashes: Sequence[str]) -> str:
    """RFC 6962's tree hash over row hashes (64 hex digits each), as `sha256:<hex>`."""
    return "sha256:" + _tree([hashlib.sha256(b"\0" + bytes.fromhex(h)).digest() for h in hashes]).hex()


def _tree(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\1" + _tree(leaves[:half]) + _tree(leaves[half:])).digest()


def inclusion_proof(hashes: Sequence[str], index: int) -> list[str]:
    """The audit path of row `index` to `merkle_root(hashes)`, nearest first (RFC 6962 section 2.1.1), hex digests."""
    return [step.hex() for step in _path([hashlib.sha256(b"\0" + bytes.fromhex(h)).digest() for h in hashes], index)]


def included(row: str, index: int, size: int, proof: Sequence[str], root: str) -> bool:
    """Whether a proof shows that row hash `row` is number `index` of `size` rows under `root` (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, hashlib.sha256(b"\0" + bytes.fromhex(row)).digest()
    for step in proof:
        if last == 0:
            return False
        other = bytes.fromhex(step)
        if at & 1 or at == last:
            found = hashlib.sha256(b"\1" + other + found).digest()
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = hashlib.sha256(b"\1" + found + other).digest()
        at, last = at >> 1, last >> 1
    return last == 0 and "sha256:" + found.hex() == root


def _path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    if len(leaves) <= 1:
        return []
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    if index < half:
        return [*_path(leaves[:half], index), _tree(leaves[half:])]
    return [*_path(leaves[half:], index - half), _tree(leaves[:half])]
