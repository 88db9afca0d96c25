"""What the guard says about a text.

Rules of this file
1. A verdict is a value: findings, what could not be checked, and the action the policy drew from both.
2. "Not checked" is said in `unavailable`; it is never the absence of a finding.
3. Positions are code points of the text as it was received.
"""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass, field
from typing import Any


class Direction(enum.StrEnum):
    """Which way the text travels: from the user to the model, or from the model to the user."""

    INPUT = "input"
    OUTPUT = "output"


class Action(enum.StrEnum):
    """What is to be done, from mildest to strictest; `rank` orders them."""

    ALLOW = "allow"
    FLAG = "flag"
    REDACT = "redact"
    REWRITE = "rewrite"
    BLOCK = "block"

    @property
    def rank(self) -> int:
        """0 for allow up to 4 for block."""
        return _ACTION_ORDER.index(self)


_ACTION_ORDER = (Action.ALLOW, Action.FLAG, Action.REDACT, Action.REWRITE, Action.BLOCK)


class Severity(enum.StrEnum):
    """Three levels, as Qwen3Guard uses them (arXiv 2510.14276)."""

    SAFE = "safe"
    CONTROVERSIAL = "controversial"
    UNSAFE = "unsafe"

    @property
    def rank(self) -> int:
        """0 for safe up to 2 for unsafe."""
        return _SEVERITY_ORDER.index(self)


_SEVERITY_ORDER = (Severity.SAFE, Severity.CONTROVERSIAL, Severity.UNSAFE)


class Category(enum.StrEnum):
    """What a finding is about. Several may hold for one text."""

    TOXICITY = "toxicity"
    HATE = "hate"
    HARASSMENT = "harassment"
    SEXUAL = "sexual"
    SEXUAL_MINORS = "sexual_minors"
    VIOLENCE = "violence"
    SELF_HARM = "self_harm"
    ILLEGAL = "illegal"
    MISINFORMATION = "misinformation"
    PROMPT_ATTACK = "prompt_attack"
    PII = "pii"
    SECRETS = "secrets"


class ClaimOutcome(enum.StrEnum):
    """What the evidence says about a claim. `contradictory`: one passage supports it and another refutes it."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    NOT_ENOUGH = "not_enough_evidence"
    CONTRADICTORY = "contradictory_evidence"
    NOT_CHECKABLE = "not_checkable"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Citation:
    """The words that a claim was held against. source: what is cited (`evidence[0]`, `kb:medical/who.md#3`).

    start, end: half-open range of `quote` in code points of the evidence's text.
    """

    source: str
    quote: str
    start: int
    end: int

    def entry(self) -> dict[str, Any]:
        """The citation as a JSON object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class CheckedClaim:
    """One claim of an answer and what came out. start, end: code points of the answer.

    refuted: probability in [0, 1] that the evidence refutes it; 0 where nothing was held against it. reasons: in what
    claim and evidence disagree (`number`, `negation`, ...), or why nothing could be told (`outdated`, `language`, ...).
    supporting: where evidence is contradictory, the words that support it. left_out: sources that were found and did not
    count, being outdated or giving orders.
    """

    start: int
    end: int
    outcome: ClaimOutcome
    refuted: float
    citation: Citation | None = None
    reasons: tuple[str, ...] = ()
    supporting: Citation | None = None
    left_out: tuple[str, ...] = ()

    def entry(self) -> dict[str, Any]:
        """The claim as a JSON object, for every surface alike; what is empty is left out, but for `reasons`."""
        entry: dict[str, Any] = {
            "start": self.start,
            "end": self.end,
            "outcome": self.outcome.value,
            "refuted": round(self.refuted, 6),
            "reasons": list(self.reasons),
        }
        for name, cited in (("evidence", self.citation), ("supporting", self.supporting)):
            if cited is not None:
                entry[name] = cited.entry()
        return {**entry, "left_out": list(self.left_out)} if self.left_out else entry


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a detector found.

    score: probability in [0, 1] that the category holds.
    start, end: half-open range in code points of the original text.
    detector: which detector, for the audit log; never shown to the end user.
    entity: the kind of personal data or secret (`KR_RRN`, `EMAIL_ADDRESS`); empty for other categories.
    action: what the policy asks for because of this finding.
    evidence: what a claim was held against; None for other categories.
    """

    category: Category
    score: float
    severity: Severity
    start: int
    end: int
    detector: str
    entity: str = ""
    action: Action = Action.ALLOW
    evidence: Citation | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.score <= 1.0:
            raise ValueError(f"score must be within [0, 1], got {self.score!r}")
        if not 0 <= self.start <= self.end:
            raise ValueError(f"a finding needs 0 <= start <= end, got {self.start}..{self.end}")


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A detector that the policy names and that could not answer.

    reason: for operators; must not quote the text.
    """

    detector: str
    reason: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many code points were looked at, of how many."""

    checked: int
    total: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of the Safety-Checker for one text.

    action: the strictest action that the policy drew from findings and unavailable detectors.
    scores: highest score per category looked for, each in [0, 1]; a category nobody looked for is absent.
    released: characters already sent on behind the first violating offset when a stream was cut (0 if none).
    shadow: findings of rules that are evaluated and not enforced.
    not_looked_for: kinds of personal data that the policy wants found and that nothing here can find: `PERSON`, or
        `PERSON:ko` where only a language is missing.
    claims: what claims the text makes and what came out, where the policy has them checked.
    policy, policy_digest: name and `sha256:<hex>` of the policy that decided.
    """

    action: Action
    severity: Severity
    findings: tuple[Finding, ...]
    scores: dict[Category, float]
    coverage: Coverage
    policy: str
    policy_digest: str
    unavailable: tuple[Unavailable, ...] = ()
    shadow: tuple[Finding, ...] = ()
    released: int = field(default=0)
    not_looked_for: tuple[str, ...] = ()
    claims: tuple[CheckedClaim, ...] = ()

    @property
    def blocked(self) -> bool:
        """Whether nothing (more) of the text may be passed on."""
        return self.action is Action.BLOCK
