"""Whether the gateway can do its work now: a model answers, records reach the disk, a policy is in force."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.in_force import PolicySource
from gateway.parts import GatewayParts
from gateway.upstream.ports import Json, UpstreamError

FRESH_S: Final = 2.0
"""Seconds for which an answer is repeated, so that probes do not load the upstream."""
AUDIT_S: Final = 10.0
"""Seconds for which a record that was not written in time makes the gateway not ready."""
MODEL_S: Final = 2.0
"""Seconds for the upstream to list its models."""


@dataclass(frozen=True, slots=True)
class Report:
    """One word for each part: "ok", or what is wrong."""

    model: str
    audit: str
    policy: str

    @property
    def ready(self) -> bool:
        """Whether requests can be served."""
        return (self.model, self.audit) == ("ok", "ok")

    def as_json(self) -> Json:
        """For /readyz."""
        return {
            "status": "ready" if self.ready else "not ready",
            "model": self.model,
            "audit": self.audit,
            "policy": self.policy,
        }


class Health:
    """Asks the parts, at most every two seconds."""

    def __init__(self, parts: GatewayParts, policies: PolicySource, audit_failed_s: Callable[[], float]) -> None:
        """audit_failed_s: seconds since a record was last not durable in time; infinite when that never happened."""
        self._parts = parts
        self._policies = policies
        self._audit_failed_s = audit_failed_s
        self._last: Report | None = None
        self._asked = 0.0

    async def report(self) -> Report:
        """The state of the parts."""
        now = time.monotonic()
        if self._last is None or now - self._asked > FRESH_S:
            self._last = Report(await self._model(), self._audit(), self._policies.current().label)
            self._asked = now
        return self._last

    async def _model(self) -> str:
        try:
            async with asyncio.timeout(MODEL_S):
                return "ok" if await self._parts.upstream.models() else "no model"
        except UpstreamError as error:
            return error.code
        except TimeoutError:
            return "no answer"

    def _audit(self) -> str:
        """A failure counts for a while and no longer: only requests can show that the disk is well again."""
        return "records are late" if self._audit_failed_s() < AUDIT_S else "ok"
