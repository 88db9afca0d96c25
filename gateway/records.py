"""How a request appears in the audit log: the only place that knows both the guard's words and the log's.

Rules of this file
1. A request that was begun is ended once, whatever happens; the second attempt to end it changes nothing.
2. Text, user and conversation travel in encrypted segments only; the clear header names nobody.
3. Appending never waits; what must be durable before the pipeline goes on is awaited there, with a deadline.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from audit.events import Event, EventType, Segment
from audit.log import Ack, AuditLog
from gateway.errors import AuditUnavailable
from gateway.upstream.ports import Json
from guard.verdict import CheckedClaim, Verdict
from haechi.base.errors import HaechiError
from haechi.base.ids import ConversationId, RequestId, TenantId, UserId

logger = logging.getLogger("haechi.gateway.records")

_MILLION: Final = 1_000_000

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class About:
    """Whose request it is, and what for. act: `chat.completion`, `guard.check`, ..."""

    request: RequestId
    tenant: TenantId
    key_id: str
    user: UserId
    conversation: ConversationId
    act: str
    model: str = ""


@dataclass(frozen=True, slots=True)
class Used:
    """Tokens of a request, as the upstream counted them or, where it did not, as estimated."""

    tokens_in: int = 0
    tokens_out: int = 0


def to_event(
    kind: EventType,
    about: About,
    verdict: Verdict,
    *,
    segments: tuple[Segment, ...],
    reason: str = "",
    previous: str = "",
    used: Used | None = None,
) -> Event:
    """Translate a guard's verdict into the log's vocabulary."""
    used = used or Used()
    worst: dict[str, int] = {}
    for finding in verdict.findings:
        score = round(finding.score * _MILLION)
        worst[finding.category.value] = max(score, worst.get(finding.category.value, 0))
    return Event(
        type=kind,
        tenant=about.tenant,
        request_id=about.request,
        act=about.act,
        decision=verdict.action.value,
        findings=tuple(sorted(worst.items())),
        policy=verdict.policy_digest,
        model=about.model,
        previous=previous,
        tokens_in=used.tokens_in,
        tokens_out=used.tokens_out,
        chars_checked=verdict.coverage.checked,
        chars_total=verdict.coverage.total,
        chars_leaked=verdict.released,
        reason=reason,
        segments=segments,
    )


class RequestRecord:
    """The two records of one request."""

    __slots__ = ("_about", "_log", "_received", "ended")

    def __init__(self, log: AuditLog, about: About) -> None:
        self._log = log
        self._about = about
        self._received: Ack | None = None
        self.ended: Ack | None = None

    def receive(self, verdict: Verdict, raw: bytes, forwarded: Json | None) -> Ack:
        """Record that the request arrived. forwarded: what goes to the model, when it is not what was sent.

        Raises:
            AuditUnavailable: when the log takes no more.
        """
        about = self._about
        identity = {
            "user": about.user,
            "conversation": about.conversation,
            "key": about.key_id,
            "policy": verdict.policy,
        }
        segments = [self._segment("identity", _encode(identity)), self._segment("prompt", raw)]
        if forwarded is not None:
            segments.append(self._segment("forwarded", _encode(forwarded)))
        self._received = self._append(to_event(EventType.REQUEST_RECEIVED, about, verdict, segments=tuple(segments)))
        return self._received

    def end(
        self,
        kind: EventType,
        verdict: Verdict,
        *,
        reason: str = "",
        received: Mapping[str, str] | None = None,
        released: Mapping[str, str] | None = None,
        used: Used | None = None,
    ) -> Ack:
        """Record how the request ended. received: what the model said. released: what of it went to the client.

        Raises:
            AuditUnavailable: when the log takes no more.
        """
        if self.ended is not None:
            return self.ended
        segments = []
        if released:
            segments.append(self._segment("answer", _encode(released)))
        if received and received != released:
            segments.append(self._segment("generated", _encode(received)))
        if verdict.claims:
            segments.append(self._segment("claims", _encode(_claims(verdict.claims))))
        previous = self._received.record_id if self._received is not None else ""
        event = to_event(
            kind, self._about, verdict, segments=tuple(segments), reason=reason, previous=previous, used=used
        )
        self.ended = self._append(event)
        return self.ended

    def _segment(self, name: str, content: bytes) -> Segment:
        return Segment(name, content, subject=self._about.user)

    def _append(self, event: Event) -> Ack:
        try:
            return self._log.append(event)
        except HaechiError as error:
            logger.exception("the audit log takes no records (%s)", error.code)
            raise _unavailable() from error


def _claims(claims: tuple[CheckedClaim, ...]) -> list[dict[str, object]]:
    """What came out for each claim of an answer, with the words it was held against."""
    return [msgspec.to_builtins(claim, str_keys=True) for claim in claims]


async def durable(ack: Ack, seconds: float) -> None:
    """Wait until a record is on disk.

    Raises:
        AuditUnavailable: when it is not within that time, or cannot be.
    """
    if not ack.durable.done():
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        # The log's own future is never cancelled: its writer completes it, whoever has stopped waiting.
        ack.durable.add_done_callback(lambda _: _wake(loop, waiter))
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError as error:
            logger.error("a record was not durable within %d ms", round(seconds * 1000))  # noqa: TRY400  # the cause is a slow disk, not this line
            raise _unavailable() from error
    failure = ack.durable.exception()
    if failure is not None:
        logger.error("a record could not be made durable (%s)", getattr(failure, "code", type(failure).__name__))
        raise _unavailable() from failure


def _wake(loop: asyncio.AbstractEventLoop, waiter: asyncio.Future[None]) -> None:
    def settle() -> None:
        if not waiter.done():
            waiter.set_result(None)

    if not loop.is_closed():
        loop.call_soon_threadsafe(settle)


def _unavailable() -> AuditUnavailable:
    return AuditUnavailable(
        "the request could not be recorded, so it is not answered",
        hint="the operator finds the cause in the gateway's log",
    )
