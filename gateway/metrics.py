"""What an operator can watch. Own registry; labels come from closed sets; no text, name or key of anybody.

Counts are of one process: with several workers each answers /metrics for itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TypeVar, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

Family = TypeVar("Family", Counter, Histogram)

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """The gateway's counters."""

    def __init__(self, in_flight: Callable[[], float]) -> None:
        """in_flight: how many requests are under way now."""
        self.registry = CollectorRegistry()
        self._children: dict[tuple[object, tuple[str, ...]], object] = {}
        self._audit_failed_at = -math.inf
        self._requests = Counter(
            "haechi_requests", "Requests by route and how they ended.", ("route", "outcome"), registry=self.registry
        )
        self._actions = Counter(
            "haechi_guard_actions", "What the guard did, by direction.", ("direction", "action"), registry=self.registry
        )
        self._claims = Counter(
            "haechi_claims",
            "Claims of answers, by what the evidence says of them.",
            ("outcome",),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "haechi_request_seconds", "Time from the request to the end of its answer.", ("route",), registry=self.registry,
            buckets=_SECONDS,
        )  # fmt: skip
        self._first = Histogram(
            "haechi_first_token_seconds", "Time from the request to the first piece of a streamed answer.",
            registry=self.registry, buckets=_SECONDS,
        )  # fmt: skip
        self._tokens = Counter(
            "haechi_tokens", "Tokens, as the upstream counts them.", ("direction",), registry=self.registry
        )
        self._leaked = Counter(
            "haechi_leaked_characters",
            "Characters released behind the first violation of a stream.",
            registry=self.registry,
        )
        self._audit_failures = Counter(
            "haechi_audit_failures", "Records that were not durable in time.", ("event",), registry=self.registry
        )
        gauge = Gauge("haechi_requests_in_flight", "Requests under way.", registry=self.registry)
        gauge.set_function(in_flight)

    def _child(self, family: Family, *labels: str) -> Family:
        """The series of these labels. Kept, because looking it up in the library takes a lock and a sort."""
        found = self._children.get((family, labels))
        if found is None:
            found = self._children[family, labels] = family.labels(*labels)
        return cast("Family", found)

    def ended(self, route: str, outcome: str, seconds: float) -> None:
        """Count a request. route: a path of ours, or "other". outcome: a closed word."""
        self._child(self._requests, route, outcome).inc()
        self._child(self._seconds, route).observe(seconds)

    def guarded(self, direction: str, action: str) -> None:
        """Count a verdict."""
        self._child(self._actions, direction, action).inc()

    def claimed(self, outcome: str) -> None:
        """Count a claim that was held against evidence, or could not be."""
        self._child(self._claims, outcome).inc()

    def first_token(self, seconds: float) -> None:
        """The first piece of a stream went out."""
        self._first.observe(seconds)

    def used(self, tokens_in: int, tokens_out: int, leaked: int) -> None:
        """Count what an answer used, and how much of it went out that should not have."""
        if tokens_in:
            self._child(self._tokens, "in").inc(tokens_in)
        if tokens_out:
            self._child(self._tokens, "out").inc(tokens_out)
        if leaked:
            self._leaked.inc(leaked)

    def audit_failed(self, event: str) -> None:
        """A record was not durable in time."""
        self._audit_failed_at = time.monotonic()
        self._audit_failures.labels(event).inc()

    def audit_failed_s(self) -> float:
        """Seconds since a record was last not durable in time; infinite when that never happened."""
        return time.monotonic() - self._audit_failed_at

    def page(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self.registry)
