"""A log that hangs, is away, is full or is taken away: what each mode promises, with real files and real processes."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from audit import AuditLog, Event, EventType, Segment, canonical
from audit.errors import InvalidRecord, LogUnavailable, TamperedLog
from audit.kms import FileKms
from audit.modes import NOT_KEPT, SPILLED, Mode, Modes
from audit.spill import RESERVE_BYTES, SpillFile, left_behind, read
from audit.store import SqliteStore
from audit.verify import Outcome, verify_folder

SPILL = Modes(default=Mode.SPILL, reserve_bytes=100_000)


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
            acks = [log.append(event(f"r{n}")) for n in range(30)]
            assert [ack.durable.result(10) for ack in acks] == [SPILLED] * 30
            assert [path.name for path in (folder / "spill").iterdir()] != []
            disk.hangs.set()
            until(lambda: len(requests(folder)) == 30)
            log.append(event("after")).durable.result(10)
        assert requests(folder) == [f"r{n}" for n in range(30)] + ["after"]
        assert said(folder, "spill.drained") == [30]
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
            assert log.append(event("after")).durable.result(10) >= 0
            (part,) = log.read("default", 3, who="a", purpose="p", ticket="t")
            assert part.content == b"of r2"
        assert requests(folder) == ["before", *(f"r{n}" for n in range(10)), "after"]
        assert verify_folder(folder).outcome is Outcome.INTACT

    def test_a_record_that_is_spilled_while_the_file_is_drained_is_written_once(self, folder: Path, disk: Disk) -> None:
        """The writer holds it and drains the file first; meanwhile it is late, joins the file, and is drained with it."""
        with AuditLog.open(folder, store=disk.open, modes=SPILL) as log:
            disk.fails = "SQLITE_IOERR_FSYNC"
            assert log.append(replace(event("r0"), type=EventType.RESPONSE_COMPLETED)).durable.result(10) == SPILLED
            disk.fails = ""
            disk.hangs.clear()
            assert log.append(replace(event("r1"), type=EventType.RESPONSE_COMPLETED)).durable.result(10) == SPILLED
            disk.hangs.set()
            log.append(replace(event("r2"), type=EventType.RESPONSE_COMPLETED)).durable.result(10)
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
        from audit.log import Ack
        from audit.overflow import to_bytes
        from audit.pending import Pending

        log = "haechi.local/audit/default"
        pending = [Pending(event(f"r{n}"), log, 1, Ack(f"{n:032x}")) for n in range(3)]
        file.append([to_bytes(one, 0) for one in pending])
        file.let_go()
        data = bytearray(file.path.read_bytes())
        data[file._end - 40] ^= 1
        file.path.write_bytes(bytes(data) + b"more")
        AuditLog.open(folder).close()
        assert requests(folder) == ["r0", "r1"]
        assert len(said(folder, "spill.damaged")) == 1
        assert [path.suffix for path in (folder / "spill").iterdir()] == [".damaged"]
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


def test_the_reserve_is_what_the_page_says() -> None:
    """docs/operations.md names the size."""
    text = (Path(__file__).parents[2] / "docs/operations.md").read_text("utf-8")
    assert f"{RESERVE_BYTES >> 20} MB" in text
