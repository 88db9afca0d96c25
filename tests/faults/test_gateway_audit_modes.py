"""A gateway whose log hangs: what its client sees in each mode (bar B8)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audit import AuditLog, canonical
from audit.modes import Mode, Modes
from audit.store import SqliteStore
from audit.verify import Outcome, verify_folder
from benchmarks.gateway_running import running
from gateway.limits import Limits

ASK = {"model": "stub-model", "messages": [{"role": "user", "content": "Where are the boats?"}]}


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Somebody keeps the log's lock: as a disk that hangs, seen from the writer."""
    store, taken, release = SqliteStore(folder / "log.db"), threading.Event(), threading.Event()

    def hold() -> None:
        with store.writing():
            taken.set()
            release.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait(10)
    try:
        yield
    finally:
        release.set()
        thread.join()
        store.close()


def requests(folder: Path) -> dict[str, list[object]]:
    store = SqliteStore(folder / "log.db", read_only=True)
    found: dict[str, list[object]] = {}
    for _, leaf in store.headers("haechi.local/audit/default"):
        header = canonical.decode(leaf)
        found.setdefault(header["req"], []).append(header["typ"])
    store.close()
    return found


@pytest.mark.parametrize("stream", [False, True])
def test_a_busy_disk_is_not_felt_when_records_may_spill(tmp_path: Path, stream: bool) -> None:
    """Answers go on while the log hangs, and every one of them is in the log afterwards, begun and ended."""
    folder = tmp_path / "audit"
    modes = Modes(default=Mode.SPILL, reserve_bytes=200_000)
    with AuditLog.open(folder, modes=modes) as log, running(log=log, limits=Limits(audit_s=10.0)) as gateway:
        with held(folder):
            answers = [gateway.post({**ASK, "stream": stream}).status_code for _ in range(4)]
        assert answers == [200] * 4
    found = requests(folder)
    assert [sorted(kinds, key=str) for kinds in found.values()] == [["request.received", "response.completed"]] * 4
    assert verify_folder(folder).outcome is Outcome.INTACT


def test_a_strict_tenant_is_refused_at_the_deadline(tmp_path: Path) -> None:
    """HTTP 503 with its code and Retry-After; served again when the disk is back."""
    folder = tmp_path / "audit"
    modes = Modes(default=Mode.SPILL, tenants={"default": Mode.STRICT}, reserve_bytes=200_000)
    with AuditLog.open(folder, modes=modes) as log, running(log=log, limits=Limits(audit_s=0.25)) as gateway:
        with held(folder):
            answer = gateway.post(ASK)
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert "could not be recorded" in answer.text or answer.json()["error"]["code"]
    with AuditLog.open(folder) as log, running(log=log, limits=Limits(audit_s=10.0)) as gateway:
        assert gateway.post(ASK).status_code == 200
    assert verify_folder(folder).outcome is Outcome.INTACT
