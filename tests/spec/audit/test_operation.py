"""The log in operation: verified while written, signed by turns, opened with the right keys only."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import audit.writer
from audit import Ack, AuditLog, Event, EventType, Segment
from audit.errors import KeysUnavailable, LogUnavailable, NothingToVerify, RolledBack, TamperedLog
from audit.keycheck import KeyChecker
from audit.kms import FileKms
from audit.note import Checkpoint, parse, sign
from audit.pins import Pins
from audit.publisher import KEPT_CHECKPOINTS, THINNED_TO
from audit.second import SecondKey
from audit.settle import settle
from audit.store import SqliteStore, refuse_network_folder
from audit.store_copy import copy_log
from audit.tree import Frontier, leaf_hash
from audit.verifier.checks import Folder, Wrong, read_key
from audit.verify import Outcome, verify_folder
from haechi.cli.main import main

from .conftest import independent, request

LOG = "haechi.local/audit/default"


def event(number: int, size: int = 10) -> Event:
    segment = Segment("prompt", b"x" * size, "user")
    return Event(EventType.REQUEST_RECEIVED, "default", f"req_{number}", segments=(segment,))


class TestVerifying:
    def test_a_log_that_is_being_written_never_looks_tampered(self, folder: Path) -> None:
        """One snapshot, pins read before it: at most the newest records are not signed yet."""
        with AuditLog.open(folder) as log:
            stop = threading.Event()

            def write() -> None:
                number = 0
                while not stop.is_set():
                    log.append(event(number)).durable.result(10)
                    if number % 10 == 0:
                        log.sign()
                    number += 1

            writer = threading.Thread(target=write)
            writer.start()
            try:
                outcomes = {verify_folder(folder).outcome for _ in range(25)}
                codes = {independent(folder) for _ in range(3)}
            finally:
                stop.set()
                writer.join()
        assert Outcome.TAMPERED not in outcomes
        assert codes <= {0, 3}

    def test_a_log_that_is_written_all_the_time_is_intact_for_who_waits_for_the_next_checkpoint(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """There always is a record that came after the last checkpoint: what was read is signed a moment later."""
        with AuditLog.open(folder) as log:
            request(log, 0)
            log.sign()
            stop = threading.Event()

            def write() -> None:
                while not stop.wait(0.01):
                    log.append(event(1)).durable.result(10)

            writer = threading.Thread(target=write)
            writer.start()
            try:
                at_once = {main(["audit", "verify", str(folder), "--wait", "0"]) for _ in range(20)}
                assert 3 in at_once <= {0, 3}
                assert "are not signed yet: a gateway that runs signs within two seconds" in capsys.readouterr().out
                assert [main(["audit", "verify", str(folder)]) for _ in range(3)] == [0, 0, 0]
                assert independent(folder) == 0
            finally:
                stop.set()
                writer.join()

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ("an honest record", ""),
            ("another record", "not of the records that were here before"),
            ("another signer", "not signed by the log's key"),
        ],
    )
    def test_what_is_signed_next_is_what_was_read_or_the_log_is_tampered_with(
        self, folder: Path, change: str, says: str
    ) -> None:
        """Between the reading and the checkpoint nobody exchanges a record: the new root leads to what was read, or not."""
        with AuditLog.open(folder) as log:
            log.append(event(1)).durable.result(10)
            log.sign()
            log._publisher.stop()  # it signs when this test says so
            log.append(event(2)).durable.result(10)
            proof = verify_folder(folder)
            late = next(one for one in proof.logs if one.log == LOG)
            db = sqlite3.connect(folder / "log.db", isolation_level=None)
            others = Folder(db, *read_key((folder / "public.key").read_text()))
            assert others.verify_log(LOG, Pins(Pins.beside(folder)).note(LOG), 0) == []
            assert list(others.unsigned) == [LOG]
            assert (late.outcome, late.unsigned) == (Outcome.CANNOT_TELL, True)
            signer = FileKms.open(folder / "root.key").signer()
            store = log.open_store()
            log.append(event(3)).durable.result(10)
            frontier = store.edge(LOG).frontier
            if change == "another record":
                leaves = [leaf for _, leaf in store.headers(LOG)]
                leaves[1] = leaves[1].replace(b'"dec":"allow"', b'"dec":"block"')
                frontier = Frontier().extended(map(leaf_hash, leaves))
                with store.writing() as db:
                    db.execute("update leaf set header = ? where log = ? and seq = 1", (leaves[1], LOG))
            key = Ed25519PrivateKey.generate() if change == "another signer" else signer
            note = sign(Checkpoint(LOG, frontier.size, frontier.root()), key)
            with store.writing() as db:
                put = "insert into checkpoint values (?, ?, ?, ?)"
                db.execute(put, (LOG, frontier.size, frontier.to_bytes(), note))
            store.close()
            with pytest.raises(Wrong) if says else nullcontext():
                others.await_checkpoints(0.3)
            db.close()
            assert bool(others.unsigned) is bool(says)
            settle(proof, folder, within_s=0.3)
            assert says in str(late.problems)
            assert late.outcome is (Outcome.TAMPERED if says else Outcome.INTACT)

    def test_a_next_checkpoint_that_is_signed_once_only_settles_nothing_for_who_holds_the_second_key(
        self, folder: Path
    ) -> None:
        """Or waiting would be a way around the second signature."""
        with AuditLog.open(folder) as log:
            log.append(event(1)).durable.result(10)
            log.sign()
            log._publisher.stop()
            log.append(event(2)).durable.result(10)
            proof = verify_folder(folder)
            store = log.open_store()
            frontier = store.edge(LOG).frontier
            note = sign(Checkpoint(LOG, frontier.size, frontier.root()), FileKms.open(folder / "root.key").signer())
            with store.writing() as db:
                db.execute(
                    "insert into checkpoint values (?, ?, ?, ?)", (LOG, frontier.size, frontier.to_bytes(), note)
                )
            store.close()
            settle(proof, folder, within_s=0.3, second=SecondKey("haechi.local/audit", bytes(1312)))
        assert "lacks the second signature" in str([one.problems for one in proof.logs])

    def test_verifying_changes_nothing(self, history: Path) -> None:
        """No file is made, not even the folder of the pins when it is missing."""
        shutil.rmtree(history.with_name("audit-pins"))
        before = sorted(path.name for path in history.parent.rglob("*") if "log.db-" not in path.name)
        assert verify_folder(history).outcome is Outcome.CANNOT_TELL
        assert sorted(path.name for path in history.parent.rglob("*") if "log.db-" not in path.name) == before

    def test_a_tenant_without_a_log_is_not_called_intact(self, history: Path) -> None:
        """A misspelled tenant must not look like a clean one."""
        with pytest.raises(NothingToVerify):
            verify_folder(history, tenant="acmee")
        assert verify_folder(history, tenant="acme").outcome is Outcome.INTACT

    def test_an_old_pin_of_an_auditor_still_proves_its_records(self, folder: Path, tmp_path: Path) -> None:
        """Also when the checkpoint itself was thinned out since."""
        with AuditLog.open(folder) as log:
            request(log, 0)
            log.sign()
            shutil.copytree(folder.with_name("audit-pins"), tmp_path / "mine")
            for number in range(1, KEPT_CHECKPOINTS + 4):
                request(log, number)
                log.sign()
        assert verify_folder(folder, pins=tmp_path / "mine").outcome is Outcome.INTACT
        store = SqliteStore(folder / "log.db", read_only=True)
        sizes = [row[0] for row in store.connection.execute("select size from checkpoint where log = ?", (LOG,))]
        store.close()
        assert len(sizes) == KEPT_CHECKPOINTS
        assert 2 not in sizes

    def test_checkpoints_of_other_thousands_are_kept(self, folder: Path) -> None:
        """Of older ones the last in every 1,024 records stays."""
        with AuditLog.open(folder) as log:
            for number in range(THINNED_TO + 10):
                ack = log.append(event(number))
            ack.durable.result(30)
            log.sign()
            for number in range(KEPT_CHECKPOINTS + 3):
                request(log, number)
                log.sign()
        store = SqliteStore(folder / "log.db", read_only=True)
        count = store.connection.execute("select count(*) from checkpoint where log = ?", (LOG,)).fetchone()[0]
        store.close()
        assert KEPT_CHECKPOINTS <= count <= KEPT_CHECKPOINTS + 2
        assert verify_folder(folder).outcome is Outcome.INTACT


class TestSigning:
    def test_two_copies_of_a_folder_cannot_both_be_signed(self, folder: Path, tmp_path: Path) -> None:
        """Both remember in the same pins; the one that signs second finds another history there and refuses."""
        pins = tmp_path / "pins"
        with AuditLog.open(folder, pins=pins) as log:
            request(log, 1)
        shutil.copytree(folder, tmp_path / "copy")
        with AuditLog.open(folder, pins=pins) as one:
            other = AuditLog.open(tmp_path / "copy", pins=pins)
            request(one, 2)
            one.sign()
            request(other, 3)
            with pytest.raises(RolledBack):
                other.sign()
            other.close()
        assert verify_folder(folder, pins=pins).outcome is Outcome.INTACT

    def test_a_pin_never_goes_back_while_several_processes_sign(self, folder: Path) -> None:
        """What is remembered is the newest checkpoint of all."""
        with AuditLog.open(folder) as one, AuditLog.open(folder) as other:
            for number in range(6):
                request(one if number % 2 else other, number)
                (other if number % 2 else one).sign()
                note = Pins(Pins.beside(folder)).note(LOG)
                assert note is not None
                assert parse(note)[0].size == 2 * (number + 1)


class TestKeyStore:
    def test_more_persons_than_fit_the_memory_have_one_key_each(self, folder: Path) -> None:
        """Keys that were dropped from it are found again, by who writes and by who verifies, and not made anew."""
        with AuditLog.open(folder) as log:
            for start in range(0, 4200, 28):
                parts = tuple(Segment(f"s{n}", b"x", f"user-{n}") for n in range(start, start + 28))
                last = log.append(Event(EventType.RESPONSE_COMPLETED, "default", f"r{start}", segments=parts))
            last.durable.result(60)
            again = Event(EventType.RESPONSE_COMPLETED, "default", "r", segments=(Segment("s", b"x", "user-0"),))
            log.append(again).durable.result(10)
            assert len(log.keys.entries("default")) == 4200
            log.sign()
            proof = verify_folder(folder, key_check=KeyChecker(log.keys))
        assert proof.outcome is Outcome.INTACT, proof
        assert sum(one.segments for one in proof.logs) == 4201

    @pytest.mark.parametrize("how", ["abort", "rollback"])
    def test_a_key_store_that_takes_no_key_refuses_the_record_and_nothing_else(self, folder: Path, how: str) -> None:
        """Whether the database gave up the statement or the whole transaction, as it does on a full disk."""
        with AuditLog.open(folder) as log:
            log.append(event(1)).durable.result(10)
            with sqlite3.connect(folder / "keys.db") as db:
                db.execute(
                    "create trigger full before insert on subject_key when new.class = 'odd-1d'"
                    f" begin select raise({how}, 'disk I/O error'); end"
                )
            db.close()
            odd = Event(EventType.REQUEST_RECEIVED, "default", "r", segments=(Segment("prompt", b"x", "u", "odd-1d"),))
            assert isinstance(log.append(odd).durable.exception(10), LogUnavailable)
            log.append(event(2)).durable.result(10)
        assert verify_folder(folder).outcome is Outcome.INTACT

    def test_a_tenants_key_that_is_gone_is_named(self, history: Path) -> None:
        """Its content is unreadable; the message says whose key it is and what to restore."""
        with sqlite3.connect(history / "keys.db") as db:
            db.execute("delete from tenant_key where tenant = 'acme' and use = 'index'")
        db.close()
        with (
            AuditLog.open(history) as log,
            pytest.raises(KeysUnavailable, match="index key of tenant 'acme'") as refused,
        ):
            log.keys.entries("acme", "user-1")
        assert "restore keys.db" in refused.value.hint


class TestKeys:
    def test_a_missing_key_file_is_an_error_and_not_a_new_key(self, folder: Path) -> None:
        """A new key could read nothing and would sign what no auditor's key verifies."""
        AuditLog.open(folder).close()
        (folder / "root.key").rename(folder / "elsewhere")
        with pytest.raises(KeysUnavailable, match="missing"):
            AuditLog.open(folder)
        assert not (folder / "root.key").exists()
        (folder / "elsewhere").rename(folder / "root.key")
        AuditLog.open(folder).close()

    def test_the_key_file_of_another_folder_is_refused(self, folder: Path, tmp_path: Path) -> None:
        """Before anything is signed with it."""
        AuditLog.open(folder).close()
        AuditLog.open(tmp_path / "other").close()
        shutil.copy(tmp_path / "other" / "root.key", folder / "root.key")
        with pytest.raises(KeysUnavailable, match="does not belong"):
            AuditLog.open(folder)

    def test_no_key_is_in_a_representation(self, folder: Path) -> None:
        """What a log line or a traceback could show."""
        with AuditLog.open(folder) as log:
            log.append(event(1)).durable.result(10)
            entry = log.keys.entries()[0]
            key = log.keys.for_reading(entry.kid)
            assert key is not None
            assert repr(key.key)[2:10] not in repr(key)


class TestPressure:
    def test_a_disk_that_does_not_keep_up_is_said_at_once(self, folder: Path) -> None:
        """The queue is bounded: appending is refused instead of filling the memory, and what was taken is written."""
        with AuditLog.open(folder) as log:
            store = SqliteStore(folder / "log.db")
            taken: list[Ack] = []

            def flood() -> None:
                for number in range(audit.writer.LONGEST_QUEUE + audit.writer.LARGEST_BATCH + 2):
                    taken.append(log.append(Event(EventType.REQUEST_RECEIVED, "default", f"r{number}")))  # noqa: PERF401

            with store.writing(), pytest.raises(LogUnavailable):
                flood()
            store.close()
            assert len(taken) >= audit.writer.LONGEST_QUEUE
            assert taken[-1].durable.result(60) == len(taken) - 1

    def test_a_large_record_is_kept_whole(self, folder: Path) -> None:
        """Eight megabytes of content, and the most segments that fit a header."""
        with AuditLog.open(folder) as log:
            seq = log.append(event(1, 8_000_000)).durable.result(30)
            (part,) = log.read("default", seq, who="a", purpose="test", ticket="T")
            assert part.content == b"x" * 8_000_000
            many = tuple(Segment(f"s{n}", b"x") for n in range(60))
            refused = log.append(Event(EventType.REQUEST_RECEIVED, "default", "r", segments=many)).durable.exception(10)
            assert "8192" in str(refused)

    @pytest.mark.parametrize("name", ["", "Prompt", "pro mpt", "질문", "a" * 65, 'a"b'])
    def test_a_segment_name_that_is_no_word_is_refused_and_the_writer_lives_on(self, folder: Path, name: str) -> None:
        """The thread that writes outlives whatever one record brings."""
        with AuditLog.open(folder) as log:
            bad = Event(EventType.REQUEST_RECEIVED, "default", "r", segments=(Segment(name, b"x"),))
            assert getattr(log.append(bad).durable.exception(10), "code", "") == "HAE-A101"
            wrong_type = Event(EventType.REQUEST_RECEIVED, "default", "r", segments=(Segment("a", "text"),))  # type: ignore[arg-type]
            assert getattr(log.append(wrong_type).durable.exception(10), "code", "") == "HAE-A101"
            log.append(event(1)).durable.result(10)


class TestPlaces:
    def test_a_folder_on_a_network_file_system_is_refused(self, tmp_path: Path) -> None:
        """Its locks do not keep two machines apart."""
        mounts = tmp_path / "mounts"
        here = tmp_path.resolve()
        mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/x {here}/share nfs4 rw 0 0\n")
        (here / "share" / "audit").mkdir(parents=True)
        refuse_network_folder(here, mounts)
        with pytest.raises(LogUnavailable, match="nfs4"):
            refuse_network_folder(here / "share" / "audit", mounts)
        mounts.write_text("proc /proc proc rw 0 0\n")  # a list without the folder's own file system says nothing
        refuse_network_folder(here, mounts)
        refuse_network_folder(here, tmp_path / "no-such-list")

    def test_a_log_that_was_moved_away_is_noticed_within_one_commit(self, folder: Path) -> None:
        """Nothing is acknowledged into a file that no name leads to; put back, it goes on."""
        with AuditLog.open(folder) as log:
            log.append(event(1)).durable.result(10)
            (folder / "log.db").rename(folder / "elsewhere")
            (folder / "log.db").write_bytes(b"")
            refused = log.append(event(2)).durable.exception(10)
            assert isinstance(refused, LogUnavailable)
            assert "moved or replaced" in refused.message
            (folder / "elsewhere").rename(folder / "log.db")
            log.append(event(3)).durable.result(10)
        assert verify_folder(folder).outcome is Outcome.INTACT

    def test_a_copy_is_made_into_an_empty_folder_only_and_verifies_without_pins_as_far_as_it_can(
        self, history: Path, tmp_path: Path
    ) -> None:
        """What lies in the target is never mixed with evidence."""
        store = SqliteStore(history / "log.db", read_only=True)
        try:
            assert copy_log(store, history, tmp_path / "copy") > 16
            with pytest.raises(LogUnavailable, match="not empty"):
                copy_log(store, history, tmp_path / "copy")
            copy_log(store, history, tmp_path / "bare", pins=tmp_path / "no-pins")
        finally:
            store.close()
        assert verify_folder(tmp_path / "copy").outcome is Outcome.INTACT
        assert independent(tmp_path / "copy") == 0
        assert verify_folder(tmp_path / "bare").outcome is Outcome.CANNOT_TELL

    def test_a_tree_that_does_not_fit_its_records_is_not_continued(self, history: Path) -> None:
        """Edge or checkpoint altered, and nothing remembered outside: the log does not open, so nothing is signed over it."""
        shutil.rmtree(Pins.beside(history))
        db = sqlite3.connect(history / "log.db", isolation_level=None)
        for table, says in (
            ("edge", "do not lead to the stored tree"),
            ("checkpoint", "a checkpoint and its tree edge differ"),
        ):
            db.execute(f"create table kept as select * from {table}")
            db.execute(f"update {table} set hashes = zeroblob(length(hashes)) where log = ?", (LOG,))
            with pytest.raises(TamperedLog, match=says):
                AuditLog.open(history)
            db.execute(f"insert or replace into {table} select * from kept")
            db.execute("drop table kept")
        db.close()
        AuditLog.open(history).close()

    def test_a_removed_write_ahead_log_is_noticed(self, folder: Path) -> None:
        """Records would go to a file that nobody can find again."""
        log = AuditLog.open(folder)
        (folder / "log.db-wal").rename(folder / "hidden")
        assert isinstance(log.append(event(1)).durable.exception(10), LogUnavailable)
        (folder / "hidden").rename(folder / "log.db-wal")
        log.append(event(2)).durable.result(10)
        log.close()
        assert verify_folder(folder).outcome is Outcome.INTACT

    def test_files_are_for_the_owner_only(self, folder: Path) -> None:
        """Also those that SQLite makes beside the database."""
        with AuditLog.open(folder) as log:
            log.append(event(1)).durable.result(10)
            modes = {path.name: path.stat().st_mode & 0o077 for path in folder.iterdir() if path.name != "public.key"}
        assert set(modes.values()) == {0}, modes

    def test_damage_of_the_database_is_tampering_and_not_a_stack_trace(self, history: Path) -> None:
        """A file that is no database any more, and one with a torn page."""
        with sqlite3.connect(history / "log.db") as db:
            db.execute("pragma journal_mode=delete")
        db.close()
        whole = (history / "log.db").read_bytes()
        for damaged in (os.urandom(len(whole)), whole[:4096] + os.urandom(4096) + whole[8192:]):
            (history / "log.db").write_bytes(damaged)
            with suppress(TamperedLog):
                assert verify_folder(history).outcome is Outcome.TAMPERED
            assert independent(history) == 1
