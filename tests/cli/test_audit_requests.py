"""`haechi audit request|restrict|packs|report|breach|approve|export` as an officer types them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from audit import AuditLog, Event, EventType, Segment
from audit.rights.envelope import decrypt, new_identity
from haechi.cli.main import main

WHY = ("--who", "officer-1", "--ticket", "DSAR-7")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two people, one request each."""
    folder = tmp_path / "audit"
    with AuditLog.open(folder) as log:
        for user in ("kim", "lee"):
            segment = Segment("prompt", f"I am {user}".encode(), user)
            start = log.append(Event(EventType.REQUEST_RECEIVED, "default", f"req_{user}", segments=(segment,)))
            log.append(Event(EventType.RESPONSE_COMPLETED, "default", f"req_{user}", previous=start.record_id))
    return folder


def answer(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, list[dict[str, object]]]:
    code = main(["audit", *map(str, words), "--json"])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_request_from_receipt_to_an_encrypted_answer_that_verifies(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Opened, checked, fulfilled; the person opens the file, and anybody verifies it."""
    do = ("--folder", folder, *WHY)
    _, (opened,) = answer(capsys, "request", "open", "--subject", "kim", "--kind", "access", "--pack", "kr-pipa", *do)
    name = opened["request"]
    output, (identity, recipient) = tmp_path / "kim.age", new_identity()
    fulfil = ("request", "fulfil", name, *do, "--output", output, "--to", recipient, "--headers")
    assert answer(capsys, *fulfil)[0] == 2
    assert not output.exists()
    answer(capsys, "request", "verify-identity", name, "--level", "2", *do)
    code, (done,) = answer(capsys, *fulfil)
    assert (code, done["state"], done["records"]) == (0, "done", 1)
    assert b"I am kim" not in output.read_bytes()
    assert output.stat().st_mode & 0o077 == 0
    plain = tmp_path / "kim.zip"
    plain.write_bytes(decrypt(output.read_bytes(), identity=identity))
    with zipfile.ZipFile(io.BytesIO(plain.read_bytes())) as archive:
        assert "I am kim" in archive.read("index.html").decode()
    command = [sys.executable, "-m", "audit.verifier", str(plain), "--bundle", "--key", str(folder / "public.key")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    code, (listed,) = answer(capsys, "request", "list", "--folder", folder)
    assert (code, listed["request"], listed["state"]) == (0, name, "done")
    assert main(["audit", "verify", str(folder)]) == 0


def test_an_officer_restricts_reports_and_opens_an_incident(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Restricted content is not shown; the reports are files in the form of their ending."""
    _, (placed,) = answer(capsys, "restrict", "place", folder, "--subject", "kim", *WHY)
    show = ("show", folder, "req_kim", "--decrypt", "--purpose", "incident", *WHY)
    assert main(["audit", *map(str, show)]) == 2
    assert "HAE-A327" in capsys.readouterr().err
    assert answer(capsys, "restrict", "lift", folder, "--id", placed["restriction"], *WHY)[0] == 0
    assert main(["audit", *map(str, show)]) == 0
    assert "I am kim" in capsys.readouterr().out
    for form, begin in (
        ("pdf", b"%PDF"),
        ("html", b"<!doctype html>"),
        ("csv", "열람 보고서".encode()),
        ("json", b"{"),
    ):
        target = tmp_path / f"access.{form}"
        assert answer(capsys, "report", "access", folder, "--language", "ko", "--output", target)[0] == 0
        assert target.read_bytes().startswith(begin)
    opened = ("breach", "open", "--folder", folder, "--aware", "2026-01-01", "--note", "lost", *WHY)
    assert answer(capsys, *opened)[1][0]["state"] == "overdue"
    assert answer(capsys, "breach", "list", "--folder", folder)[0] == 1
    assert answer(capsys, "packs", "lint")[0] == 0
    assert len(answer(capsys, "packs", "list")[1]) > 20


@pytest.mark.parametrize("form", ["ocsf", "otel"])
def test_headers_are_exported_for_other_systems(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    """One JSON line a record, and no content."""
    target = tmp_path / "events.jsonl"
    code, (said,) = answer(capsys, "export", folder, "--format", form, "--output", target)
    lines = target.read_text().splitlines()
    assert (code, said["records"]) == (0, len(lines))
    assert all(json.loads(line) for line in lines)
    assert "I am" not in target.read_text()


def test_break_glass_from_the_command_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused by role, allowed with a second person's file, refused when the file comes again."""
    phrase = "a long enough passphrase\n"
    key = tmp_path / "kim.key"
    made = subprocess.run(
        [sys.executable, "-m", "haechi", "audit", "approver", str(key)],
        input=phrase, capture_output=True, text=True, check=True,
    )  # fmt: skip
    persons = {"kim": {"roles": ["privacy-officer"], "key": made.stdout.strip()}, "eve": {"roles": ["operator"]}}
    (folder / "roles.json").write_text(json.dumps({"persons": persons}))
    who = ("--purpose", "incident", "--ticket", "INC-1")
    show = ["audit", "show", str(folder), "0", "--tenant", "default", "--decrypt", "--who", "eve", *who]
    assert main(show) == 2
    capsys.readouterr()
    ok = tmp_path / "ok.json"
    approve = [
        "audit",
        "approve",
        str(folder),
        "--seq",
        "0",
        "--reader",
        "eve",
        "--who",
        "kim",
        "--key",
        str(key),
        "--output",
        str(ok),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "haechi", *approve, *who],
        input=phrase,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert main([*show, "--break-glass", "--approval", str(ok)]) == 0
    assert "I am kim" in capsys.readouterr().out
    assert main([*show, "--break-glass", "--approval", str(ok)]) == 2
    assert "HAE-A329" in capsys.readouterr().err
