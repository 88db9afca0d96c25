"""What the gateway costs: CPU per request of its process tree, time to first token, memory.

`haechi serve` with the policy `fast` (words and patterns, no classifier) and the audit log on, in front of a stub model server that answers with 60 pieces,
all on this machine. The stub is asked directly in the same run, so that the added time is a difference between two
things measured side by side.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psutil

from benchmarks.figures import report

KEY = "benchmark-key-benchmark-key"
PROMPT = "Tell me about the boats on the river."
PIECES = 60
PACE_MS = 10.0
SECONDS = 4.0
CLIENTS = 8


@dataclass
class Seen:
    """What a group of clients saw. Times in milliseconds."""

    latencies: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    pieces: int = 0
    errors: int = 0


def request(url: str, *, stream: bool) -> bytes:
    """The bytes of one request."""
    body = {"model": "stub-model", "messages": [{"role": "user", "content": PROMPT}], "stream": stream}
    content = json.dumps(body).encode()
    head = (
        f"POST {urlsplit(url).path}/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes, seen: Seen) -> None:
    """One request on an open connection."""
    began = time.perf_counter()
    writer.write(data)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head.split(b" ", 2)[1])
    if b"transfer-encoding: chunked" in head:
        first = True
        while size := int(await reader.readline(), 16):
            piece = await reader.readexactly(size + 2)
            said = piece.count(b'"content":"') + piece.count(b'"content": "')
            said -= piece.count(b'"content":""') + piece.count(b'"content": ""')
            seen.pieces += said
            if said > 0 and first:
                first = False
                seen.first.append((time.perf_counter() - began) * 1e3)
        await reader.readline()
    else:
        length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
    seen.errors += status != 200
    seen.latencies.append((time.perf_counter() - began) * 1e3)


async def load(url: str, *, clients: int, seconds: float, stream: bool) -> Seen:
    """That many clients, each asking again as soon as it has its answer."""
    seen, data = Seen(), request(url, stream=stream)
    end = time.perf_counter() + seconds

    async def client() -> None:
        reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port, limit=2**20)
        while time.perf_counter() < end:
            await ask(reader, writer, data, seen)
        writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
    return seen


def tree(process: psutil.Process) -> list[psutil.Process]:
    """The process and everything below it."""
    return [process, *process.children(recursive=True)]


def cpu_seconds(process: psutil.Process) -> float:
    """CPU time of a process tree so far."""
    times = [each.cpu_times() for each in tree(process)]
    return sum(t.user + t.system for t in times)


@contextmanager
def started(*command: str, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A process of our own, stopped at the end."""
    process = subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def stub(delay_ms: float) -> Iterator[str]:
    """The model server; gives its base URL."""
    with started("-m", "benchmarks.gateway_stub", "--pieces", str(PIECES), "--delay-ms", str(delay_ms)) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip() + "/v1"


@contextmanager
def gateway(upstream: str, policy: str = "fast") -> Iterator[tuple[str, psutil.Process]]:
    """`haechi serve` in front of it; gives its base URL and process."""
    with tempfile.TemporaryDirectory() as folder:
        place = ("--port", "0", "--data-dir", folder, "--policy", policy)
        command = ("-m", "haechi", "serve", "--upstream", upstream, *place, "--json")
        with started(*command, environment={"HAECHI_API_KEY": KEY}) as process:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            yield ready["address"] + "/v1", psutil.Process(process.pid)


def cost(url: str, process: psutil.Process, *, clients: int, stream: bool) -> tuple[Seen, float]:
    """A warm-up, then a measured load: what was seen, and CPU milliseconds per request of the process tree.

    One request in a hundred may be refused: on a machine that does other things too, a disk can be late (HAE-G112).
    """
    asyncio.run(load(url, clients=2, seconds=1.0, stream=stream))
    before = cpu_seconds(process)
    seen = asyncio.run(load(url, clients=clients, seconds=SECONDS, stream=stream))
    spent = cpu_seconds(process) - before
    if seen.errors * 100 > len(seen.latencies):
        raise RuntimeError(f"{seen.errors} of {len(seen.latencies)} requests failed")
    return seen, spent * 1e3 / len(seen.latencies)


def at_full_speed() -> None:
    """Answers without pauses: CPU and memory."""
    with stub(0) as upstream, gateway(upstream) as (url, process):
        for clients in (1, CLIENTS):
            loaded = clients == CLIENTS  # one client alone pays two commits of the audit log per request for itself
            seen, ms = cost(url, process, clients=clients, stream=False)
            report(f"whole answer, {clients} client(s), CPU per request", ms, "ms", bar=2.0 if loaded else None)
            report(f"whole answer, {clients} client(s), requests per CPU second", 1e3 / ms, "1/s")
            direct = asyncio.run(load(upstream, clients=clients, seconds=1.5, stream=False))
            ratio = statistics.median(seen.latencies) / statistics.median(direct.latencies)
            report(f"whole answer, {clients} client(s), time to the stub's own", ratio, "x")
            seen, ms = cost(url, process, clients=clients, stream=True)
            report(
                f"stream of {PIECES} pieces, {clients} client(s), CPU per request",
                ms,
                "ms",
                bar=6.0 if loaded else None,
            )
            report(
                f"stream of {PIECES} pieces, {clients} client(s), pieces seen", seen.pieces / len(seen.latencies), ""
            )
        resident = sum(each.memory_info().rss for each in tree(process)) / 2**20
        report("resident memory after that", resident, "MB", bar=150.0)


def paced() -> None:
    """A piece every 10 ms: what the gateway adds to the time to the first one."""
    with stub(PACE_MS) as upstream, gateway(upstream) as (url, process):
        direct = asyncio.run(load(upstream, clients=3, seconds=SECONDS, stream=True))
        through, ms = cost(url, process, clients=3, stream=True)
        added = statistics.median(through.first) - statistics.median(direct.first)
        report(
            "paced stream, added time to first token, p50, in which one piece may be held",
            added,
            "ms",
            bar=5.0 + PACE_MS,
        )
        report("paced stream, the same without the held piece", added - PACE_MS, "ms", bar=5.0)
        report("paced stream, CPU per request", ms, "ms")


def with_classifier() -> None:
    """What the default policy adds by its classifier; no bar, it is what understanding costs."""
    with stub(0) as upstream, gateway(upstream, "default") as (url, process):
        for stream in (False, True):
            _, ms = cost(url, process, clients=CLIENTS, stream=stream)
            what = f"stream of {PIECES} pieces" if stream else "whole answer"
            report(f"{what}, default policy, {CLIENTS} client(s), CPU per request", ms, "ms")
        resident = sum(each.memory_info().rss for each in tree(process)) / 2**20
        report("resident memory, default policy", resident, "MB")


def main() -> None:
    """Measure and report."""
    at_full_speed()
    paced()
    with_classifier()


if __name__ == "__main__":
    main()
