"""The lane of the claims: each claim of an answer is held against the evidence as soon as its sentence has closed.

Rules of this file
1. A claim is judged beside the stream, in the desk's threads; only the end of the text waits for what is still under way.
2. `strict` holds text until its claims are judged, `balanced` from the first doubt on, `async` never.
3. What was not judged in time, or failed, is `unavailable`; it is never supported.
"""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, assert_never

from guard.claims.ports import Claim, EvidenceSource, Judgement
from guard.claims.split import ClaimSplitter, lone_claim
from guard.policy import StreamMode
from guard.scoring import DEADLINE, Job, ScoringDesk
from guard.verdict import CheckedClaim, ClaimOutcome, Unavailable

NAME: Final = "claims"
"""Of the detector, in policies and verdicts."""
OUTDATED: Final = "outdated"
"""Among the reasons of a claim: a document speaks of it that no longer holds."""
INSTRUCTIONS: Final = "instructions"
"""Among the reasons of a claim: a passage gave orders to its reader, which were left out."""
LANGUAGE: Final = "language"
"""Among the reasons of a claim: what was found is in another language, and told nothing."""
INCONSISTENT: Final = "inconsistent"
"""Among the reasons of a claim: other answers of the model to the same request do not say it."""
_NO_LIMIT: Final = 1 << 60


class Judge(Protocol):
    """Holds a claim against evidence; see `guard.claims.judge.ClaimJudge`."""

    def judge(
        self, claim: Claim, given: EvidenceSource | None = None, *, at: str = "", deadline: float = math.inf
    ) -> Judgement:
        """What the evidence says of the claim. at: ISO date of today. deadline: on the monotonic clock."""
        ...


@dataclass(frozen=True, slots=True)
class Terms:
    """How a text is checked. doubt: probability of being refuted from which a stream is held. budget_s: for all claims."""

    streaming: StreamMode
    doubt: float
    budget_s: float
    until: float = math.inf


class ClaimsLane:
    """Splits one answer into claims and has them judged. Not for use by several threads at once."""

    def __init__(
        self,
        judge: Judge,
        desk: ScoringDesk,
        given: EvidenceSource | None,
        terms: Terms,
        *,
        question: str = "",
        at: str = "",
    ) -> None:
        """given: evidence that came with this text. question: what it answers. at: ISO date of today."""
        self._judge = judge
        self._desk = desk
        self._given = given
        self._terms = terms
        self._at = at
        self._splitter = ClaimSplitter(question)
        self._waiting: deque[tuple[Claim, Job[Judgement]]] = deque()
        self._budget = terms.budget_s
        self._doubtful = False
        self._silent: list[Unavailable] = []
        self.checked: list[CheckedClaim] = []

    def advance(self, delta: str, *, final: bool) -> list[Judgement]:
        """Take text; answer the judgements that are there, in the order of the claims. final: wait for all of them."""
        whole = final and not self._splitter.position
        claims = [*self._splitter.feed(delta), *(self._splitter.finish() if final else ())]
        if whole and not claims and self._given is not None:
            claims = lone_claim(delta)
        for claim in claims:
            self._waiting.append((claim, self._ask(claim)))
        waits = final or self._terms.streaming is StreamMode.STRICT or self._doubtful
        found = []
        while self._waiting and (waits or self._waiting[0][1].done.done()):
            claim, job = self._waiting.popleft()
            found.append(self._settled(claim, job))
            waits = waits or (self._doubtful and self._terms.streaming is StreamMode.BALANCED)
        return found

    def asks(self, delta: str) -> bool:
        """Whether taking this text may have to wait for a judgement."""
        return bool(delta) and (self._terms.streaming is StreamMode.STRICT or self._doubtful)

    def limit(self) -> int:
        """The position behind which nothing may be released yet."""
        judged = min(self._splitter.position, self._waiting[0][0].start if self._waiting else _NO_LIMIT)
        match self._terms.streaming:
            case StreamMode.STRICT:
                return judged
            case StreamMode.BALANCED:
                return judged if self._doubtful else _NO_LIMIT
            case StreamMode.ASYNC:
                return _NO_LIMIT
            case _ as unreachable:
                assert_never(unreachable)

    def take_silence(self) -> list[Unavailable]:
        """What could not be judged since the last call."""
        silent, self._silent = self._silent, []
        return silent

    def _ask(self, claim: Claim) -> Job[Judgement]:
        now = time.monotonic()
        until = min(now + max(0.0, self._budget), self._terms.until)
        work = partial(self._judge.judge, claim, self._given, at=self._at, deadline=until)
        job: Job[Judgement] = Job(work, until)
        self._desk.submit(self._judge, job)
        return job

    def _settled(self, claim: Claim, job: Job[Judgement]) -> Judgement:
        began = time.monotonic()
        answer = self._desk.wait(NAME, job)
        self._budget -= time.monotonic() - began
        if isinstance(answer, Unavailable):
            answer = Judgement(claim, ClaimOutcome.UNAVAILABLE, 0.0, why=answer.reason)
        if answer.why or answer.outcome is ClaimOutcome.UNAVAILABLE:
            self._silent.append(Unavailable(NAME, answer.why or DEADLINE))
        self._doubtful = self._doubtful or answer.refuted >= self._terms.doubt
        self.checked.append(_checked(claim, answer))
        return answer


def _checked(claim: Claim, answer: Judgement) -> CheckedClaim:
    """The judgement as the verdict carries it."""
    reasons = dict.fromkeys(reason.conflict.value for reason in answer.reasons)
    notes = {
        OUTDATED: answer.outdated, INSTRUCTIONS: answer.ordered, LANGUAGE: answer.foreign, INCONSISTENT: answer.inconsistent
    }  # fmt: skip
    return CheckedClaim(
        claim.start,
        claim.end,
        answer.outcome,
        answer.refuted,
        answer.citation,
        (*reasons, *(name for name, noted in notes.items() if noted)),
        answer.supporting,
        tuple(dict.fromkeys(source for source in (answer.outdated, answer.ordered) if source)),
    )
