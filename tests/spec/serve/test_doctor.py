"""`haechi doctor` says what is wrong and how to mend it, and changes nothing."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from haechi.base.errors import ExitCode

if TYPE_CHECKING:
    from conftest import Launcher

Checks = dict[str, dict[str, str | None]]


def doctor(launcher: Launcher, data: Path, *options: str) -> tuple[int, Checks]:
    """Exit code, and the checks by name."""
    arguments = ["doctor", "--json", "--data-dir", str(data), *options]
    done = launcher.run(*arguments, *([] if "--port" in options else ["--port", "0"]))
    assert done.stdout, done.stderr
    return done.returncode, {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def test_nothing_is_wrong_with_a_fresh_folder_and_nothing_is_made(launcher: Launcher, tmp_path: Path) -> None:
    """Before the first start all is well, and looking leaves no trace."""
    status, checks = doctor(launcher, tmp_path / "data")
    assert status == ExitCode.OK, checks
    assert {"versions", "installation", "policies", "guard", "data folder", "API keys", "audit log", "port"} <= set(
        checks
    )
    assert not (tmp_path / "data").exists()


def test_a_used_folder_is_examined(launcher: Launcher, tmp_path: Path) -> None:
    """After some requests keys and log are found whole; a running gateway on the port is not a fault."""
    gateway = launcher.serve(tmp_path / "data")
    gateway.ask()
    port = gateway.address.rsplit(":", 1)[1]
    status, checks = doctor(launcher, tmp_path / "data", "--port", port, "--upstream", launcher.upstream)
    assert status == ExitCode.OK, checks
    assert checks["API keys"]["state"] == "ok"
    assert checks["audit log"]["state"] == "ok"
    assert checks["upstream"]["state"] == "ok"
    assert checks["port"]["state"] == "note"


def test_a_damaged_log_is_wrong(launcher: Launcher, tmp_path: Path) -> None:
    """A flipped byte in the log is found."""
    gateway = launcher.serve(tmp_path / "data")
    gateway.ask()
    gateway.stop()
    for path in (tmp_path / "data/audit").rglob("*.db"):
        path.write_bytes(path.read_bytes().replace(b'"typ":"request.received"', b'"typ":"request.rEceived"'))
    status, checks = doctor(launcher, tmp_path / "data")
    assert status in {ExitCode.FOUND, ExitCode.CANNOT_TELL}
    assert checks["audit log"]["state"] in {"WRONG", "unknown"}


def test_damaged_keys_are_wrong(launcher: Launcher, tmp_path: Path) -> None:
    """The code of the error and the way out are in the report."""
    (tmp_path / "keys.db").write_bytes(b"x" * 8192)
    status, checks = doctor(launcher, tmp_path)
    assert status == ExitCode.FOUND
    assert checks["API keys"]["state"] == "WRONG"
    assert "HAE-C110" in str(checks["API keys"]["detail"])


def test_only_revoked_keys_are_wrong(launcher: Launcher, tmp_path: Path) -> None:
    """A gateway that nobody can use is a fault, with the command that mends it."""
    made = json.loads(launcher.run("key", "create", "--json", "--data-dir", str(tmp_path)).stdout)
    launcher.run("key", "revoke", made["key_id"], "--data-dir", str(tmp_path))
    status, checks = doctor(launcher, tmp_path)
    assert status == ExitCode.FOUND
    assert checks["API keys"]["mend"] == "haechi key create"


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["--policy", "defualt"], "guard"),
        (["--upstream", "http://127.0.0.1:9/v1"], "upstream"),
        (["--data-dir", "/dev/null"], "data folder"),
    ],
    ids=["policy", "upstream", "data folder"],
)
def test_what_is_wrong_comes_with_how_to_mend_it(
    options: list[str], name: str, launcher: Launcher, tmp_path: Path
) -> None:
    """Exit code 1, the right check, and a next step."""
    status, checks = doctor(launcher, tmp_path, *options)
    assert status == ExitCode.FOUND
    assert checks[name]["state"] == "WRONG"
    assert checks[name]["mend"]


def test_a_port_that_another_program_holds_is_wrong(launcher: Launcher, tmp_path: Path) -> None:
    """What answers there is not a gateway."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as other:
        status, checks = doctor(launcher, tmp_path, "--port", str(other.getsockname()[1]))
    assert status == ExitCode.FOUND
    assert checks["port"]["state"] == "WRONG"


def test_the_text_form_says_the_same(launcher: Launcher, tmp_path: Path) -> None:
    """For people: a line for each check, an arrow for each remedy."""
    done = launcher.run("doctor", "--data-dir", str(tmp_path / "d"), "--port", "0", "--policy", "defualt")
    assert done.returncode == ExitCode.FOUND
    assert "WRONG" in done.stdout
    assert "-> did you mean 'default'?" in done.stdout


def test_looking_does_not_load_a_model_stack(launcher: Launcher, tmp_path: Path) -> None:
    """torch and transformers are found in the metadata, not imported."""
    code = (
        "import sys; from haechi.cli.main import main; main(['doctor', '--json', '--port', '0', '--data-dir', 'd']);"
        "print(sorted({'torch', 'transformers', 'trl', 'datasets'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=launcher.environment(),
        cwd=tmp_path,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
