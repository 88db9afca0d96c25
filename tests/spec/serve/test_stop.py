"""Stopping, being killed, and several workers: no answered request is missing from the log."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import openai
import psutil
import pytest

if TYPE_CHECKING:
    from conftest import Launcher, Running


def stream_in_thread(gateway: Running, prompt: str) -> tuple[threading.Thread, list[str], list[BaseException]]:
    """Read a streamed answer beside the test; the pieces that came, and what went wrong."""
    pieces: list[str] = []
    failures: list[BaseException] = []
    client = gateway.client()

    def read() -> None:
        try:
            messages: Any = [{"role": "user", "content": prompt}]
            with client.chat.completions.create(model="default", messages=messages, stream=True) as answer:
                for chunk in answer:
                    pieces.extend(choice.delta.content for choice in chunk.choices if choice.delta.content)
        except (openai.APIError, httpx.TransportError) as error:
            failures.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    return thread, pieces, failures


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait for something that other processes bring about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def verified(launcher: Launcher, data: Path) -> dict[str, Any]:
    """What `haechi audit verify --json` says of a log that must be whole."""
    done = launcher.run("audit", "verify", str(data / "audit"), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def events(launcher: Launcher, data: Path) -> list[str]:
    """The types of the records of the default tenant, oldest first."""
    done = launcher.run("audit", "show", str(data / "audit"), "--tenant", "default", "--limit", "100000", "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["typ"] for line in done.stdout.splitlines()]


def workers_of(parent: psutil.Process) -> list[psutil.Process]:
    """The live worker processes of a gateway; the parent has one more child, Python's own resource tracker."""
    found = []
    for child in parent.children():
        try:
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
        except (psutil.ZombieProcess, psutil.NoSuchProcess):
            continue
    return found


def test_sigterm_lets_a_running_answer_finish(launcher: Launcher, tmp_path: Path) -> None:
    """The client gets every word, the process ends with 0, and the log holds the completed request."""
    gateway = launcher.serve(tmp_path / "data")
    thread, pieces, failures = stream_in_thread(gateway, "#chunks=20 #delay=0.05")
    until(lambda: pieces)
    gateway.process.send_signal(signal.SIGTERM)
    thread.join(timeout=30)
    assert failures == []
    assert "".join(f"w{i} " for i in range(20)).strip() == "".join(pieces).strip()
    assert gateway.stop() == 0
    verified(launcher, tmp_path / "data")
    assert events(launcher, tmp_path / "data") == ["request.received", "response.completed"]


def test_an_answer_that_outlasts_the_drain_time_is_cut_off_and_recorded(launcher: Launcher, tmp_path: Path) -> None:
    """Shutdown is bounded; what was cut off is in the log as aborted, not as an orphan."""
    gateway = launcher.serve(tmp_path / "data", "--drain-s", "1")
    thread, pieces, _ = stream_in_thread(gateway, "#chunks=600 #delay=0.1")
    until(lambda: pieces)
    begin = time.monotonic()
    assert gateway.stop() == 0
    assert time.monotonic() - begin < 12
    thread.join(timeout=30)
    verified(launcher, tmp_path / "data")
    assert events(launcher, tmp_path / "data") == ["request.received", "response.aborted"]


def test_kill_9_in_the_middle_loses_no_answered_request_and_marks_the_open_one(
    launcher: Launcher, tmp_path: Path
) -> None:
    """After kill -9 the log verifies, answered requests are complete, and the open one becomes an orphan on the next start."""
    gateway = launcher.serve(tmp_path / "data")
    for _ in range(5):
        gateway.ask()
    thread, pieces, _ = stream_in_thread(gateway, "#chunks=600 #delay=0.1")
    until(lambda: pieces)
    gateway.stop(signal.SIGKILL)
    thread.join(timeout=30)
    killed = launcher.run("audit", "verify", str(tmp_path / "data/audit"), "--json")
    assert json.loads(killed.stdout)["outcome"] in {"intact", "cannot_tell"}  # not yet signed is not tampered

    again = launcher.serve(tmp_path / "data")
    assert again.stop() == 0
    verified(launcher, tmp_path / "data")
    seen = events(launcher, tmp_path / "data")
    assert tuple(seen.count(t) for t in ("request.received", "response.completed", "request.orphaned")) == (6, 5, 1)


def test_four_workers_share_one_log_without_loss(launcher: Launcher, tmp_path: Path) -> None:
    """Requests over four processes are all recorded, one killed worker is replaced, and the log verifies."""
    # Four processes and this test share what may be two busy cores: the usual 250 ms would be a test of the machine.
    gateway = launcher.serve(tmp_path / "data", "--workers", "4", "--audit-timeout-s", "20")
    parent = psutil.Process(gateway.process.pid)
    workers = workers_of(parent)
    assert len(workers) == 4
    failures: list[BaseException] = []

    def ask_many() -> None:
        try:
            for _ in range(5):
                gateway.ask()
        except openai.APIError as error:
            failures.append(error)

    threads = [threading.Thread(target=ask_many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failures == []

    workers[0].kill()
    until(lambda: len([worker for worker in workers_of(parent) if worker != workers[0]]) == 4)
    assert gateway.ask() == "w0 w1 w2"
    assert gateway.stop() == 0
    verified(launcher, tmp_path / "data")
    seen = events(launcher, tmp_path / "data")
    assert (seen.count("request.received"), seen.count("response.completed")) == (41, 41)


@pytest.mark.slow
def test_repeated_kills_lose_no_answered_request(launcher: Launcher, tmp_path: Path) -> None:
    """Ten rounds of kill -9 under load: every request that was answered is in the log as completed."""
    answered = 0
    key = ""
    for _ in range(10):
        gateway = launcher.serve(tmp_path / "data", "--audit-timeout-s", "20", key=key)
        key = gateway.key
        threads = [stream_in_thread(gateway, "#chunks=2 #delay=0.01") for _ in range(8)]
        time.sleep(0.3)
        gateway.stop(signal.SIGKILL)
        for thread, pieces, failures in threads:
            thread.join(timeout=30)
            answered += not failures and "".join(pieces).startswith("w0 w1")
    gateway = launcher.serve(tmp_path / "data", key=key)
    assert gateway.stop() == 0
    verified(launcher, tmp_path / "data")
    assert events(launcher, tmp_path / "data").count("response.completed") >= answered
