"""`haechi key`: the secret goes to standard output once, everything else is for people."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.keys import KeyStore
from haechi.base.errors import ExitCode
from haechi.cli.main import main


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A data folder that is named in the environment, as an operator would."""
    monkeypatch.setenv("HAECHI_DATA_DIR", str(tmp_path / "data"))
    return str(tmp_path / "data")


def test_create_prints_the_secret_alone_on_standard_output(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`KEY=$(haechi key create)` works, and the key is valid."""
    assert main(["key", "create", "--tenant", "acme"]) == ExitCode.OK
    out, err = capsys.readouterr()
    store = KeyStore.open(Path(data) / "keys.db")
    caller = store.authenticate(out.removesuffix("\n"))
    store.close()
    assert caller is not None
    assert caller.tenant == "acme"
    assert out.strip() not in err


def test_list_shows_ids_and_states_and_never_a_secret(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The list tells keys apart by id, tenant and label."""
    main(["key", "create", "--label", "laptop", "--json"])
    made = json.loads(capsys.readouterr().out)
    main(["key", "create", "--tenant", "acme"])
    main(["key", "revoke", made["key_id"]])
    capsys.readouterr()

    assert main(["key", "list"]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert made["key_id"] in lines[0]
    assert "revoked" in lines[0]
    assert "laptop" in lines[0]
    assert "valid" in lines[1]
    assert made["secret"] not in "".join(lines)

    assert main(["key", "list", "--json", "--tenant", "acme"]) == ExitCode.OK
    entries = json.loads(capsys.readouterr().out)["keys"]
    assert [(entry["tenant"], entry["revoked_us"]) for entry in entries] == [("acme", None)]


def test_list_of_a_folder_that_is_not_there_is_empty_and_makes_nothing(
    data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Looking does not create a data folder."""
    assert main(["key", "list", "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out) == {"keys": []}
    assert not Path(data).exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["revoke", "key_000000000000"], "HAE-C109"),
        (["create", "--tenant", "No Good"], "HAE-C107"),
        (["create", "--tenant", ""], "HAE-C107"),
        (["list", "--settings", "no-such.toml"], "HAE-C101"),
    ],
)
def test_wrong_use_is_one_clear_error(
    arguments: list[str], code: str, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, the code, a hint; as JSON where JSON was asked for."""
    assert main(["key", *arguments]) == ExitCode.USAGE
    err = capsys.readouterr().err
    assert code in err
    assert "hint" in err
    assert main(["key", *arguments, "--json"]) == ExitCode.USAGE
    captured = capsys.readouterr()
    assert json.loads(captured.err)["error"]["code"] == code
    assert captured.out == ""


def test_a_damaged_store_is_cannot_tell(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3: not "no keys"."""
    Path(data).mkdir()
    (Path(data) / "keys.db").write_bytes(b"x" * 8192)
    assert main(["key", "list"]) == ExitCode.CANNOT_TELL
    assert "HAE-C110" in capsys.readouterr().err
