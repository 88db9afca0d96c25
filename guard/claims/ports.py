"""What the parts of claim checking say to each other.

Rules of this file
1. A claim is judged only against evidence that can be cited; without any it is "not checkable", never true or false.
2. Positions of a claim are code points of the whole answer, those of a citation code points of the evidence's text.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from guard.knowledge.evidence import Evidence, EvidenceSource, Found
from guard.verdict import CheckedClaim, Citation, ClaimOutcome
from haechi.base.text import Language

__all__ = [
    "CheckedClaim", "Citation", "Claim", "ClaimOutcome", "Conflict", "Evidence", "EvidenceSource", "Found", "Judgement",
    "Reason", "Stance", "StanceModel",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence, or part of one, that says something checkable.

    text: as written. start, end: half-open range of `text` in the whole answer. meaning: `text` with what the context
    resolves written out (a pronoun's subject, an ellipsis), equal to `text` where nothing had to be.
    """

    text: str
    start: int
    end: int
    language: Language
    meaning: str


class Conflict(enum.StrEnum):
    """In what a claim and its evidence disagree; `explicit` comparison of both texts, no model."""

    NUMBER = "number"
    DATE = "date"
    UNIT = "unit"
    NAME = "name"
    PLACE = "place"
    NEGATION = "negation"
    QUANTIFIER = "quantifier"
    COMPARATIVE = "comparative"
    ANTONYM = "antonym"


@dataclass(frozen=True, slots=True)
class Reason:
    """One disagreement, with where it stands on both sides (code points of the claim's and of the evidence's text)."""

    conflict: Conflict
    claim_start: int
    claim_end: int
    evidence_start: int
    evidence_end: int


@dataclass(frozen=True, slots=True)
class Stance:
    """How a passage stands to a claim: three probabilities that sum to one."""

    supported: float
    refuted: float
    unsure: float


class StanceModel(Protocol):
    """Anything that says how passages stand to a claim: our encoder, our rules, an NLI model, a judge upstream."""

    @property
    def name(self) -> str:
        """What the log calls it."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever an answer may."""
        ...

    def languages(self) -> frozenset[Language]:
        """The languages of claims that it was measured to judge better than lexical overlap does."""
        ...

    def judge(self, claim: str, evidence: Sequence[str], *, language: Language) -> Sequence[Stance]:
        """One stance for each passage, in their order.

        Raises:
            HaechiError: when it cannot tell (language not its own, model missing, upstream silent).
        """
        ...


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came out for one claim. refuted: calibrated probability that the evidence refutes it, in [0, 1].

    outcome: see ClaimOutcome. citation: the passage that decided, None where there is none. reasons: disagreements with
    that passage. supporting: where passages contradict each other, the one that supports it. outdated: the source of a
    passage that would have counted when it still held. ordered: the source of a passage that gave orders, which were left
    out. foreign: what was found is in another language than the claim, and told nothing. inconsistent: other answers of the
    model do not say it. why: what could not be asked, for operators; never quotes the text. It may be there beside any
    outcome.
    """

    claim: Claim
    outcome: ClaimOutcome
    refuted: float
    citation: Citation | None = None
    reasons: tuple[Reason, ...] = ()
    supporting: Citation | None = None
    outdated: str = ""
    ordered: str = ""
    foreign: bool = False
    inconsistent: bool = False
    why: str = ""
