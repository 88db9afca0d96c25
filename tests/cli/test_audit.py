"""`haechi audit` as an auditor types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audit import AuditLog, Event, EventType, Segment
from audit.pins import Pins
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


def test_a_word_that_means_nothing_is_refused_and_does_not_look_like_an_empty_log(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelled tenant, type or decision: what there is stands in the hint."""
    for words, code, says in (
        (["show", "--tenant", "defautl"], 3, "logs: _system, default"),
        (["search", "--tenant", "defautl"], 3, "logs: _system, default"),
        (["sample", "--number", "1", "--tenant", "defautl"], 3, "logs: _system, default"),
        (["export", "--output", str(tmp_path / "x"), "--tenant", "defautl"], 3, "logs: _system, default"),
        (["search", "--type", "request.recieved"], 2, "request.received, "),
        (["search", "--decision", "deny"], 2, "allow, flag"),
    ):
        assert main(["audit", words[0], str(folder), *words[1:]]) == code, words
        said = capsys.readouterr()
        assert says in said.err, words
        assert said.out == ""


def test_reading_a_request_again_reads_the_request_and_not_who_read_it_before(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One entry for each record with content: readings do not multiply, and show nobody's name unless asked for."""
    words = ["audit", "show", str(folder), "req_1", "--decrypt", "--purpose", "incident", "--ticket", "T-1"]
    for _ in range(3):
        assert main([*words, "--who", "auditor-1"]) == 0
        assert "auditor-1" not in capsys.readouterr().out
    assert main(["audit", "search", str(folder), "--type", "access.read", "--count"]) == 0
    assert capsys.readouterr().out == "3\n"
    asked = ["--tenant", "_system", "--decrypt", "--who", "auditor-2", "--purpose", "check", "--ticket", "T-2"]
    assert main(["audit", "show", str(folder), "req_1", *asked]) == 0
    assert "auditor-1" in capsys.readouterr().out


def test_of_several_proofs_each_is_checked(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that is altered fails all, by its name; no file on the line is passed over."""
    evidence = tmp_path / "evidence"
    assert main(["audit", "prove", str(folder), "--record", "req_1", "--output", str(evidence)]) == 0
    capsys.readouterr()
    proofs = sorted(map(str, evidence.glob("*.tlog-proof")))
    key = ["--key", str(folder / "public.key")]
    assert main(["audit", "prove", "--check", *proofs, *key]) == 0
    assert capsys.readouterr().out.count("proven: ") == len(proofs) == 2
    leaf = Path(proofs[1]).with_suffix(".leaf")
    leaf.write_bytes(leaf.read_bytes().replace(b'"dec":"allow"', b'"dec":"block"'))
    assert main(["audit", "prove", "--check", *proofs, *key]) == 1
    assert proofs[1] in capsys.readouterr().err


def test_a_passphrase_that_is_missing_or_wrong_is_said_with_where_it_comes_from(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The hint names the variable and the option."""
    monkeypatch.setenv("HAECHI_AUDIT_PASSPHRASE", "correct horse battery")
    assert main(["audit", "keys", "protect", str(folder)]) == 0
    words = ["audit", "verify", str(folder), "--keys"]
    assert main(words) == 0
    for given, says in (("wrong horse battery", "is wrong"), ("", "none was given")):
        monkeypatch.setenv("HAECHI_AUDIT_PASSPHRASE", given)
        assert main(words) == 3
        said = capsys.readouterr().err
        assert says in said
        assert "HAECHI_AUDIT_PASSPHRASE" in said


def test_a_file_that_an_option_names_is_judged_by_itself_and_is_no_proof_of_tampering(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key of another kind, or a folder of pins without pins: exit code 2 and which file, whatever the log is."""
    (tmp_path / "empty").mkdir()
    for words in (
        ["--witness-key", str(folder / "public.key")],
        ["--second-key", str(folder / "public.key")],
        ["--pins", str(tmp_path / "nowhere")],
        ["--pins", str(tmp_path / "empty")],
    ):
        assert main(["audit", "verify", str(folder), *words]) == 2, words
        assert words[1] in capsys.readouterr().err


def test_what_lies_in_the_folder_and_is_not_what_it_should_be_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A garbled key line or pin, and a database without a table: tampered, and the file's name."""
    (pin,) = [one for one in Pins.beside(folder).glob("*.note") if b"/default" in one.read_bytes()]
    for path in (folder / "public.key", pin, folder / "log.db"):
        kept = path.read_bytes()
        path.write_bytes(b"" if path.suffix == ".db" else b"garbage\n")
        assert main(["audit", "verify", str(folder)]) == 1, path
        assert str(path) in capsys.readouterr().err
        path.write_bytes(kept)
    assert main(["audit", "verify", str(folder)]) == 0
