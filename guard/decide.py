"""From what was found to what is done. Pure: no IO, no clock, no logging.

Rules of this file
1. The answer depends only on the arguments.
2. A detector that could not answer counts as its rule's fail mode, never as nothing found.
3. A new severity or action is a new case here; the matches below have no default.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from guard.policy import FailMode, Rule, Thresholds
from guard.verdict import Action, Finding, Severity
from haechi.base.text import Language


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a rule makes of one observation."""

    severity: Severity
    action: Action


def judge(
    rule: Rule,
    score: float,
    *,
    at_most: Severity = Severity.UNSAFE,
    language: Language | None = None,
    own: Thresholds | None = None,
) -> Judgement:
    """Severity by the rule's thresholds, never above what the detector itself says, and the action that follows.

    own: the detector's own thresholds, for a rule that leaves them to the detector.
    """
    limits = rule.limits(language, own)
    if score >= limits.unsafe and at_most is Severity.UNSAFE:
        severity = Severity.UNSAFE
    elif score >= limits.controversial and at_most is not Severity.SAFE:
        severity = Severity.CONTROVERSIAL
    else:
        severity = Severity.SAFE
    return Judgement(severity, rule.action(severity, language))


def on_unavailable(mode: FailMode) -> Action:
    """What a detector's silence amounts to."""
    match mode:
        case FailMode.CLOSED:
            return Action.BLOCK
        case FailMode.OPEN:
            return Action.FLAG
        case _ as unreachable:
            assert_never(unreachable)


def strictest(actions: Iterable[Action]) -> Action:
    """The action that wins; allow when there is none."""
    return max(actions, key=lambda a: a.rank, default=Action.ALLOW)


def worst(findings: Iterable[Finding]) -> Severity:
    """The severity of the text: that of its worst finding."""
    return max((f.severity for f in findings), key=lambda s: s.rank, default=Severity.SAFE)
