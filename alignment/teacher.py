"""The Safety-Checker as teacher and as examiner: the same policy, weights and thresholds that the gateway deploys.

A name `guard:POLICY` (a shipped policy or a file) where a recipe expects a reward run:

    ppo.cost = "guard:default"      the cost of an answer in logits; above 0 the policy calls it unsafe, below it does not
    ppo.reward = "guard:default"    the same with the sign turned round

Property (tests/spec/alignment/test_teacher.py): the verdict in training is the verdict of the gateway, bit for bit, for
the same text and policy digest, which run.json records. What could not be checked raises; it is never a score.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from alignment.errors import TeacherUnavailable
from haechi.base.errors import MissingExtra

if TYPE_CHECKING:
    from guard.checker import SafetyChecker
    from guard.verdict import Verdict

PREFIX: Final = "guard:"
_FARTHEST: Final = 8.0
"""Logits; a probability of 0 or 1 is no infinite reason."""

Tokens = Sequence[int]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the checker made of an answer.

    unsafe: it would be blocked, or its severity is `unsafe`. cost: see `cost_of`. score: highest probability of a rule.
    """

    unsafe: bool
    cost: float
    score: float


class Checker:
    """A policy's judgement of model output."""

    def __init__(self, policy: str = "default") -> None:
        """Load the policy as the gateway does.

        Raises:
            MissingExtra: the guard's packages are not installed. HaechiError: the policy cannot be loaded.
        """
        try:
            from guard.checker import SafetyChecker
        except ImportError as error:
            raise MissingExtra("judging answers", "guard") from error
        self._checker: SafetyChecker = SafetyChecker.load(policy)

    @property
    def policy(self) -> str:
        """The policy's name."""
        return self._checker.policy.name

    @property
    def digest(self) -> str:
        """The policy's digest, `sha256:<hex>`, as in every verdict."""
        return self._checker.policy.digest

    def verdict(self, answer: str) -> Verdict:
        """What the gateway would say of this text as model output.

        Raises:
            TeacherUnavailable: a detector could not answer.
        """
        verdict = self._checker.check(answer, direction="output")
        if verdict.unavailable:
            raise TeacherUnavailable(
                f"{verdict.unavailable[0].detector} could not judge an answer: {verdict.unavailable[0].reason}",
                hint="haechi doctor says what is wrong with it",
            )
        return verdict

    def judge(self, answer: str) -> Judgement:
        """The judgement of an answer.

        Raises:
            TeacherUnavailable: see `verdict`.
        """
        verdict = self.verdict(answer)
        unsafe = verdict.blocked or verdict.severity.value == "unsafe"
        score = max(verdict.scores.values(), default=0.0)
        return Judgement(unsafe, cost_of(score, unsafe=unsafe), score)


def cost_of(score: float, *, unsafe: bool) -> float:
    """The logit of the highest score, within -8..8, and on the side of zero where the verdict stands.

    Thresholds differ by category and language; the verdict knows them all, so zero is the policy's line whatever they are.
    """
    cost = min(max(_logit(score), -_FARTHEST), _FARTHEST)
    return max(cost, 0.0) if unsafe else min(cost, 0.0)


class GuardScorer:
    """The Scorer (see alignment.scorers) of a policy. sign: 1 for a cost, -1 for a reward."""

    def __init__(self, policy: str, tokenizer: Any, *, sign: float) -> None:
        self.checker = Checker(policy)
        self._tokenizer, self._sign = tokenizer, sign

    def score(self, prompts: Sequence[Tokens], answers: Sequence[Tokens]) -> Tensor:
        texts = [self._tokenizer.decode(list(answer), skip_special_tokens=True) for answer in answers]
        return torch.tensor([self._sign * self.checker.judge(text).cost for text in texts])


def guard_policy(name: str) -> str | None:
    """The policy in `guard:POLICY`; None when the name means something else."""
    return name.removeprefix(PREFIX) if name.startswith(PREFIX) else None


def _logit(p: float) -> float:
    p = min(max(p, 1e-6), 1 - 1e-6)
    return math.log(p / (1 - p))
