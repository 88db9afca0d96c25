"""`haechi audit erase|retain|hold|prove` as a privacy officer and an auditor type them."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from audit import AuditLog, Event, EventType, Segment
from audit.note import VerifierKey
from audit.proof import InclusionProof
from haechi.cli.main import main

WHY = ["--who", "officer-1", "--ticket", "DSAR-7"]


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


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[dict[str, object]]]:
    code = main(["audit", *words, "--json"])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_an_erasure_leaves_a_receipt_that_proves_itself(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The receipt holds the certificate, its proof and the key to check it with; the log verifies, the content is gone."""
    receipt_file = tmp_path / "receipt.json"
    code, (said,) = answer(capsys, "erase", str(folder), "--subject", "kim", *WHY, "--receipt", str(receipt_file))
    assert (code, said["outcome"], said["segments"]) == (0, "erased", 1)
    receipt = json.loads(receipt_file.read_text())
    family = VerifierKey.parse(receipt["public_key"])
    (certificate,) = receipt["certificates"]
    leaf = certificate["leaf"].encode()
    proof = InclusionProof.parse(base64.b64decode(certificate["tlog_proof"]))
    proof.verify(leaf, VerifierKey(f"{family.name}/_system", family.public))
    assert json.loads(leaf)["kids"] == receipt["keys_destroyed"]
    assert "kim" not in receipt_file.read_text()
    assert main(["audit", "verify", str(folder)]) == 0
    assert "1 erased" in capsys.readouterr().out
    show = ["audit", "show", str(folder), "--decrypt", "--purpose", "check", *WHY]
    assert main([*show, "--tenant", "default"]) == 0
    out = capsys.readouterr().out
    assert "I am lee" in out
    assert "I am kim" not in out


def test_a_subject_can_be_read_from_standard_input(folder: Path) -> None:
    """So that a person's name stays out of the shell's history and the process list."""
    code = "import sys; from haechi.cli.main import main; sys.exit(main(sys.argv[1:]))"
    words = ["audit", "erase", str(folder), "--subject", "-", *WHY, "--json"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], input="lee\n", capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["segments"] == 1


def test_nobody_is_erased_without_who_and_ticket_and_no_stranger_is_reported_as_erased(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 without a reason, 3 for a name that has no content or a folder that is none; no folder is made."""
    assert main(["audit", "erase", str(folder), "--subject", "kim"]) == 2
    assert main(["audit", "erase", str(folder), "--subject", "Kim", *WHY]) == 3
    assert "HAE-A302" in capsys.readouterr().err
    assert main(["audit", "erase", str(tmp_path / "typo"), "--subject", "kim", *WHY]) == 3
    assert not (tmp_path / "typo").exists()


def test_a_hold_defers_until_it_is_lifted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 while held; the list shows it without a name."""
    _, (placed,) = answer(capsys, "hold", "place", str(folder), "--subject", "kim", *WHY)
    code, (said,) = answer(capsys, "erase", str(folder), "--subject", "kim", *WHY)
    assert (code, said) == (1, {"outcome": "deferred", "hold": placed["hold"]})
    _, (listed,) = answer(capsys, "hold", "list", str(folder))
    assert (listed["hold"], listed["scope"]) == (placed["hold"], "subject")
    assert main(["audit", "hold", "lift", str(folder), *WHY]) == 2
    capsys.readouterr()
    assert answer(capsys, "hold", "lift", str(folder), "--id", str(placed["hold"]), *WHY)[0] == 0
    assert answer(capsys, "erase", str(folder), "--subject", "kim", *WHY)[0] == 0


def test_the_schedule_shows_what_is_due_when(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is overdue on the first day; nothing is destroyed by looking, nor by running it early."""
    code, groups = answer(capsys, "retain", str(folder), "--dry-run")
    assert code == 0
    assert {(g["tenant"], g["class"], g["keys"], g["overdue"]) for g in groups} == {
        ("default", "content-30d", 2, False)
    }
    assert answer(capsys, "retain", str(folder), *WHY) == (0, [])


def test_keys_are_rotated_and_everything_still_opens(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The count is said and recorded; content and verification are as before."""
    code, (said,) = answer(capsys, "rotate", str(folder), *WHY)
    assert (code, said) == (0, {"keys": 2})
    assert main(["audit", "verify", str(folder), "--keys"]) == 0
    assert main(["audit", "show", str(folder), "req_kim", "--decrypt", "--purpose", "check", *WHY]) == 0
    assert "I am kim" in capsys.readouterr().out


def test_a_proof_is_checked_without_the_folder(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two files and a public key are enough; one changed byte of the record or another key, and it is refused."""
    code, made = answer(capsys, "prove", str(folder), "--record", "req_kim", "--output", str(tmp_path / "proofs"))
    assert (code, len(made)) == (0, 2)
    key = tmp_path / "mine.key"
    key.write_bytes((folder / "public.key").read_bytes())
    check = ["audit", "prove", "--check", str(made[0]["proof"]), "--key", str(key)]
    assert main(check) == 0
    leaf = Path(str(made[0]["leaf"]))
    leaf.write_bytes(leaf.read_bytes().replace(b'"dec":"allow"', b'"dec":"block"'))
    assert main(check) == 1
    assert main(["audit", "prove", str(folder), "--record", "req_none"]) == 3
    assert main(["audit", "prove", "--check", str(tmp_path / "nothing"), "--key", str(key)]) == 2


def test_content_is_printed_so_that_a_terminal_does_not_obey_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Escape sequences, C1 controls and direction overrides arrive as text (T18)."""
    folder = tmp_path / "audit"
    content = "\x1b[2J\x9b2J \u202egnp.exe \u2028 한국어"
    with AuditLog.open(folder) as log:
        segment = Segment("prompt", content.encode())
        log.append(Event(EventType.REQUEST_RECEIVED, "default", "req_1", segments=(segment,)))
    assert main(["audit", "show", str(folder), "req_1", "--decrypt", "--purpose", "test", *WHY]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert not set("\x1b\x9b\u202e\u2028") & set(line)
    assert json.loads(line)["content"] == content


def test_nothing_done_is_said_in_words(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing due, no request, nobody named, a hold in the way: each is a sentence, and the hold is lifted by its bare id."""
    assert main(["audit", "retain", str(folder), *WHY]) == 0
    assert capsys.readouterr().out == "nothing is due\n"
    for verb, nothing in (("request", "no request is known\n"), ("breach", "no incident is known\n")):
        assert main(["audit", verb, "list", "--folder", str(folder)]) == 0
        assert capsys.readouterr().out == nothing
        assert main(["audit", verb, "list", str(folder)]) == 2
        assert "the audit folder is --folder" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert main(["audit", "erase", str(folder), "--subject", "-", *WHY]) == 2
    assert "names nobody" in capsys.readouterr().err
    assert main(["audit", "hold", "place", str(folder), "--subject", "kim", *WHY]) == 0
    hold = capsys.readouterr().out.split()[-1]
    assert main(["audit", "erase", str(folder), "--subject", "kim", *WHY]) == 1
    assert f"nothing was destroyed: hold {hold}" in capsys.readouterr().out
    monkeypatch.setenv("HAECHI_DATA_DIR", str(folder.parent))
    assert main(["audit", "hold", "lift", hold, *WHY]) == 0
    assert main(["audit", "erase", str(folder), "--subject", "kim", *WHY]) == 0
