"""`POST /v1/embeddings`: texts on their way to a model server that makes vectors of them. The same door and the same records.

What the policy hides is masked, whatever it hides it by in a chat: a vector holds no placeholder that could be put back, and
one that is another in every conversation would make other vectors of the same text.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from audit.events import EventType
from gateway.openai.embedding import parse_embedding, read_answer
from gateway.parts import GatewayParts
from gateway.pipeline import Pipeline
from gateway.reception import Reception
from gateway.records import Used, durable
from gateway.tally import Tally
from gateway.upstream.ports import Json
from gateway.visit import Visit

ACT: Final = "embedding"


class Embeddings:
    """Guards what is embedded."""

    def __init__(self, parts: GatewayParts, pipeline: Pipeline) -> None:
        self._parts = parts
        self._pipeline = pipeline
        self._reception = Reception(parts)

    async def embed(self, visit: Visit) -> None:
        """Read the texts, record them, send on what the policy allows, and pass the vectors back."""
        exchange, limits = visit.exchange, self._parts.limits
        caller = self._reception.authenticate(exchange)
        request = parse_embedding(await exchange.body(limits), limits)
        request = await self._reception.resolve_model(request, visit.policy)
        async with exchange:
            screened = await self._pipeline.guard_input(visit, request, caller.tenant, restores=False)
            received = self._pipeline.receive(visit, request, caller, screened, ACT)
            if screened.blocked:
                raise await self._pipeline.block(visit, screened, request.place(screened.place))
            await durable(received, limits.audit_s)
            answer = await self._parts.upstream.embed(screened.forwarded)
            visit.used = _used(answer, visit)
            released = await self._pipeline.lane.run(0, partial(_released, visit, answer))
            ended = visit.end(EventType.RESPONSE_COMPLETED)
            if ended is not None:
                await durable(ended, limits.audit_s)
        visit.outcome = "completed"
        exchange.headers.append((b"x-haechi-action", screened.verdict.action.value.encode()))
        await exchange.answer_json(200, released)


def _released(visit: Visit, answer: Json) -> Json:
    """The answer with its names and ids read; what is found there counts in the end record."""
    policy = visit.policy
    tally = Tally(policy.checker.policy.name, policy.checker.policy.digest)
    if visit.verdict is not None:
        tally.add(visit.verdict)

    def word(text: str) -> str:
        if text in policy.known:
            return text
        checked = policy.output.word(text)
        tally.add_all(checked.verdicts)
        return "" if checked.blocked else checked.text

    released = read_answer(answer, word)
    visit.verdict = tally.verdict()
    return released


def _used(answer: Json, visit: Visit) -> Used:
    """Tokens as the model server counted them, or estimated."""
    usage = answer.get("usage")
    told = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return Used(tokens_in=told if isinstance(told, int) else visit.prompt_chars // 4)
