"""What an operator meets: the first start, the second, keys, settings, and one clear error for what is wrong."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import openai
import pytest

from haechi.base.errors import ExitCode, UnwritableOutput
from haechi.cli._preflight import bind, check_data_dir

if TYPE_CHECKING:
    from conftest import Launcher

GIVEN = "operator-chosen-key-0123456789"


def test_the_first_start_shows_a_key_that_works_and_the_second_shows_none(launcher: Launcher, tmp_path: Path) -> None:
    """The key is made once, shown once, and still works after a restart."""
    first = launcher.serve(tmp_path / "data")
    assert first.key.startswith("hk_")
    assert first.ask() == "w0 w1 w2"
    assert first.stop() == 0

    second = launcher.serve(tmp_path / "data")
    assert second.ready["api_key"] is None
    assert second.ask(key=first.key) == "w0 w1 w2"


def test_the_printed_curl_line_works_as_it_stands(launcher: Launcher, tmp_path: Path) -> None:
    """What the first start prints can be copied: the request in it is answered."""
    command = [
        sys.executable,
        "-m",
        "haechi",
        "serve",
        "--port",
        "0",
        "--data-dir",
        "data",
        "--upstream",
        launcher.upstream,
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=launcher.environment(), cwd=tmp_path
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        try:
            text = "".join(lines)
            status, content = _send_curl(text)
        finally:
            process.send_signal(signal.SIGTERM)
    assert (status, content) == (200, "w0 w1 w2")
    assert "audit verify data/audit" in text
    assert str(sys.executable) in text
    assert process.returncode == 0


def _send_curl(text: str) -> tuple[int, str]:
    start = text.index("  curl ")
    words = shlex.split(text[start : text.index("\n\n", start)].replace("\\\n", " "))
    url = urlsplit(words[1])
    headers = dict(word.split(": ", 1) for flag, word in itertools.pairwise(words) if flag == "-H")
    connection = http.client.HTTPConnection(url.netloc, timeout=30)
    connection.request("POST", url.path, words[words.index("-d") + 1], headers)
    response = connection.getresponse()
    content = json.loads(response.read())["choices"][0]["message"]["content"]
    connection.close()
    return response.status, str(content)


def test_a_key_from_the_environment_is_used_and_none_is_made(launcher: Launcher, tmp_path: Path) -> None:
    """HAECHI_API_KEY is the first key; it is neither printed nor stored in the clear."""
    gateway = launcher.serve(tmp_path / "data", env={"HAECHI_API_KEY": GIVEN}, key=GIVEN)
    assert gateway.ask() == "w0 w1 w2"
    assert gateway.ready["api_key"] is None
    gateway.stop()
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert files
    assert [path for path in [*files, gateway.log] if GIVEN.encode() in path.read_bytes()] == []


def test_keys_are_followed_while_the_gateway_runs(launcher: Launcher, tmp_path: Path) -> None:
    """A new key works at once, a revoked one stops at once, a wrong one never works: 401 in OpenAI's shape."""
    data = str(tmp_path / "data")
    gateway = launcher.serve(tmp_path / "data")
    made = json.loads(
        launcher.run("key", "create", "--tenant", "acme", "--label", "ci", "--data-dir", data, "--json").stdout
    )
    assert gateway.ask(key=made["secret"]) == "w0 w1 w2"

    assert launcher.run("key", "revoke", made["key_id"], "--data-dir", data).returncode == 0
    for key in (made["secret"], "hk_wrong", "hk_" + "A" * 43):
        with pytest.raises(openai.AuthenticationError) as refused:
            gateway.ask(key=key)
        assert refused.value.status_code == 401
        assert refused.value.code
        assert key not in str(refused.value)
    assert gateway.ask() == "w0 w1 w2"


def test_a_taken_port_is_one_clear_error(launcher: Launcher, tmp_path: Path) -> None:
    """The second gateway says that the port is taken and what to do, and does not start."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = launcher.run(
            "serve", "--port", port, "--data-dir", str(tmp_path / "data"), "--upstream", launcher.upstream
        )
    assert done.returncode == ExitCode.CANNOT_TELL
    assert f"HAE-C106 port {port} on 127.0.0.1 is taken" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("host", ["203.0.113.7", "no.such.host.invalid", "999.1.1.1", "a..b"])
def test_an_address_of_somebody_else_is_one_clear_error(host: str, launcher: Launcher, tmp_path: Path) -> None:
    """A host that is not ours cannot be listened on; the error says so."""
    arguments = (
        "serve",
        "--host",
        host,
        "--port",
        "0",
        "--data-dir",
        str(tmp_path / "d"),
        "--upstream",
        launcher.upstream,
    )
    done = launcher.run(*arguments)
    launcher.violations.unlink(missing_ok=True)  # looking the name up is what was asked for
    assert done.returncode == ExitCode.CANNOT_TELL
    assert "HAE-C106" in done.stderr


def test_a_file_in_the_place_of_the_data_folder_is_one_clear_error(launcher: Launcher, tmp_path: Path) -> None:
    """Nothing is served when nothing could be recorded."""
    (tmp_path / "data").write_text("a file", "utf-8")
    done = launcher.run("serve", "--port", "0", "--data-dir", str(tmp_path / "data"), "--upstream", launcher.upstream)
    assert done.returncode == ExitCode.CANNOT_TELL
    assert "HAE-C104" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_read_only_data_folder_is_one_clear_error() -> None:
    """A folder that this user may not write to is refused, naming the reason."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        me = os.geteuid()
        if me == 0:
            os.seteuid(65_534)  # the superuser may write anywhere, so the check is made as nobody
        try:
            with pytest.raises(UnwritableOutput, match="no permission"):
                check_data_dir(folder)
        finally:
            os.seteuid(me)


def test_a_full_disk_is_one_clear_error(launcher: Launcher, tmp_path: Path) -> None:
    """When the operating system takes no more bytes, the gateway says so and does not start."""
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024));"
        "from haechi.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            code,
            "serve",
            "--port",
            "0",
            "--data-dir",
            str(tmp_path / "d"),
            "--upstream",
            launcher.upstream,
        ],
        capture_output=True,
        text=True,
        env=launcher.environment(),
        cwd=tmp_path,
        timeout=90,
        check=False,
    )
    assert done.returncode == ExitCode.CANNOT_TELL
    assert "HAE-C104" in done.stderr
    assert "full" in done.stderr
    assert list((tmp_path / "d").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "env", "code", "said"),
    [
        (["--port", "eighty"], {}, "HAE-C101", "--port"),
        ([], {"HAECHI_PORT": "70000"}, "HAE-C101", "HAECHI_PORT"),
        ([], {"HAECHI_PROT": "1"}, "HAE-C102", "HAECHI_PORT"),
        (["--database", "mysql://db/x"], {}, "HAE-C101", "postgresql://"),
        (["--upstream", "localhost:1"], {}, "HAE-C101", "http://"),
        (["--policy", "defualt"], {}, "HAE-P101", "default"),
        (["--policy", "./missing.yaml"], {}, "HAE-P", "missing.yaml"),
        ([], {"HAECHI_API_KEY": "short"}, "HAE-C108", "20"),
        (["--settings", "none.toml"], {}, "HAE-C101", "none.toml"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_wrong_settings_are_one_clear_error(
    options: list[str], env: dict[str, str], code: str, said: str, launcher: Launcher, tmp_path: Path
) -> None:
    """Exit code 2, the code of the error, and a hint; nothing starts."""
    upstream = [] if "--upstream" in options else ["--upstream", launcher.upstream]
    port = [] if "--port" in options or "HAECHI_PORT" in env else ["--port", "0"]
    done = launcher.run("serve", "--data-dir", str(tmp_path / "d"), *port, *upstream, *options, env=env)
    assert done.returncode == ExitCode.USAGE, done.stderr
    assert code in done.stderr
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_policy_file_with_a_typing_error_is_one_clear_error(launcher: Launcher, tmp_path: Path) -> None:
    """The message names the file and the misspelt key."""
    policy = tmp_path / "mine.yaml"
    policy.write_text("schema: 1\nname: mine\nverison: '2026-11'\ndetectors: [lexicon]\n", "utf-8")
    done = launcher.run("serve", "--port", "0", "--upstream", launcher.upstream, "--policy", str(policy))
    assert done.returncode == ExitCode.USAGE
    assert "HAE-P" in done.stderr
    assert "verison" in done.stderr


def test_a_missing_model_folder_is_one_clear_error(launcher: Launcher, tmp_path: Path) -> None:
    """No download is tried for what is plainly a path; the message names it."""
    done = launcher.run("serve", "--port", "0", "--data-dir", str(tmp_path / "d"), "--model", "./no/such/folder")
    assert done.returncode in {ExitCode.USAGE, ExitCode.CANNOT_TELL}
    assert "HAE-U" in done.stderr
    assert "no/such/folder" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_failed_first_start_does_not_use_up_the_one_showing_of_the_key(launcher: Launcher, tmp_path: Path) -> None:
    """The key is made when the gateway is ready, so the next good start still shows one."""
    assert (
        launcher.run("serve", "--port", "0", "--data-dir", str(tmp_path / "data"), "--model", "./none").returncode != 0
    )
    assert launcher.serve(tmp_path / "data").key.startswith("hk_")


def test_an_upstream_that_is_away_is_a_warning_and_an_error_per_request(launcher: Launcher, tmp_path: Path) -> None:
    """The gateway starts, warns, and answers requests with an error until the upstream is there."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        away = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    gateway = launcher.serve(tmp_path / "data", "--upstream", away, upstream=False)
    assert "is not there now" in gateway.log.read_text("utf-8")
    with pytest.raises(openai.APIStatusError) as failed:
        gateway.ask()
    assert failed.value.status_code in {502, 503, 504}


def test_the_settings_file_the_environment_and_the_options_reach_the_gateway(
    launcher: Launcher, tmp_path: Path
) -> None:
    """haechi.toml in the data folder is read; a variable beats it; an option beats both."""
    (tmp_path / "data").mkdir()
    text = f'policy = "strict"\nworkers = 3\nupstream = "{launcher.upstream}"\nport = 1\n'
    (tmp_path / "data/haechi.toml").write_text(text, "utf-8")
    gateway = launcher.serve(tmp_path / "data", upstream=False, env={"HAECHI_WORKERS": "1", "HAECHI_PORT": "2"})
    assert (gateway.ready["policy"], gateway.ready["workers"], gateway.ready["upstream"]) == (
        "strict",
        1,
        launcher.upstream,
    )
    assert not gateway.address.endswith((":1", ":2"))


def test_two_gateways_with_two_data_folders_share_nothing(launcher: Launcher, tmp_path: Path) -> None:
    """Each has its own key and its own log."""
    one, two = launcher.serve(tmp_path / "one"), launcher.serve(tmp_path / "two")
    assert one.ask() == "w0 w1 w2"
    with pytest.raises(openai.AuthenticationError):
        one.ask(key=two.key)
    one.stop()
    two.stop()
    assert (tmp_path / "one/audit").is_dir()
    assert (tmp_path / "two/audit").is_dir()


def test_a_socket_that_only_waits_for_old_connections_is_not_a_taken_port() -> None:
    """A restart does not have to wait; a program that listens is in the way."""
    first = bind("127.0.0.1", 0)
    port = first.getsockname()[1]
    first.close()
    bind("127.0.0.1", port).close()
