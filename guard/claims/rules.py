"""The stance of a passage by the explicit comparison alone: no model, nothing to load.

It knows what is counted, dated, named or denied differently. It does not know that two wordings say the same, nor that
they exclude each other without a word in common; there it is unsure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from guard.claims.compare import SHARED, Features, compare
from guard.claims.ports import Conflict, Reason, Stance
from haechi.base.text import Language

VERSION: Final = "rules-1"
_SURE: Final = frozenset({Conflict.NUMBER, Conflict.UNIT, Conflict.DATE, Conflict.NEGATION, Conflict.COMPARATIVE})
"""Disagreements that hardly ever are two ways of saying the same."""


class RuleStance:
    """See StanceModel."""

    name = "rules"
    version = VERSION

    def languages(self) -> frozenset[Language]:
        """All three: the comparison knows their numbers, dates and negations."""
        return frozenset({Language.KOREAN, Language.CHINESE, Language.ENGLISH})

    def judge(self, claim: str, evidence: Sequence[str], *, language: Language) -> Sequence[Stance]:
        """See StanceModel. Probabilities are a grading of what was found, not calibrated."""
        return [stance_of(compare(claim, passage, language)) for passage in evidence]


def stance_of(found: Features) -> Stance:
    """Support grows with what the passage covers and shrinks with what it does not; a disagreement refutes."""
    covered = max(found.coverage, found.aligned) if found.same_language else 0.0
    if found.reasons:
        refuted = _weight(found.reasons) * min(1.0, 0.35 + covered * 0.75)
        return Stance(max(0.0, 0.9 - refuted) * 0.3, refuted, 1.0 - refuted - max(0.0, 0.9 - refuted) * 0.3)
    if found.contained:
        return Stance(0.97, 0.01, 0.02)
    missing = max(found.numbers_missing, found.dates_missing, found.names_missing)
    supported = max(0.0, covered - SHARED) / (1.0 - SHARED) * (1.0 - 0.7 * missing)
    refuted = 0.08 + 0.25 * missing * covered
    supported = min(supported, 0.95, 1.0 - refuted)
    return Stance(supported, refuted, 1.0 - supported - refuted)


def _weight(reasons: Sequence[Reason]) -> float:
    """How much the disagreements found weigh together, in [0, 1]."""
    rest = 1.0
    for kind in {reason.conflict for reason in reasons}:
        rest *= 0.08 if kind in _SURE else 0.2
    return 1.0 - rest
