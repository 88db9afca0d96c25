"""What a policy makes of a judged claim, and the note that stands behind one that is not in line with the evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, assert_never

from guard.claims.ports import ClaimOutcome, Judgement
from guard.engine import Observation, Plan
from guard.policy import ClaimsDocument, Rule
from guard.registry import CLAIMS
from guard.verdict import Action, Category, Finding, Severity
from haechi.base.text import Language

_LONGEST_QUOTE: Final = 300
_REFUTED: Final = {
    Language.ENGLISH: "not in line with",
    Language.KOREAN: "근거와 다름:",
    Language.CHINESE: "与依据不符：",
    Language.OTHER: "≠",
}
_UNSUPPORTED: Final = {
    Language.ENGLISH: "no evidence found",
    Language.KOREAN: "근거를 찾지 못함",
    Language.CHINESE: "未找到依据",
    Language.OTHER: "?",
}


def ruling(judgement: Judgement, plan: Plan, terms: ClaimsDocument) -> tuple[Finding, Rule] | None:
    """The finding that a judged claim amounts to; None where nothing follows.

    A refuted claim goes by the thresholds and actions of the rule; the policy's `claims` say what follows of others.
    """
    rule = plan.claims
    if rule is None:
        return None
    match judgement.outcome:
        case ClaimOutcome.REFUTED:
            return _refuted(judgement, plan)
        case ClaimOutcome.NOT_ENOUGH:
            return _doubtful(judgement, rule, terms.unsupported)
        case ClaimOutcome.CONTRADICTORY:
            return _doubtful(judgement, rule, terms.contradictory)
        case ClaimOutcome.SUPPORTED | ClaimOutcome.NOT_CHECKABLE | ClaimOutcome.UNAVAILABLE:
            return None
        case _ as unreachable:
            assert_never(unreachable)


def _refuted(judgement: Judgement, plan: Plan) -> tuple[Finding, Rule] | None:
    claim = judgement.claim
    seen = Observation(
        Category.MISINFORMATION, Severity.UNSAFE, judgement.refuted, claim.start, claim.end, CLAIMS.name, "", claim.text
    )
    found = plan.finding(seen, CLAIMS.name, lambda: claim.text)
    return None if found is None else (replace(found[0], evidence=judgement.citation), found[1])


def _doubtful(judgement: Judgement, rule: Rule, action: Action) -> tuple[Finding, Rule] | None:
    if action is Action.ALLOW:
        return None
    claim = judgement.claim
    finding = Finding(
        Category.MISINFORMATION, judgement.refuted, Severity.CONTROVERSIAL, claim.start, claim.end, CLAIMS.name, "",
        action, judgement.citation,
    )  # fmt: skip
    return finding, rule


def note(judgement: Judgement) -> str:
    """What is appended behind a claim that is flagged, in its language, with the citation."""
    cited = judgement.citation
    if cited is None or judgement.outcome is ClaimOutcome.NOT_ENOUGH:
        return f" [{_UNSUPPORTED[judgement.claim.language]}]"
    return f" [{_REFUTED[judgement.claim.language]} {cited.source}: “{cited.quote[:_LONGEST_QUOTE]}”]"
