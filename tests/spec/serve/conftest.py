"""The real gateway as a process, in front of a small real HTTP server that plays the model."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import openai
import pytest

ROOT = Path(__file__).resolve().parents[3]
START_TIMEOUT_S = 90.0
SITE_CUSTOMIZE = """
import ipaddress, os, sys
def _local(host):
    if host in (None, "", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(host if isinstance(host, str) else bytes(host).decode()).is_loopback or host == "0.0.0.0"
    except ValueError:
        return False
def _hook(event, args):
    host = None
    if event == "socket.connect" and isinstance(args[1], tuple):
        host = args[1][0]
    elif event == "socket.getaddrinfo":
        host = args[0]
    if not _local(host):
        with open(%r, "a") as file:
            file.write(f"{event} {host!r}\\n")
        raise OSError("a test keeps the gateway on this machine")
sys.addaudithook(_hook)
"""


class StubUpstream:
    """An OpenAI-compatible server. `#chunks=N #delay=S #finish=WORD` in the prompt steer the answer, which is `w0 w1 w2 ...`."""

    def __init__(self) -> None:
        stub = self
        self.requests: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

            def do_GET(self) -> None:
                self._json(
                    {"object": "list", "data": [{"id": "stub-1", "object": "model", "created": 1, "owned_by": "stub"}]}
                )

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                stub.requests.append(body)
                prompt = str(body["messages"][-1]["content"])
                chunks = int(_steer(prompt, "chunks", "3"))
                delay = float(_steer(prompt, "delay", "0"))
                words = [f"w{i} " for i in range(chunks)]
                if "#escape" in prompt:
                    words = ["\x1b[31mred"]
                if body.get("stream"):
                    self._stream(words, delay, _steer(prompt, "finish", "stop"))
                    return
                time.sleep(delay)
                message = {"role": "assistant", "content": "".join(words).strip()}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                usage = {"prompt_tokens": 5, "completion_tokens": chunks, "total_tokens": 5 + chunks}
                self._json(_head("chat.completion") | {"choices": [choice], "usage": usage})

            def _json(self, answer: dict[str, Any]) -> None:
                data = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def _stream(self, words: list[str], delay: float, end: str) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("connection", "close")
                self.end_headers()
                self.close_connection = True
                deltas: list[tuple[dict[str, str], str | None]] = [({"role": "assistant", "content": ""}, None)]
                deltas += [({"content": word}, None) for word in words] + [({}, end)]
                try:
                    for delta, finish in deltas:
                        choice = {"index": 0, "delta": delta, "finish_reason": finish}
                        chunk = _head("chat.completion.chunk") | {"choices": [choice]}
                        self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
                        self.wfile.flush()
                        time.sleep(delay)
                    self.wfile.write(b"data: [DONE]\n\n")
                except OSError:
                    return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _head(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "stub-1"}


def _steer(prompt: str, name: str, default: str) -> str:
    found = re.search(rf"#{name}=([a-z0-9_.]+)", prompt)
    return found.group(1) if found else default


@dataclass
class Running:
    """A gateway that said it is ready."""

    process: subprocess.Popen[str]
    ready: dict[str, Any]
    log: Path
    key: str
    clients: list[openai.OpenAI] = field(default_factory=list)

    @property
    def address(self) -> str:
        return str(self.ready["address"])

    def client(self, key: str | None = None) -> openai.OpenAI:
        """The stock client."""
        client = openai.OpenAI(base_url=self.address + "/v1", api_key=key or self.key, max_retries=0, timeout=60)
        self.clients.append(client)
        return client

    def ask(self, prompt: str = "hello", *, key: str | None = None) -> str:
        """One question, not streamed."""
        answer = self.client(key).chat.completions.create(
            model="default", messages=[{"role": "user", "content": prompt}]
        )
        return answer.choices[0].message.content or ""

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end; the exit status."""
        for client in self.clients:
            client.close()
        if self.process.poll() is None:
            self.process.send_signal(sig)
        status = self.process.wait(timeout=60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


class Launcher:
    """Starts gateways and other commands, each kept on this machine, and ends what a test leaves running."""

    def __init__(self, folder: Path, upstream: str) -> None:
        self._folder = folder
        self.upstream = upstream
        self.violations = folder / "violations.txt"
        self._site = folder / "site"
        self._site.mkdir()
        (self._site / "sitecustomize.py").write_text(SITE_CUSTOMIZE % str(self.violations), "utf-8")
        self._running: list[Running] = []

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Ours, without settings of the machine that runs the tests."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HAECHI_")}
        path = os.pathsep.join([str(self._site), str(ROOT)])
        return clean | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"} | dict(extra or {})

    def run(
        self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 90
    ) -> subprocess.CompletedProcess[str]:
        """A command that ends by itself."""
        return subprocess.run(
            [sys.executable, "-m", "haechi", *arguments],
            capture_output=True,
            text=True,
            env=self.environment(env),
            cwd=self._folder,
            timeout=timeout,
            check=False,
        )

    def serve(
        self, data: Path, *options: str, env: Mapping[str, str] | None = None, key: str = "", upstream: bool = True
    ) -> Running:
        """Start a gateway on a free port and wait until it is ready."""
        arguments = [
            sys.executable,
            "-m",
            "haechi",
            "serve",
            "--json",
            "--port",
            "0",
            "--data-dir",
            str(data),
            *options,
        ]
        if upstream:
            arguments += ["--upstream", self.upstream]
        log = self._folder / f"log-{len(self._running)}.txt"
        with log.open("w", encoding="utf-8") as stderr:
            process = subprocess.Popen(
                arguments, stdout=subprocess.PIPE, stderr=stderr, text=True, env=self.environment(env), cwd=self._folder
            )
        assert process.stdout is not None
        timer = threading.Timer(START_TIMEOUT_S, process.kill)
        timer.start()
        line = process.stdout.readline()
        timer.cancel()
        timer.join()
        if not line:
            process.stdout.close()
            raise AssertionError(f"the gateway ended with {process.wait()}:\n{log.read_text('utf-8')}")
        ready = json.loads(line)
        running = Running(process, ready, log, key or ready["api_key"] or "")
        self._running.append(running)
        return running

    def close(self) -> None:
        for running in self._running:
            running.stop(signal.SIGKILL)


@pytest.fixture(scope="session")
def stub() -> Iterator[StubUpstream]:
    """The model server behind every gateway of these tests."""
    server = StubUpstream()
    yield server
    server.close()


@pytest.fixture
def launcher(tmp_path: Path, stub: StubUpstream) -> Iterator[Launcher]:
    """Starts commands; afterwards none runs, and none has tried to leave this machine."""
    starter = Launcher(tmp_path, stub.url)
    yield starter
    starter.close()
    assert not starter.violations.exists(), starter.violations.read_text("utf-8")
