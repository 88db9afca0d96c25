"""`haechi audit follow`: every signed header reaches whoever reads the lines, once it is signed, and none is left out."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from audit import AuditLog, Event, EventType, Segment
from haechi.cli.main import main


def ask(log: AuditLog, number: int) -> None:
    segment = Segment("prompt", f"secret {number}".encode(), "kim")
    log.append(Event(EventType.RESPONSE_COMPLETED, "default", f"req_{number}", segments=(segment,))).durable.result(10)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with AuditLog.open(tmp_path / "audit") as log:
        for number in range(3):
            ask(log, number)
    return tmp_path / "audit"


def followed(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> list[dict[str, object]]:
    command = ["audit", "follow", str(folder), "--cursor", str(folder.parent / "cursor"), "--once", *words]
    assert main(command) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_it_goes_on_where_it_stopped(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All headers first, then only newer ones, then none."""
    first = followed(capsys, folder, "--format", "json", "--tenant", "default")
    assert [line["req"] for line in first] == ["req_0", "req_1", "req_2"]
    assert "secret" not in json.dumps(first)
    assert "kim" not in json.dumps(first)
    with AuditLog.open(folder) as log:
        ask(log, 3)
    assert [line["req"] for line in followed(capsys, folder, "--format", "json", "--tenant", "default")] == ["req_3"]
    assert followed(capsys, folder, "--tenant", "default") == []


@pytest.mark.parametrize("form", ["ocsf", "otel"])
def test_every_record_has_a_line_in_the_form_of_the_export(
    folder: Path, form: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The same lines as `haechi audit export` writes, of every log."""
    lines = followed(capsys, folder, "--format", form)
    assert main(["audit", "export", str(folder), "--format", form, "--output", str(tmp_path / "all")]) == 0
    assert lines == [json.loads(line) for line in (tmp_path / "all").read_text().splitlines()]


def test_only_what_is_signed_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Records that no checkpoint covers wait, and come when one does."""
    with sqlite3.connect(folder / "log.db") as db:
        kept = db.execute("select * from checkpoint where log like '%/default'").fetchall()
        db.execute("delete from checkpoint where log like '%/default'")
    assert followed(capsys, folder, "--tenant", "default") == []
    with sqlite3.connect(folder / "log.db") as db:
        db.executemany("insert into checkpoint values (?, ?, ?, ?)", kept)
    assert len(followed(capsys, folder, "--tenant", "default")) == 3


def test_a_restored_old_log_is_said_and_nothing_is_repeated(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Shorter than what was forwarded: an error that names both numbers, exit code 3."""
    shutil.copytree(folder, folder.parent / "old")
    with AuditLog.open(folder) as log:
        ask(log, 3)
    followed(capsys, folder)
    assert (
        main(["audit", "follow", str(folder.parent / "old"), "--cursor", str(folder.parent / "cursor"), "--once"]) == 3
    )
    said = capsys.readouterr()
    assert said.out == ""
    assert "HAE-A104" in said.err


@pytest.mark.parametrize("text", ["[]", "{", '{"a": -1}', '{"a": "x"}'])
def test_a_file_that_is_no_cursor_is_refused(folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And is not written over."""
    cursor = folder.parent / "cursor"
    cursor.write_text(text)
    assert main(["audit", "follow", str(folder), "--cursor", str(cursor), "--once"]) == 2
    assert cursor.read_text() == text
    assert str(cursor) in capsys.readouterr().err


def test_a_reader_that_goes_away_ends_it_quietly(folder: Path) -> None:
    """As in a pipe to `head`."""
    words = ["audit", "follow", str(folder), "--cursor", str(folder.parent / "cursor"), "--every", "0.1"]
    with subprocess.Popen(
        [sys.executable, "-m", "haechi", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert json.loads(running.stdout.readline())["class_uid"] == 6003
        running.stdout.close()
        with AuditLog.open(folder) as log:
            ask(log, 9)
        assert running.wait(60) == 0
        assert running.stderr is not None
        assert "Traceback" not in running.stderr.read()
