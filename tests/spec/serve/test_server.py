"""The server process and its workers, with a small app of their own in place of the gateway's."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import asyncio, json, os, sys
from gateway.settings import load_settings
from haechi.base.errors import InvalidSetting
from haechi.cli._preflight import bind
from haechi.cli._server import Workers, run_single
from haechi.base.errors import HaechiError

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            await send({"type": event["type"] + ".complete"})
            if event["type"].endswith("shutdown"):
                print("closed", flush=True)
                return
    path = scope["path"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(int(path.rsplit("/", 1)[1]) if path.startswith("/slow/") else 1):
        await send({"type": "http.response.body", "body": b"%d " % os.getpid(), "more_body": True})
        try:
            await asyncio.sleep(0.1 if path.startswith("/slow/") else 0)
        except asyncio.CancelledError:
            print("cut off", flush=True)
            raise
    if path == "/crash":
        os._exit(9)
    await send({"type": "http.response.body", "body": b"end"})

def build(settings):
    if settings.policy == "broken":
        raise InvalidSetting("the part is broken", hint="mend it")
    if settings.policy == "dying":
        os._exit(7)
    return app

if __name__ == "__main__":
    settings = load_settings(dict(pair.split("=") for pair in sys.argv[1:]), {})
    sock = bind("127.0.0.1", 0)
    ready = lambda: print(json.dumps({"port": sock.getsockname()[1]}), flush=True)
    try:
        if settings.workers == 1:
            sys.exit(run_single(build(settings), settings, sock, ready))
        sys.exit(Workers(build, settings, sock, ready).run())
    except HaechiError as error:
        print(f"{error} / {error.hint}", flush=True)
        sys.exit(int(error.exit_code))
"""


class Program:
    """The program above as a process."""

    def __init__(self, folder: Path, *settings: str) -> None:
        (folder / "program.py").write_text(PROGRAM, "utf-8")
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, str(folder / "program.py"), *settings], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline()
        self.port = json.loads(self.first_line)["port"] if self.first_line.startswith("{") else 0

    def get(self, path: str) -> str:
        """The body of an answer, however it ends."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        except http.client.IncompleteRead as error:
            return error.partial.decode()
        finally:
            connection.close()

    def end(self, sig: signal.Signals | None = signal.SIGTERM) -> tuple[int, str]:
        """Exit status and the rest of the output."""
        if sig is not None and self.process.poll() is None:
            self.process.send_signal(sig)
        output, _ = self.process.communicate(timeout=40)
        return self.process.returncode, output


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Start a program; none is left running."""
    programs: list[Program] = []

    def begin(*settings: str) -> Program:
        programs.append(Program(tmp_path, *settings))
        return programs[-1]

    yield begin
    for program in programs:
        if program.process.poll() is None:
            program.process.kill()
        program.process.wait()
        if program.process.stdout is not None:
            program.process.stdout.close()


def beside(action: Callable[[], str]) -> tuple[threading.Thread, list[str]]:
    """Run a request beside the test."""
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(action()))
    thread.start()
    time.sleep(0.4)
    return thread, answers


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_running_answer_finishes_before_the_end(workers: str, start: Callable[..., Program]) -> None:
    """SIGTERM: the answer is whole, the app is closed, the status is 0."""
    program = start(f"workers={workers}")
    thread, answers = beside(lambda: program.get("/slow/15"))
    status, output = program.end()
    thread.join(timeout=20)
    assert answers[0].endswith("end")
    assert (0, int(workers)) == (status, output.count("closed"))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_late_answer_is_cut_off_and_may_say_so(workers: str, start: Callable[..., Program]) -> None:
    """After the drain time the app sees a cancellation, then the closing; shutdown is bounded."""
    program = start(f"workers={workers}", "drain_s=1")
    thread, answers = beside(lambda: program.get("/slow/900"))
    begin = time.monotonic()
    status, output = program.end()
    thread.join(timeout=20)
    assert time.monotonic() - begin < 12
    assert not answers[0].endswith("end")
    assert (status, "cut off\nclosed" in output) == (0, True)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_interrupt_does_not_wait(workers: str, start: Callable[..., Program]) -> None:
    """Ctrl-C twice ends the process, and its workers, with 130."""
    program = start(f"workers={workers}")
    children = psutil.Process(program.process.pid).children(recursive=True)
    thread, _ = beside(lambda: program.get("/slow/900"))
    program.process.send_signal(signal.SIGINT)
    time.sleep(1.2)
    begin = time.monotonic()
    status, _ = program.end(signal.SIGINT)
    assert status == 130
    assert time.monotonic() - begin < 3
    assert psutil.wait_procs(children, timeout=10)[1] == []
    thread.join(timeout=20)


def test_an_interrupt_for_the_whole_terminal_is_one_interrupt(start: Callable[..., Program]) -> None:
    """A terminal sends Ctrl-C to parent and workers; the running answer still finishes."""
    program = start("workers=2")
    thread, answers = beside(lambda: program.get("/slow/15"))
    for child in psutil.Process(program.process.pid).children():
        child.send_signal(signal.SIGINT)
    status, _ = program.end(signal.SIGINT)
    thread.join(timeout=20)
    assert (status, answers[0].endswith("end")) == (0, True)


def test_a_dead_worker_is_replaced(start: Callable[..., Program]) -> None:
    """A crash takes one connection with it, not the service."""
    program = start("workers=2", "log_level=error")
    before = program.get("/").split()[0]
    program.get("/crash")
    deadline = time.monotonic() + 20
    while len(psutil.Process(program.process.pid).children()) < 3:  # two workers and Python's resource tracker
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert before
    assert program.get("/").endswith("end")
    assert program.end()[0] == 0


def test_workers_that_keep_dying_end_the_service(start: Callable[..., Program]) -> None:
    """A loop of crashes is an error, not a warm machine."""
    program = start("workers=2", "log_level=error")
    deadline = time.monotonic() + 60
    while program.process.poll() is None:
        assert time.monotonic() < deadline
        try:
            program.get("/crash")
        except OSError:
            time.sleep(0.05)
        except http.client.HTTPException:
            time.sleep(0.05)
    status, output = program.end(None)
    assert status == 3
    assert "HAE-C112 workers keep stopping" in output


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("broken", "a worker could not start: HAE-C101 the part is broken / mend it"),
        ("dying", "stopped while starting (exit code 7)"),
    ],
)
def test_a_worker_that_cannot_start_is_the_error_of_the_parent(
    policy: str, said: str, start: Callable[..., Program]
) -> None:
    """The parent says why, and ends; no worker is left."""
    program = start("workers=2", f"policy={policy}")
    assert program.process.wait(timeout=30) == 3
    assert said in program.first_line


def test_workers_end_with_a_killed_parent(start: Callable[..., Program]) -> None:
    """kill -9 of the parent leaves no worker that keeps the port."""
    program = start("workers=2")
    children = psutil.Process(program.process.pid).children(recursive=True)
    program.end(signal.SIGKILL)
    assert psutil.wait_procs(children, timeout=20)[1] == []
