"""A log with a small honest history, and the two verifiers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit import AuditLog, Event, EventType, Segment


def request(log: AuditLog, number: int, *, tenant: str = "default", user: str = "user-1") -> None:
    """One request with its start and its end, both durable."""
    name = f"req_{number:032x}"
    prompt = Segment("prompt", f"question {number} of {user}".encode(), subject=user)
    start = log.append(Event(EventType.REQUEST_RECEIVED, tenant, name, segments=(prompt,)))
    answer = Segment("answer", f"answer {number}".encode(), subject=user)
    end = Event(EventType.RESPONSE_COMPLETED, tenant, name, previous=start.record_id, segments=(answer,))
    start.durable.result(10)
    log.append(end).durable.result(10)


def independent(folder: Path) -> int:
    """The exit code of the verifier that shares no code with the log."""
    done = subprocess.run(
        [sys.executable, "-m", "audit.verifier", str(folder)], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.returncode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


@pytest.fixture
def log(folder: Path) -> Iterator[AuditLog]:
    with AuditLog.open(folder) as opened:
        yield opened


@pytest.fixture
def history(folder: Path) -> Path:
    """A closed folder with two tenants, two processes' worth of records and five checkpoints or more."""
    for part in range(2):
        with AuditLog.open(folder) as opened:
            for number in range(4):
                request(opened, part * 4 + number, tenant="acme" if number % 2 else "default", user=f"user-{number}")
    return folder
