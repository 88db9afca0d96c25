"""`haechi chat`: a terminal in front of a gateway. Tried on a small server that speaks the same protocol."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from haechi.base.errors import ExitCode

if TYPE_CHECKING:
    from conftest import Launcher, StubUpstream

KEY = {"HAECHI_API_KEY": "any-key-of-twenty-chars-or-so"}


def test_one_question_and_one_answer(launcher: Launcher, stub: StubUpstream) -> None:
    """`haechi chat MESSAGE` prints the answer and leaves."""
    done = launcher.run("chat", "--url", stub.url, "hello #chunks=4", env=KEY)
    assert (done.returncode, done.stdout) == (ExitCode.OK, "w0 w1 w2 w3 \n")


def test_the_answer_as_json(launcher: Launcher, stub: StubUpstream) -> None:
    """With --json one object says what came back and how it ended."""
    done = launcher.run("chat", "--url", stub.url, "--json", "hello", env=KEY)
    answer = json.loads(done.stdout)
    assert (answer["content"], answer["finish_reason"]) == ("w0 w1 w2 ", "stop")


def test_a_blocked_answer_is_said_and_is_found(launcher: Launcher, stub: StubUpstream) -> None:
    """finish_reason content_filter is shown to the person, and is exit code 1."""
    done = launcher.run("chat", "--url", stub.url, "hello #finish=content_filter", env=KEY)
    assert done.returncode == ExitCode.FOUND
    assert "the guard stopped this" in done.stderr


def test_control_characters_of_a_model_do_not_reach_the_terminal(launcher: Launcher, stub: StubUpstream) -> None:
    """An escape sequence in an answer is shown as a replacement character."""
    done = launcher.run("chat", "--url", stub.url, "hello #escape=1", env=KEY)
    assert done.returncode == ExitCode.OK
    assert "\x1b" not in done.stdout
    assert "\ufffd[31mred" in done.stdout


def test_nobody_there_is_one_clear_error(launcher: Launcher) -> None:
    """The address and what to start are named."""
    done = launcher.run("chat", "--url", "http://127.0.0.1:9", "hello", env=KEY)
    assert done.returncode == ExitCode.CANNOT_TELL
    assert "HAE-C111" in done.stderr
    assert "haechi serve" in done.stderr


def test_no_key_is_one_clear_error(launcher: Launcher, stub: StubUpstream) -> None:
    """Without a terminal to ask on, the error says where a key comes from."""
    done = launcher.run("chat", "--url", stub.url, "hello")
    assert done.returncode == ExitCode.USAGE
    assert "HAECHI_API_KEY" in done.stderr


def test_a_wrong_address_is_one_clear_error(launcher: Launcher) -> None:
    """What is not a URL is refused before anything is sent."""
    done = launcher.run("chat", "--url", "127.0.0.1:8080", "hello", env=KEY)
    assert done.returncode == ExitCode.USAGE
    assert "HAE-C101" in done.stderr


def test_a_conversation_keeps_its_history_and_new_forgets_it(launcher: Launcher, stub: StubUpstream) -> None:
    """Each turn sends the ones before it; /new starts over; Ctrl-D leaves."""
    stub.requests.clear()
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "haechi", "chat", "--url", stub.url]
    process = subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, env=launcher.environment(KEY), start_new_session=True
    )
    os.close(follower)
    try:
        for line in (b"one\n", b"two\n", b"/new\n", b"three\n", b"\x04"):
            _read_until(leader, b"you> ")
            os.write(leader, line)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(leader)
    assert [[m["content"].strip() for m in request["messages"]] for request in stub.requests] == [
        ["one"],
        ["one", "w0 w1 w2", "two"],
        ["three"],
    ]


def _read_until(terminal: int, mark: bytes) -> bytes:
    seen = b""
    deadline = time.monotonic() + 20
    while mark not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, seen
        seen += os.read(terminal, 4096)
    return seen
