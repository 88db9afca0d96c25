"""Erasing a person, expiring a class, holding both: by the destruction of keys, shown by what is left in the files."""

from __future__ import annotations

import shutil
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit import AuditLog, Event, EventType, Segment
from audit.erase import Eraser, Why, due
from audit.errors import ErasureIncomplete, KeysUnavailable, RolledBack, TamperedLog, UnknownHold, UnknownSubject
from audit.keycheck import KeyChecker
from audit.store import SqliteStore
from audit.verify import Outcome, verify_folder
from haechi.base.clock import FixedClock

from .conftest import independent, request

WHY = Why("officer-1", "T-9", "gdpr-17-1-b", "dsar-1")


def contents(log: AuditLog, count: int) -> list[bytes | None]:
    """The first segment of the first records of the default tenant."""
    return [log.read("default", seq, who="a", purpose="test", ticket="T")[0].content for seq in range(count)]


def wrapped_keys(folder: Path) -> list[bytes]:
    with sqlite3.connect(folder / "keys.db") as db:
        found = [row[0] for row in db.execute("select wrapped from subject_key")]
    db.close()
    return found


class TestErasure:
    def test_the_subject_is_unreadable_everybody_else_is_not_and_the_tree_stands(self, folder: Path) -> None:
        """100 % of the subject's segments are gone, 100 % of the others open, both verifiers say intact."""
        with AuditLog.open(folder) as log:
            for number in range(6):
                request(log, number, user=f"user-{number % 2}")
            certificate = Eraser(log).erase("default", "user-1", WHY)
            assert certificate.segments == 6
            texts = contents(log, 12)
            assert [text is None for text in texts] == [number % 2 == 1 for number in range(6) for _ in range(2)]
        proof = verify_folder(folder)
        assert proof.outcome is Outcome.INTACT, proof
        assert sum(one.erased for one in proof.logs) == 6
        assert independent(folder) == 0

    def test_no_byte_of_a_destroyed_key_is_left_in_the_key_store(self, folder: Path) -> None:
        """Neither in the database nor in its journal."""
        with AuditLog.open(folder) as log:
            for number in range(4):
                request(log, number, user=f"user-{number}")
            before = wrapped_keys(folder)
            Eraser(log).erase("default", "user-2", WHY)
            after = wrapped_keys(folder)
            gone = [key for key in before if key not in after]
            data = b"".join(path.read_bytes() for path in folder.glob("keys.db*"))
        assert len(gone) == 1
        assert gone[0] not in data
        assert all(key in data for key in after)

    def test_what_a_person_writes_after_an_erasure_has_a_new_key(self, folder: Path) -> None:
        """Also in a process that had the old key in memory."""
        with AuditLog.open(folder) as writer, AuditLog.open(folder) as officer:
            request(writer, 1)
            Eraser(officer).erase("default", "user-1", WHY)
            request(writer, 2)
            assert contents(writer, 4) == [None, None, b"question 2 of user-1", b"answer 2"]
        assert verify_folder(folder).outcome is Outcome.INTACT

    def test_a_person_who_is_not_there_is_not_reported_as_erased(self, folder: Path) -> None:
        """Neither a misspelled name nor a second time nor another tenant."""
        with AuditLog.open(folder) as log:
            request(log, 1)
            for tenant, subject in (("default", "user-l"), ("acme", "user-1")):
                with pytest.raises(UnknownSubject):
                    Eraser(log).erase(tenant, subject, WHY)
            Eraser(log).erase("default", "user-1", WHY)
            with pytest.raises(UnknownSubject):
                Eraser(log).erase("default", "user-1", WHY)

    def test_an_erasure_cut_short_is_finished_at_the_next_opening(self, folder: Path) -> None:
        """The process dies after the intent, and after the keys are gone: both times the next one brings it to its end."""
        with AuditLog.open(folder) as log:
            request(log, 1)
            request(log, 2, user="user-2")
            kids = [entry.kid for entry in log.keys.entries("default", "user-1")]
        for when in ("after the intent", "after the keys"):
            dying = AuditLog.open(folder)
            intent = Event(
                EventType.ERASURE_INTENT,
                "_system",
                "dsar-1",
                act="erase",
                decision="none",
                reason="x",
                kids=tuple(kids),
            )
            dying.append_system(intent).durable.result(10)
            if when == "after the keys":
                dying.keys.destroy(kids, 1)
            kill(dying, folder)
            with AuditLog.open(folder) as log:
                assert contents(log, 4) == [None, None, b"question 2 of user-2", b"answer 2"]
            assert verify_folder(folder).outcome is Outcome.INTACT

    def test_a_restored_key_store_is_emptied_again_before_anything_is_served(
        self, folder: Path, tmp_path: Path
    ) -> None:
        """A backup of the keys from before the erasure does not bring the content back; the repetition is recorded."""
        with AuditLog.open(folder) as log:
            request(log, 1)
        shutil.copy(folder / "keys.db", tmp_path / "keys.backup")
        with AuditLog.open(folder) as log:
            Eraser(log).erase("default", "user-1", WHY)
        shutil.copy(tmp_path / "keys.backup", folder / "keys.db")
        with AuditLog.open(folder) as log:
            assert not log.keys.entries("default", "user-1")
            assert contents(log, 2) == [None, None]
        assert b"erasure.replayed" in b"".join(leaf for _, leaf in system(folder))

    def test_a_restored_whole_folder_is_refused(self, folder: Path, tmp_path: Path) -> None:
        """Its log is older than what was signed, so it is not opened at all."""
        with AuditLog.open(folder) as log:
            request(log, 1)
        shutil.copytree(folder, tmp_path / "backup")
        with AuditLog.open(folder) as log:
            Eraser(log).erase("default", "user-1", WHY)
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "backup", folder)
        with pytest.raises(RolledBack):
            AuditLog.open(folder)

    @pytest.mark.parametrize(
        ("file", "sabotage", "says"),
        [
            ("keys.db-old", "", "1 copies of destroyed keys are left"),
            (
                "log.db",
                "create trigger keep before update of ciphertext on body begin select raise(ignore); end",
                "a key or a body is still there",
            ),
            (
                "log.db",
                "update body set wrap = zeroblob(60) where log like '%/default' and seq > 1",
                "2 of .* other segments do not open",
            ),
            (
                "log.db",
                "update leaf set header = replace(cast(header as text), 'allow', 'block') where seq = 0",
                "the tree of .*/default is not the one before",
            ),
        ],
        ids=["a copy of the key store", "a body that stays", "others that no longer open", "a changed record"],
    )
    def test_nothing_is_certified_that_is_not_so(self, folder: Path, file: str, sabotage: str, says: str) -> None:
        """A copy that is left, content that stays, another person's damage, a changed tree: no certificate, and why."""
        with AuditLog.open(folder) as log:
            request(log, 1)
            request(log, 2, user="user-2")
            log.sign()
            with sqlite3.connect(folder / "log.db") as db:
                db.execute("delete from checkpoint")  # so that the tree is computed from the records
            db.close()
            if sabotage:
                with sqlite3.connect(folder / file) as db:
                    db.execute(sabotage)
                db.close()
            else:
                shutil.copy(folder / "keys.db", folder / file)
            with pytest.raises(ErasureIncomplete, match=says):
                Eraser(log).erase("default", "user-1", WHY)
            assert b"erasure.done" not in b"".join(leaf for _, leaf in system(folder))

    def test_a_key_that_another_process_destroys_just_now_is_no_damage(self, folder: Path) -> None:
        """Somebody else's erasure, between its keys and its bodies, does not stop this one."""
        with AuditLog.open(folder) as log:
            request(log, 1)
            request(log, 2, user="user-2")
            log.keys.destroy([entry.kid for entry in log.keys.entries("default", "user-2")], 0)
            assert Eraser(log).erase("default", "user-1", WHY).segments == 2

    @pytest.mark.slow
    def test_ten_thousand_records_of_one_person_are_erased_within_five_seconds(self, folder: Path) -> None:
        """Of CPU well below one, which a neighbour's load does not change (bar B10)."""
        with AuditLog.open(folder) as log:
            acks = []
            for number in range(10_000):
                segment = Segment("prompt", b"x" * 300, subject="user-1")
                acks.append(
                    log.append(Event(EventType.RESPONSE_COMPLETED, "default", f"r{number}", segments=(segment,)))
                )
            acks[-1].durable.result(60)
            began = time.process_time()
            assert Eraser(log).erase("default", "user-1", WHY).segments == 10_000
            assert time.process_time() - began < 1


class TestVerification:
    def test_content_that_is_gone_without_a_certificate_is_found(self, history: Path) -> None:
        """Deleting bodies and keys by hand is not an erasure (T15)."""
        with sqlite3.connect(history / "log.db") as db:
            db.execute("update body set ciphertext = null, wrap = null where log like '%/default' and seq = 0")
        db.close()
        assert verify_folder(history).outcome is Outcome.TAMPERED
        assert independent(history) == 1

    def test_content_that_came_back_after_its_certificate_is_found(self, folder: Path) -> None:
        """A body restored from a backup is "still present although erased"."""
        with AuditLog.open(folder) as log:
            request(log, 1)
            with sqlite3.connect(folder / "log.db") as db:
                rows = db.execute("select * from body where log like '%/default'").fetchall()
            db.close()
            Eraser(log).erase("default", "user-1", WHY)
        with sqlite3.connect(folder / "log.db") as db:
            db.executemany("insert or replace into body values (?, ?, ?, ?, ?, ?)", rows)
        db.close()
        proof = verify_folder(folder)
        assert any("still present" in problem for log_proof in proof.logs for problem in log_proof.problems)
        assert independent(folder) == 1

    def test_with_the_keys_at_hand_a_changed_wrap_and_a_missing_key_are_found(self, history: Path) -> None:
        """Wrapped keys are outside the tree, because erasure removes them; who holds the keys can check them too."""
        with AuditLog.open(history) as log:
            assert verify_folder(history, key_check=KeyChecker(log.keys)).outcome is not Outcome.TAMPERED
            entry = log.keys.entries("default")[0]
            log.keys.destroy([entry.kid], 0)
            proof = verify_folder(history, key_check=KeyChecker(log.keys))
        assert any("destroyed without a certificate" in text for one in proof.logs for text in one.problems)

    def test_a_flipped_bit_of_a_wrap_is_found_with_the_keys(self, history: Path) -> None:
        """And the reader refuses it."""
        with sqlite3.connect(history / "log.db") as db:
            (wrap,) = db.execute("select wrap from body where log like '%/default' and seq = 0").fetchone()
            flipped = wrap[:-1] + bytes([wrap[-1] ^ 1])
            db.execute("update body set wrap = ? where log like '%/default' and seq = 0", (flipped,))
        db.close()
        with AuditLog.open(history) as log:
            assert verify_folder(history, key_check=KeyChecker(log.keys)).outcome is Outcome.TAMPERED
            with pytest.raises(TamperedLog):
                contents(log, 1)


class TestHolds:
    @pytest.mark.parametrize("subject", ["user-1", None], ids=["subject", "whole tenant"])
    def test_a_hold_defers_an_erasure_and_lifting_it_allows_it(self, folder: Path, subject: str | None) -> None:
        """The deferral is recorded; nothing is destroyed meanwhile."""
        with AuditLog.open(folder) as log:
            request(log, 1)
            eraser = Eraser(log)
            hold = eraser.place_hold("default", subject, WHY)
            assert eraser.erase("default", "user-1", WHY).deferred_by == hold.id
            assert contents(log, 1) == [b"question 1 of user-1"]
            eraser.lift_hold(hold.id, WHY)
            assert eraser.erase("default", "user-1", WHY).segments == 2
            with pytest.raises(UnknownHold):
                eraser.lift_hold(hold.id, WHY)
        kinds = b"".join(leaf for _, leaf in system(folder))
        assert all(kind in kinds for kind in (b"hold.placed", b"erasure.deferred", b"hold.lifted", b"erasure.done"))

    def test_a_hold_on_one_person_does_not_hold_another(self, folder: Path) -> None:
        """Nor the same name in another tenant."""
        with AuditLog.open(folder) as log:
            request(log, 1)
            request(log, 2, user="user-2")
            Eraser(log).place_hold("default", "user-1", WHY)
            Eraser(log).place_hold("acme", None, WHY)
            assert Eraser(log).erase("default", "user-2", WHY).segments == 2


class TestRotation:
    def test_everything_still_opens_also_in_a_process_that_knows_the_old_keys(self, folder: Path) -> None:
        """Old and new persons, before and after; no content is rewritten."""
        with AuditLog.open(folder) as writer, AuditLog.open(folder) as officer:
            request(writer, 1)
            before = wrapped_keys(folder)
            assert Eraser(officer).rotate(WHY) >= 1
            assert not set(before) & set(wrapped_keys(folder))
            request(writer, 2, user="user-2")
            request(officer, 3, user="user-1")
            assert contents(writer, 6)[::2] == [
                b"question 1 of user-1",
                b"question 2 of user-2",
                b"question 3 of user-1",
            ]
            Eraser(writer).rotate(WHY)
            assert Eraser(officer).erase("default", "user-1", WHY).segments == 4
            assert contents(officer, 6)[::2] == [None, b"question 2 of user-2", None]
        proof = verify_folder(folder)
        assert proof.outcome is Outcome.INTACT, proof

    def test_a_hold_on_a_person_who_was_never_seen_is_kept(self, folder: Path) -> None:
        """In a tenant without content, too; it then protects what comes."""
        with AuditLog.open(folder) as log:
            Eraser(log).place_hold("default", "user-1", WHY)
            request(log, 1)
            assert Eraser(log).erase("default", "user-1", WHY).deferred_by

    def test_a_key_store_of_another_version_is_refused(self, folder: Path) -> None:
        """With both versions named, and untouched."""
        AuditLog.open(folder).close()
        with sqlite3.connect(folder / "keys.db") as db:
            db.execute("pragma user_version=9")
        db.close()
        with pytest.raises(KeysUnavailable, match="version 9"):
            AuditLog.open(folder)


class TestRetention:
    def test_content_expires_before_longer_classes_and_holds_are_kept(self, folder: Path) -> None:
        """A class of 30 days ends 30 days after its month; one of a year, and what is held, stay."""
        clock = FixedClock(int(datetime(2026, 1, 15, tzinfo=UTC).timestamp() * 1e6))
        with AuditLog.open(folder, clock=clock) as log:
            for subject, retention in (("a", "content-30d"), ("b", "content-30d"), ("a", "content-1y")):
                segment = Segment("prompt", b"text", subject, retention)
                event = Event(EventType.REQUEST_RECEIVED, "default", "r", segments=(segment,))
                log.append(event).durable.result(10)
            Eraser(log).place_hold("default", "b", WHY)
            clock.advance(45 * 86_400)
            assert Eraser(log).expire(WHY) == ()
            clock.advance(2 * 86_400)
            (certificate,) = Eraser(log).expire(WHY)
            assert certificate.segments == 1
            assert contents(log, 3) == [None, b"text", b"text"]
            assert Eraser(log).expire(WHY) == ()
        assert verify_folder(folder).outcome is Outcome.INTACT
        assert independent(folder) == 0

    @pytest.mark.parametrize(
        ("retention", "epoch", "expected"),
        [
            ("content-30d", "2026-01", datetime(2026, 3, 3, tzinfo=UTC)),
            ("content-30d", "2028-01", datetime(2028, 3, 2, tzinfo=UTC)),
            ("meta-1y", "2026-12", datetime(2028, 1, 1, tzinfo=UTC)),
            ("audit-6m", "2026-07", datetime(2027, 2, 1, tzinfo=UTC)),
            ("for-ever", "2026-07", None),
        ],
    )
    def test_when_a_class_is_due(self, retention: str, epoch: str, expected: datetime | None) -> None:
        """Counted from the end of the month; leap years and years' ends included."""
        assert due(retention, epoch) == expected


def kill(log: AuditLog, folder: Path) -> None:
    """What is left when a process dies: its lock is released, and nothing is closed in order."""
    log._writer.stop()
    log._publisher.stop()
    log._store.close()
    log.keys.close()
    log._alive.close()


def system(folder: Path) -> list[tuple[int, bytes]]:
    store = SqliteStore(folder / "log.db", read_only=True)
    try:
        return list(store.headers("haechi.local/audit/_system"))
    finally:
        store.close()
