"""Several classifiers as one, by a rule that the policy names.

Rules of this file
1. Only members that judge a category count for it.
2. A member that cannot answer leaves the ensemble without an answer: fewer judges are not a milder judgement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, assert_never

from guard.backends.document import EnsembleRule
from guard.classify import Classifier, Conversational, Turn
from guard.verdict import Category, Direction

VOTE: Final = 0.5
"""A member's vote where the policy names none: more likely than not."""


class Ensemble:
    """Members that are asked one after the other."""

    def __init__(
        self, name: str, members: Mapping[str, Sequence[Classifier]], rule: EnsembleRule, votes: Mapping[str, float]
    ) -> None:
        """members: classifiers by the name they have in the policy. votes: least score that is a vote, by that name."""
        self.name = name
        self._members = [(key, one) for key, several in members.items() for one in several]
        self._rule = rule
        self._votes = votes
        self.categories = frozenset(c for _, member in self._members for c in member.categories)
        self.version = "+".join([rule.value, *(getattr(m, "version", m.name) for _, m in self._members)])
        self.reads_context = any(getattr(m, "reads_context", True) for _, m in self._members)

    def score(self, text: str, context: str = "") -> Mapping[Category, float]:
        """One score per category that a member answers for. Raises what a member raises."""
        return self._together([(key, member.score(text, context)) for key, member in self._members])

    def _together(self, answers: list[tuple[str, Mapping[Category, float]]]) -> Mapping[Category, float]:
        return {
            category: self._joined([(key, scores[category]) for key, scores in answers if category in scores])
            for category in sorted(self.categories)
            if any(category in scores for _, scores in answers)
        }

    def _joined(self, scores: list[tuple[str, float]]) -> float:
        values = [score for _, score in scores]
        match self._rule:
            case EnsembleRule.MAX:
                return max(values)
            case EnsembleRule.MEAN:
                return sum(values) / len(values)
            case EnsembleRule.ANY:
                return float(any(score >= self._votes.get(key, VOTE) for key, score in scores))
            case EnsembleRule.ALL:
                return float(all(score >= self._votes.get(key, VOTE) for key, score in scores))
            case _ as unreachable:
                assert_never(unreachable)


class ReadingEnsemble(Ensemble):
    """An ensemble of which a member reads conversations: that one gets the turns, the others the text."""

    def judge(self, text: str, context: str, turns: Sequence[Turn], direction: Direction) -> Mapping[Category, float]:
        """As `score`. Raises what a member raises."""
        return self._together(
            [
                (
                    key,
                    member.judge(text, context, turns, direction)
                    if isinstance(member, Conversational)
                    else member.score(text, context),
                )
                for key, member in self._members
            ]
        )


def ensemble(
    name: str, members: Mapping[str, Sequence[Classifier]], rule: EnsembleRule, votes: Mapping[str, float]
) -> Ensemble:
    """The kind of ensemble that its members need. See Ensemble."""
    reads = any(isinstance(member, Conversational) for several in members.values() for member in several)
    return (ReadingEnsemble if reads else Ensemble)(name, members, rule, votes)
