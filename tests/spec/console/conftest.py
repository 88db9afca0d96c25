"""A log with known requests, the console over it, and browsers without pages: HTTP clients with a cookie jar."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from audit import AuditLog, Event, EventType, Segment
from audit.console.accounts import Accounts, Role
from audit.console.app import create_console
from audit.console.parts import ConsoleParts
from audit.console.sessions import Sessions
from audit.pins import Pins
from tests.console_visitors import HOSTILE, PASSWORD, Browser, Hand


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AuditLog]:
    """Seven requests of three users; every third is blocked."""
    with AuditLog.open(tmp_path / "audit") as opened:
        for number in range(7):
            user = f"user{number % 3}"
            prompt = Segment("prompt", f"{HOSTILE} {number}".encode(), subject=user)
            received = opened.append(
                Event(EventType.REQUEST_RECEIVED, "default", f"req-{number}", model="qwen3", segments=(prompt,))
            )
            blocked = number % 3 == 0
            opened.append(
                Event(
                    EventType.RESPONSE_BLOCKED if blocked else EventType.RESPONSE_COMPLETED,
                    "default",
                    f"req-{number}",
                    previous=received.record_id,
                    decision="block" if blocked else "allow",
                    policy="sha256:" + "a" * 64,
                    model="qwen3",
                )
            ).durable.result()
        opened.sign()
        yield opened


@pytest.fixture(scope="session")
def accounts_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hashing passwords is slow on purpose; once is enough."""
    path = tmp_path_factory.mktemp("accounts") / "accounts.json"
    accounts = Accounts(path, Hand())
    accounts.add("reader", frozenset({Role.AUDITOR}), PASSWORD)
    accounts.add("searcher", frozenset({Role.INVESTIGATOR}), PASSWORD)
    accounts.add("officer", frozenset({Role.OFFICER}), PASSWORD)
    return path


@pytest.fixture
def parts(log: AuditLog, tmp_path: Path, hand: Hand, accounts_file: Path) -> ConsoleParts:
    path = tmp_path / "console" / "accounts.json"
    path.parent.mkdir()
    shutil.copy(accounts_file, path)
    accounts = Accounts(path, hand)
    return ConsoleParts(log.folder, Pins.beside(log.folder), accounts, Sessions(hand), log)


@pytest.fixture
def browser(parts: ConsoleParts) -> Iterator[Browser]:
    """Somebody who is not signed in; accounts: `reader` (auditor), `searcher` (investigator), `officer`."""
    with TestClient(create_console(parts), base_url="http://127.0.0.1") as client:
        yield Browser(client)
