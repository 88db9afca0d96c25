"""Self-consistency: does the model say the same again? For claims that nothing else can be held against.

After SelfCheckGPT (Manakul et al., 2023, arXiv 2303.08896): what a model knows comes back in its other answers, what it made
up hardly does.

Rules of this file
1. Samples are no evidence: what they do not say is doubtful, never refuted, and they are never cited; nobody has guarded them.
2. A model that does not answer in time leaves the claim unavailable.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout

from guard.claims.given import GivenEvidence
from guard.claims.ports import Claim, ClaimOutcome, Evidence, EvidenceSource, Judgement, StanceModel
from guard.scoring import DEADLINE, NOT_COVERED
from haechi.base.errors import HaechiError

Samples = Future[Sequence[str]]
"""Further answers of the model to the same request, once they are there."""


class SampleJudge:
    """Holds claims against other answers. See `guard.claims.lane.Judge`.

    supported_at: probability from which an answer says the same. At least half of the answers have to.
    """

    def __init__(self, stance: StanceModel, samples: Samples, supported_at: float) -> None:
        self._stance = stance
        self._samples = samples
        self._supported_at = supported_at

    def judge(
        self, claim: Claim, given: EvidenceSource | None = None, *, at: str = "", deadline: float = math.inf
    ) -> Judgement:
        """Whether the other answers say the claim, too; waits for them until the deadline. Raises nothing."""
        del given, at
        if claim.language not in self._stance.languages():
            return Judgement(claim, ClaimOutcome.UNAVAILABLE, 0.0, why=NOT_COVERED)
        try:
            answers = self._samples.result(None if deadline == math.inf else max(0.0, deadline - time.monotonic()))
            agreeing = sum(self._says(claim, answer) for answer in answers)
        except (FutureTimeout, CancelledError):
            return Judgement(claim, ClaimOutcome.UNAVAILABLE, 0.0, why=DEADLINE)
        except HaechiError as error:
            return Judgement(claim, ClaimOutcome.UNAVAILABLE, 0.0, why=type(error).__name__)
        agree = bool(answers) and 2 * agreeing >= len(answers)
        outcome = ClaimOutcome.SUPPORTED if agree else ClaimOutcome.NOT_ENOUGH
        return Judgement(claim, outcome, 0.0, inconsistent=not agree)

    def _says(self, claim: Claim, answer: str) -> bool:
        found = GivenEvidence([Evidence(answer, "sample")]).search(claim.meaning, limit=1)
        if not found:
            return False
        (stance,) = self._stance.judge(claim.meaning, [found[0].evidence.text], language=claim.language)
        return stance.supported >= self._supported_at
