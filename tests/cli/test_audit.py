"""`haechi audit` as an auditor types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audit import AuditLog, Event, EventType, Segment
from haechi.cli.main import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One request with its start and end, in the place where a gateway puts it."""
    folder = tmp_path / "data" / "audit"
    with AuditLog.open(folder) as log:
        start = log.append(
            Event(EventType.REQUEST_RECEIVED, "default", "req_1", segments=(Segment("prompt", "안녕".encode(), "u"),))
        )
        log.append(Event(EventType.RESPONSE_COMPLETED, "default", "req_1", previous=start.record_id))
    return folder


def test_verify_answers_with_its_exit_code_and_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 intact; the JSON has every log with what was counted."""
    assert main(["audit", "verify", "--data-dir", str(folder.parent), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["outcome"] == "intact"
    assert {log["log"].rsplit("/", 1)[-1]: log["outcome"] for log in answer["logs"]} == {
        "_system": "intact",
        "default": "intact",
    }


def test_verify_of_nothing_cannot_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3 and what to do, not a green light."""
    assert main(["audit", "verify", str(tmp_path)]) == 3
    assert "HAE-A203" in capsys.readouterr().err


def test_show_lists_decisions_without_content(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a record, newest last; no word of the prompt."""
    assert main(["audit", "show", str(folder), "--tenant", "default"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[3] for line in out.splitlines()] == ["request.received", "response.completed"]
    assert "안녕" not in out


def test_show_decrypts_only_with_a_reason(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without who, purpose and ticket: exit code 2 and no content. With them: the content, and a record of the access."""
    words = ["audit", "show", str(folder), "req_1", "--decrypt"]
    assert main(words) == 2
    assert "안녕" not in capsys.readouterr().out
    assert main([*words, "--who", "auditor-1", "--purpose", "incident", "--ticket", "T-1"]) == 0
    assert "안녕" in capsys.readouterr().out
    assert main(["audit", "show", str(folder), "--tenant", "_system"]) == 0
    assert "access.read" in capsys.readouterr().out


def test_a_request_that_is_not_there_is_said_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3, not an empty answer."""
    assert main(["audit", "show", str(folder), "req_none"]) == 3
    assert "req_none" in capsys.readouterr().err
