"""`--database postgresql://...`: keys and records in one real server, from the command line."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit import AuditLog, Event, EventType, Segment
from audit.erase import Eraser, Why
from audit.kms_transit import open_transit
from gateway.keys import Caller, KeyStore
from haechi.base.clock import FixedClock
from haechi.base.errors import UnusableKeyStore
from haechi.base.ids import TenantId
from haechi.cli.main import main
from tests.postgres_server import base_url, execute, fresh_database
from tests.transit_server import TOKEN, transit


@pytest.fixture
def url() -> Iterator[str]:
    with fresh_database() as found:
        yield found


@pytest.fixture
def data(tmp_path: Path, url: str) -> Path:
    """A data folder whose records are in the server."""
    with AuditLog.open(tmp_path / "data" / "audit", database=url) as log:
        part = Segment("prompt", "안녕".encode(), "u")
        start = log.append(Event(EventType.REQUEST_RECEIVED, "default", "req_1", segments=(part,)))
        log.append(Event(EventType.RESPONSE_COMPLETED, "default", "req_1", previous=start.record_id))
    return tmp_path / "data"


def test_every_reading_verb_finds_the_log_in_the_server(
    data: Path, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """verify, show, search, prove, export; without the option there is nothing to verify."""
    common = ["--data-dir", str(data), "--database", url]
    assert main(["audit", "verify", *common, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outcome"] == "intact"
    assert main(["audit", "verify", "--data-dir", str(data)]) == 3
    assert "--database" in capsys.readouterr().err
    assert main(["audit", "show", *common, "--tenant", "default"]) == 0
    assert "response.completed" in capsys.readouterr().out
    words = ["audit", "show", str(data / "audit"), "req_1", "--database", url, "--decrypt"]
    assert main([*words, "--who", "a", "--purpose", "incident", "--ticket", "T"]) == 0
    assert "안녕" in capsys.readouterr().out
    assert main(["audit", "verify", *common, "--keys"]) == 0


def test_a_subject_is_erased_from_the_server(data: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The same command, the same receipt."""
    words = ["audit", "erase", str(data / "audit"), "--tenant", "default", "--subject", "u", "--database", url]
    assert main([*words, "--who", "ann", "--ticket", "T-1"]) == 0
    capsys.readouterr()
    assert main(["audit", "verify", "--data-dir", str(data), "--database", url]) == 0
    assert "1 erased" in capsys.readouterr().out


def test_keys_are_made_listed_and_revoked_in_the_server(
    tmp_path: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No key file appears in the data folder."""
    common = ["--data-dir", str(tmp_path / "d"), "--database", url, "--json"]
    assert main(["key", "create", "--tenant", "acme", *common]) == 0
    made = json.loads(capsys.readouterr().out)
    store = KeyStore.open(url)
    assert store.authenticate(made["secret"]) == Caller(TenantId("acme"), made["key_id"])
    assert main(["key", "list", *common]) == 0
    assert [key["key_id"] for key in json.loads(capsys.readouterr().out)["keys"]] == [made["key_id"]]
    assert main(["key", "revoke", made["key_id"], *common]) == 0
    again = KeyStore.open(url)
    assert again.authenticate(made["secret"]) is None
    assert not (tmp_path / "d" / "keys.db").exists()
    again.close()
    store.close()


def test_a_revocation_is_seen_by_every_gateway_within_a_second(url: str) -> None:
    """The other machine asks the server again when its answer is older than that."""
    one, other = KeyStore.open(url, clock=FixedClock()), KeyStore.open(url)
    made = one.create(TenantId("acme"))
    assert other.authenticate(made.secret) is not None
    one.revoke(made.key_id)
    other._rows._asked -= 1.0  # type: ignore[attr-defined]  # a second passes
    assert other.authenticate(made.secret) is None
    one.close()
    other.close()


def test_nobody_is_let_in_while_the_server_is_away(url: str) -> None:
    """An error, not an answer; and served again when it is back."""
    store = KeyStore.open(url)
    made = store.create(TenantId("acme"))
    execute(base_url(), f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{_name(url)}'")
    store._rows._asked -= 1.0  # type: ignore[attr-defined]  # a second passes
    with pytest.raises(UnusableKeyStore):
        store.authenticate(made.secret)
    assert store.authenticate(made.secret) is not None
    store.close()


def _name(url: str) -> str:
    return url.split("/")[3].split("?")[0]


def test_shredding_and_a_reader_from_the_command_line(
    data: Path, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`audit keys`: keys are wrapped again; a log opened with a reader's key writes what only its secret reads."""
    assert main(["audit", "keys", "shred", "--data-dir", str(data), "--database", url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["keys_wrapped_again"] >= 1
    assert main(["audit", "keys", "new-reader", str(tmp_path / "r")]) == 0
    assert main(["audit", "keys", "new-reader", str(tmp_path / "r")]) == 3
    place = ["--data-dir", str(data), "--database", url]
    who = ["req_1", "--decrypt", "--who", "a", "--purpose", "incident", "--ticket", "T"]
    public, secret = (["--audit-reader-key", str(tmp_path / "r" / name)] for name in ("reader.key", "reader.secret"))
    assert main(["audit", "show", str(data / "audit"), *who, *place, *public]) == 0  # older content is not sealed to it
    capsys.readouterr()
    assert main(["audit", "show", str(data / "audit"), "--tenant", "_system", *place, *secret]) == 0
    shown = capsys.readouterr().out
    assert "keys.rotated" in shown


def test_a_transit_engine_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--audit-kms vault+http://...`: the folder holds no root key, and without the service nothing is opened."""
    with transit() as engine:
        url = engine.url.replace("http", "vault+http", 1) + "/transit/haechi"
        with AuditLog.open(tmp_path / "audit", kms=open_transit(url, TOKEN)) as log:
            part = Segment("prompt", "안녕".encode(), "u")
            log.append(Event(EventType.RESPONSE_COMPLETED, "default", "req_1", segments=(part,))).durable.result(10)
        assert not (tmp_path / "audit" / "root.key").exists()
        words = ["audit", "show", str(tmp_path / "audit"), "req_1", "--decrypt", "--who", "a", "--purpose", "p"]
        words += ["--ticket", "T", "--audit-kms", url, "--audit-kms-token"]
        assert main([*words, TOKEN]) == 0
        assert "안녕" in capsys.readouterr().out
        assert main([*words, "wrong"]) == 3
        assert "HAE-A103" in capsys.readouterr().err
    assert main(["audit", "verify", str(tmp_path / "audit")]) == 0  # needs the public key only


def test_a_copy_out_of_the_server_convinces_the_independent_verifier(
    data: Path, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The copy verifies by both programs, holds no key, and what is changed in it is found."""
    place = ["--data-dir", str(data), "--database", url]
    with AuditLog.open(data / "audit", database=url) as log:
        Eraser(log).erase("default", "u", Why("ann", "T"))
    assert main(["audit", "copy", *place, "--to", str(tmp_path / "copy"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["records"] >= 6
    assert main(["audit", "copy", *place, "--to", str(tmp_path / "copy")]) == 3
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == ["log.db", "public.key"]
    assert main(["audit", "verify", str(tmp_path / "copy")]) == 0
    words = [sys.executable, "-m", "audit.verifier", str(tmp_path / "copy")]
    assert subprocess.run(words, capture_output=True, check=False).returncode == 0
    with sqlite3.connect(tmp_path / "copy" / "log.db") as db:
        db.execute("delete from body where rowid = (select min(rowid) from body)")
    db.close()
    assert subprocess.run(words, capture_output=True, check=False).returncode == 1
