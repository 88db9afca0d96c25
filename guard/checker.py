"""SafetyChecker: what users of the guard hold in their hands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from guard.conversation import ALONE, Conversation, ScoreMemory
from guard.engine import Plan, make_plan, without_classifiers
from guard.mask import Replace, apply
from guard.placeholders import Placeholders
from guard.policy import Operator, Policy
from guard.registry import Detector, load_detector, load_model
from guard.replacing import ReplacingKeys, replacing
from guard.scoring import ScoringDesk
from guard.semantic import SemanticLane
from guard.stream import GuardStream
from guard.verdict import Direction, Verdict
from guard.wrapped import GuardedPipeline

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")


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
        self._words: dict[Direction, Plan] = {d: without_classifiers(plan) for d, plan in self._plans.items()}
        terms = policy.document.semantic
        self._desk = ScoringDesk()
        self._replace: dict[Direction, Replace | None] = {d: self.replacing(d, ReplacingKeys()) for d in Direction}
        self.memory = ScoreMemory(terms.cache, terms.cache_s) if terms.cache else None

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

    def waits(self, direction: Direction | str) -> bool:
        """Whether judging a text may take longer than an event loop can stand still: a classifier is asked."""
        return bool(self._plans[Direction(direction)].classifiers)

    def replacing(
        self, direction: Direction, keys: ReplacingKeys, placeholders: Placeholders | None = None
    ) -> Replace | None:
        """What the policy puts in the place of data; None where it only masks. placeholders: of the conversation."""
        operators = self.policy.operators(direction)
        if set(operators.values()) == {Operator.MASK}:
            return None
        return replacing(operators, keys, placeholders)

    def uses_placeholders(self) -> bool:
        """Whether something that the user wrote goes to the model under another name and has to be put back."""
        return Operator.PLACEHOLDER in self.policy.operators(Direction.INPUT).values()

    def check(
        self, text: str, *, direction: Direction | str = Direction.INPUT, conversation: Conversation = ALONE
    ) -> Verdict:
        """The verdict on a whole text. Takes any `str`. conversation: what was said before it, and by whose client."""
        return self.stream(direction, conversation=conversation).check(text)

    def check_word(self, word: str, *, direction: Direction | str = Direction.INPUT) -> Verdict:
        """The verdict on an id or a name. One of the shape of an identifier is no sentence: no classifier is asked."""
        if not is_identifier(word):
            return self.check(word, direction=direction)
        return GuardStream(self._words[Direction(direction)], self.policy).check(word)

    def stream(
        self,
        direction: Direction | str = Direction.OUTPUT,
        *,
        conversation: Conversation = ALONE,
        replace: Replace | None = None,
    ) -> GuardStream:
        """A guard for one text that arrives in pieces. replace: from `replacing`; else random keys of this process."""
        direction = Direction(direction)
        plan = self._plans[direction]
        lane = SemanticLane(plan, self._desk, self.memory, conversation) if plan.classifiers else None
        return GuardStream(plan, self.policy, lane, replace or self._replace[direction])

    def wrap(self, pipeline: object) -> GuardedPipeline:
        """A text-generation pipeline of transformers behind this guard; called like the pipeline, or streamed."""
        return GuardedPipeline(self, pipeline)

    def redact(
        self,
        text: str,
        verdict: Verdict,
        *,
        direction: Direction | str = Direction.INPUT,
        replace: Replace | None = None,
    ) -> str:
        """The text with everything replaced that the verdict wants replaced; `verdict` must be of this text.

        replace: as for `stream`.
        """
        removed = self.policy.document.replacement
        chosen = replace or self._replace[Direction(direction)]
        return apply(text, verdict.findings, base=0, removed=removed, replace=chosen)


def is_identifier(text: str) -> bool:
    """Whether a text has the shape of an id or of a model's name: one short run of letters, digits and joints."""
    return _IDENTIFIER.fullmatch(text) is not None


def _load(policy: Policy) -> dict[str, Detector]:
    """Every detector that the policy names, built in or described under its `models`."""
    models = policy.document.models
    base = policy.path.parent if policy.path is not None else Path()
    return {
        name: load_model(name, models, base) if name in models else load_detector(name) for name in policy.detectors
    }
