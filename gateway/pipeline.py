"""The one door. Every request that carries text goes through it, streamed or not.

1. authenticate the key       2. limits and shape          3. guard the input, every string
4. record `request.received`, durable before anything goes out
5. forward to the model       6. guard the output, every string, by the same code for streams and whole answers
7. record exactly one end: `response.completed`, `blocked`, `aborted` or `failed`
8. count usage

Rules of this file
1. Nothing reaches the model before step 4 is on disk, and nothing complete reaches the client before step 7 is.
2. When the guard blocks, the model is stopped first; then the client is told.
3. However a request ends, `run` sees it: a client that left, a deadline, a fault of ours, the server's own end.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from audit.events import EventType
from audit.log import Ack
from gateway.added import Added, is_usage
from gateway.answer import AnswerGuard, AnswerTerms
from gateway.errors import (
    DeadlineExceeded,
    GatewayError,
    GuardUnavailable,
    InternalFailure,
    MalformedBody,
    PromptBlocked,
    TooBusy,
    UpstreamGarbled,
)
from gateway.exchange import EVENTS, NO_BUFFER, NO_STORE, ClientGone, Exchange
from gateway.in_force import PolicySource
from gateway.keys import Caller
from gateway.lane import GuardLane
from gateway.metrics import Metrics
from gateway.openai.chat import declared_names
from gateway.openai.errors import error_body, error_headers, error_status
from gateway.openai.form import Form
from gateway.openai.grounding import Grounding, asked_grounding, question_in, spoken_evidence, without, without_ours
from gateway.openai.merge import merged
from gateway.openai.moderation import asked_moderation
from gateway.openai.refusal import refusal_text, refused_completion, refused_stream
from gateway.openai.request import ModelRequest
from gateway.parts import BlockedPrompt, GatewayParts
from gateway.prompt import Screened, screen, screen_hiding
from gateway.reception import Reception, conversation_of, made_up_conversation
from gateway.records import RequestRecord, durable
from gateway.sampling import sampled, with_samples
from gateway.substitution import Hiding
from gateway.upstream.ports import Json, UpstreamError
from gateway.visit import Visit
from guard.conversation import Conversation
from guard.policy import EvidenceFrom
from guard.verdict import Category, Direction

logger = logging.getLogger("haechi.gateway")

_LAST_WORDS_S = 5.0
"""For requests that were cut off to record their end; a guard's thread that is under way is not interrupted."""
Handler = Callable[[Visit], Awaitable[None]]


class Pipeline:
    """The door of one process."""

    def __init__(self, parts: GatewayParts) -> None:
        self._parts = parts
        self._limits = parts.limits
        self.metrics = self._metrics = Metrics(lambda: float(self._under_way))
        self._reception = Reception(parts)
        self.policies = PolicySource(parts.checker)
        self._under_way = 0
        self.lane = GuardLane(threads=parts.limits.guard_threads, inline_chars=parts.limits.inline_chars)

    async def run(self, exchange: Exchange, route: str, handler: Handler, argument: str = "") -> None:
        """One request from its headers to its end record. Raises only when the server itself is stopped."""
        policy = self.policies.current()
        visit = Visit(exchange, route, self._metrics, policy, argument)
        label = policy.label.encode("ascii", "replace")
        exchange.headers = [(b"x-request-id", visit.request.encode()), (b"x-haechi-policy", label)]
        self._under_way += 1
        try:
            self._check_room(exchange)
            async with asyncio.timeout(self._limits.request_s):
                await handler(visit)
        except asyncio.CancelledError:
            self._leave(visit)
            task = asyncio.current_task()
            if not exchange.gone or task is None:
                raise
            task.uncancel()
        except ClientGone:
            visit.outcome = "client_gone"
        except TimeoutError:
            await self._fail(visit, DeadlineExceeded("the answer took too long", hint="ask for less, or stream"))
        except (GatewayError, UpstreamError) as error:
            await self._fail(visit, error)
        except Exception as error:  # noqa: BLE001  # the process boundary: a fault of ours must end in a record and an answer
            logger.error("a request failed inside the gateway: %s", _where(error))  # noqa: TRY400  # a traceback would quote text
            await self._fail(visit, InternalFailure("the gateway failed"))
        finally:
            self._under_way -= 1
            self._metrics.ended(route, visit.outcome, visit.seconds())

    def _check_room(self, exchange: Exchange) -> None:
        exchange.check_headers(self._limits)
        if self._under_way > self._limits.in_flight:
            raise TooBusy("too many requests are under way", hint="try again in a moment")

    async def aclose(self) -> None:
        """Close what the parts hold open, once no request is under way: one that was cut off has its end to record."""
        self.lane.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_S):
                while self._under_way:
                    await asyncio.sleep(0.01)
        await self._parts.upstream.aclose()
        self._parts.maps.close()
        self._parts.log.close()  # may wait for the disk; nothing else is left to do on this loop

    async def answer(self, form: Form, visit: Visit) -> None:
        """`POST /v1/chat/completions`, and every other form in which a model is asked for an answer."""
        exchange = visit.exchange
        caller = self._reception.authenticate(exchange)
        request = form.parse(await exchange.body(self._limits), self._limits)
        asked, grounding = asked_moderation(request.body), asked_grounding(request.body)
        added = Added(asked, grounding.citations)
        request = replace(request, body=without_ours(request.body))
        if asked is not None:  # ours to answer, so the model does not see it
            request = replace(request, body=without(request.body, {"moderation"}))
        request = await self._reception.resolve_model(request, visit.policy)
        async with exchange:
            screened = await self.guard_input(visit, request, caller.tenant)
            stops = screened.blocked or added.refuses(screened)
            received = self.receive(visit, request, caller, screened, form.act)
            visit.teller = form.teller(request, {} if stops else screened.forwarded, visit.request)
            screened = replace(screened, forwarded=without(screened.forwarded, request.kept))
            if stops:
                place = request.place(screened.place) if screened.blocked else form.field
                await self._refuse(visit, request, screened, place)
                return
            await durable(received, self._limits.audit_s)
            async with self._sampled(visit, screened, _grounded(visit, request, screened, grounding)) as conversation:
                visit.answer = self._answer_guard(visit, request, screened, conversation)
                if request.stream:
                    await self._stream(visit, request, screened, added)
                else:
                    await self._complete(visit, screened, added)

    def receive(self, visit: Visit, request: ModelRequest, caller: Caller, screened: Screened, act: str) -> Ack:
        """Record the request. From here on it has an end that has to be recorded, too."""
        about = self._reception.about(visit.request, caller, request, visit.exchange, act)
        visit.record = RequestRecord(self._parts.log, about)
        changed = screened.forwarded is not request.body
        return visit.record.receive(
            screened.verdict, request.raw, without(screened.forwarded, request.kept) if changed else None
        )

    @asynccontextmanager
    async def _sampled(
        self, visit: Visit, screened: Screened, conversation: Conversation
    ) -> AsyncGenerator[Conversation]:
        """The conversation, with other answers of the model on their way where the policy wants some."""
        count = visit.policy.checker.samples_for(conversation)
        if not count:
            yield conversation
            return
        async with sampled(self._parts.upstream, screened.forwarded, count, visit.samples) as samples:
            yield replace(conversation, samples=samples)

    async def guard_input(self, visit: Visit, request: ModelRequest, tenant: str, *, restores: bool = True) -> Screened:
        """Read every string of a request, and count that in the visit.

        restores: whether the answer can give back what a placeholder stands for; where it cannot, data is masked.
        """
        checker, waits = visit.policy.checker, visit.policy.checker.waits(Direction.INPUT)
        work = partial(screen, checker, request.body, tenant)
        if visit.policy.hides and restores:
            name = conversation_of(visit.exchange, request.conversation, visit.request)
            lasting = name != made_up_conversation(visit.request)
            work = partial(screen_hiding, checker, request.body, Hiding(self._parts.maps, tenant, name, lasting))
            waits = True
        try:
            screened = await self.lane.run(len(request.raw), work, waits=waits)
        except RecursionError as error:
            raise MalformedBody("the body is nested too deeply") from error
        visit.verdict = screened.verdict
        visit.prompt_chars = screened.verdict.coverage.total
        self._metrics.guarded("input", screened.verdict.action.value)
        return screened

    def _answer_guard(
        self, visit: Visit, request: ModelRequest, screened: Screened, conversation: Conversation
    ) -> AnswerGuard:
        terms = AnswerTerms(
            names=declared_names(screened.forwarded),
            structured=request.structured,
            longest=self._limits.answer_chars,
            expected=request.choices,
            keep_usage=request.wants_usage or not request.stream,
            refusal=refusal_text(visit.request),
            conversation=conversation,
            substitution=screened.substitution,
        )
        return AnswerGuard(visit.policy, terms)

    async def block(self, visit: Visit, screened: Screened, place: str | None) -> PromptBlocked:
        """End a request that does not go to the model, and say how the client is told. Both records become durable in one commit."""
        if screened.silent:
            raise GuardUnavailable("the guard cannot answer now, so nothing is let through", hint="try again later")
        ended = visit.end(EventType.RESPONSE_BLOCKED)
        if ended is not None:
            await durable(ended, self._limits.audit_s)
        visit.exchange.headers.append((b"x-haechi-action", b"block"))
        return PromptBlocked("this request was stopped by the gateway's policy", param=place)

    async def _refuse(self, visit: Visit, request: ModelRequest, screened: Screened, place: str | None) -> None:
        """Refuse a prompt: with an error, or with an answer that says nothing else."""
        refusal = await self.block(visit, screened, place)
        if self._parts.blocked_prompt is BlockedPrompt.ERROR:
            raise refusal
        visit.outcome = "blocked"
        exchange, teller = visit.exchange, visit.teller
        if request.stream:
            await exchange.start(200, [EVENTS, NO_STORE, NO_BUFFER])
            await exchange.end(teller.pieces(refused_stream(request, visit.request)) + teller.closing())
        else:
            await exchange.answer_json(200, teller.whole(refused_completion(request, visit.request)))

    async def _complete(self, visit: Visit, screened: Screened, added: Added) -> None:
        """A whole answer."""
        answer = _guard_of(visit)
        completion = await self._parts.upstream.complete(screened.forwarded)
        waits = visit.policy.checker.waits(Direction.OUTPUT)
        released = await self.lane.run(answer.work([completion]), partial(answer.whole, completion), waits=waits)
        released = added.to_whole(released, screened, answer)
        if "usage" in released:
            released = {**released, "usage": with_samples(released["usage"], visit.samples)}
        action = max(screened.verdict.action, answer.tally().action, key=lambda a: a.rank)
        await self._record_end(visit, answer)
        visit.exchange.headers.append((b"x-haechi-action", action.value.encode()))
        await visit.exchange.answer_json(200, visit.teller.whole(released))

    async def _stream(self, visit: Visit, request: ModelRequest, screened: Screened, added: Added) -> None:
        """A streamed answer: release what the guard lets go, keep the end until its record is on disk."""
        answer, exchange, teller = _guard_of(visit), visit.exchange, visit.teller
        body = screened.forwarded if request.wants_usage else _asking_usage(screened.forwarded)
        exchange.headers.append((b"x-haechi-action", screened.verdict.action.value.encode()))
        waits = visit.policy.checker.waits(Direction.OUTPUT)
        last: list[Json] = []
        async with aclosing(cast("AsyncGenerator[Json]", self._parts.upstream.stream(body))) as chunks:
            ready: Callable[[], list[Json]] = getattr(chunks, "ready", list)
            async for first in chunks:
                batch = merged([first, *ready()])
                asks = waits and answer.asks(batch)
                out = await self.lane.run(answer.work(batch), partial(answer.chunks, batch), waits=asks)
                if last or answer.complete or answer.blocked:
                    last += out
                    if answer.blocked:
                        break
                elif out and (told := teller.pieces(out)):
                    if not exchange.started:
                        self._metrics.first_token(visit.seconds())
                        await exchange.start(200, [EVENTS, NO_STORE, NO_BUFFER])
                    await exchange.write(told)
        if not answer.complete:
            raise UpstreamGarbled("the model server ended its stream before its answer")
        if answer.any_blocked and request.wants_usage and answer.usage is None:
            last.append(answer.usage_chunk(visit.prompt_chars // 4))
        last = added.to_end(last, screened, answer)
        last = [{**c, "usage": with_samples(c["usage"], visit.samples)} if is_usage(c) else c for c in last]
        await self._record_end(visit, answer)
        if not exchange.started:
            await exchange.start(200, [EVENTS, NO_STORE, NO_BUFFER])
        await exchange.end(teller.pieces(last) + teller.closing())

    async def _record_end(self, visit: Visit, answer: AnswerGuard) -> None:
        """The end record, durable. From here on only the last piece of the answer is missing."""
        if answer.tally().blocked_by_silence():
            raise GuardUnavailable("the guard cannot answer now, so nothing is let through", hint="try again later")
        kind = EventType.RESPONSE_BLOCKED if answer.any_blocked else EventType.RESPONSE_COMPLETED
        ended = visit.end(kind)
        if ended is not None:
            await durable(ended, self._limits.audit_s)
        for claim in answer.tally().verdict().claims:
            self._metrics.claimed(claim.outcome.value)
        visit.outcome = "blocked" if answer.any_blocked else "completed"

    def _leave(self, visit: Visit) -> None:
        """The client is gone, or the server stops: nothing is awaited, the record is queued and will be written."""
        visit.outcome = "client_gone" if visit.exchange.gone else "shutdown"
        try:
            visit.end(EventType.RESPONSE_ABORTED, visit.outcome)
        except GatewayError:
            self._metrics.audit_failed("end")

    async def _fail(self, visit: Visit, error: GatewayError | UpstreamError) -> None:
        """Record the failure, then say it: as an HTTP error, or inside a stream that has begun."""
        visit.outcome = error.outcome if isinstance(error, GatewayError) else "upstream_error"
        if visit.outcome == "audit_unavailable":
            self._metrics.audit_failed("request")
        try:
            ended = visit.end(EventType.RESPONSE_FAILED, visit.outcome)
            if ended is not None:
                await durable(ended, self._limits.audit_s)
        except GatewayError:
            self._metrics.audit_failed("end")
        incident = visit.request if visit.record is not None else ""
        clean = partial(self._reception.clean, error, visit.policy)
        quotes = isinstance(error, UpstreamError) and error.body is not None
        waits = quotes and visit.policy.checker.waits(Direction.OUTPUT)
        body = error_body(await self.lane.run(0, clean, waits=waits), incident=incident)
        exchange = visit.exchange
        if exchange.started:
            await exchange.end(visit.teller.closing(body["error"]))
        else:
            await exchange.answer_json(error_status(error), body, error_headers(error))


def _grounded(visit: Visit, request: ModelRequest, screened: Screened, grounding: Grounding) -> Conversation:
    """The conversation with what the claims of the answer are held against, as far as the policy counts it."""
    policy = visit.policy.checker.policy
    if Category.MISINFORMATION not in policy.rules[Direction.OUTPUT]:
        return screened.conversation
    sources = policy.document.claims.evidence
    given = grounding.evidence if EvidenceFrom.REQUEST in sources else ()
    told, kept = request.body.get("messages", ()), screened.forwarded.get("messages", ())
    places = request.places if len(told) == len(kept) else {}  # a turn that was left out moves those behind it
    spoken = spoken_evidence(screened.forwarded, sources, places)
    return replace(screened.conversation, evidence=(*given, *spoken), question=question_in(screened.forwarded))


def _guard_of(visit: Visit) -> AnswerGuard:
    if visit.answer is None:
        raise AssertionError("an answer is guarded from the moment it is asked for")
    return visit.answer


def _asking_usage(body: Json) -> Json:
    """The body with the usage chunk asked for, so that tokens are counted; it is not passed on."""
    options = body.get("stream_options") or {}
    return {**body, "stream_options": {**options, "include_usage": True}}


def _where(error: BaseException) -> str:
    """The kind of an error and where it came from; never its message, which may quote a text."""
    frames_of = traceback.extract_tb(error.__traceback__)
    at = " < ".join([f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames_of[-4:])])
    return f"{type(error).__name__} at {at}"
