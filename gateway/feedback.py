"""`POST /v1/feedback`: what people think of answers. It is recorded like any request, and used for nothing by itself.

Rules of this file
1. It lies in the audit log, encrypted under the key of the person it names; erasing the person erases it.
2. Consent is a flag that must be the boolean true; anything else is no consent. A later `"consent": false` for the same
   request withdraws it: `haechi data build` takes the newest word.
3. A misspelt field is an error: a consent that was not understood must not look like one that was not given.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final

from audit.events import EventType
from gateway.errors import GuardUnavailable, InvalidRequest
from gateway.openai.request import parse_object
from gateway.parts import GatewayParts
from gateway.pipeline import Pipeline
from gateway.reception import Reception, conversation_of
from gateway.records import About, RequestRecord, durable
from gateway.tally import Tally
from gateway.upstream.ports import Json
from gateway.visit import Visit
from guard.conversation import Conversation
from guard.verdict import Direction, Verdict
from haechi.base.ids import UserId

ACT: Final = "feedback"
FIELDS: Final = frozenset(
    {"request_id", "user", "consent", "rating", "better", "preferred", "prompt", "chosen", "rejected"}
)  # fmt: skip
_KINDS: Final = ("rating", "better", "preferred", "chosen")
_LONGEST_ID: Final = 512


class Feedback:
    """Takes feedback in."""

    def __init__(self, parts: GatewayParts, pipeline: Pipeline) -> None:
        self._parts = parts
        self._pipeline = pipeline
        self._reception = Reception(parts)

    async def give(self, visit: Visit) -> None:
        """Record a thumb, a better answer, a choice among several, or a whole pair; or withdraw consent."""
        caller = self._reception.authenticate(visit.exchange)
        raw = await visit.exchange.body(self._parts.limits)
        body = parse_object(raw)
        check_feedback(body)
        about = About(
            request=visit.request,
            tenant=caller.tenant,
            key_id=caller.key_id,
            user=UserId(str(body.get("user", ""))[:_LONGEST_ID]),
            conversation=conversation_of(visit.exchange, "", visit.request),
            act=ACT,
        )
        async with visit.exchange:
            verdict = await self._verdict(visit, _texts(body), Conversation(tenant=caller.tenant))
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
        visit.outcome = "completed"
        visit.exchange.headers.append((b"x-haechi-action", verdict.action.value.encode()))
        consent = body.get("consent") is True
        await visit.exchange.answer_json(200, {"id": visit.request, "object": "feedback", "consent": consent})

    async def _verdict(self, visit: Visit, texts: list[str], conversation: Conversation) -> Verdict:
        checker = visit.policy.checker
        tally = Tally(checker.policy.name, checker.policy.digest)
        async with asyncio.TaskGroup() as group:
            asked = [
                group.create_task(
                    self._pipeline.lane.run(
                        len(text),
                        partial(checker.check, text, direction=Direction.INPUT, conversation=conversation),
                        waits=checker.waits(Direction.INPUT),
                    )
                )
                for text in texts or [""]
            ]
        tally.add_all([task.result() for task in asked])
        return tally.verdict()


def check_feedback(body: Json) -> None:
    """Refuse what is not feedback.

    Raises:
        InvalidRequest: an unknown field, a value of another kind, or not exactly one thing said.
    """
    for name in body:
        if name not in FIELDS:
            raise InvalidRequest(
                f"feedback has no field {name!r}", hint=f"known: {', '.join(sorted(FIELDS))}", param=name
            )
    for name in ("request_id", "user", "better", "chosen", "rejected"):
        if name in body and not isinstance(body[name], str):
            raise InvalidRequest(f"{name} has to be a string", param=name)
    if "consent" in body and not isinstance(body["consent"], bool):
        raise InvalidRequest("consent has to be true or false", param="consent")
    said = [name for name in _KINDS if name in body]
    withdraws = not said and body.get("consent") is False and "request_id" in body
    if len(said) != 1 and not withdraws:
        raise InvalidRequest(
            "feedback says exactly one thing", hint="rating, better, preferred, or prompt with chosen and rejected"
        )
    _check_kind(body)


def _check_kind(body: Json) -> None:
    if body.get("rating", "up") not in ("up", "down"):
        raise InvalidRequest("rating has to be up or down", param="rating")
    index = body.get("preferred", 0)
    if isinstance(index, bool) or not isinstance(index, int) or index < 0:
        raise InvalidRequest("preferred has to be the index of a choice", param="preferred")
    if "chosen" in body or "rejected" in body or "prompt" in body:
        if not all(name in body for name in ("prompt", "chosen", "rejected")):
            raise InvalidRequest("a pair has prompt, chosen and rejected", param="chosen")
        _check_prompt(body["prompt"])
    elif not body.get("request_id"):
        raise InvalidRequest("request_id has to name the answer (x-request-id)", param="request_id")


def _check_prompt(prompt: Any) -> None:
    if isinstance(prompt, str):
        return
    good = isinstance(prompt, list) and all(
        isinstance(turn, dict) and isinstance(turn.get("role"), str) and isinstance(turn.get("content"), str)
        for turn in prompt
    )
    if not good:
        raise InvalidRequest("prompt has to be a string or a list of role and content", param="prompt")


def _texts(body: Json) -> list[str]:
    """Everything in it that a person wrote."""
    texts = [str(body[name]) for name in ("better", "chosen", "rejected") if name in body]
    prompt = body.get("prompt", [])
    return texts + ([prompt] if isinstance(prompt, str) else [turn["content"] for turn in prompt])
