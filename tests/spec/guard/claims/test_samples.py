"""Claims held against other answers of the same model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future

import pytest

from guard.claims.ports import Claim
from guard.claims.rules import RuleStance
from guard.claims.samples import SampleJudge, Samples
from guard.language import language_of
from guard.verdict import ClaimOutcome
from haechi.base.errors import UnreadableInput

SAID = "The bridge was opened in 1932."
OTHER = "The bridge was opened in 1957."


def judge(*answers: str, error: Exception | None = None) -> SampleJudge:
    samples: Samples = Future()
    if error is not None:
        samples.set_exception(error)
    elif answers:
        samples.set_result(answers)
    return SampleJudge(RuleStance(), samples, 0.5)


def claim(text: str) -> Claim:
    return Claim(text, 0, len(text), language_of(text), text)


@pytest.mark.parametrize(
    ("answers", "consistent"),
    [
        ((f"It is old. {SAID}", SAID, OTHER), True),
        ((SAID, OTHER), True),
        ((SAID, OTHER, OTHER), False),
        (("I do not know.", "That is hard to say.", OTHER), False),
        (("", "", ""), False),
    ],
)
def test_a_claim_is_consistent_when_half_of_the_answers_say_it(answers: Sequence[str], consistent: bool) -> None:
    """What they do not say is doubtful and marked so; it is never refuted, and no answer is cited."""
    found = judge(*answers).judge(claim(SAID))
    assert found.outcome is (ClaimOutcome.SUPPORTED if consistent else ClaimOutcome.NOT_ENOUGH)
    assert (found.inconsistent, found.refuted, found.citation) == (not consistent, 0.0, None)


def test_answers_that_do_not_come_in_time_leave_a_claim_unavailable() -> None:
    """And so do a model that failed and a language that the stance model does not know."""
    began = time.monotonic()
    late = judge().judge(claim(SAID), deadline=time.monotonic() + 0.05)
    assert time.monotonic() - began < 2
    failed = judge(error=UnreadableInput("x")).judge(claim(SAID))
    foreign = judge(SAID).judge(claim("Мост был открыт в 1932 году."))
    assert [(one.outcome, one.why) for one in (late, failed, foreign)] == [
        (ClaimOutcome.UNAVAILABLE, "deadline"),
        (ClaimOutcome.UNAVAILABLE, "UnreadableInput"),
        (ClaimOutcome.UNAVAILABLE, "not covered"),
    ]
