"""Die, or be refused, at every step of the log's work: what was acknowledged is there afterwards, once, and verifies (bar B7)."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from audit import AuditLog, Event, EventType, Segment, canonical
from audit.errors import LogUnavailable
from audit.modes import Mode, Modes
from audit.store import SqliteStore
from audit.verify import Outcome, verify_folder
from haechi.base.clock import FixedClock

LOG = "haechi.local/audit/default"

DYING = """
import os, sys
from pathlib import Path
import audit.kms, audit.overflow, audit.pins, audit.spill, audit.store, audit.store_keys
from audit import AuditLog, Event, EventType, Segment
from audit.errors import AuditError
from audit.erase import Eraser, Why
from audit.modes import Mode, Modes

folder, step, at, when = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
count = 0

def dying(real):
    def call(*args, **kwargs):
        global count
        count += 1
        if count == at and when == "before":
            os._exit(9)
        result = real(*args, **kwargs)
        if count == at:
            os._exit(9)
        return result
    return call

broken = {"on": False}

class Store(audit.store.SqliteStore):
    def commit(self):
        if broken["on"]:
            import sqlite3
            raise sqlite3.OperationalError("disk I/O error")
        super().commit()

if step == "commit":
    Store.commit = dying(Store.commit)
elif step == "pin":
    audit.pins.Pins.remember = dying(audit.pins.Pins.remember)
elif step == "spill":
    audit.spill.SpillFile.append = dying(audit.spill.SpillFile.append)
elif step == "discard":
    audit.spill.SpillFile.discard = dying(audit.spill.SpillFile.discard)
elif step == "wipe":
    audit.log.wipe = dying(audit.log.wipe)
elif step == "keys":
    audit.store_keys.KeyFile.rewrap = dying(audit.store_keys.KeyFile.rewrap)
elif step == "generation":
    audit.kms.FileKms.destroy_generation = dying(audit.kms.FileKms.destroy_generation)
elif step == "bodies":
    audit.erase._remove_bodies = dying(audit.erase._remove_bodies)

log = AuditLog.open(folder, store=Store, modes=Modes(default=Mode.SPILL, reserve_bytes=20_000))
print("open", flush=True)
for number in range(12):
    broken["on"] = step in {"spill", "discard"} and 3 <= number < 8
    part = Segment("prompt", b"x" * 200, f"u{number}")
    ack = log.append(Event(EventType.RESPONSE_COMPLETED, "default", f"{sys.argv[5]}_{number}", segments=(part,)))
    try:
        ack.durable.result(20)
    except AuditError:
        continue
    print(f"{sys.argv[5]}_{number}", flush=True)
    if number == 9:
        Eraser(log).erase("default", "u1", Why("a", "T"))
        log.shred()
        log.sign()
log.close()
"""

STEPS = {
    "commit": (1, 2, 3, 5, 9, 13),
    "pin": (1, 2, 3),
    "spill": (1, 2, 4),
    "discard": (1,),
    "keys": (1,),
    "generation": (1, 2),
    "bodies": (1,),
}
SOON = [
    ("commit", 3, "after"),
    ("commit", 5, "before"),
    ("pin", 2, "before"),
    ("spill", 2, "after"),
    ("discard", 1, "before"),
]
ALL = [(step, at, when) for step, places in STEPS.items() for at in places for when in ("before", "after")]


def die(folder: Path, step: str, at: int, when: str, name: str) -> tuple[int, set[str]]:
    done = subprocess.run(
        [sys.executable, "-c", DYING, str(folder), step, str(at), when, name],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode in {0, 9}, done.stderr
    return done.returncode, set(done.stdout.split()) - {"open"}


def leaves(folder: Path, log: str = LOG) -> list[dict[str, object]]:
    store = SqliteStore(folder / "log.db", read_only=True)
    found = [canonical.decode(leaf) for _, leaf in store.headers(log)]
    store.close()
    return found


def check(folder: Path, acknowledged: set[str]) -> None:
    AuditLog.open(folder).close()
    kept = [str(h["req"]) for h in leaves(folder)]
    assert acknowledged - set(kept) == set()
    assert len(kept) == len(set(kept))
    proof = verify_folder(folder)
    assert proof.outcome is Outcome.INTACT, proof
    assert list((folder / "spill").glob("*.spill")) == []


@pytest.mark.parametrize(("step", "at", "when"), SOON)
def test_dying_at_a_step_loses_nothing(tmp_path: Path, step: str, at: int, when: str) -> None:
    """The next opening finds every acknowledged record, and nothing that looks like tampering."""
    code, acknowledged = die(tmp_path / "audit", step, at, when, "one")
    assert code == 9
    check(tmp_path / "audit", acknowledged)


@pytest.mark.slow
@pytest.mark.parametrize(("step", "at", "when"), ALL)
def test_dying_at_every_step_and_again_loses_nothing(tmp_path: Path, step: str, at: int, when: str) -> None:
    """The long form: each step, and the same step once more while the first death is being mended."""
    folder = tmp_path / "audit"
    acknowledged: set[str] = set()
    deaths = 0
    for name in ("one", "two", "three"):
        code, said = die(folder, step, at, when, name)
        deaths += code == 9
        acknowledged |= said
    assert deaths
    check(folder, acknowledged)


class Refusing(SqliteStore):
    """A store whose commits fail with SQLite's words for a sick disk, from the n-th on, three times."""

    def __init__(self, path: Path, word: str, at: int) -> None:
        super().__init__(path)
        self._word, self._at, self._count = word, at, 0

    def commit(self) -> None:
        self._count += 1
        if self._at <= self._count < self._at + 3:
            error = sqlite3.OperationalError(self._word)
            error.sqlite_errorname = self._word
            raise error
        super().commit()


@pytest.mark.parametrize(
    "word", ["SQLITE_FULL", "SQLITE_IOERR_FSYNC", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_CORRUPT"]
)
@pytest.mark.parametrize("mode", list(Mode))
def test_a_sick_disk_is_noticed_at_once_and_loses_nothing(tmp_path: Path, word: str, mode: Mode) -> None:
    """ENOSPC, EIO, EROFS and worse: strict says so within one commit; the other modes keep every record."""
    folder = tmp_path / "audit"
    AuditLog.open(folder).close()
    modes = Modes(default=mode, reserve_bytes=20_000)
    outcomes = []
    with AuditLog.open(folder, store=lambda path: Refusing(path, word, 4), modes=modes) as log:
        for number in range(8):
            part = Segment("prompt", b"x", "u")
            ack = log.append(Event(EventType.RESPONSE_COMPLETED, "default", f"r{number}", segments=(part,)))
            outcomes.append(ack.durable.exception(20))
    acknowledged = {f"r{number}" for number, error in enumerate(outcomes) if error is None}
    refused = [error for error in outcomes if error is not None]
    assert all(isinstance(error, LogUnavailable) for error in refused)
    assert bool(refused) is (mode is Mode.STRICT)
    check_plain(folder, acknowledged)


def check_plain(folder: Path, acknowledged: set[str]) -> None:
    AuditLog.open(folder).close()
    kept = [str(h["req"]) for h in leaves(folder)]
    assert acknowledged == set(kept)
    assert len(kept) == len(set(kept))
    assert verify_folder(folder).outcome is Outcome.INTACT


def test_clocks_that_jump_leave_the_order_alone(tmp_path: Path) -> None:
    """A day back, a year ahead, and back again: order is the tree's, time never goes back in a log, and both times are kept."""
    clock = FixedClock(1_800_000_000_000_000)
    day = 86_400
    with AuditLog.open(tmp_path / "audit", clock=clock) as log:
        for number, jump in enumerate((0, -day, 365 * day, -400 * day, 1)):
            clock.advance(jump)
            log.append(Event(EventType.RESPONSE_COMPLETED, "default", f"r{number}")).durable.result(10)
    found = leaves(tmp_path / "audit")
    assert [h["req"] for h in found] == [f"r{n}" for n in range(5)]
    assert [h["sts"] for h in found] == sorted(h["sts"] for h in found)  # type: ignore[type-var]
    assert len({h["wts"] for h in found}) == 5
    assert verify_folder(tmp_path / "audit").outcome is Outcome.INTACT
