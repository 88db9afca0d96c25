"""What a policy says: per category and direction, what is looked for by what, and what follows.

Rules of this file
1. Unknown keys, values out of range and rules that nothing can serve are errors; see guard/policy_file.py for lines.
2. The digest covers what the policy says, not how the file is laid out.
3. Nothing here loads a detector.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from guard.backends.document import ModelDocument
from guard.verdict import Action, Category, Direction, Severity
from haechi.base.text import Language

DEFAULT_OPERATOR = "default"
Probability = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
Version = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}(\.[0-9]+)?$")]


class FailMode(enum.StrEnum):
    """What follows when a detector of the rule cannot answer: block, or flag and go on. Never silence."""

    CLOSED = "closed"
    OPEN = "open"


class StreamMode(enum.StrEnum):
    """How judged text is released: after its sentence was judged, freely until it looks suspicious, or never held."""

    STRICT = "strict"
    BALANCED = "balanced"
    ASYNC = "async"


class HistoryMode(enum.StrEnum):
    """What becomes of an earlier turn that would block: its text is masked, or the turn is left out."""

    MASK = "mask"
    DROP = "drop"


class SemanticDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How texts are given to the classifiers.

    window: code points judged at once. context: code points before them that a classifier may read.
    debounce: how many windows running must look unsafe before that counts; fewer are controversial, unless the text ends.
    turns: earlier turns of the user that are read together with a new one; 0 for none.
    window_ms: time for one window. text_ms: time for one text, and for all texts of a request together. Past either, the
        classifier has not answered.
    cache: windows whose scores are remembered; 0 for none. cache_s: seconds for which they are.
    uncovered: what follows where no classifier reads the language; without it, what the rule says of any silence.
    """

    window: Annotated[int, msgspec.Meta(ge=64, le=8192)] = 600
    context: Annotated[int, msgspec.Meta(ge=0, le=8192)] = 600
    debounce: Annotated[int, msgspec.Meta(ge=1, le=8)] = 1
    turns: Annotated[int, msgspec.Meta(ge=0, le=16)] = 3
    window_ms: Annotated[int, msgspec.Meta(ge=1, le=600_000)] = 5_000
    text_ms: Annotated[int, msgspec.Meta(ge=1, le=3_600_000)] = 60_000
    cache: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 8_192
    cache_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 3_600
    uncovered: FailMode | None = None


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Least probability at which a finding counts as controversial, and as unsafe."""

    controversial: Probability = 0.5
    unsafe: Probability = 0.8


class Calibrated(enum.StrEnum):
    """Stands where thresholds stand: those that each detector was calibrated to, by category and language.

    A detector without thresholds of its own is judged by 0.5 and 0.8.
    """

    CALIBRATED = "calibrated"


class Operator(enum.StrEnum):
    """What stands in a text instead of a piece of personal data or a secret that is redacted.

    Mask keeps the format; pseudonym is made up, of the same script and length, one for one value in a conversation; hash
    is keyed for the tenant; placeholder goes to the model and comes back as what it stands for.
    """

    MASK = "mask"
    PSEUDONYM = "pseudonym"
    HASH = "hash"
    REMOVE = "remove"
    PLACEHOLDER = "placeholder"


class OperatorsDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Operators by kind of data, for either direction; `default` stands for every other kind, and is a mask if absent."""

    input: dict[str, Operator] = {}
    output: dict[str, Operator] = {}


class EvidenceFrom(enum.StrEnum):
    """Which parts of a request claims may be held against: the field `evidence`, results of tools, system prompts.

    user: what users say; for clients that put documents into the user's turn, since else a user's error counts.
    """

    REQUEST = "request"
    TOOLS = "tools"
    SYSTEM = "system"
    USER = "user"


class ClaimsDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the claims of a text are held against evidence, for rules that name the detector `claims`.

    stance: who says how a passage stands to a claim: `embedded`, `rules`, or a name under `models`.
    evidence: parts of the request that count. knowledge: names of knowledge bases.
    unsupported, contradictory: what follows where no passage says anything of a claim, and where passages disagree;
        what is refuted goes by the rule, from its thresholds. note: append the citation behind what is flagged.
    supported_at: probability from which a passage supports a claim. passages: how many are looked at for one claim.
    samples: further answers to ask the model for where there is nothing else to hold the claims of an answer against.
    budget_ms: time for all claims of one text; past it they are unavailable.
    """

    stance: Name = "embedded"
    evidence: tuple[EvidenceFrom, ...] = (EvidenceFrom.REQUEST,)
    knowledge: tuple[Name, ...] = ()
    unsupported: Action = Action.FLAG
    contradictory: Action = Action.FLAG
    note: bool = False
    supported_at: Probability = 0.5
    passages: Annotated[int, msgspec.Meta(ge=1, le=50)] = 5
    samples: Annotated[int, msgspec.Meta(ge=0, le=8)] = 0
    budget_ms: Annotated[int, msgspec.Meta(ge=1, le=600_000)] = 10_000


class LanguageRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What differs for text in one language; what is absent stays as the rule says."""

    unsafe: Action | None = None
    controversial: Action | None = None
    thresholds: Thresholds | Calibrated | None = None


class RuleDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule as it stands in a file. thresholds, detectors, fail and streaming default to the policy's."""

    unsafe: Action = Action.BLOCK
    controversial: Action = Action.FLAG
    thresholds: Thresholds | Calibrated | None = None
    detectors: tuple[str, ...] | None = None
    fail: FailMode | None = None
    streaming: StreamMode | None = None
    languages: dict[Language, LanguageRule] = {}
    shadow: bool = False


class PolicyDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A policy file. `both` applies to either direction; `input` and `output` replace its rule for a category."""

    schema: Literal[1]
    name: Name
    version: Version
    detectors: tuple[str, ...]
    description: str = ""
    thresholds: Thresholds | Calibrated = Thresholds()
    fail: FailMode = FailMode.CLOSED
    streaming: StreamMode = StreamMode.BALANCED
    replacement: str = "[removed]"
    operators: OperatorsDocument = OperatorsDocument()
    history: HistoryMode = HistoryMode.MASK
    semantic: SemanticDocument = SemanticDocument()
    claims: ClaimsDocument = ClaimsDocument()
    models: dict[Name, ModelDocument] = {}
    both: dict[Category, RuleDocument] = {}
    input: dict[Category, RuleDocument] = {}
    output: dict[Category, RuleDocument] = {}


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for one category in one direction, defaults filled in."""

    category: Category
    direction: Direction
    unsafe: Action
    controversial: Action
    thresholds: Thresholds | Calibrated
    detectors: tuple[str, ...]
    fail: FailMode
    streaming: StreamMode
    languages: Mapping[Language, LanguageRule]
    shadow: bool

    def action(self, severity: Severity, language: Language | None = None) -> Action:
        """What follows from a finding of that severity."""
        special = self.languages.get(language) if language is not None else None
        if severity is Severity.UNSAFE:
            return special.unsafe if special is not None and special.unsafe is not None else self.unsafe
        if severity is Severity.CONTROVERSIAL:
            return (
                special.controversial
                if special is not None and special.controversial is not None
                else self.controversial
            )
        return Action.ALLOW

    def asked(self, language: Language | None = None) -> Thresholds | Calibrated:
        """What the policy says of thresholds for text in that language."""
        special = self.languages.get(language) if language is not None else None
        return special.thresholds if special is not None and special.thresholds is not None else self.thresholds

    def limits(self, language: Language | None = None, own: Thresholds | None = None) -> Thresholds:
        """The thresholds that hold for text in that language; own: those of the detector, if it has some."""
        asked = self.asked(language)
        if isinstance(asked, Thresholds):
            return asked
        return own if own is not None else Thresholds()

    @property
    def actions(self) -> frozenset[Action]:
        """Every action the rule can ask for."""
        special = [a for o in self.languages.values() for a in (o.unsafe, o.controversial) if a is not None]
        return frozenset([self.unsafe, self.controversial, *special])


def _resolve(document: PolicyDocument, direction: Direction) -> dict[Category, Rule]:
    own = document.input if direction is Direction.INPUT else document.output
    return {
        category: Rule(
            category,
            direction,
            rule.unsafe,
            rule.controversial,
            rule.thresholds if rule.thresholds is not None else document.thresholds,
            rule.detectors if rule.detectors is not None else document.detectors,
            rule.fail or document.fail,
            rule.streaming or document.streaming,
            rule.languages,
            rule.shadow,
        )
        for category, rule in {**document.both, **own}.items()
    }


@dataclass(frozen=True)
class Policy:
    """A policy ready for use.

    document: what the file says. path: the file, None for a policy made in memory.
    """

    document: PolicyDocument
    path: Path | None = None

    @classmethod
    def load(cls, name: str | Path) -> Policy:
        """A shipped policy by name, or a policy file by path.

        Raises:
            PolicyNotFound, PolicyUnreadable, UnknownPolicyKey, InvalidPolicyValue, NoDetector, UnknownDetector.
        """
        from guard.policy_file import load_policy

        return load_policy(name)

    @property
    def name(self) -> str:
        """The policy's name."""
        return self.document.name

    @property
    def version(self) -> str:
        """Year and month of the policy, and a number within the month."""
        return self.document.version

    @cached_property
    def digest(self) -> str:
        """`sha256:` and 64 hexadecimal digits over the canonical JSON of the document."""
        canonical = msgspec.json.encode(self.document, order="deterministic")
        return "sha256:" + hashlib.sha256(canonical).hexdigest()

    @cached_property
    def rules(self) -> Mapping[Direction, Mapping[Category, Rule]]:
        """The rules of either direction."""
        return {direction: _resolve(self.document, direction) for direction in Direction}

    def operators(self, direction: Direction) -> Mapping[str, Operator]:
        """Operators by kind of data; `default` is always there."""
        own = self.document.operators.input if direction is Direction.INPUT else self.document.operators.output
        return {DEFAULT_OPERATOR: Operator.MASK, **own}

    @property
    def detectors(self) -> tuple[str, ...]:
        """Every detector that some rule names, once, in order."""
        named = [d for rules in self.rules.values() for rule in rules.values() for d in rule.detectors]
        return tuple(dict.fromkeys(named))
