"""A whole gateway in this process, with everything real: guard, audit log, key store, and a stub as its model server."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai

from audit.events import Event
from audit.log import Ack, AuditLog
from benchmarks.gateway_stub import Script, Stub, serving
from gateway.app import create_app
from gateway.keys import KeyStore
from gateway.limits import Limits
from gateway.parts import GatewayParts
from gateway.upstream.http import HttpUpstream
from guard.checker import SafetyChecker
from guard.reload import ReloadingChecker

PATIENT = Limits(audit_s=10.0)
"""The usual limits, but for a machine that is busy with other tests: a late disk is tested where it is meant."""


class WatchedLog(AuditLog):
    """The audit log itself, which also remembers what was appended. `spoil` may put another receipt in the place of one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.seen: list[tuple[Event, Ack]] = []
        self.spoil: Callable[[Event, Ack], Ack] = lambda event, ack: ack

    def append(self, event: Event) -> Ack:
        ack = super().append(event)
        self.seen.append((event, ack))
        return self.spoil(event, ack)


@dataclass
class Running:
    """A gateway that is being served. url: without `/v1`. folder: of its audit log."""

    url: str
    key: str
    stub: Stub
    folder: Path
    parts: GatewayParts
    app: Any
    http: httpx.Client
    log: WatchedLog
    checker: SafetyChecker

    def client(self) -> openai.OpenAI:
        """The stock client, which does not try again."""
        return openai.OpenAI(base_url=self.url + "/v1", api_key=self.key, max_retries=0, http_client=self.http)

    def says(self, *pieces: str, **changes: Any) -> None:
        """What the model answers from now on."""
        self.stub.script = Script(pieces=list(pieces), **changes)

    def requests(self, *, wait_s: float = 5.0) -> dict[str, list[Event]]:
        """The request records so far, by request id, once every request has its end."""
        deadline = time.monotonic() + wait_s
        while True:
            found: dict[str, list[Event]] = {}
            for event, _ in list(self.log.seen):
                if event.request_id:
                    found.setdefault(event.request_id, []).append(event)
            if all(len(events) > 1 for events in found.values()) or time.monotonic() > deadline:
                return found
            time.sleep(0.01)

    def last(self) -> list[Event]:
        """The records of the newest request."""
        found = self.requests()
        return found[list(found)[-1]]

    def post(
        self, content: bytes | dict[str, Any], path: str = "/v1/chat/completions", **headers: str
    ) -> httpx.Response:
        """A request as it is, with the key."""
        given = {"authorization": f"Bearer {self.key}", "content-type": "application/json", **headers}
        if isinstance(content, bytes):
            return self.http.post(self.url + path, content=content, headers=given)
        return self.http.post(self.url + path, json=content, headers=given)


@contextmanager
def running(
    policy: str | SafetyChecker = "default", *, source: ReloadingChecker | None = None, base_url: str = "", **parts: Any
) -> Iterator[Running]:
    """Serve a gateway until the block ends.

    source: a policy file that may change, instead of `policy`. base_url: another upstream than the stub.
    parts: see GatewayParts.
    """
    checker = policy if isinstance(policy, SafetyChecker) else SafetyChecker.load(policy)
    checker = checker if source is None else source.current()
    stub = Stub()
    with tempfile.TemporaryDirectory() as folder, serving(stub) as upstream_url, httpx.Client(timeout=30) as http:
        keys = KeyStore.open(Path(folder) / "keys.db")
        upstream = HttpUpstream(base_url or upstream_url + "/v1", timeout_s=5)
        log = WatchedLog.open(Path(folder) / "audit")
        joined = GatewayParts(
            **{"limits": PATIENT, "checker": source or checker, "log": log, "upstream": upstream, "keys": keys, **parts}
        )
        app = create_app(joined)
        with serving(app) as url:
            yield Running(url, keys.create().secret, stub, Path(folder) / "audit", joined, app, http, log, checker)
        keys.close()
