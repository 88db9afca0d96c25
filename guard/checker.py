"""SafetyChecker: what users of the guard hold in their hands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from guard.engine import Plan, make_plan
from guard.mask import apply
from guard.policy import Policy
from guard.registry import Detector, load_detector, load_model
from guard.stream import GuardStream
from guard.verdict import Direction, Verdict


class SafetyChecker:
    """Judges texts by one policy. Holds no text; may be used from several threads."""

    def __init__(self, policy: Policy, detectors: Mapping[str, Detector] | None = None) -> None:
        """Join a policy with detectors (those of the registry unless given).

        Raises:
            NoDetector: when a rule has nothing that can find its category.
            DetectorNotLoaded: when a detector that the policy names cannot be loaded.
        """
        self.policy = policy
        loaded = detectors if detectors is not None else _load(policy)
        self._plans: dict[Direction, Plan] = {d: make_plan(policy, d, loaded) for d in Direction}

    @classmethod
    def load(cls, policy: str | Path | Policy = "default") -> SafetyChecker:
        """A checker for a shipped policy's name, a policy file, or a Policy.

        Raises:
            PolicyNotFound, PolicyUnreadable, UnknownPolicyKey, InvalidPolicyValue, NoDetector, UnknownDetector: see
                docs/errors/policy.md.
            DetectorNotLoaded: see docs/errors/guard.md.
        """
        return cls(policy if isinstance(policy, Policy) else Policy.load(policy))

    def plan(self, direction: Direction | str) -> Plan:
        """Who looks at texts of that direction, and by which rules."""
        return self._plans[Direction(direction)]

    def check(self, text: str, *, direction: Direction | str = Direction.INPUT) -> Verdict:
        """The verdict on a whole text. Takes any `str`."""
        return self.stream(direction).check(text)

    def stream(self, direction: Direction | str = Direction.OUTPUT) -> GuardStream:
        """A guard for one text that arrives in pieces."""
        return GuardStream(self._plans[Direction(direction)], self.policy)

    def redact(self, text: str, verdict: Verdict) -> str:
        """The text with every finding masked that the verdict wants masked; `verdict` must be of this text."""
        return apply(text, verdict.findings, base=0, removed=self.policy.document.replacement)


def _load(policy: Policy) -> dict[str, Detector]:
    """Every detector that the policy names, built in or described under its `models`."""
    models = policy.document.models
    base = policy.path.parent if policy.path is not None else Path()
    return {
        name: load_model(name, models, base) if name in models else load_detector(name) for name in policy.detectors
    }
