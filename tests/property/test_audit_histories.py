"""Random histories of a log: honest ones verify, and whatever is changed in one is found, by both verifiers."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit import AuditLog, Event, EventType, Segment
from audit.erase import Eraser, Why
from audit.errors import AuditError, TamperedLog, UnknownSubject
from audit.keycheck import KeyChecker
from audit.verifier.__main__ import Wrong
from audit.verifier.__main__ import verify_folder as verify_independently
from audit.verify import FolderProof, Outcome, verify_folder
from haechi.base.clock import FixedClock

EVIDENCE = ("leaf", "body", "edge", "checkpoint")
WHY = Why("officer", "T-1")

STEP = st.one_of(
    st.tuples(st.just("requests"), st.sampled_from(["default", "acme"]), st.integers(0, 3), st.integers(1, 6)),
    st.tuples(st.just("reopen")),
    st.tuples(st.just("crash")),
    st.tuples(st.just("sign")),
    st.tuples(st.just("erase"), st.sampled_from(["default", "acme"]), st.integers(0, 3)),
    st.tuples(st.just("hold"), st.integers(0, 3)),
    st.tuples(st.just("expire"), st.integers(1, 80)),
    st.tuples(st.just("clock back"), st.integers(1, 90_000)),
    st.tuples(st.just("bad record")),
)
HISTORY = st.lists(STEP, min_size=1, max_size=12)


class History:
    """A folder on which a list of steps is played."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FixedClock()
        self.log = AuditLog.open(folder, clock=self.clock)

    def play(self, step: tuple[object, ...]) -> None:
        self.clock.advance(0.5)
        match step:
            case ("requests", str(tenant), int(user), int(count)):
                self.requests(tenant, f"user-{user}", count)
            case ("reopen",):
                self.log.close()
                self.log = AuditLog.open(self.folder, clock=self.clock)
            case ("crash",):
                self.crash()
            case ("sign",):
                self.log.sign()
            case ("erase", str(tenant), int(user)):
                with suppress(UnknownSubject):
                    Eraser(self.log).erase(tenant, f"user-{user}", WHY)
            case ("hold", int(user)):
                Eraser(self.log).place_hold("default", f"user-{user}", WHY)
            case ("expire", int(days)):
                self.clock.advance(days * 86_400)
                Eraser(self.log).expire(WHY)
            case ("clock back", int(seconds)):
                self.clock.advance(-float(seconds))
            case _:
                bad = self.log.append(Event(EventType.REQUEST_RECEIVED, "default", "a\nb"))
                assert isinstance(bad.durable.exception(10), AuditError)

    def requests(self, tenant: str, user: str, count: int) -> None:
        acks = []
        for number in range(count):
            prompt = Segment("prompt", os.urandom(number * 200), subject=user)
            start = self.log.append(Event(EventType.REQUEST_RECEIVED, tenant, f"req_{number}", segments=(prompt,)))
            if number % 3 != 2:
                end = Event(EventType.RESPONSE_COMPLETED, tenant, f"req_{number}", previous=start.record_id)
                acks.append(self.log.append(end))
            acks.append(start)
        for ack in acks:
            ack.durable.result(10)

    def crash(self) -> None:
        """What is left when a process dies between commits: its lock is free, nothing was closed in order."""
        dead = self.log
        dead._writer.stop()
        dead._publisher.stop()
        dead._store.close()
        dead.keys.close()
        dead._alive.close()
        self.log = AuditLog.open(self.folder, clock=self.clock)


def play(folder: Path, steps: list[tuple[object, ...]]) -> FolderProof:
    history = History(folder)
    for step in steps:
        history.play(step)
    history.log.sign()
    proof = verify_folder(folder, key_check=KeyChecker(history.log.keys))
    history.log.close()
    return proof


def found(folder: Path) -> tuple[bool, bool]:
    """Whether each verifier says that something is wrong."""
    try:
        ours = verify_folder(folder).outcome is Outcome.TAMPERED
    except (TamperedLog, AuditError):
        ours = True
    try:
        verify_independently(folder, folder.with_name("audit-pins"), (folder / "public.key").read_text())
        theirs = False
    except (Wrong, InvalidSignature, ValueError, TypeError, AttributeError, KeyError, sqlite3.DatabaseError):
        theirs = True
    return ours, theirs


def honest(steps: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "audit"
        proof = play(folder, steps)
        assert proof.outcome is Outcome.INTACT, (proof, steps)
        assert found(folder) == (False, False)
        assert verify_independently(folder, folder.with_name("audit-pins"), (folder / "public.key").read_text()) == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(HISTORY)
def test_no_honest_history_looks_tampered(steps: list[tuple[object, ...]]) -> None:
    """With crashes, erasures, holds, expiries, a clock that jumps, and records that are refused."""
    honest(steps)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(HISTORY)
def test_no_honest_history_of_a_thousand_looks_tampered(steps: list[tuple[object, ...]]) -> None:
    """The long form of the test above (bar B1)."""
    honest(steps)


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed folder with two tenants, an orphan, an erased person, a large segment and several checkpoints."""
    folder = tmp_path_factory.mktemp("victim") / "audit"
    steps: list[tuple[object, ...]] = [
        ("requests", "default", 1, 6), ("requests", "acme", 2, 6), ("sign",), ("requests", "default", 3, 3),
        ("erase", "default", 1), ("crash",), ("requests", "default", 0, 5), ("reopen",),
    ]  # fmt: skip
    assert play(folder, steps).outcome is Outcome.INTACT
    with sqlite3.connect(folder / "log.db") as db:
        db.execute("pragma journal_mode=delete")
    db.close()
    return folder


def evidence(db: sqlite3.Connection) -> list[list[tuple[object, ...]]]:
    """What a verifier without keys judges: everything but the wraps."""
    columns = {"body": "log, seq, name, kid, ciphertext, wrap is null"}
    return [db.execute(f"select {columns.get(t, '*')} from {t} order by 1, 2").fetchall() for t in EVIDENCE]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_changed_cell_is_found(victim: Path, data: st.DataObject) -> None:
    """One bit of one cell of one row of what is evidence, and numbers moved by one (T1, T2, T3)."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = copy(victim, Path(scratch))
        db = sqlite3.connect(folder / "log.db", isolation_level=None)
        table = data.draw(st.sampled_from(EVIDENCE))
        names = [row[1] for row in db.execute(f"pragma table_info({table})")]
        rows = db.execute(f"select * from {table} order by 1, 2").fetchall()
        row = data.draw(st.sampled_from(rows))
        column = data.draw(st.integers(0, len(names) - 1))
        if names[column] == "wrap" or row[column] is None:
            db.close()
            return  # a wrap is found with the keys only
        changed = list(row)
        changed[column] = change(row[column], data)
        db.execute(f"delete from {table} where {' and '.join(f'{n} is ?' for n in names)}", row)
        db.execute(f"insert or replace into {table} values ({','.join('?' * len(names))})", changed)
        db.close()
        assert found(folder) == (True, True), (table, names[column])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_removed_row_is_found(victim: Path, data: st.DataObject) -> None:
    """Any one record, body or tree edge; and of checkpoints the newest, because the older ones may be thinned."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = copy(victim, Path(scratch))
        db = sqlite3.connect(folder / "log.db", isolation_level=None)
        table = data.draw(st.sampled_from(["leaf", "body", "edge"]))
        names = [row[1] for row in db.execute(f"pragma table_info({table})")]
        row = data.draw(st.sampled_from(db.execute(f"select * from {table} order by 1, 2").fetchall()))
        db.execute(f"delete from {table} where {' and '.join(f'{n} is ?' for n in names)}", row)
        db.close()
        assert found(folder) == (True, True), table


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_flipped_byte_of_the_file_is_found_or_changes_no_evidence(victim: Path, data: st.DataObject) -> None:
    """Anywhere in the file: what SQLite still reads differently is found; free space and indexes are no evidence."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = copy(victim, Path(scratch))
        raw = bytearray((folder / "log.db").read_bytes())
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        (folder / "log.db").write_bytes(raw)
        before = sqlite3.connect(victim / "log.db")
        after = sqlite3.connect(folder / "log.db")
        try:
            same = evidence(before) == evidence(after)
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            same = False
        finally:
            before.close()
            after.close()
        if not same:
            assert any(found(folder))


def copy(victim: Path, scratch: Path) -> Path:
    import shutil

    shutil.copytree(victim, scratch / "audit")
    shutil.copytree(victim.with_name("audit-pins"), scratch / "audit-pins")
    return scratch / "audit"


def change(value: object, data: st.DataObject) -> object:
    if isinstance(value, int):
        return value + data.draw(st.sampled_from([-1, 1]))
    raw = bytearray(value if isinstance(value, bytes) else str(value).encode())
    if not raw:
        return b"x"
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 6))
    return bytes(raw) if isinstance(value, bytes) else raw.decode("ascii", "replace")
