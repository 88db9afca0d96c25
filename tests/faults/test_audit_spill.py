"""A log that hangs, is away, is full or is taken away: what each mode promises, with real files and real processes."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec import structs

import audit.writer
from audit import AuditLog, Event, EventType, Segment, canonical
from audit.errors import InvalidRecord, LogUnavailable, TamperedLog
from audit.kms import FileKms
from audit.modes import NOT_KEPT, SPILLED, Mode, Modes
from audit.overflow import Overflow, to_bytes
from audit.pending import Ack, Pending
from audit.pins import Pins
from audit.spill import RESERVE_BYTES, SpillFile, left_behind, read
from audit.store import SqliteStore
from audit.verify import Outcome, verify_folder

SPILL = Modes(default=Mode.SPILL, reserve_bytes=100_000)
PATIENT = replace(SPILL, after_s=30.0)
"""Spills what fails, and nothing for being late on a busy machine."""


class Disk:
    """What the log's disk does: hang in `commit`, or fail before it or after it."""

    def __init__(self) -> None:
        self.hangs = threading.Event()
        self.hangs.set()
        self.fails = ""
        self.kept = False

    def open(self, path: Path) -> SqliteStore:
        disk = self

        class Store(SqliteStore):
            def commit(self) -> None:
                disk.hangs.wait(60)
                if disk.fails and disk.kept:
                    super().commit()
                if disk.fails:
                    error = sqlite3.OperationalError(disk.fails)
                    error.sqlite_errorname = disk.fails
                    raise error
                super().commit()

        return Store(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


@pytest.fixture
def disk(folder: Path) -> Disk:
    AuditLog.open(folder).close()
    return Disk()


def event(name: str, tenant: str = "default") -> Event:
    return Event(EventType.REQUEST_RECEIVED, tenant, name, segments=(Segment("prompt", f"of {name}".encode(), "u"),))


def headers(folder: Path, tenant: str = "default") -> list[dict[str, object]]:
    store = SqliteStore(folder / "log.db", read_only=True)
    found = [canonical.decode(leaf) for _, leaf in store.headers(f"haechi.local/audit/{tenant}")]
    store.close()
    return found


def requests(folder: Path, tenant: str = "default") -> list[object]:
    return [h["req"] for h in headers(folder, tenant) if h["typ"] == "request.received"]


def said(folder: Path, kind: str) -> list[object]:
    return [h.get("n", 0) for h in headers(folder, "_system") if h["typ"] == kind]


def until(condition: object, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


class TestSpill:
    def test_a_disk_that_hangs_delays_nobody_and_loses_nothing(self, folder: Path, disk: Disk) -> None:
        """Records are durable in the spill file while the commit hangs, and in the log, once and in order, afterwards."""
        with AuditLog.open(folder, store=disk.open, modes=SPILL) as log:
            disk.hangs.clear()
            acks = [log.append(event(f"r{n}")) for n in range(100)]
            assert [ack.durable.result(10) for ack in acks] == [SPILLED] * 100
            assert [path.name for path in (folder / "spill").iterdir()] != []
            disk.hangs.set()
            until(lambda: len(requests(folder)) == 100)
            log.append(event("after")).durable.result(10)
        assert requests(folder) == [f"r{n}" for n in range(100)] + ["after"]
        assert said(folder, "spill.drained") in (
            [100],
            [101],
            [100, 1],
        )  # the one after them may have been late as well
        assert list((folder / "spill").iterdir()) == []
        assert verify_folder(folder).outcome is Outcome.INTACT

    @pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept"])
    def test_a_log_that_is_away_comes_back_with_everything(self, folder: Path, disk: Disk, kept: bool) -> None:
        """Also when the commits that reported failure were kept: nothing is there twice."""
        with AuditLog.open(folder, store=disk.open, modes=SPILL) as log:
            log.append(event("before")).durable.result(10)
            disk.fails, disk.kept = "SQLITE_IOERR_FSYNC", kept
            for number in range(10):
                assert log.append(event(f"r{number}")).durable.result(10) == SPILLED
            disk.fails = ""
            until(lambda: len(requests(folder)) >= 11)
            log.append(event("after")).durable.result(10)
            (part,) = log.read("default", 3, who="a", purpose="p", ticket="t")
            assert part.content == b"of r2"
        assert requests(folder) == ["before", *(f"r{n}" for n in range(10)), "after"]
        assert verify_folder(folder).outcome is Outcome.INTACT

    def test_a_record_that_is_spilled_while_the_file_is_drained_is_written_once(self, folder: Path, disk: Disk) -> None:
        """The writer holds it and drains the file first; meanwhile it is late, joins the file, and is drained with it."""
        with AuditLog.open(folder, store=disk.open, modes=SPILL) as log:
            disk.fails = "SQLITE_IOERR_FSYNC"
            assert (
                log.append(structs.replace(event("r0"), type=EventType.RESPONSE_COMPLETED)).durable.result(10)
                == SPILLED
            )
            disk.fails = ""
            disk.hangs.clear()
            assert (
                log.append(structs.replace(event("r1"), type=EventType.RESPONSE_COMPLETED)).durable.result(10)
                == SPILLED
            )
            disk.hangs.set()
            log.append(structs.replace(event("r2"), type=EventType.RESPONSE_COMPLETED)).durable.result(10)
        assert [h["req"] for h in headers(folder)] == ["r0", "r1", "r2"]
        assert verify_folder(folder).outcome is Outcome.INTACT

    def test_what_a_killed_process_had_spilled_is_recovered_by_the_next(self, folder: Path) -> None:
        """kill -9 while the log's disk hangs: every acknowledged record is in the log after the next opening."""
        code = """
import sys, os, threading
from pathlib import Path
from audit import AuditLog, Event, EventType, Segment
from audit.modes import Mode, Modes
from audit.store import SqliteStore
hang = threading.Event()
class Store(SqliteStore):
    def commit(self):
        if hang.is_set():
            threading.Event().wait()
        super().commit()
log = AuditLog.open(Path(sys.argv[1]), store=Store, modes=Modes(default=Mode.SPILL, reserve_bytes=100_000))
hang.set()
for n in range(25):
    part = Segment("prompt", b"canary-4711", "u")
    log.append(Event(EventType.REQUEST_RECEIVED, "default", f"r{n}", segments=(part,))).durable.result(20)
    print(f"r{n}", flush=True)
os.kill(os.getpid(), 9)
"""
        AuditLog.open(folder).close()
        done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
        assert len(done.stdout.split()) == 25, done.stderr
        (left,) = left_behind(folder / "spill")
        assert b"canary" not in left.read_bytes()
        AuditLog.open(folder).close()
        assert requests(folder) == done.stdout.split()
        assert said(folder, "spill.drained") == [25]
        assert left_behind(folder / "spill") == []
        assert verify_folder(folder).outcome is Outcome.INTACT

    def test_the_bounds_of_a_spill_file_are_an_error(self, folder: Path, disk: Disk) -> None:
        """By size, and by age: then even this mode is strict, and nobody is told what is not so."""
        small = Modes(default=Mode.SPILL, reserve_bytes=1000, bytes_at_most=3000)
        with AuditLog.open(folder, store=disk.open, modes=small) as log:
            disk.fails = "SQLITE_IOERR"
            outcomes = [log.append(event(f"r{n}")).durable.exception(10) is None for n in range(12)]
            disk.fails = ""
            until(lambda: len(requests(folder)) == sum(outcomes))
        assert 0 < sum(outcomes) < 12
        assert outcomes == sorted(outcomes, reverse=True)

    def test_a_log_that_is_away_for_too_long_is_an_error(self, folder: Path, disk: Disk) -> None:
        """The age bound counts from the first record in the file; what it holds is drained all the same."""
        old = Modes(default=Mode.SPILL, reserve_bytes=1000, age_s_at_most=0.2)
        with AuditLog.open(folder, store=disk.open, modes=old) as log:
            disk.fails = "SQLITE_IOERR"
            assert log.append(event("early")).durable.result(10) == SPILLED
            time.sleep(0.25)
            refused = log.append(event("late")).durable.exception(10)
            assert isinstance(refused, LogUnavailable)
            assert "too long" in refused.message
            disk.fails = ""
            until(lambda: requests(folder) == ["early"])

    def test_a_log_that_is_closed_while_it_is_away_leaves_the_file_to_the_next(self, folder: Path, disk: Disk) -> None:
        """The operator hears that the end could not be recorded; nothing that was acknowledged is lost."""
        log = AuditLog.open(folder, store=disk.open, modes=PATIENT)
        disk.fails = "SQLITE_IOERR"
        assert log.append(event("kept")).durable.result(10) == SPILLED
        with pytest.raises(LogUnavailable):
            log.close()
        assert [path.suffix for path in (folder / "spill").iterdir()] == [".spill"]
        AuditLog.open(folder, modes=PATIENT).close()
        assert requests(folder) == ["kept"]
        assert said(folder, "spill.drained") == [1]
        assert verify_folder(folder).outcome is Outcome.INTACT

    def test_a_folder_in_which_no_file_can_be_made_makes_the_mode_strict_until_it_can(
        self, folder: Path, disk: Disk
    ) -> None:
        """The log opens and serves; what it does not take is refused, and spilled once the folder is mended."""
        (folder / "spill").write_text("in the way")
        AuditLog.open(folder, modes=PATIENT).close()
        with AuditLog.open(folder, store=disk.open, modes=PATIENT) as log:
            assert log.append(event("first")).durable.result(10) >= 0
            disk.fails = "SQLITE_IOERR"
            refused = log.append(event("refused")).durable.exception(10)
            assert isinstance(refused, LogUnavailable)
            assert "no spill file can be made" in refused.message
            (folder / "spill").unlink()
            assert log.append(event("spilled")).durable.result(10) == SPILLED
            disk.fails = ""
            until(lambda: requests(folder) == ["first", "spilled"])
        assert verify_folder(folder).outcome is Outcome.INTACT

    def test_a_file_that_is_altered_while_its_process_lives_is_set_aside(self, folder: Path, disk: Disk) -> None:
        """What was before the change is in the log, the rest is evidence, and the process goes on with a new file."""
        with AuditLog.open(folder, store=disk.open, modes=PATIENT) as log:
            disk.fails = "SQLITE_IOERR"
            for number in range(3):
                assert log.append(event(f"r{number}")).durable.result(10) == SPILLED
            (spilled,) = (folder / "spill").iterdir()
            data = bytearray(spilled.read_bytes())
            end = len(bytes(data).rstrip(b"\0"))
            data[end - 20] ^= 1
            spilled.write_bytes(bytes(data[:end]) + b"more")
            disk.fails = ""
            until(lambda: said(folder, "spill.damaged") == [2])
            assert log.append(event("after")).durable.result(10) >= 0
        assert requests(folder) == ["r0", "r1", "after"]
        assert [path.suffix for path in (folder / "spill").iterdir()] == [".damaged"]
        assert verify_folder(folder).outcome is Outcome.INTACT

    def test_a_queue_that_is_full_is_refused_to_strict_tenants_and_spilled_for_others(
        self, folder: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Back-pressure reaches who asked for it; nobody's acknowledged record is dropped, and none is there twice."""
        modes = Modes(default=Mode.SPILL, tenants={"bank": Mode.STRICT}, reserve_bytes=100_000)
        with AuditLog.open(folder, store=disk.open, modes=modes) as log:
            monkeypatch.setattr(audit.writer, "LONGEST_QUEUE", 5)
            disk.hangs.clear()
            first = log.append(event("r0")).durable.result(10)  # the writer holds it by now, so that the queue fills
            acks = [log.append(event(f"r{n}")) for n in range(1, 20)]
            outcomes = [first, *(ack.durable.result(10) for ack in acks)]
            with suppress(LogUnavailable):
                outcomes.append(log.append(event("b", "bank")).durable)
            disk.hangs.set()
            assert outcomes == [SPILLED] * 20
            until(lambda: len(requests(folder)) == 20)
        assert requests(folder) == [f"r{n}" for n in range(20)]
        assert verify_folder(folder).outcome is Outcome.INTACT

    def test_a_checkpoint_whose_commit_failed_and_was_kept_is_remembered_by_the_next(
        self, folder: Path, disk: Disk
    ) -> None:
        """The folder then holds a checkpoint that the pin outside does not know yet; nothing is signed twice or backwards."""
        with AuditLog.open(folder, store=disk.open) as log:
            log.append(event("one")).durable.result(10)
            log.sign()
            log.append(event("two")).durable.result(10)
            disk.fails, disk.kept = "SQLITE_IOERR_FSYNC", True
            with pytest.raises(LogUnavailable):
                log.sign()
            disk.fails = ""
            log.append(event("three")).durable.result(10)
            log.sign()
        proof = verify_folder(folder)
        assert proof.outcome is Outcome.INTACT, proof

    def test_a_log_that_cannot_remember_what_it_signs_closes_all_the_same(self, folder: Path, disk: Disk) -> None:
        """The place of the pins is gone: records are kept, checkpoints follow when it is back."""
        log = AuditLog.open(folder, store=disk.open)
        log.append(event("one")).durable.result(10)
        Pins.beside(folder).rename(folder.with_name("elsewhere"))
        Pins.beside(folder).write_text("in the way")
        log.close()
        Pins.beside(folder).unlink()
        folder.with_name("elsewhere").rename(Pins.beside(folder))
        assert verify_folder(folder).outcome is Outcome.CANNOT_TELL
        AuditLog.open(folder).close()
        assert requests(folder) == ["one"]
        assert verify_folder(folder).outcome is Outcome.INTACT

    def test_what_the_log_would_refuse_is_refused_before_it_is_spilled(self, folder: Path, disk: Disk) -> None:
        """An acknowledged record can be drained."""
        with AuditLog.open(folder, store=disk.open, modes=SPILL) as log:
            disk.fails = "SQLITE_IOERR"
            bad = Event(EventType.REQUEST_RECEIVED, "default", "r", segments=(Segment("Bad Name", b"x"),))
            assert isinstance(log.append(bad).durable.exception(10), InvalidRecord)
            many = tuple(Segment(f"s{n}", b"x") for n in range(60))
            assert isinstance(
                log.append(Event(EventType.REQUEST_RECEIVED, "default", "r", segments=many)).durable.exception(10),
                InvalidRecord,
            )
            assert log.append(event("good")).durable.result(10) == SPILLED
            disk.fails = ""
        assert requests(folder) == ["good"]

    def test_a_spill_file_that_was_taken_away_is_noticed(self, folder: Path, disk: Disk) -> None:
        """Unlinked or replaced under us: the caller hears of it; nothing is acknowledged into the void."""
        with AuditLog.open(folder, store=disk.open, modes=SPILL) as log:
            disk.fails = "SQLITE_IOERR"
            assert log.append(event("kept")).durable.result(10) == SPILLED
            (spilled,) = (folder / "spill").iterdir()
            spilled.rename(folder / "elsewhere")
            assert isinstance(log.append(event("refused")).durable.exception(10), LogUnavailable)
            spilled.write_bytes((folder / "elsewhere").read_bytes())
            assert isinstance(log.append(event("refused")).durable.exception(10), LogUnavailable)
            (folder / "elsewhere").rename(spilled)
            assert log.append(event("again")).durable.result(10) == SPILLED
            disk.fails = ""
        assert requests(folder) == ["kept", "again"]


class TestModes:
    def test_each_tenant_has_its_own(self, folder: Path, disk: Disk, tmp_path: Path) -> None:
        """strict hears of it within the deadline, spill is kept, best_effort is given up only when nothing else is left."""
        tenants = {"bank": Mode.STRICT, "shop": Mode.SPILL, "lab": Mode.BEST_EFFORT}
        modes = Modes(default=Mode.STRICT, tenants=tenants, reserve_bytes=1000, bytes_at_most=600)
        with AuditLog.open(folder, store=disk.open, modes=modes) as log:
            disk.fails = "SQLITE_IOERR"
            assert isinstance(log.append(event("b", "bank")).durable.exception(10), LogUnavailable)
            assert log.append(event("s", "shop")).durable.result(10) == SPILLED
            assert isinstance(log.append(event("s2" * 30, "shop")).durable.exception(10), LogUnavailable)
            assert log.append(event("l" * 60, "lab")).durable.result(10) == NOT_KEPT
            disk.fails = ""
            until(lambda: said(folder, "records.lost") == [1])
        assert requests(folder, "shop") == ["s"]
        assert (requests(folder, "bank"), requests(folder, "lab")) == ([], [])
        lost = [h["rsn"] for h in headers(folder, "_system") if h["typ"] == "records.lost"]
        chosen = [h["rsn"] for h in headers(folder, "_system") if h["typ"] == "mode.chosen"]
        assert (lost, chosen) == (["lab"], ["lab"])
        assert verify_folder(folder).outcome is Outcome.INTACT

    def test_a_reading_is_never_shown_while_it_cannot_be_logged(self, folder: Path, disk: Disk) -> None:
        """The log's own affairs are strict in every mode: an access that is only spilled shows nothing."""
        with AuditLog.open(folder, store=disk.open, modes=Modes(default=Mode.BEST_EFFORT, reserve_bytes=1000)) as log:
            log.append(event("r")).durable.result(10)
            disk.fails = "SQLITE_IOERR"
            with pytest.raises(LogUnavailable):
                log.read("default", 0, who="a", purpose="p", ticket="t")
            disk.fails = ""

    def test_a_full_disk_is_recorded_from_the_reserve(self, folder: Path, disk: Disk) -> None:
        """The ballast is given up, the record and `disk.full` are written; at the next opening the reserve is there again."""
        modes = Modes(ballast_bytes=1 << 20)
        with AuditLog.open(folder, store=disk.open, modes=modes) as log:
            assert (folder / "reserve").stat().st_size == 1 << 20
            disk.fails = "SQLITE_FULL"
            reserve = folder / "reserve"
            mend = threading.Thread(target=lambda: (until(lambda: not reserve.exists()), setattr(disk, "fails", "")))
            mend.start()
            first = log.append(event("r")).durable.exception(10)
            mend.join()
            if first is not None:
                log.append(event("r")).durable.result(10)
        assert requests(folder) == ["r"]
        AuditLog.open(folder, modes=modes).close()
        assert (folder / "reserve").exists()

    def test_a_disk_without_room_for_the_reserve_is_said_and_no_reason_to_stop(
        self, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The operator reads it in the log; records are taken, and no half a reserve is left."""
        with AuditLog.open(folder, modes=Modes(ballast_bytes=1 << 60)) as log:
            assert "no room for a reserve" in caplog.text
            assert log.append(event("r")).durable.result(10) >= 0
        assert not (folder / "reserve").exists()


class TestFile:
    def make(self, folder: Path) -> tuple[FileKms, SpillFile]:
        folder.mkdir()
        kms = FileKms.open(folder / "root.key")
        return kms, SpillFile(folder, kms, reserve=4096)

    def test_what_is_written_is_read(self, folder: Path) -> None:
        """Within the reserve, across its end and beyond it."""
        kms, file = self.make(folder)
        records = [os.urandom(1 + 700 * n) for n in range(12)]
        for at in range(0, 12, 3):
            file.append(records[at : at + 3])
        assert list(read(file.path, kms)) == records
        assert left_behind(folder) == []  # its writer lives
        file.let_go()
        assert left_behind(folder) == [file.path]

    def test_a_torn_end_is_no_record_and_a_torn_middle_is_tampering(self, folder: Path) -> None:
        """Cut at every byte of the last frame; every other byte flipped once."""
        kms, file = self.make(folder)
        file.append([b"one" * 50, b"two" * 50])
        whole = file.path.read_bytes()
        end = len(whole.rstrip(b"\0"))
        file.append([b"three" * 30])
        full = file.path.read_bytes()
        last = len(full.rstrip(b"\0"))
        for cut in range(end, last):
            file.path.write_bytes(full[:cut] + bytes(len(full) - cut))
            assert list(read(file.path, kms)) == [b"one" * 50, b"two" * 50]
        start = full.index(b"\n", 20) + 1
        found = 0
        for at in range(start, end, 7):
            file.path.write_bytes(full[:at] + bytes([full[at] ^ 1]) + full[at + 1 :])
            with pytest.raises(TamperedLog):
                list(read(file.path, kms))
            found += 1
        assert found > 40

    def test_frames_cannot_be_moved_or_taken_out(self, folder: Path) -> None:
        """Each is bound to all before it."""
        kms, file = self.make(folder)
        offsets = [file._end]
        for part in (b"a" * 64, b"b" * 64, b"c" * 64):
            file.append([part])
            offsets.append(file._end)
        whole = file.path.read_bytes()
        head, one, two, three = whole[: offsets[0]], *(whole[a:b] for a, b in pairwise(offsets))
        rest = bytes(500)
        for order in (one + three, two + three, one + two + two, one + three + two, two + one + three):
            file.path.write_bytes(head + order + rest)
            with pytest.raises(TamperedLog):
                list(read(file.path, kms))

    def test_a_damaged_file_of_a_dead_process_is_kept_and_said(self, folder: Path) -> None:
        """What can be read is recovered; the rest is evidence, not a reason to refuse to start."""
        AuditLog.open(folder).close()
        kms = FileKms.open(folder / "root.key")
        file = SpillFile(folder / "spill", kms, reserve=100)
        log = "haechi.local/audit/default"
        pending = [Pending(event(f"r{n}"), log, 1, Ack(f"{n:032x}")) for n in range(3)]
        file.append([to_bytes(one, 0) for one in pending])
        file.let_go()
        data = bytearray(file.path.read_bytes())
        data[file._end - 40] ^= 1
        file.path.write_bytes(bytes(data) + b"more")
        AuditLog.open(folder).close()
        assert requests(folder) == ["r0", "r1"]
        assert said(folder, "spill.damaged") == [2]
        assert [path.suffix for path in (folder / "spill").iterdir()] == [".damaged"]
        assert verify_folder(folder).outcome is Outcome.INTACT

    def test_files_of_dead_processes_that_hold_nothing_are_removed_without_a_word(self, folder: Path) -> None:
        """One that was made and never used, and one whose process died while it made or wiped it."""
        AuditLog.open(folder).close()
        SpillFile(folder / "spill", FileKms.open(folder / "root.key"), reserve=100).let_go()
        (folder / "spill" / f"{'0' * 32}.spill").write_bytes(bytes(500))
        AuditLog.open(folder).close()
        assert list((folder / "spill").iterdir()) == []
        assert said(folder, "spill.drained") == said(folder, "spill.damaged") == []

    @pytest.mark.parametrize("bend", ["another head", "another name", "no key"])
    def test_a_file_without_a_head_of_its_own_is_evidence(self, folder: Path, bend: str) -> None:
        """Renamed, exchanged, or cut in its first line: it is kept aside, the log says so, and opens."""
        AuditLog.open(folder).close()
        file = SpillFile(folder / "spill", FileKms.open(folder / "root.key"), reserve=100)
        file.let_go()
        data = file.path.read_bytes()
        if bend == "another name":
            file.path.rename(file.path.with_name(f"{'0' * 32}.spill"))
        else:
            cut = data.index(b"\n", 20) - 9
            file.path.write_bytes(
                data.replace(b"spill/1", b"spill/9") if bend == "another head" else data[:cut] + b"zz\n"
            )
        AuditLog.open(folder).close()
        assert len(said(folder, "spill.damaged")) == 1
        assert [path.suffix for path in (folder / "spill").iterdir()] == [".damaged"]
        assert verify_folder(folder).outcome is Outcome.INTACT

    def test_a_spilled_record_that_the_log_does_not_take_is_said_to_be_lost_and_stops_no_other(
        self, folder: Path
    ) -> None:
        """As another release might have spilled it: its neighbours are drained, and one is counted as lost."""
        AuditLog.open(folder).close()
        file = SpillFile(folder / "spill", FileKms.open(folder / "root.key"), reserve=100)
        good = [
            to_bytes(Pending(event(f"r{n}"), "haechi.local/audit/default", 1, Ack(f"{n:032x}")), 0) for n in range(3)
        ]
        bad = json.loads(good[1])
        bad["event"]["reason"] = "A reason of another release"
        file.append([good[0], json.dumps(bad).encode(), good[2]])
        file.let_go()
        AuditLog.open(folder).close()
        assert requests(folder) == ["r0", "r2"]
        assert said(folder, "records.lost") == [1]
        assert said(folder, "spill.drained") == [3]
        assert verify_folder(folder).outcome is Outcome.INTACT

    def test_a_disk_with_a_size_limit_takes_what_was_reserved(self, folder: Path) -> None:
        """With a file-size limit in place of a full disk: the reserve is used up, then the caller hears of it."""
        code = """
import json, resource, signal, sys, sqlite3
from pathlib import Path
from audit import AuditLog, Event, EventType, Segment
from audit.errors import AuditError
from audit.modes import Mode, Modes
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = AuditLog.open(Path(sys.argv[1]), modes=Modes(default=Mode.SPILL, reserve_bytes=400_000))
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
kept = []
for number in range(60):
    part = Segment("prompt", b"x" * 8_000)
    ack = log.append(Event(EventType.REQUEST_RECEIVED, "default", f"r{number}", segments=(part,)))
    try:
        ack.durable.result(10)
        kept.append(f"r{number}")
    except AuditError:
        pass
print(json.dumps(kept), flush=True)
import os; os._exit(0)
"""
        AuditLog.open(folder).close()
        done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
        kept = json.loads(done.stdout)
        assert 5 < len(kept) < 60
        AuditLog.open(folder).close()
        assert set(kept) <= set(requests(folder))
        assert len(requests(folder)) == len(set(requests(folder)))
        assert verify_folder(folder).outcome is Outcome.INTACT


def test_a_file_that_holds_nothing_is_drained_and_stays(tmp_path: Path) -> None:
    """Asked again and again while the log is well, it must not be made anew each time."""
    overflow = Overflow(SPILL, tmp_path / "spill", FileKms.open(tmp_path / "root.key"))
    overflow.start()
    before = overflow.path
    assert overflow.drained(0) == 0
    assert overflow.path == before
    overflow.stop()
    assert list((tmp_path / "spill").iterdir()) == []


def test_the_reserve_is_what_the_page_says() -> None:
    """docs/operations.md names the size."""
    text = (Path(__file__).parents[2] / "docs/operations.md").read_text("utf-8")
    assert f"{RESERVE_BYTES >> 20} MB" in text
