"""SafetyChecker: what users of the guard hold in their hands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from guard.claims.given import GivenEvidence, evidence_of
from guard.claims.lane import ClaimsLane, Judge, Terms
from guard.claims.ports import Evidence, StanceModel
from guard.claims.samples import SampleJudge
from guard.claims.sources import NamedBase
from guard.conversation import ALONE, Conversation, ScoreMemory
from guard.engine import Plan, make_plan, without_classifiers
from guard.knowledge import Shelf
from guard.mask import Replace, apply
from guard.placeholders import Placeholders
from guard.policy import ClaimsDocument, EvidenceFrom, Operator, Policy, Rule, StreamMode
from guard.registry import Detector, load_detector, load_model, load_stance
from guard.replacing import ReplacingKeys, replacing
from guard.scoring import ScoringDesk
from guard.semantic import SemanticLane
from guard.stream import GuardStream
from guard.verdict import Action, Direction, Verdict
from guard.wrapped import GuardedPipeline

Given = str | Evidence | Mapping[str, str]
"""Evidence as a user gives it: text, or an object with `text` and perhaps `source`, `title`, `dated`, `valid_to`."""
KNOWLEDGE: Final = Shelf(Path("data/knowledge"))
"""Where knowledge bases lie unless somebody says otherwise."""
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")


class SafetyChecker:
    """Judges texts by one policy. Holds no text; may be used from several threads."""

    def __init__(
        self, policy: Policy, detectors: Mapping[str, Detector] | None = None, *, knowledge: Path | Shelf = KNOWLEDGE
    ) -> None:
        """Join a policy with detectors (those of the registry unless given).

        knowledge: where the knowledge bases lie that the policy may name; a path is the folder of their files.

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
        self._sampling = ScoringDesk()
        rules = [plan.claims for plan in self._plans.values() if plan.claims is not None]
        stance = policy.document.claims.stance
        self._stance = load_stance(stance, policy.document.models, _base(policy)) if rules else None
        self._judge = _claim_judge(policy, rules, self._stance, knowledge) if self._stance is not None else None
        self.memory = ScoreMemory(terms.cache, terms.cache_s) if terms.cache else None

    @classmethod
    def load(cls, policy: str | Path | Policy = "default", *, knowledge: Path | Shelf = KNOWLEDGE) -> SafetyChecker:
        """A checker for a shipped policy's name, a policy file, or a Policy. knowledge: as above.

        Raises:
            PolicyNotFound, PolicyUnreadable, UnknownPolicyKey, InvalidPolicyValue, NoDetector, UnknownDetector: see
                docs/errors/policy.md.
            DetectorNotLoaded: see docs/errors/guard.md.
        """
        return cls(policy if isinstance(policy, Policy) else Policy.load(policy), knowledge=knowledge)

    def plan(self, direction: Direction | str) -> Plan:
        """Who looks at texts of that direction, and by which rules."""
        return self._plans[Direction(direction)]

    def waits(self, direction: Direction | str) -> bool:
        """Whether judging a text may take longer than an event loop can stand still: classifiers, evidence, names."""
        plan = self._plans[Direction(direction)]
        return bool(plan.classifiers) or plan.claims is not None or plan.slow

    def replacing(
        self, direction: Direction, keys: ReplacingKeys, placeholders: Placeholders | None = None
    ) -> Replace | None:
        """What the policy puts in the place of data; None where it only masks. placeholders: of the conversation."""
        operators = self.policy.operators(direction)
        if set(operators.values()) == {Operator.MASK}:
            return None
        return replacing(operators, keys, placeholders)

    def samples_for(self, conversation: Conversation) -> int:
        """How many further answers of the model the policy wants for the claims of an answer in this conversation."""
        terms, rule = self.policy.document.claims, self._plans[Direction.OUTPUT].claims
        return terms.samples if rule is not None and not conversation.evidence and not terms.knowledge else 0

    def uses_placeholders(self) -> bool:
        """Whether something that the user wrote goes to the model under another name and has to be put back."""
        return Operator.PLACEHOLDER in self.policy.operators(Direction.INPUT).values()

    def check(
        self,
        text: str,
        *,
        direction: Direction | str = Direction.INPUT,
        conversation: Conversation = ALONE,
        evidence: Sequence[Given] = (),
        question: str = "",
    ) -> Verdict:
        """The verdict on a whole text. Takes any `str`. conversation: what was said before it, and by whose client.

        evidence: what its claims are held against, where the policy has claims checked; cited as `evidence[N]` unless it
        names its source. question: what the text answers.
        """
        return self.stream(direction, conversation=conversation, evidence=evidence, question=question).check(text)

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
        evidence: Sequence[Given] = (),
        question: str = "",
    ) -> GuardStream:
        """A guard for one text that arrives in pieces. replace: from `replacing`; else random keys of this process.

        evidence, question: as for `check`.
        """
        direction = Direction(direction)
        plan = self._plans[direction]
        lane = SemanticLane(plan, self._desk, self.memory, conversation) if plan.classifiers else None
        claims = self._claims_lane(
            plan, evidence or conversation.evidence, question or conversation.question, conversation
        )
        return GuardStream(plan, self.policy, lane, replace or self._replace[direction], claims)

    def _claims_lane(
        self, plan: Plan, evidence: Sequence[Given], question: str, conversation: Conversation
    ) -> ClaimsLane | None:
        """Where claims are checked; None where the policy has none checked, or nothing is there to hold them against."""
        terms, rule = self.policy.document.claims, plan.claims
        if rule is None or self._judge is None or self._stance is None:
            return None
        samples = conversation.samples if not evidence else None
        counted = terms.knowledge or terms.evidence != (EvidenceFrom.REQUEST,)
        if not evidence and not counted and samples is None:
            return None
        limits = rule.limits()
        doubt = min(limits.controversial, limits.unsafe) / 2
        how = Terms(_mode(rule, terms), doubt, terms.budget_ms / 1000, conversation.until)
        today = datetime.now(UTC).date().isoformat()
        if samples is not None:  # on a desk of their own: who waits for a model must not keep classifiers waiting
            judge = SampleJudge(self._stance, samples, terms.supported_at)
            return ClaimsLane(judge, self._sampling, None, how, question=question)
        given = GivenEvidence(evidence_of(evidence)) if evidence else None
        return ClaimsLane(self._judge, self._desk, given, how, question=question, at=today)

    def wrap(self, pipeline: object) -> GuardedPipeline:
        """A text-generation pipeline of transformers behind this guard; called like the pipeline, or streamed.

        Raises:
            NotAPipeline: it cannot be called.
        """
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


def _mode(rule: Rule, terms: ClaimsDocument) -> StreamMode:
    """How a stream is held for its claims: what is to be rewritten or noted must not be out before it was judged."""
    changes = Action.REWRITE in rule.actions or Action.REWRITE in (terms.unsupported, terms.contradictory)
    return StreamMode.STRICT if changes or terms.note else rule.streaming


def _claim_judge(policy: Policy, rules: Iterable[Rule], stance: StanceModel, knowledge: Path | Shelf) -> Judge:
    """Who judges the claims of texts under this policy."""
    from guard.claims.judge import ClaimJudge

    terms = policy.document.claims
    shelf = knowledge if isinstance(knowledge, Shelf) else Shelf(knowledge)
    return ClaimJudge(
        stance,
        sources=[NamedBase(name, shelf) for name in terms.knowledge],
        refuted_at=min(rule.limits().controversial for rule in rules),
        supported_at=terms.supported_at,
        limit=terms.passages,
        across=terms.stance in policy.document.models,  # ours were not measured across languages
    )


def is_identifier(text: str) -> bool:
    """Whether a text has the shape of an id or of a model's name: one short run of letters, digits and joints."""
    return _IDENTIFIER.fullmatch(text) is not None


def _load(policy: Policy) -> dict[str, Detector]:
    """Every detector that the policy names, built in or described under its `models`."""
    models = policy.document.models
    base = _base(policy)
    return {
        name: load_model(name, models, base) if name in models else load_detector(name) for name in policy.detectors
    }


def _base(policy: Policy) -> Path:
    """Where relative paths of the policy begin."""
    return policy.path.parent if policy.path is not None else Path()
