"""The console's incidents and reports, and the console over a log in PostgreSQL."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from audit import AuditLog, Event, EventType
from audit.console.app import create_console
from audit.console.parts import ConsoleParts
from audit.console.sessions import Sessions
from audit.pins import Pins
from audit.reports.kinds import Kind
from audit.rights.breach import incidents
from tests.console_visitors import HOSTILE, Browser, Hand
from tests.postgres_server import fresh_database


def test_an_incident_runs_from_awareness_to_its_end(browser: Browser) -> None:
    """The clock starts when it became known; officers alone take steps; what they write is encrypted until revealed."""
    browser.sign_in("reader")
    browser.get("/incidents")
    assert browser.send("/incidents", note="mail sent to a stranger", ticket="I-1").status_code == 403
    browser.sign_in("officer")
    browser.get("/incidents")
    late = browser.send("/incidents", aware="2026-01-05T09:30", tenant="default", note=HOSTILE, ticket="I-1")
    where = late.url.path
    assert ">overdue<" in late.text
    assert "2026-01-08 09:30:00" in late.text
    assert "alert(1)" not in late.text
    assert browser.send(where, step="reveal").status_code == 400  # no ticket
    browser.get(where)
    assert "&lt;script&gt;alert(1)" in browser.send(where, step="reveal", ticket="I-1").text
    assert browser.send(where, step="authority-told", ticket="I-1").status_code == 400  # what was told is missing
    browser.get(where)
    told = browser.send(where, step="authority-told", note="form 12", ticket="I-1")
    assert ">open<" in told.text
    assert ">closed<" in browser.send(where, step="closed", note="mail deleted", ticket="I-1").text
    assert "–" in browser.get("/incidents").text
    assert browser.get("/incidents/default/nobody").status_code == 404


def test_an_incident_without_a_time_is_known_from_now_on_and_takes_known_steps_only(
    browser: Browser, log: AuditLog
) -> None:
    """An empty field is no error; a step that a form of ours cannot send is one."""
    browser.sign_in("officer")
    browser.get("/incidents")
    before = log.clock.now_us()
    where = browser.send("/incidents", note="lost laptop", tenant="default", ticket="I-3").url.path
    (incident,) = incidents(log)
    assert before <= incident.aware_us <= log.clock.now_us()
    for step in ("opened", "forget-it", ""):
        browser.get(where)
        assert browser.send(where, step=step, note="x", ticket="I-3").status_code == 400, step
    assert len(incidents(log)[0].steps) == 1


@pytest.mark.parametrize(("entered", "says"), [("tomorrow", "is not a time"), ("2999-01-01T00:00", "known since")])
def test_an_incident_needs_a_time_that_was(browser: Browser, entered: str, says: str) -> None:
    """Nothing is opened with a time that is none or lies ahead, and the page says why."""
    browser.sign_in("officer")
    browser.get("/incidents")
    answer = browser.send("/incidents", aware=entered, note="lost laptop", ticket="I-2")
    assert answer.status_code == 400
    assert says in answer.text
    assert "/incidents/default/" not in browser.get("/incidents").text


@pytest.mark.parametrize("kind", sorted(set(Kind) - {Kind.KOREA_ACCESS}))
def test_every_report_is_a_page_in_the_readers_language(browser: Browser, kind: Kind) -> None:
    """Auditors make them; every phrase is translated."""
    browser.sign_in("reader")
    for language in ("en", "ko", "zh"):
        browser.get(f"/reports?lang={language}")
        page = browser.send("/reports", kind=kind.value, form="page")
        assert page.status_code == 200, page.text
        assert "haechi.local/audit" in page.text


def test_a_report_is_taken_as_a_file(browser: Browser) -> None:
    """As every form that the command has; the bytes are of that form, and a browser keeps them as a file."""
    browser.sign_in("reader")
    starts = {"html": b"<!doctype html", "csv": b"", "json": b"{", "text": b"", "pdf": b"%PDF-"}
    for form, start in starts.items():
        browser.get("/reports")
        answer = browser.send("/reports", kind="integrity", form=form, since="2020-01-01", controller="Haechi GmbH")
        assert answer.status_code == 200
        assert answer.headers["content-disposition"].startswith("attachment;")
        assert answer.content.lower().startswith(start.lower())
        if form == "json":
            assert json.loads(answer.content)["kind"] == "integrity"


def test_a_report_that_decrypts_is_for_officers_with_a_ticket(browser: Browser) -> None:
    """An auditor's role is not enough, and neither is an officer without a ticket."""
    browser.sign_in("reader")
    browser.get("/reports")
    assert browser.send("/reports", kind="kr-access", form="page", ticket="K-1").status_code == 403
    browser.sign_in("officer")
    browser.get("/reports")
    assert browser.send("/reports", kind="kr-access", form="page").status_code == 400
    browser.get("/reports")
    assert browser.send("/reports", kind="kr-access", form="page", ticket="K-1").status_code == 200
    for wrong in ({"kind": "everything", "form": "page"}, {"kind": "access", "form": "page", "since": "May"}):
        browser.get("/reports")
        assert browser.send("/reports", **wrong).status_code == 400


def test_a_log_in_postgresql_is_shown_and_verified(tmp_path: Path, parts: ConsoleParts, hand: Hand) -> None:
    """Search, records, verification, incidents and reports read the server's log as they read a file's."""
    with fresh_database() as url, AuditLog.open(tmp_path / "shared", database=url) as log:
        log.append(Event(EventType.REQUEST_RECEIVED, "default", "req-in-postgres", model="qwen3")).durable.result(10)
        log.sign()
        shared = ConsoleParts(
            log.folder, Pins.beside(log.folder), parts.accounts, Sessions(hand), log, log.place.database
        )
        with TestClient(create_console(shared), base_url="http://127.0.0.1") as client:
            visitor = Browser(client)
            visitor.sign_in("officer")
            assert "req-in-postgres" in visitor.get("/search").text
            assert visitor.get("/record/default/0").status_code == 200
            visitor.get("/")
            assert ">intact<" in visitor.send("/verify").text
            visitor.get("/reports")
            assert visitor.send("/reports", kind="integrity", form="page").status_code == 200
