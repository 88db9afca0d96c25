"""Routes without a model behind them: check, scrub and moderate a text, list models. The same door and the same records."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any, Final

from audit.events import EventType
from gateway.errors import GuardUnavailable, InvalidRequest, UnusableModelName
from gateway.keys import Caller
from gateway.openai.grounding import evidence_in, finding_evidence
from gateway.openai.moderation import moderation_json, moderation_texts, unanswered
from gateway.openai.request import parse_object
from gateway.parts import GatewayParts
from gateway.pipeline import Pipeline
from gateway.reception import DEFAULT_MODEL, Reception, conversation_of
from gateway.records import About, RequestRecord, durable
from gateway.tally import Tally
from gateway.upstream.ports import Json
from gateway.visit import Visit
from guard.classify import Role, Turn
from guard.conversation import Conversation
from guard.pii.operators import Mode
from guard.scrub import Scrubber
from guard.verdict import Action, Direction, Finding, Verdict
from haechi.base.errors import nearest
from haechi.base.ids import UserId

CHECK_FIELDS: Final = frozenset({"text", "direction", "conversation", "evidence", "question", "id", "lang"})
SCRUB_FIELDS: Final = frozenset({"text", "mode", "id"})
"""What the two routes know; `id` and `lang` are those of a row of `haechi check --jsonl`, and change nothing here."""
_LONGEST_NAMED: Final = 64


class Native:
    """Routes that OpenAI has not, and its list of models."""

    def __init__(self, parts: GatewayParts, pipeline: Pipeline) -> None:
        self._parts = parts
        self._pipeline = pipeline
        self._reception = Reception(parts)
        self._scrubbers: dict[str, Scrubber] = {}  # one each, so that a process gives one person one pseudonym

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
        caller, raw, body = await self._asked(visit)
        _refuse_unknown(body, CHECK_FIELDS)
        text, direction = _string(body, "text"), _direction(body)
        question = _string(body, "question") if body.get("question") is not None else ""
        conversation = Conversation(_turns(body), caller.tenant, evidence=evidence_in(body), question=question)
        async with visit.exchange:
            verdict = await self._verdict(visit, text, direction, conversation)
            await self._recorded(visit, caller, "guard.check", raw, verdict)
        answer = {**verdict_json(verdict, visit.request), "not_looked_for": list(verdict.not_looked_for)}
        if verdict.claims:
            answer["claims"] = [claim.entry() for claim in verdict.claims]
        await self._answer(visit, answer, verdict.action)

    async def scrub(self, visit: Visit) -> None:
        """`POST /v1/guard/scrub`: the text without personal data and secrets, whatever the policy says of them."""
        caller, raw, body = await self._asked(visit)
        _refuse_unknown(body, SCRUB_FIELDS)
        text, scrubber = _string(body, "text"), self._scrubber(body)
        async with visit.exchange:
            scrubbed = await self._pipeline.lane.run(len(text), partial(scrubber.scrub, text), waits=True)
            verdict = await self._verdict(visit, text, Direction.INPUT, Conversation(tenant=caller.tenant))
            await self._recorded(visit, caller, "guard.scrub", raw, verdict)
        entities = [{"type": e.type, "start": e.start, "end": e.end, "score": e.score} for e in scrubbed.entities]
        done = Action.REDACT if entities else Action.ALLOW
        answer = {"id": visit.request, "text": scrubbed.text, "entities": entities}
        await self._answer(visit, {**answer, "not_looked_for": list(scrubber.missing)}, done)

    async def moderate(self, visit: Visit) -> None:
        """`POST /v1/moderations`: OpenAI's question, answered by our guard."""
        caller, raw, body = await self._asked(visit)
        texts = moderation_texts(body)
        policy = visit.policy.checker.policy
        tally = Tally(policy.name, policy.digest)
        async with visit.exchange:
            alone = Conversation(tenant=caller.tenant)
            async with asyncio.TaskGroup() as group:
                asked = [group.create_task(self._verdict(visit, text, Direction.INPUT, alone)) for text in texts]
            verdicts = [task.result() for task in asked]
            tally.add_all(verdicts)
            await self._recorded(visit, caller, "moderation", raw, tally.verdict())
        await self._answer(visit, moderation_json(verdicts, visit.request), tally.action)

    async def _asked(self, visit: Visit) -> tuple[Caller, bytes, Json]:
        """Who asks, and what, as it came and as an object."""
        caller = self._reception.authenticate(visit.exchange)
        raw = await visit.exchange.body(self._parts.limits)
        return caller, raw, parse_object(raw)

    async def _verdict(self, visit: Visit, text: str, direction: Direction, conversation: Conversation) -> Verdict:
        checker = visit.policy.checker
        work = partial(checker.check, text, direction=direction, conversation=conversation)
        return await self._pipeline.lane.run(len(text), work, waits=checker.waits(direction))

    async def _recorded(self, visit: Visit, caller: Caller, act: str, raw: bytes, verdict: Verdict) -> None:
        """Both records, durable in one commit, before anything is answered."""
        about = About(
            request=visit.request,
            tenant=caller.tenant,
            key_id=caller.key_id,
            user=UserId(""),
            conversation=conversation_of(visit.exchange, "", visit.request),
            act=act,
        )
        visit.verdict = verdict
        visit.record = RequestRecord(self._parts.log, about)
        visit.record.receive(verdict, raw, None)
        tally = Tally(verdict.policy, verdict.policy_digest)
        tally.add(verdict)
        if tally.blocked_by_silence():
            raise GuardUnavailable("the guard cannot answer now", hint="try again later")
        ended = visit.end(EventType.RESPONSE_COMPLETED)
        if ended is not None:
            await durable(ended, self._parts.limits.audit_s)

    async def _answer(self, visit: Visit, content: Json, action: Action) -> None:
        visit.outcome = "completed"
        visit.exchange.headers.append((b"x-haechi-action", action.value.encode()))
        await visit.exchange.answer_json(200, content)

    def _scrubber(self, body: Json) -> Scrubber:
        mode = body.get("mode", Mode.MASK.value)
        if mode not in [each.value for each in Mode]:
            raise InvalidRequest(f"mode has to be one of {', '.join(each.value for each in Mode)}", param="mode")
        if mode not in self._scrubbers:
            self._scrubbers[mode] = Scrubber(mode)
        return self._scrubbers[mode]

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
        **unanswered(verdict),
        "checked": verdict.coverage.checked,
        "total": verdict.coverage.total,
    }


def _finding_json(finding: Finding) -> Json:
    return {
        "category": finding.category.value,
        "score": finding.score,
        "severity": finding.severity.value,
        "start": finding.start,
        "end": finding.end,
        "detector": finding.detector,
        **finding_evidence(finding),
    }


def _refuse_unknown(body: Json, known: frozenset[str]) -> None:
    """A misspelt field is an error: what was not held against its evidence must not look as if it had been."""
    for name in body:
        if name not in known:
            short = name[:_LONGEST_NAMED]
            raise InvalidRequest(f"there is no field {short!r} here", hint=nearest(short, known), param=short)


def _string(body: Json, name: str) -> str:
    value: Any = body.get(name)
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} has to be a string", param=name)
    return value


def _turns(body: Json) -> tuple[Turn, ...]:
    """What was said before the text: `conversation`, a list of objects with role and content."""
    given = body.get("conversation") or []
    roles = {role.value: role for role in Role}
    if not isinstance(given, list) or not all(
        isinstance(turn, dict) and turn.get("role") in list(roles) and isinstance(turn.get("content"), str)
        for turn in given
    ):
        raise InvalidRequest(
            f"conversation has to be an array of turns with a role ({', '.join(roles)}) and a content",
            param="conversation",
        )
    return tuple(Turn(roles[turn["role"]], turn["content"]) for turn in given)


def _direction(body: Json) -> Direction:
    given = body.get("direction", Direction.INPUT.value)
    if given not in [direction.value for direction in Direction]:
        raise InvalidRequest("direction has to be input or output", param="direction")
    return Direction(given)
