"""What the log promises to those who write and read it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from audit import AuditLog, Event, EventType, Segment, canonical
from audit.errors import AccessRefused, InvalidRecord, KeysUnavailable, LogUnavailable
from audit.store import SqliteStore
from audit.verify import Outcome, verify_folder
from haechi.base.clock import FixedClock
from haechi.cli.main import main

from .conftest import independent, request

CANARY = "카나리아-9f3a 金丝雀 canary@example.com"


def headers(folder: Path, tenant: str = "default") -> list[dict[str, object]]:
    store = SqliteStore(folder / "log.db", read_only=True)
    try:
        return [canonical.decode(leaf) for _, leaf in store.headers(f"haechi.local/audit/{tenant}")]
    finally:
        store.close()


class TestContent:
    def test_no_file_holds_content_or_an_identifier(self, folder: Path) -> None:
        """A canary in content, subject and conversation is in no file of the folder, in no common encoding."""
        with AuditLog.open(folder) as log:
            segment = Segment("prompt", CANARY.encode(), subject="kim@example.com")
            log.append(Event(EventType.REQUEST_RECEIVED, "default", "req_1", segments=(segment,))).durable.result(10)
            on_disk = b"".join(path.read_bytes() for path in folder.parent.rglob("*") if path.is_file())
        for text in (CANARY, "kim@example.com"):
            for form in (text.encode(), text.encode("utf-16-le"), ascii(text).encode()):
                assert form.strip(b"'") not in on_disk

    def test_content_is_read_only_with_a_reason_and_the_access_is_recorded_first(self, folder: Path) -> None:
        """Who, purpose and ticket are asked for; `access.read` stands in the system log."""
        with AuditLog.open(folder) as log:
            request(log, 7)
            with pytest.raises(AccessRefused):
                log.read("default", 0, who="auditor-1", purpose="", ticket="T-1")
            (part,) = log.read("default", 0, who="auditor-1", purpose="incident", ticket="T-1")
        assert part.content == b"question 7 of user-1"
        assert [h["typ"] for h in headers(folder, "_system")].count("access.read") == 1

    def test_content_survives_every_length_and_any_bytes(self, log: AuditLog) -> None:
        """Padding is invisible: what goes in comes out."""
        for size in (0, 1, 247, 248, 249, 4087, 4088, 4089, 70_000):
            content = os.urandom(size)
            segments = (Segment("prompt", content),)
            ack = log.append(Event(EventType.REQUEST_RECEIVED, "default", f"req_{size}", segments=segments))
            (part,) = log.read("default", ack.durable.result(10), who="a", purpose="test", ticket="T")
            assert part.content == content

    def test_keys_are_per_subject_class_and_month(self, folder: Path) -> None:
        """Another subject, class or month is another key id; the same three are the same."""
        clock = FixedClock()
        with AuditLog.open(folder, clock=clock) as log:
            for subject, retention, days in (
                ("a", "x", 0),
                ("a", "x", 0),
                ("b", "x", 0),
                ("a", "y", 0),
                ("a", "x", 40),
            ):
                clock.advance(days * 86_400)
                segment = Segment("prompt", b"hi", subject, retention)
                log.append(Event(EventType.REQUEST_RECEIVED, "default", "r", segments=(segment,))).durable.result(10)
        kids = [h["segs"][0]["kid"] for h in headers(folder)]  # type: ignore[index]
        assert kids[0] == kids[1]
        assert len(set(kids)) == 4


class TestHeader:
    @pytest.mark.parametrize(
        "event",
        [
            Event(EventType.REQUEST_RECEIVED, "default", "req\r\nforged: 1"),
            Event(EventType.REQUEST_RECEIVED, "default", "req", model="=cmd()"),
            Event(EventType.REQUEST_RECEIVED, "default", "req", reason="the user said hello"),
            Event(EventType.REQUEST_RECEIVED, "default", "req", findings=(("toxicity", -1),)),
            Event(EventType.REQUEST_RECEIVED, "default", "req", policy="md5:00"),
            Event(EventType.REQUEST_RECEIVED, "Acme Corp", "req"),
            Event(EventType.REQUEST_RECEIVED, "", "req"),
            Event(EventType.REQUEST_RECEIVED, "\ud800", "req", segments=(Segment("prompt", b"x"),)),
            Event(EventType.REQUEST_RECEIVED, "default", "req", tokens_in=2**63),
            Event(EventType.REQUEST_RECEIVED, "default", "req", segments=(Segment("a", b""), Segment("a", b""))),
        ],
        ids=[
            "line end",
            "formula",
            "free text",
            "negative score",
            "other digest",
            "tenant",
            "no tenant",
            "lone surrogate",
            "too large",
            "two segments of one name",
        ],
    )
    def test_what_does_not_fit_the_schema_is_refused_alone(self, folder: Path, event: Event) -> None:
        """The caller hears of it, its neighbours in the batch are written, the log stays intact."""
        with AuditLog.open(folder) as log:
            bad = log.append(event)
            good = log.append(Event(EventType.REQUEST_RECEIVED, "default", "req_good"))
            with pytest.raises(InvalidRecord):
                bad.durable.result(10)
            assert good.durable.result(10) == 0

    def test_time_of_sequencing_never_goes_back(self, folder: Path) -> None:
        """A clock set back by a day changes the writer's time, not the order."""
        clock = FixedClock()
        with AuditLog.open(folder, clock=clock) as log:
            for step in (0.0, -86_400.0, 5.0):
                clock.advance(step)
                log.append(Event(EventType.REQUEST_RECEIVED, "default", "r")).durable.result(10)
        times = [h["sts"] for h in headers(folder)]
        assert times == sorted(times)  # type: ignore[type-var]


class TestOpening:
    def test_a_passphrase_protects_the_keys(self, folder: Path) -> None:
        """Without it, or with a wrong one, nothing opens; the file holds no key in clear."""
        AuditLog.open(folder, passphrase=b"correct horse").close()
        for wrong in (None, b"battery staple"):
            with pytest.raises(KeysUnavailable):
                AuditLog.open(folder, passphrase=wrong)
        assert b"secret" not in (folder / "root.key").read_bytes()
        AuditLog.open(folder, passphrase=b"correct horse").close()

    def test_a_passphrase_that_protects_nothing_is_said_and_can_be_put_on(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Nobody is left to believe that a key file is protected; the command protects it, once, and everything still opens."""
        AuditLog.open(folder).close()
        clear = (folder / "root.key").read_bytes()
        with pytest.raises(KeysUnavailable, match="not protected"):
            AuditLog.open(folder, passphrase=b"correct horse")
        assert main(["audit", "keys", "protect", str(folder)]) == 2
        monkeypatch.setenv("HAECHI_AUDIT_PASSPHRASE", "correct horse")
        with (folder / "root.key").open("rb") as old:
            assert main(["audit", "keys", "protect", str(folder)]) == 0
            assert old.read() == bytes(len(clear))
        assert b"secret" not in (folder / "root.key").read_bytes()
        assert stat.S_IMODE((folder / "root.key").stat().st_mode) == 0o600
        assert main(["audit", "keys", "protect", str(folder)]) == 3
        assert "already" in capsys.readouterr().err
        with pytest.raises(KeysUnavailable):
            AuditLog.open(folder)
        AuditLog.open(folder, passphrase=b"correct horse").close()

    def test_key_files_are_for_the_owner_only(self, folder: Path) -> None:
        """Mode 0600, folder 0700."""
        AuditLog.open(folder).close()
        for name in ("root.key", "keys.db", "log.db"):
            assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    def test_a_damaged_key_file_is_named(self, folder: Path) -> None:
        """The error says which file, and what its loss means."""
        AuditLog.open(folder).close()
        (folder / "root.key").write_text("{}")
        with pytest.raises(KeysUnavailable, match=r"root\.key"):
            AuditLog.open(folder)

    def test_a_closed_log_takes_no_more(self, folder: Path) -> None:
        """Appending after close is refused at once."""
        log = AuditLog.open(folder)
        log.close()
        with pytest.raises(LogUnavailable):
            log.append(Event(EventType.REQUEST_RECEIVED, "default", "r"))


def test_requests_of_a_killed_process_are_closed_as_orphans_and_those_of_a_living_one_are_not(folder: Path) -> None:
    """kill -9 after request.received: the next opening says request.orphaned, once, for the dead process only."""
    code = (
        "import sys, time; from pathlib import Path; from audit import AuditLog, Event, EventType;"
        "log = AuditLog.open(Path(sys.argv[1]));"
        "log.append(Event(EventType.REQUEST_RECEIVED, 'default', 'req_dead')).durable.result(10);"
        "print('ready', flush=True); time.sleep(60)"
    )
    with AuditLog.open(folder) as living:
        living.append(Event(EventType.REQUEST_RECEIVED, "default", "req_alive")).durable.result(10)
        with subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE) as dead:
            assert dead.stdout is not None
            dead.stdout.readline()
            dead.kill()
        AuditLog.open(folder).close()
        AuditLog.open(folder).close()
        ends = [(h["typ"], h["req"]) for h in headers(folder) if h["typ"] != "request.received"]
    assert ends == [("request.orphaned", "req_dead")]
    proof = verify_folder(folder)
    assert proof.outcome is Outcome.INTACT
    assert {log.log.rsplit("/", 1)[-1]: log.orphans for log in proof.logs} == {"_system": 0, "default": 1}
    assert independent(folder) == 0
