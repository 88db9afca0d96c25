"""One request on its way through the gateway, and what is known of it so far."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

from audit.events import EventType
from audit.log import Ack
from gateway.answer import AnswerGuard
from gateway.exchange import Exchange
from gateway.in_force import InForce
from gateway.metrics import Metrics
from gateway.openai.form import AS_CHAT, Teller
from gateway.openai.usage import estimate
from gateway.records import RequestRecord, Used
from gateway.sampling import Sampled
from gateway.tally import Tally
from guard.verdict import Verdict
from haechi.base.ids import RequestId, new_request_id

logger = logging.getLogger("haechi.gateway")


@dataclass(slots=True)
class Visit:
    """A request under way.

    argument: what of the path was left open (the id of a model).
    outcome: how it ended, for /metrics; a closed word.
    teller: how the client is told its answer.
    used: tokens of a request that no model answers in words.
    samples: what further answers took that the policy asked for beside the one the client gets; they count as used by it.
    """

    exchange: Exchange
    route: str
    metrics: Metrics
    policy: InForce
    argument: str = ""
    request: RequestId = field(default_factory=new_request_id)
    began: float = field(default_factory=time.perf_counter)
    outcome: str = "refused"
    record: RequestRecord | None = None
    verdict: Verdict | None = None
    answer: AnswerGuard | None = None
    prompt_chars: int = 0
    teller: Teller = AS_CHAT
    used: Used | None = None
    samples: Sampled = field(default_factory=Sampled)

    def seconds(self) -> float:
        """Since the request came."""
        return time.perf_counter() - self.began

    def end(self, kind: EventType, reason: str = "") -> Ack | None:
        """Write the end record. None when the request was never recorded as received.

        The first call counts; later ones answer with the same record.

        Raises:
            AuditUnavailable: when the log takes no more.
        """
        if self.record is None or self.verdict is None:
            return None
        if self.record.ended is not None:
            return self.record.ended
        texts: tuple[dict[str, str], dict[str, str]] = ({}, {})
        verdict, used = self.verdict, self.used
        if used is not None:
            self.metrics.used(used.tokens_in, used.tokens_out, 0)
        if self.answer is not None:
            try:
                tally = self.answer.tally()
                texts = self.answer.texts()
                verdict, used = tally.verdict(), self._used(tally, texts[0])
            except Exception as error:  # noqa: BLE001  # a guard that cannot even be closed must not cost the end record
                logger.error("the guard of an answer failed while it was closed: %s", type(error).__name__)  # noqa: TRY400
        return self.record.end(kind, verdict, reason=reason, received=texts[0], released=texts[1], used=used)

    def _used(self, tally: Tally, received: dict[str, str]) -> Used:
        usage = (self.answer.usage if self.answer is not None else None) or {}
        tokens_in, tokens_out = usage.get("prompt_tokens"), usage.get("completion_tokens")
        own_in = tokens_in if isinstance(tokens_in, int) else self.prompt_chars // 4
        own_out = tokens_out if isinstance(tokens_out, int) else sum(map(estimate, received.values()))
        used = Used(own_in + self.samples.all_in(own_in), own_out + self.samples.tokens_out)
        self.metrics.guarded("output", tally.action.value)
        self.metrics.used(used.tokens_in, used.tokens_out, tally.verdict().released)
        return used
