"""Timestamps of checkpoints: made over HTTP by a real authority, checked without a network, useless to a liar."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from audit import AuditLog, Event, EventType
from audit.anchor import LONGEST_ANSWER, Anchors
from audit.errors import LogUnavailable, MalformedNote, TamperedLog
from audit.note import VerifierKey
from haechi.cli.main import main
from tests.tsa_server import Authority, authority

VECTOR = Path(__file__).parents[2] / "vectors" / "audit" / "timestamp"


@pytest.fixture
def tsa() -> Iterator[Authority]:
    with authority() as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    grow(tmp_path / "audit", 3)
    return tmp_path / "audit"


def grow(folder: Path, count: int) -> None:
    with AuditLog.open(folder) as log:
        for number in range(count):
            log.append(Event(EventType.RESPONSE_COMPLETED, "default", f"r{number}")).durable.result(10)


def words(action: str, folder: Path, tsa: Authority, root: Path) -> list[str]:
    root.write_bytes(tsa.root_pem)
    return ["audit", "anchor", action, str(folder), "--tsa-root", str(root)]


def test_the_vector_made_by_openssl_verifies() -> None:
    """`openssl ts` made it; our reading of RFC 3161 is theirs. With one byte changed in either file it does not."""
    anchors = Anchors(VECTOR, (VECTOR / "root.pem").read_bytes())
    key = VerifierKey.parse((VECTOR / "public.key").read_text())
    note, response = (VECTOR / "checkpoint.note").read_bytes(), (VECTOR / "checkpoint.tsr").read_bytes()
    anchor = anchors.check(key, note, response)
    assert (anchor.log, anchor.size, anchor.policy) == ("vectors.example/audit/_system", 5, "1.3.6.1.4.1.99999.2")
    changed = 0
    for at in range(0, len(response), 37):
        bad = response[:at] + bytes([response[at] ^ 0x55]) + response[at + 1 :]
        try:
            same = anchors.check(key, note, bad)
        except TamperedLog:
            changed += 1
        else:
            assert same == anchor  # a byte that nothing depends on, as in an unsigned part
    assert changed > len(response) // 37 * 0.7
    with pytest.raises((TamperedLog, MalformedNote)):
        anchors.check(key, note.replace(b"\n5\n", b"\n6\n"), response)


def test_a_checkpoint_is_stamped_kept_and_checked_offline(
    folder: Path, tsa: Authority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The system log and a tenant's; later growth changes nothing; the log can say so itself."""
    root = tmp_path / "root.pem"
    assert main([*words("ask", folder, tsa, root), "--tsa", tsa.url, "--tenant", "default", "--record", "--json"]) == 0
    made = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["log"].rsplit("/", 1)[-1] for one in made] == ["_system", "default"]
    grow(folder, 4)
    tsa.status = 500  # nobody is asked again
    assert main([*words("verify", folder, tsa, root), "--json"]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] in (made, made[::-1])
    assert main(["audit", "show", str(folder), "--tenant", "_system"]) == 0
    assert capsys.readouterr().out.count("checkpoint.anchored") == 2
    assert main(["audit", "verify", str(folder)]) == 0


def test_a_log_that_was_rewritten_and_signed_again_is_found(folder: Path, tsa: Authority, tmp_path: Path) -> None:
    """Whoever holds every key and every pin cannot give the new history the old time (T7)."""
    root = tmp_path / "root.pem"
    assert main([*words("ask", folder, tsa, root), "--tsa", tsa.url]) == 0
    key = (folder / "root.key").read_bytes()
    for path in (folder, folder.with_name("audit-pins")):
        for file in sorted(path.rglob("*"), reverse=True):
            file.unlink() if file.is_file() else file.rmdir()
    (folder / "root.key").write_bytes(key)
    grow(folder, 9)
    assert main(["audit", "verify", str(folder)]) == 0
    assert main(words("verify", folder, tsa, root)) == 1


def test_an_authority_that_is_not_believed_or_lies_proves_nothing(folder: Path, tsa: Authority, tmp_path: Path) -> None:
    """Another root, another hash, the future, no answer: nothing is kept."""
    root = tmp_path / "root.pem"
    with authority() as other:
        ask = [*words("ask", folder, other, root), "--tsa", tsa.url]
        assert main(ask) == 1
    ask = [*words("ask", folder, tsa, root), "--tsa", tsa.url]
    tsa.lies = True
    assert main(ask) == 1
    tsa.lies, tsa.skew = False, timedelta(days=1)
    assert main(ask) == 1
    tsa.skew, tsa.status = timedelta(), 503
    assert main(ask) == 3
    assert not folder.with_name("audit-anchors").exists()
    assert main(words("verify", folder, tsa, root)) == 3


def test_a_foreign_file_among_the_anchors_is_a_problem_and_not_an_anchor(
    folder: Path, tsa: Authority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A note under a name of no anchor, a checkpoint of another family, a stamp that is gone: each is named."""
    root = tmp_path / "root.pem"
    assert main([*words("ask", folder, tsa, root), "--tsa", tsa.url]) == 0
    anchors = folder.with_name("audit-anchors")
    (stamped,) = anchors.glob("*.note")
    (anchors / "notes.note").write_bytes(stamped.read_bytes())
    (anchors / f"{'0' * 32}-5.note").write_bytes((VECTOR / "checkpoint.note").read_bytes())
    stamped.with_suffix(".tsr").rename(tmp_path / "elsewhere")
    capsys.readouterr()
    assert main(words("verify", folder, tsa, root)) == 1
    said = "".join(capsys.readouterr())
    assert "notes.note: not a name that an anchor has" in said
    assert "another family of logs" in said
    assert f"{stamped.name}: No such file" in said


def test_an_answer_without_an_end_is_cut_off(folder: Path, tsa: Authority, tmp_path: Path) -> None:
    """An authority, or who sits in its place, cannot fill the memory."""
    tsa.padding = LONGEST_ANSWER
    key = VerifierKey.parse((VECTOR / "public.key").read_text())
    with pytest.raises(LogUnavailable, match="too long"):
        Anchors(tmp_path, tsa.root_pem).ask(tsa.url, key, (VECTOR / "checkpoint.note").read_bytes())


def test_what_is_no_authority_is_one_clear_error(folder: Path, tmp_path: Path) -> None:
    """A file without certificates, an address that is none."""
    with pytest.raises(MalformedNote):
        Anchors(tmp_path, b"nothing")
    anchors = Anchors(tmp_path, (VECTOR / "root.pem").read_bytes())
    key = VerifierKey.parse((VECTOR / "public.key").read_text())
    for url in ("file:///etc/passwd", "http://127.0.0.1:1/", "http://"):
        with pytest.raises(LogUnavailable):
            anchors.ask(url, key, (VECTOR / "checkpoint.note").read_bytes())
