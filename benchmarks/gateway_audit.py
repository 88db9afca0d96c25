"""What the audit log costs a gateway: the same gateway with its log and with one that keeps nothing, in turns on one machine.

There is no gateway without a log to switch to; for this measurement alone the log is replaced by one that acknowledges requests
and forgets them. The model answers whole at once (the hardest case: nothing else takes time) or streams a piece every 10 ms.

    python -m benchmarks.gateway_audit
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import threading
from pathlib import Path

from audit.events import Event
from audit.log import Ack, AuditLog
from benchmarks.figures import report
from benchmarks.gateway_cost import KEY, Seen, load, started, stub
from benchmarks.gateway_running import PATIENT
from benchmarks.gateway_stub import serving
from gateway.app import create_app
from gateway.keys import KeyStore
from gateway.parts import GatewayParts
from gateway.upstream.http import HttpUpstream
from guard.checker import SafetyChecker

ROUNDS = 7
SECONDS = 2.0
CLIENTS = 8


class ForgetfulLog(AuditLog):
    """Acknowledges at once what requests do, and keeps none of it."""

    def append(self, event: Event) -> Ack:
        ack = Ack("0" * 32)
        ack.durable.settle(0)
        return ack


def serve(upstream: str, kind: type[AuditLog]) -> None:
    """A gateway in this process until it is stopped; prints its address."""
    with tempfile.TemporaryDirectory() as folder:
        keys = KeyStore.open(Path(folder) / "keys.db")
        keys.create(secret=KEY)
        log = kind.open(Path(folder) / "audit")
        parts = GatewayParts(SafetyChecker.load("default"), log, HttpUpstream(upstream), keys, limits=PATIENT)
        with serving(create_app(parts)) as url:
            print(url + "/v1", flush=True)
            threading.Event().wait()


def in_turns(urls: dict[str, str], *, stream: bool, clients: int) -> dict[str, list[Seen]]:
    """Load on each gateway, one after the other, several times."""
    seen: dict[str, list[Seen]] = {name: [] for name in urls}
    for turn in range(ROUNDS + 1):
        for name in sorted(urls, reverse=bool(turn % 2)):
            one = asyncio.run(load(urls[name], clients=clients, seconds=SECONDS, stream=stream))
            if one.errors:
                raise RuntimeError(f"{one.errors} of {len(one.latencies)} requests failed")
            if turn:  # the first turn warms up
                seen[name].append(one)
    return seen


def _rate(seen: list[Seen]) -> float:
    return statistics.median(len(one.latencies) for one in seen) / SECONDS


def compare(delay_ms: float, *, stream: bool, clients: int, what: str, bar: float | None) -> None:
    """Throughput with the log beside without, and for streams the time to the first piece."""
    with stub(delay_ms) as upstream:
        with_log = ("-m", "benchmarks.gateway_audit", "--serve", "on", "--upstream", upstream)
        without = ("-m", "benchmarks.gateway_audit", "--serve", "off", "--upstream", upstream)
        with started(*with_log) as on, started(*without) as off:
            assert on.stdout is not None
            assert off.stdout is not None
            urls = {"on": on.stdout.readline().strip(), "off": off.stdout.readline().strip()}
            seen = in_turns(urls, stream=stream, clients=clients)
    ratio = _rate(seen["on"]) / _rate(seen["off"])
    report(f"{what}: requests a second with the log / without", ratio, "ratio", bar=bar, better="higher")
    if stream:
        first = {name: statistics.median(t for one in each for t in one.first) for name, each in seen.items()}
        report(f"{what}: time to first piece with the log less without, p50", first["on"] - first["off"], "ms", bar=5.0)


def main() -> int:
    """Measure and report; or, asked to, serve one of the two gateways."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve", choices=["on", "off"])
    parser.add_argument("--upstream", default="")
    chosen = parser.parse_args()
    if chosen.serve:
        serve(chosen.upstream, AuditLog if chosen.serve == "on" else ForgetfulLog)
        return 0
    compare(10.0, stream=True, clients=CLIENTS, what="stream of 60 pieces, 10 ms each", bar=0.9)
    compare(0.0, stream=False, clients=CLIENTS, what="whole answer of a model that takes no time", bar=None)
    compare(0.0, stream=True, clients=CLIENTS, what="stream of a model that takes no time", bar=None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
