"""Break the log's disk and kill its processes; no acknowledged record is lost, and the log verifies."""

from __future__ import annotations

import base64
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from audit import AuditLog, Event, EventType, canonical
from audit.errors import LogUnavailable
from audit.store import SqliteStore
from audit.verify import Outcome, verify_folder

WRITER = """
import sys
from pathlib import Path
from audit import AuditLog, Event, EventType
folder, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
log = AuditLog.open(folder)
window = []
for number in range(count):
    window.append((number, log.append(Event(EventType.REQUEST_RECEIVED, "default", f"{name}_{number}"))))
    if len(window) == 8:
        for n, ack in window:
            ack.durable.result(30)
            print(f"{name}_{n}", flush=True)
        window.clear()
for n, ack in window:
    ack.durable.result(30)
    print(f"{name}_{n}", flush=True)
log.close()
"""


def start(folder: Path, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), name, str(count)], stdout=subprocess.PIPE, text=True
    )


def recorded(folder: Path) -> list[str]:
    store = SqliteStore(folder / "log.db", read_only=True)
    try:
        leaves = [canonical.decode(leaf) for _, leaf in store.headers("haechi.local/audit/default")]
    finally:
        store.close()
    return [h["req"] for h in leaves if h["typ"] == "request.received"]


def kill_while_writing(folder: Path, rounds: int) -> set[str]:
    """SIGKILL a writer at a different moment of its work each round; returns what it had acknowledged."""
    acknowledged: set[str] = set()
    for number in range(rounds):
        with start(folder, f"k{number}", 100_000) as writer:
            assert writer.stdout is not None
            acknowledged.add(writer.stdout.readline().strip())
            time.sleep(0.003 * (number % 23))
            writer.send_signal(signal.SIGKILL)
            acknowledged |= {line.strip() for line in writer.stdout if line.endswith("\n")}
    return acknowledged


def check_after_kills(folder: Path, acknowledged: set[str]) -> None:
    AuditLog.open(folder).close()
    kept = recorded(folder)
    assert acknowledged - set(kept) == set()
    assert len(kept) == len(set(kept))
    assert verify_folder(folder).outcome is Outcome.INTACT, verify_folder(folder)


def test_nothing_acknowledged_is_lost_when_the_writer_is_killed(tmp_path: Path) -> None:
    """Six kills at different moments: every acknowledged record is there, once, and nothing looks like tampering."""
    acknowledged = kill_while_writing(tmp_path / "audit", 6)
    assert len(acknowledged) > 6
    check_after_kills(tmp_path / "audit", acknowledged)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_nothing_acknowledged_is_lost_in_two_hundred_kills(tmp_path: Path) -> None:
    """The long form of the test above (bar B7)."""
    acknowledged = kill_while_writing(tmp_path / "audit", 200)
    check_after_kills(tmp_path / "audit", acknowledged)


def test_a_log_can_be_opened_at_any_moment_of_another_process_writing(tmp_path: Path) -> None:
    """What grows or is signed between two reads of an opening looks like no tampering."""
    folder = tmp_path / "audit"
    with start(folder, "w", 100_000) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        for _ in range(40):
            AuditLog.open(folder).close()
        assert writer.poll() is None
        writer.kill()


OPEN_AT = """
import sys, time
from pathlib import Path
from audit import AuditLog
folder, moment = Path(sys.argv[1]), float(sys.argv[2])
while time.time() < moment:
    pass
AuditLog.open(folder).close()
"""


def test_a_new_log_can_be_opened_by_several_processes_at_once(tmp_path: Path) -> None:
    """Whoever comes second finds keys, tables and versions complete, or waits for them."""
    for attempt in range(4):
        command = [sys.executable, "-c", OPEN_AT, str(tmp_path / f"audit{attempt}"), str(time.time() + 0.6)]
        openers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
        assert [(opener.communicate()[1], opener.returncode) for opener in openers] == [("", 0)] * 4


def test_four_processes_write_one_log_without_loss_or_fork(tmp_path: Path) -> None:
    """Every record of each of them is there once, and each gets its share of the lock."""
    folder = tmp_path / "audit"
    writers = [start(folder, f"w{n}", 200) for n in range(4)]
    outputs = [writer.communicate(timeout=120)[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0, 0]
    assert [len(out.splitlines()) for out in outputs] == [200] * 4
    assert sorted(recorded(folder)) == sorted(line for out in outputs for line in out.splitlines())
    assert verify_folder(folder).outcome is Outcome.INTACT


FAIR = """
import sys, time
from pathlib import Path
from audit import AuditLog, Event, EventType
folder, name, until = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
log = AuditLog.open(folder)
count, worst = 0, 0.0
while time.time() < until:
    began = time.monotonic()
    log.append(Event(EventType.REQUEST_RECEIVED, "default", f"{name}_{count}")).durable.result(30)
    worst = max(worst, time.monotonic() - began)
    count += 1
log.close()
print(count, worst)
"""


@pytest.mark.slow
def test_four_processes_get_equal_shares_of_the_lock(tmp_path: Path) -> None:
    """Fewest and most commits within a factor of two, no wait of a second (bar B6); nothing lost."""
    folder = tmp_path / "audit"
    AuditLog.open(folder).close()
    words = [sys.executable, "-c", FAIR, str(folder)]
    until = str(time.time() + 8)
    writers = [subprocess.Popen([*words, f"w{n}", until], stdout=subprocess.PIPE, text=True) for n in range(4)]
    said = [writer.communicate(timeout=60)[0].split() for writer in writers]
    counts = [int(count) for count, _ in said]
    assert min(counts) >= 0.5 * max(counts), counts
    assert max(float(worst) for _, worst in said) < 1
    assert len(recorded(folder)) == sum(counts)
    assert verify_folder(folder).outcome is Outcome.INTACT


def test_processes_that_open_together_after_a_crash_close_each_orphan_once(tmp_path: Path) -> None:
    """Four start at the same moment over thirty open requests of a dead one: thirty orphans, and no stale lock file."""
    folder = tmp_path / "audit"
    dying = """
import os, sys
from pathlib import Path
from audit import AuditLog, Event, EventType
log = AuditLog.open(Path(sys.argv[1]))
acks = [log.append(Event(EventType.REQUEST_RECEIVED, "default", f"r{n}")) for n in range(30)]
acks[-1].durable.result(30)
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", dying, str(folder)], check=False).returncode == 9
    writers = [start(folder, f"w{n}", 3) for n in range(4)]
    assert [writer.communicate(timeout=60) and writer.returncode for writer in writers] == [0] * 4
    store = SqliteStore(folder / "log.db", read_only=True)
    leaves = [canonical.decode(leaf) for _, leaf in store.headers("haechi.local/audit/default")]
    store.close()
    orphans = [h["req"] for h in leaves if h["typ"] == "request.orphaned" and h["req"].startswith("r")]
    assert sorted(orphans) == sorted(f"r{n}" for n in range(30))
    assert [path.name for path in (folder / "writers").iterdir()] == ["lock"]
    assert verify_folder(folder).outcome is Outcome.INTACT


def test_no_file_holds_content_after_a_kill(tmp_path: Path) -> None:
    """A canary in eight forms is in no file that a killed process left: database, write-ahead log, keys, pins, locks (T14)."""
    canary = "카나리아 金丝雀 canary-7f3a@example.com"
    code = """
import sys, time
from pathlib import Path
from audit import AuditLog, Event, EventType, Segment
log = AuditLog.open(Path(sys.argv[1]))
for number in range(200):
    part = Segment("prompt", (sys.argv[2] + str(number)).encode(), subject=sys.argv[2])
    ack = log.append(Event(EventType.REQUEST_RECEIVED, "default", f"r{number}", segments=(part,)))
ack.durable.result(30)
print("ready", flush=True)
time.sleep(60)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "audit"), canary]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        writer.kill()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "log.db-wal" for path in files)
    on_disk = b"".join(path.read_bytes() for path in files)
    utf8 = canary.encode()
    forms = (
        utf8, canary.encode("utf-16-le"), canary.encode("utf-16-be"), json.dumps(canary)[1:-1].encode(),
        base64.b64encode(utf8)[:-4], utf8.hex().encode(), quote(canary).encode(), b"canary-7f3a@example.com",
    )  # fmt: skip
    assert len(on_disk) > 50_000
    assert [form for form in forms if form in on_disk] == []


def test_a_full_disk_fails_the_append_and_nothing_else(tmp_path: Path) -> None:
    """With a file-size limit in place of a full disk: the caller hears of it, what was acknowledged stays, the log verifies."""
    folder = tmp_path / "audit"
    code = """
import json, resource, signal, sys
from pathlib import Path
from audit import AuditLog, Event, EventType, Segment
from audit.errors import AuditError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = AuditLog.open(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
kept, refused = [], []
for number in range(40):
    segment = Segment("prompt", b"x" * 20_000)
    ack = log.append(Event(EventType.REQUEST_RECEIVED, "default", f"r{number}", segments=(segment,)))
    try:
        ack.durable.result(10)
        kept.append(f"r{number}")
    except AuditError as error:
        refused.append(error.code)
print(json.dumps([kept, sorted(set(refused))]), flush=True)
import os; os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    kept, refused = json.loads(done.stdout)
    assert kept
    assert refused == ["HAE-A102"]
    check_after_kills(folder, set(kept))


def test_a_replaced_file_is_noticed_at_the_next_append(tmp_path: Path) -> None:
    """`rm log.db` under a running gateway does not go unnoticed while requests are served."""
    folder = tmp_path / "audit"
    log = AuditLog.open(folder)
    (folder / "log.db").rename(folder / "moved.db")
    (folder / "log.db").touch()
    with pytest.raises(LogUnavailable):
        log.append(Event(EventType.REQUEST_RECEIVED, "default", "r")).durable.result(10)
    (folder / "moved.db").replace(folder / "log.db")
    log.append(Event(EventType.REQUEST_RECEIVED, "default", "r")).durable.result(10)
    log.close()
    assert verify_folder(folder).outcome is Outcome.INTACT


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """The error says which folder and what to check; exit code 3."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LogUnavailable, match="file/audit") as refused:
        AuditLog.open(tmp_path / "file" / "audit")
    assert refused.value.exit_code == 3


@pytest.mark.parametrize("victim", ["log.db", "keys.db"])
def test_a_file_of_garbage_is_refused_with_its_name(tmp_path: Path, victim: str) -> None:
    """Damage is an error of ours, not a stack trace."""
    folder = tmp_path / "audit"
    AuditLog.open(folder).close()
    (folder / victim).write_bytes(os.urandom(8192))
    with pytest.raises(LogUnavailable, match=victim):
        AuditLog.open(folder)


class FaultyStore(SqliteStore):
    """A store whose n-th commit fails, before or after it became durable."""

    def __init__(self, path: Path, *, at: int, persisted: bool) -> None:
        super().__init__(path)
        self._countdown = at
        self._persisted = persisted

    def commit(self) -> None:
        self._countdown -= 1
        if self._countdown == 0:
            if self._persisted:
                super().commit()
            raise sqlite3.OperationalError("disk I/O error")
        super().commit()


@pytest.mark.parametrize("at", [2, 3, 4, 7, 9])
@pytest.mark.parametrize("persisted", [False, True], ids=["lost", "kept-but-reported-failed"])
def test_no_failed_commit_leaves_a_log_that_does_not_verify(tmp_path: Path, at: int, persisted: bool) -> None:
    """Whichever commit fails: one that was kept is found and acknowledged once, one that was lost fails its callers."""
    folder = tmp_path / "audit"
    AuditLog.open(folder).close()
    acknowledged: set[str] = set()
    with AuditLog.open(folder, store=lambda path: FaultyStore(path, at=at, persisted=persisted)) as log:
        for number in range(12):
            ack = log.append(Event(EventType.REQUEST_RECEIVED, "default", f"r{number}"))
            try:
                ack.durable.result(10)
                acknowledged.add(f"r{number}")
            except LogUnavailable:
                continue
    assert len(acknowledged) == (12 if persisted else 11)
    check_after_kills(folder, acknowledged)
