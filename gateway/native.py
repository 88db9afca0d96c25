"""Haechi's own routes on the traffic port: check a text, list models. The same door, without a model behind it."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from audit.events import EventType

from gateway.errors import GuardUnavailable, InvalidRequest, UnusableModelName
from gateway.openai.chat import parse_object
from gateway.parts import GatewayParts
from gateway.pipeline import Pipeline
from gateway.reception import DEFAULT_MODEL, Reception, conversation_of
from gateway.records import About, RequestRecord, durable
from gateway.tally import Tally
from gateway.upstream.ports import Json
from gateway.visit import Visit
from guard.verdict import Direction, Finding, Verdict
from haechi.base.ids import UserId


class Native:
    """Routes that OpenAI has not, and its list of models."""

    def __init__(self, parts: GatewayParts, pipeline: Pipeline) -> None:
        self._parts = parts
        self._pipeline = pipeline
        self._reception = Reception(parts)

    async def models(self, visit: Visit) -> None:
        """`GET /v1/models`: the upstream's, and the name `default`."""
        self._reception.authenticate(visit.exchange)
        async with visit.exchange:
            listed = await self._listed()
        visit.outcome = "completed"
        await visit.exchange.answer_json(200, {"object": "list", "data": listed})

    async def model(self, visit: Visit) -> None:
        """`GET /v1/models/{id}`."""
        self._reception.authenticate(visit.exchange)
        async with visit.exchange:
            listed = await self._listed()
        for model in listed:
            if model.get("id") == visit.argument:
                visit.outcome = "completed"
                await visit.exchange.answer_json(200, model)
                return
        raise UnusableModelName("there is no such model", hint="GET /v1/models lists the models", param="model")

    async def check(self, visit: Visit) -> None:
        """`POST /v1/guard/check`: what the policy says of a text."""
        parts, exchange = self._parts, visit.exchange
        caller = self._reception.authenticate(exchange)
        raw = await exchange.body(parts.limits)
        body = parse_object(raw)
        text, direction = _text(body), _direction(body)
        async with exchange:
            verdict = await self._pipeline.lane.run(len(text), partial(parts.checker.check, text, direction=direction))
            about = About(
                request=visit.request,
                tenant=caller.tenant,
                key_id=caller.key_id,
                user=UserId(""),
                conversation=conversation_of(exchange, ""),
                act="guard.check",
            )
            visit.verdict = verdict
            visit.record = RequestRecord(parts.log, about)
            visit.record.receive(verdict, raw, None)
            tally = Tally(verdict.policy, verdict.policy_digest)
            tally.add(verdict)
            if tally.blocked_by_silence():
                raise GuardUnavailable("the guard cannot answer now", hint="try again later")
            ended = visit.end(EventType.RESPONSE_COMPLETED)
            if ended is not None:
                await durable(ended, parts.limits.audit_s)
        visit.outcome = "completed"
        exchange.headers.append((b"x-haechi-action", verdict.action.value.encode()))
        await exchange.answer_json(200, verdict_json(verdict, visit.request))

    async def _listed(self) -> list[Json]:
        listed = await self._parts.upstream.models()
        if all(model.get("id") != DEFAULT_MODEL for model in listed):
            alias = {"id": DEFAULT_MODEL, "object": "model", "created": int(time.time()), "owned_by": "haechi"}
            return [*listed, alias]
        return listed


def verdict_json(verdict: Verdict, identity: str) -> Json:
    """A verdict as `haechi check --jsonl` prints it."""
    return {
        "id": identity,
        "action": verdict.action.value,
        "severity": verdict.severity.value,
        "findings": [_finding_json(finding) for finding in verdict.findings],
        "scores": {category.value: score for category, score in verdict.scores.items()},
    }


def _finding_json(finding: Finding) -> Json:
    return {
        "category": finding.category.value,
        "score": finding.score,
        "severity": finding.severity.value,
        "start": finding.start,
        "end": finding.end,
        "detector": finding.detector,
    }


def _text(body: Json) -> str:
    text: Any = body.get("text")
    if not isinstance(text, str):
        raise InvalidRequest("text has to be a string", param="text")
    return text


def _direction(body: Json) -> Direction:
    given = body.get("direction", Direction.INPUT.value)
    if given not in {direction.value for direction in Direction}:
        raise InvalidRequest("direction has to be input or output", param="direction")
    return Direction(given)
