"""What somebody who can write the files might try, and that both verifiers find it (threats T1 to T10)."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.errors import AuditError, NothingToVerify, RolledBack
from audit.log import AuditLog
from audit.tree import Frontier, leaf_hash
from audit.verify import Outcome, verify_folder

from .conftest import independent, request

LOG = "haechi.local/audit/default"
OTHER = "haechi.local/audit/acme"
Attack = Callable[[sqlite3.Connection], object]


def rebuild(db: sqlite3.Connection, log: str) -> None:
    """Recompute the stored tree over whatever leaves there are now, as an insider without the signing key would."""
    leaves = [leaf_hash(row[0]) for row in db.execute("select header from leaf where log = ? order by seq", (log,))]
    grown = Frontier().extended(leaves)
    db.execute("update edge set size = ?, hashes = ? where log = ?", (grown.size, grown.to_bytes(), log))


def edit_header(db: sqlite3.Connection) -> None:
    (header,) = db.execute("select header from leaf where log = ? and seq = 1", (LOG,)).fetchone()
    edited = header.replace(b'"dec":"allow"', b'"dec":"block"')
    db.execute("update leaf set header = ? where log = ? and seq = 1", (edited, LOG))


def edit_and_rebuild(db: sqlite3.Connection) -> None:
    edit_header(db)
    rebuild(db, LOG)


def cut_tail(db: sqlite3.Connection) -> None:
    db.execute("delete from leaf where log = ? and seq >= 6", (LOG,))
    db.execute("delete from body where log = ? and seq >= 6", (LOG,))
    db.execute("delete from checkpoint where log = ? and size > 6", (LOG,))
    rebuild(db, LOG)


def swap_records(db: sqlite3.Connection) -> None:
    for old, new in ((1, 100), (2, 1), (100, 2)):
        db.execute("update leaf set seq = ? where log = ? and seq = ?", (new, LOG, old))


def swap_bodies(db: sqlite3.Connection) -> None:
    rows = db.execute("select seq, ciphertext, wrap from body where log = ? and seq in (0, 2)", (LOG,)).fetchall()
    for (seq, *_), (_, ciphertext, wrap) in zip(rows, reversed(rows), strict=True):
        db.execute("update body set ciphertext = ?, wrap = ? where log = ? and seq = ?", (ciphertext, wrap, LOG, seq))


ATTACKS: dict[str, Attack] = {
    "edit a header": edit_header,
    "edit a header and rebuild the tree": edit_and_rebuild,
    "edit a body": lambda db: db.execute(
        "update body set ciphertext = zeroblob(300) where log = ? and seq = 0", (LOG,)
    ),
    "move a body to another key": lambda db: db.execute("update body set kid = lower(hex(zeroblob(16))) where seq = 0"),
    "delete a record in the middle": lambda db: db.execute("delete from leaf where log = ? and seq = 3", (LOG,)),
    "delete a body": lambda db: db.execute("delete from body where log = ? and seq = 3", (LOG,)),
    "add a body": lambda db: db.execute("insert into body values (?, 3, 'more', 'x', x'00', x'00')", (LOG,)),
    "swap two records": swap_records,
    "swap two bodies": swap_bodies,
    "cut the tail, its checkpoints too": cut_tail,
    "remove a whole log": lambda db: [
        db.execute(f"delete from {t} where log = ?", (LOG,)) for t in ("leaf", "body", "edge", "checkpoint")
    ],
    "rename a log into another tenant": lambda db: [
        db.execute(f"delete from {t} where log = ?", (OTHER,))
        and db.execute(f"update {t} set log = ? where log = ?", (OTHER, LOG))
        for t in ("leaf", "body", "edge", "checkpoint")
    ],
    "edit a checkpoint": lambda db: db.execute(
        "update checkpoint set note = replace(note, '— ', '—  ') where log = ?", (LOG,)
    ),
    "edit the stored tree": lambda db: db.execute(
        "update edge set hashes = zeroblob(length(hashes)) where log = ?", (LOG,)
    ),
}


def test_an_honest_history_is_intact_for_both_verifiers(history: Path) -> None:
    """No false alarm: also after a second process has opened the folder."""
    proof = verify_folder(history)
    assert proof.outcome is Outcome.INTACT, proof
    assert sum(log.records for log in proof.logs) > 16
    assert independent(history) == 0


@pytest.mark.parametrize("name", ATTACKS)
def test_both_verifiers_find(history: Path, name: str) -> None:
    """Whatever is changed in the database without the signing key is found."""
    with sqlite3.connect(history / "log.db") as db:
        ATTACKS[name](db)
    db.close()
    assert verify_folder(history).outcome is Outcome.TAMPERED
    assert independent(history) == 1


def test_every_flipped_bit_of_a_header_is_found(history: Path) -> None:
    """Each bit of one record, one at a time."""
    db = sqlite3.connect(history / "log.db")
    (header,) = db.execute("select header from leaf where log = ? and seq = 2", (LOG,)).fetchone()
    for at in range(0, len(header) * 8, 7):
        flipped = bytearray(header)
        flipped[at // 8] ^= 1 << (at % 8)
        db.execute("update leaf set header = ? where log = ? and seq = 2", (bytes(flipped), LOG))
        db.commit()
        assert verify_folder(history).outcome is Outcome.TAMPERED, at
    db.close()


def test_without_a_pin_truncation_cannot_be_excluded_and_is_not_called_intact(history: Path) -> None:
    """The answer is "cannot tell", with exit code 3, never "ok"."""
    shutil.rmtree(history.with_name("audit-pins"))
    proof = verify_folder(history)
    assert proof.outcome is Outcome.CANNOT_TELL
    assert any("truncation cannot be excluded" in doubt for log in proof.logs for doubt in log.doubts)
    assert independent(history) == 3


def test_nothing_to_verify_is_said_so(tmp_path: Path) -> None:
    """A verifier that says ok when given nothing is worse than none."""
    with pytest.raises(NothingToVerify):
        verify_folder(tmp_path)
    assert independent(tmp_path) == 3


def test_a_restored_old_copy_is_refused_by_the_signer_and_found_by_the_verifier(folder: Path, tmp_path: Path) -> None:
    """After a rollback the log does not open, so no second history is signed (T5)."""
    with AuditLog.open(folder) as log:
        request(log, 1)
    shutil.copytree(folder, tmp_path / "old")
    with AuditLog.open(folder) as log:
        request(log, 2)
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "old", folder)
    with pytest.raises(RolledBack):
        AuditLog.open(folder)
    assert verify_folder(folder).outcome is Outcome.TAMPERED
    assert independent(folder) == 1


def test_segments_cannot_be_moved_between_records(history: Path) -> None:
    """Ciphertext and wrap are bound to their record: moved with their kid, commitment and hash they still do not open (T10)."""
    with sqlite3.connect(history / "log.db") as db:
        swap_bodies(db)
    db.close()
    with AuditLog.open(history) as log, pytest.raises(AuditError):
        log.read("default", 0, who="auditor-1", purpose="incident", ticket="T-1")
