"""What somebody who can write the files might try, and that both verifiers find it (threats T1 to T10)."""

from __future__ import annotations

import hashlib
import hmac
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import Event, EventType, canonical
from audit.errors import AuditError, NothingToVerify, RolledBack, TamperedLog
from audit.header import context_of
from audit.log import AuditLog
from audit.note import Checkpoint, sign
from audit.pins import Pins
from audit.seal import Sealed, SubjectKey, seal, unseal
from audit.store import SqliteStore
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
    "empty a body, its key kept": lambda db: db.execute(
        "update body set ciphertext = null where log = ? and seq = 3", (LOG,)
    ),
    "add a body behind the last record": lambda db: db.execute(
        "insert into body values (?, 99, 'prompt', 'x', x'00', x'00')", (LOG,)
    ),
    "add a body that has no number": lambda db: db.execute(
        "insert into body values (?, 'three', 'prompt', 'x', x'00', x'00')", (LOG,)
    ),
    "a body as text": lambda db: db.execute(
        "update body set ciphertext = hex(ciphertext) where log = ? and seq = 3", (LOG,)
    ),
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
    assert {log.log.rsplit("/", 1)[-1]: (log.records, log.segments, log.erased) for log in proof.logs} == {
        "_system": (proof.logs[0].records, 0, 0), "default": (8, 8, 0), "acme": (8, 8, 0),
    }  # fmt: skip
    assert independent(history) == 0


def test_one_tenant_can_be_asked_for(history: Path) -> None:
    """Its log and the system log are shown; a tenant without a log is an answer of its own; a log that vanished is an attack."""
    assert {log.log.rsplit("/", 1)[-1] for log in verify_folder(history, tenant="acme").logs} == {"acme", "_system"}
    with pytest.raises(NothingToVerify, match="no log of tenant 'nobody'"):
        verify_folder(history, tenant="nobody")
    with sqlite3.connect(history / "log.db") as db:
        ATTACKS["remove a whole log"](db)
    db.close()
    assert verify_folder(history, tenant="default").outcome is Outcome.TAMPERED
    assert verify_folder(history, tenant="nobody").outcome is Outcome.TAMPERED


def test_a_body_that_is_gone_is_excused_by_a_finished_erasure_and_by_nothing_less(history: Path) -> None:
    """That somebody meant to erase it, and wrote that down, is no certificate."""
    with sqlite3.connect(history / "log.db") as db:
        (kid,) = db.execute("select kid from body where log = ? and seq = 3", (LOG,)).fetchone()
    with AuditLog.open(history) as log:
        log.record(
            Event(
                EventType.ERASURE_INTENT,
                "_system",
                "dsr-1",
                act="erase",
                decision="none",
                reason="gdpr_17",
                kids=(kid,),
            )
        )
    with sqlite3.connect(history / "log.db") as db:
        db.execute("update body set ciphertext = null, wrap = null where kid = ?", (kid,))
    db.close()
    proof = verify_folder(history)
    assert proof.outcome is Outcome.TAMPERED
    assert any("gone without a certificate" in problem for one in proof.logs for problem in one.problems)


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


def test_a_pin_that_the_log_never_signed_is_a_problem_of_its_own(history: Path) -> None:
    """Somebody exchanged what is remembered outside, or a bit of it flipped: not silence, and not a cut tail."""
    [path] = [path for path in Pins.beside(history).glob("*.note") if path.read_bytes().startswith(LOG.encode())]
    good = path.read_bytes()
    spot = good.rindex(b" ") + 20
    for wrong in (
        good[:spot] + (b"A" if good[spot : spot + 1] != b"A" else b"B") + good[spot + 1 :],
        sign(Checkpoint(LOG, 8, bytes(32)), Ed25519PrivateKey.generate()),
    ):
        path.write_bytes(wrong)
        proof = verify_folder(history)
        assert "the remembered checkpoint" in str([one.problems for one in proof.logs])
        assert independent(history) == 1


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


def test_a_log_without_a_record_is_not_called_intact(folder: Path) -> None:
    """Database and key are there, and nothing is in it (T28)."""
    AuditLog.open(folder).close()
    with sqlite3.connect(folder / "log.db") as db:
        for table in ("leaf", "body", "edge", "checkpoint"):
            db.execute(f"delete from {table}")
    db.close()
    assert verify_folder(folder).outcome is Outcome.TAMPERED
    shutil.rmtree(folder.with_name("audit-pins"))
    with pytest.raises(NothingToVerify):
        verify_folder(folder)
    assert independent(folder) == 3


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


def test_every_pair_of_records_that_is_swapped_is_found(history: Path) -> None:
    """All pairs of one log (T3)."""
    db = sqlite3.connect(history / "log.db", isolation_level=None)
    rows = db.execute("select seq, header from leaf where log = ? order by seq", (LOG,)).fetchall()
    for one in range(len(rows)):
        for other in range(one):
            for seq, header in ((one, rows[other][1]), (other, rows[one][1])):
                db.execute("update leaf set header = ? where log = ? and seq = ?", (header, LOG, seq))
            assert verify_folder(history).outcome is Outcome.TAMPERED, (one, other)
            for seq in (one, other):
                db.execute("update leaf set header = ? where log = ? and seq = ?", (rows[seq][1], LOG, seq))
    db.close()
    assert verify_folder(history).outcome is Outcome.INTACT


def test_a_log_that_was_rewritten_and_signed_with_another_key_is_found(history: Path) -> None:
    """Tree and checkpoints are recomputed over the changed records, by somebody without the signing key (T6)."""
    forger = Ed25519PrivateKey.generate()
    with sqlite3.connect(history / "log.db") as db:
        edit_and_rebuild(db)
        leaves = [leaf_hash(row[0]) for row in db.execute("select header from leaf where log = ? order by seq", (LOG,))]
        for (size,) in db.execute("select size from checkpoint where log = ?", (LOG,)).fetchall():
            grown = Frontier().extended(leaves[:size])
            note = sign(Checkpoint(LOG, size, grown.root()), forger)
            db.execute(
                "update checkpoint set hashes = ?, note = ? where log = ? and size = ?",
                (grown.to_bytes(), note, LOG, size),
            )
    db.close()
    assert verify_folder(history).outcome is Outcome.TAMPERED
    assert independent(history) == 1


def test_who_signs_another_history_with_the_real_key_is_found_by_a_pin(history: Path, tmp_path: Path) -> None:
    """With the signing key and the folder's pins everything looks intact; the auditor's own pin remembers (T7)."""
    shutil.copytree(history.with_name("audit-pins"), tmp_path / "mine")
    shutil.rmtree(history.with_name("audit-pins"))
    with sqlite3.connect(history / "log.db") as db:
        cut_tail(db)
        db.execute("delete from checkpoint")
        for name in ("default", "acme", "_system"):
            rows = db.execute("select seq, header from leaf where log like ? order by seq", (f"%/{name}",)).fetchall()
            keep = [row for row in rows if b'"heads":' not in row[1]]
            db.execute("delete from leaf where log like ?", (f"%/{name}",))
            log = f"haechi.local/audit/{name}"
            for seq, (_, header) in enumerate(keep):
                db.execute("insert into leaf values (?, ?, ?)", (log, seq, header))
            rebuild(db, log)
    db.close()
    with AuditLog.open(history) as log:
        request(log, 99)
    assert verify_folder(history, pins=tmp_path / "mine").outcome is Outcome.TAMPERED


def test_one_subject_key_opens_that_subjects_segments_of_that_month_and_class_only(history: Path) -> None:
    """The blast radius of a stolen key (T12)."""
    with AuditLog.open(history) as log:
        stolen = log.keys.entries("default", "user-0")[0]
        key = log.keys.for_reading(stolen.kid)
        assert key is not None
        store = SqliteStore(history / "log.db", read_only=True)
        opened = set()
        for name in (LOG, OTHER):
            for record in store.records(name):
                header = canonical.decode(record.header)
                context = hashlib.sha256(b"haechi-audit/1\0" + context_of(record.header)).digest()
                for part, body in zip(header["segs"], record.bodies, strict=True):
                    sealed = Sealed(
                        body.ciphertext or b"", body.wrap or b"", bytes.fromhex(part["ch"]), bytes.fromhex(part["kc"])
                    )
                    for kid in {part["kid"], stolen.kid}:
                        with suppress(AuditError):
                            unseal(context, part["n"], sealed, SubjectKey(kid, key.key))
                            opened.add(part["kid"])
        store.close()
    assert opened == {stolen.kid}


def test_equal_randomness_gives_different_keys_to_different_records() -> None:
    """A cloned machine with the same random state: the record's context still separates the content keys (T19)."""
    record_key = b"r" * 32
    contexts = [hashlib.sha256(bytes([n])).digest() for n in range(100)]
    derived = {
        hmac.digest(record_key, b"enc\0" + context + name, "sha256") for context in contexts for name in (b"a", b"b")
    }
    assert len(derived) == 200


def test_a_key_that_was_not_committed_to_is_refused_before_decryption() -> None:
    """A ciphertext that another key would open as something else is of no use: `kc` names the one key (T11)."""
    subject = SubjectKey("0" * 32, b"k" * 32)
    context = b"c" * 32
    first, second = (seal(context, "prompt", text, subject) for text in (b"one", b"two"))
    for mixed in (
        Sealed(first.ciphertext, second.wrap, first.ch, first.kc),
        Sealed(first.ciphertext, second.wrap, first.ch, second.kc),
        Sealed(second.ciphertext, first.wrap, second.ch, second.kc),
    ):
        with pytest.raises(TamperedLog):
            unseal(context, "prompt", mixed, subject)
