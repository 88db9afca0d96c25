"""Many verdicts, one for each text of a request or an answer, as one."""

from __future__ import annotations

from collections.abc import Iterable

from guard.verdict import Action, Category, CheckedClaim, Coverage, Finding, Severity, Unavailable, Verdict


class Tally:
    """Adds verdicts up: the strictest action, the worst severity, the highest scores, the sum of what was read."""

    __slots__ = (
        "_checked",
        "_claims",
        "_findings",
        "_late",
        "_policy",
        "_scores",
        "_shadow",
        "_total",
        "_unavailable",
        "action",
        "severity",
        "taken_out",
    )

    def __init__(self, policy: str, digest: str) -> None:
        self._policy = (policy, digest)
        self.action = Action.ALLOW
        self.severity = Severity.SAFE
        self._findings: list[Finding] = []
        self._shadow: list[Finding] = []
        self._claims: list[CheckedClaim] = []
        self._scores: dict[Category, float] = {}
        self._unavailable: dict[str, Unavailable] = {}
        self._checked = self._total = self._late = 0
        self.taken_out = 0  # texts of the history of which nothing was left

    def add(self, verdict: Verdict, *, at_most: Action = Action.BLOCK) -> None:
        """Count a verdict. `at_most` caps its action where the text was taken out instead of stopping the request."""
        self._checked += verdict.coverage.checked
        self._total += verdict.coverage.total
        self._late += verdict.released
        self._claims += verdict.claims
        for category, score in verdict.scores.items():
            if score >= self._scores.get(category, 0.0):
                self._scores[category] = score
        if verdict.action is not Action.ALLOW or verdict.findings or verdict.shadow or verdict.unavailable:
            action = verdict.action if verdict.action.rank <= at_most.rank else at_most
            self.raise_to(action)
            if verdict.severity.rank > self.severity.rank:
                self.severity = verdict.severity
            self._findings += verdict.findings
            self._shadow += verdict.shadow
            for silent in verdict.unavailable:
                self._unavailable[silent.detector] = silent

    def add_all(self, verdicts: Iterable[Verdict], *, at_most: Action = Action.BLOCK) -> None:
        """Count several verdicts."""
        for verdict in verdicts:
            self.add(verdict, at_most=at_most)

    def raise_to(self, action: Action) -> None:
        """Make the action at least as strict as this one."""
        if action.rank > self.action.rank:
            self.action = action

    def skip(self, characters: int) -> None:
        """Count text that nobody read (an inline image): part of the total, not of what was checked."""
        self._total += characters

    def blocked_by_silence(self) -> bool:
        """Whether the block comes from a detector that could not answer, and from no finding."""
        return (
            self.action is Action.BLOCK
            and bool(self._unavailable)
            and all(finding.action is not Action.BLOCK for finding in self._findings)
        )

    def verdict(self) -> Verdict:
        """The sum. Positions of findings are within their own texts."""
        return Verdict(
            action=self.action,
            severity=self.severity,
            findings=tuple(self._findings),
            scores=dict(self._scores),
            coverage=Coverage(checked=self._checked, total=self._total),
            policy=self._policy[0],
            policy_digest=self._policy[1],
            unavailable=tuple(self._unavailable.values()),
            shadow=tuple(self._shadow),
            released=self._late,
            claims=tuple(self._claims),
        )
