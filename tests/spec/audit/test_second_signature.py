"""A second signature that withstands quantum computers: FORMAT.md section 7, by its vector and on real logs."""

from __future__ import annotations

import base64
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature

from audit import AuditLog
from audit.errors import KeysUnavailable, MalformedNote, TamperedLog
from audit.note import VerifierKey, parse, verify
from audit.pins import Pins
from audit.second import PUBLIC_FILE, SEED_FILE, SecondKey
from audit.verifier.__main__ import Wrong, is_signed_twice, read_second_key
from audit.verify import Outcome, verify_folder
from haechi.cli.main import main

from .conftest import independent, request

VECTOR = Path(__file__).resolve().parents[2] / "vectors/audit/mldsa"
SYSTEM = "haechi.local/audit/_system"


def newest(folder: Path, log: str = SYSTEM) -> bytes:
    with sqlite3.connect(folder / "log.db") as db:
        row = db.execute("select note from checkpoint where log = ? order by size desc limit 1", (log,)).fetchone()
    return bytes(row[0])


def ed25519_only(note: bytes) -> bytes:
    return note[: note.rindex("— ".encode())]


def replace_newest(folder: Path, note: bytes) -> None:
    with sqlite3.connect(folder / "log.db") as db:
        at = "(select max(size) from checkpoint where log = ?)"
        db.execute(f"update checkpoint set note = ? where log = ? and size = {at}", (note, SYSTEM, SYSTEM))


@pytest.fixture
def twice(history: Path) -> Path:
    """A log that was signed once, and twice from some moment on."""
    with AuditLog.open(history) as log:
        log.sign_twice()
        request(log, 90)
    return history


def test_the_vector_verifies_and_no_changed_bit_of_it_does() -> None:
    """By the log's code and by the verifier that shares none with it; both know when it was signed."""
    note, line = (VECTOR / "twice.note").read_bytes(), (VECTOR / PUBLIC_FILE).read_text("ascii")
    key = SecondKey.parse(line)
    assert key.line() == line.strip()
    assert key.signed_at(note) == 1_800_000_000
    assert is_signed_twice(note, *read_second_key(line))
    lines = note.split(b"\n")
    spot = lines[-2].rindex(b" ") + 30
    for at in (spot, spot + 1000, spot + 3000):
        wrong = b"\n".join(
            [
                *lines[:-2],
                lines[-2][:at] + (b"A" if lines[-2][at : at + 1] != b"A" else b"B") + lines[-2][at + 1 :],
                b"",
            ]
        )
        with pytest.raises(TamperedLog):
            key.signed_at(wrong)
        with pytest.raises(InvalidSignature):
            is_signed_twice(wrong, *read_second_key(line))


def test_a_key_line_of_another_kind_or_name_is_refused() -> None:
    """By both verifiers; the line's own hash binds name, kind and key."""
    name, key_id, encoded = (VECTOR / PUBLIC_FILE).read_text("ascii").strip().split("+", 2)
    raw = base64.b64decode(encoded)
    for line in (
        f"other.example/audit+{key_id}+{encoded}",
        f"{name}+00000000+{encoded}",
        f"{name}+{key_id}+{base64.b64encode(raw[:-1]).decode()}",
        f"{name}+{key_id}+{base64.b64encode(bytes([1]) + raw[1:]).decode()}",
    ):
        with pytest.raises(MalformedNote):
            SecondKey.parse(line)
        with pytest.raises(Wrong, match="does not fit itself"):
            read_second_key(line)


def test_a_remembered_checkpoint_with_a_wrong_second_signature_is_found(twice: Path) -> None:
    """The folder is honest, and what was put outside is not; a log that was never signed has none to lack."""
    [path] = [path for path in Pins.beside(twice).glob("*.note") if path.read_bytes().startswith(SYSTEM.encode())]
    good = path.read_bytes()
    spot = good.rindex(b" ") + 40
    path.write_bytes(good[:spot] + (b"A" if good[spot : spot + 1] != b"A" else b"B") + good[spot + 1 :])
    assert verify_folder(twice).problems == (
        f"{SYSTEM}: the remembered checkpoint: a checkpoint's second signature does not fit",
    )
    assert independent(twice) == 1
    path.write_bytes(good)
    with sqlite3.connect(twice / "log.db") as db:
        db.execute("delete from checkpoint where log not like '%_system'")
    db.close()
    assert not verify_folder(twice).problems
    assert independent(twice) == 3


def test_a_system_log_that_never_was_signed_twice_is_refused_where_it_must_be(history: Path) -> None:
    """The auditor holds a second key, and every checkpoint of the folder lacks the signature."""
    key = SecondKey.parse((VECTOR / PUBLIC_FILE).read_text("ascii"))
    mine = SecondKey("haechi.local/audit", key.public)
    assert "lacks the second signature" in str(verify_folder(history, second=mine).problems)


def test_it_is_off_by_default_and_ed25519_stays_in_front(history: Path) -> None:
    """One signature before, two after; who knows only the first key verifies as before."""
    assert len(parse(newest(history))[1]) == 1
    assert not (history / SEED_FILE).exists()
    with AuditLog.open(history) as log:
        log.sign_twice()
    note = newest(history)
    assert [len(blob) for _, blob in parse(note)[1]] == [4 + 64, 4 + 8 + 2420]
    public = VerifierKey.parse((history / "public.key").read_text("ascii")).public
    assert verify(note, VerifierKey(SYSTEM, public)).size > 0
    assert (history / SEED_FILE).stat().st_mode & 0o077 == 0


def test_both_verifiers_accept_a_log_that_began_to_sign_twice(twice: Path, tmp_path: Path) -> None:
    """The folder, a copy of it, and its export as tiles, which all carry the key."""
    assert verify_folder(twice).outcome is Outcome.INTACT, verify_folder(twice)
    assert independent(twice) == 0
    assert main(["audit", "copy", str(twice), "--to", str(tmp_path / "copy")]) == 0
    assert (tmp_path / "copy" / PUBLIC_FILE).exists()
    assert independent(tmp_path / "copy") == 0
    assert main(["audit", "export", str(twice), "--output", str(tmp_path / "tiles")]) == 0
    tiles = [sys.executable, "-m", "audit.verifier", str(tmp_path / "tiles"), "--tiles", "--pins", f"{twice}-pins"]
    assert subprocess.run(tiles, check=False).returncode == 0
    head = tmp_path / "tiles/_system/checkpoint"
    head.write_bytes(ed25519_only(head.read_bytes()))
    assert subprocess.run(tiles, check=False).returncode == 1


def test_a_checkpoint_that_lost_it_or_carries_a_wrong_one_is_found(twice: Path) -> None:
    """By both verifiers: as somebody would leave it who forged Ed25519, or tried the other one."""
    good = newest(twice)
    replace_newest(twice, ed25519_only(good))
    assert "lacks the second signature" in str(verify_folder(twice).problems)
    assert independent(twice) == 1
    spot = good.rindex(b" ") + 40
    replace_newest(twice, good[:spot] + (b"A" if good[spot : spot + 1] != b"A" else b"B") + good[spot + 1 :])
    assert "second signature does not fit" in str(verify_folder(twice).problems)
    assert independent(twice) == 1
    replace_newest(twice, good)
    assert verify_folder(twice).outcome is Outcome.INTACT


def test_an_auditors_own_copy_of_the_key_counts_when_the_folders_is_gone(
    twice: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Removing the key from the folder does not hide that a signature was removed."""
    mine = tmp_path / "mine.key"
    (twice / PUBLIC_FILE).rename(mine)
    assert main(["audit", "verify", str(twice), "--second-key", str(mine)]) == 0
    replace_newest(twice, ed25519_only(newest(twice)))
    assert main(["audit", "verify", str(twice), "--second-key", str(mine)]) == 1
    assert "lacks the second signature" in capsys.readouterr().out


def test_a_gateway_that_runs_begins_with_its_next_checkpoint(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command needs no restart, and no checkpoint after it lacks the signature."""
    with AuditLog.open(history) as running:
        request(running, 91)
        assert main(["audit", "keys", "sign-twice", str(history)]) == 0
        assert str(history / PUBLIC_FILE) in capsys.readouterr().out
        request(running, 92)
        running.sign()
        assert len(parse(newest(history))[1]) == 2
    assert verify_folder(history).outcome is Outcome.INTACT, verify_folder(history)


def test_a_folder_that_lost_the_seed_is_not_continued(twice: Path) -> None:
    """It would sign once again, which verifiers call a finding; the message says what to restore."""
    (twice / SEED_FILE).rename(twice.parent / "elsewhere")
    with pytest.raises(KeysUnavailable, match=r"mldsa\.key is missing"):
        AuditLog.open(twice)
    (twice / SEED_FILE).write_bytes(bytes(60))
    with AuditLog.open(twice) as log:
        with pytest.raises(KeysUnavailable):
            log.sign()
        (twice / SEED_FILE).unlink()
        (twice.parent / "elsewhere").rename(twice / SEED_FILE)
    assert verify_folder(twice).outcome is Outcome.INTACT
