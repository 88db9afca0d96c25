"""Hold one claim against what evidence there is: find passages, ask how they stand to it, weigh the answers.

Rules of this file
1. Nothing is supported or refuted without a passage that can be cited.
2. A source that fails is said to have failed, also where another one decides.
3. Orders in a passage are no evidence, and never part of a quote.
4. A passage counts by how much it is about the claim: one that shares half as much as the best weighs a quarter. The
   stance model is not asked about one that weighs too little to decide anything.
5. A passage in the claim's language that has no word, number or name of it refutes nothing: models that learnt from pairs
   about one scene take another subject for a contradiction.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from guard.claims.compare import compare
from guard.claims.facts import anchor_of, facts_of, touches
from guard.claims.given import is_outdated
from guard.claims.ports import (
    Citation,
    Claim,
    ClaimOutcome,
    EvidenceSource,
    Found,
    Judgement,
    Stance,
    StanceModel,
)
from guard.claims.reading import apart, is_foreign, without_orders
from guard.scoring import DEADLINE, NOT_COVERED
from haechi.base.errors import HaechiError

LONGEST_QUOTE: Final = 600
_UNSURE: Final = Stance(0.0, 0.0, 1.0)
_LEFT_OUT: Final = re.compile(" {5,}")
"""Where an order stood."""


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A passage with its stance and how much it counts, in [0, 1]."""

    found: Found
    stance: Stance
    weight: float

    @property
    def supported(self) -> float:
        return self.stance.supported * self.weight

    @property
    def refuted(self) -> float:
        return self.stance.refuted * self.weight

    @property
    def decided(self) -> float:
        return max(self.supported, self.refuted)


class ClaimJudge:
    """Judges claims by one stance model. Safe for several threads.

    sources: knowledge bases. refuted_at, supported_at: probabilities from which a passage refutes or supports.
    limit: passages looked at for one claim. across: the model is asked about passages in another language than the claim, too.
    """

    def __init__(
        self,
        stance: StanceModel,
        *,
        sources: Sequence[EvidenceSource] = (),
        refuted_at: float = 0.5,
        supported_at: float = 0.5,
        limit: int = 5,
        across: bool = True,
    ) -> None:
        self._stance = stance
        self._across = across
        self._sources = sources
        self._refuted_at = refuted_at
        self._supported_at = supported_at
        self._limit = limit

    def judge(
        self, claim: Claim, given: EvidenceSource | None = None, *, at: str = "", deadline: float = math.inf
    ) -> Judgement:
        """What the evidence says of the claim; raises nothing.

        given: what came with the text. at: ISO date of today; outdated documents do not count. deadline: on the
        monotonic clock; past it the claim is unavailable.
        """
        sources = [*([given] if given is not None else []), *self._sources]
        if not sources:
            return Judgement(claim, ClaimOutcome.NOT_CHECKABLE, 0.0)
        if claim.language not in self._stance.languages():
            return Judgement(claim, ClaimOutcome.UNAVAILABLE, 0.0, why=NOT_COVERED)
        found, why = self._search(claim, sources, at)
        if not found:
            outcome = ClaimOutcome.UNAVAILABLE if why else ClaimOutcome.NOT_ENOUGH
            return Judgement(claim, outcome, 0.0, outdated=self._outdated(claim, sources, at), why=why)
        if time.monotonic() > deadline:
            return Judgement(claim, ClaimOutcome.UNAVAILABLE, 0.0, why=DEADLINE)
        read = without_orders(claim, found)
        if not read.found:
            outdated = self._outdated(claim, sources, at)
            return Judgement(claim, ClaimOutcome.NOT_ENOUGH, 0.0, outdated=outdated, ordered=read.ordered, why=why)
        try:
            heavy = apart(claim, self._heavy(read.found))
            stances = self._stances(claim, heavy)
        except HaechiError as error:
            return Judgement(claim, ClaimOutcome.UNAVAILABLE, 0.0, why=type(error).__name__)
        judgement = replace(self._weighed(claim, _weigh(heavy, stances), why), ordered=read.ordered)
        if judgement.outcome is ClaimOutcome.NOT_ENOUGH:
            return replace(judgement, outdated=self._outdated(claim, sources, at))
        return judgement

    def _stances(self, claim: Claim, found: Sequence[Found]) -> list[Stance]:
        """How each passage stands to the claim; unsure where the model is not asked."""
        texts = [one.evidence.text for one in found]
        asked = [text for text in texts if self._across or not is_foreign(text, claim.language)]
        told = self._stance.judge(claim.meaning, asked, language=claim.language) if asked else ()
        answers = dict(zip(asked, told, strict=True))
        stances = [answers.get(text, _UNSURE) for text in texts]
        return [
            stance if _speaks_of(claim, one) else Stance(stance.supported, 0.0, stance.unsure + stance.refuted)
            for one, stance in zip(found, stances, strict=True)
        ]

    def _search(self, claim: Claim, sources: Iterable[EvidenceSource], at: str) -> tuple[list[Found], str]:
        """The best passages of all sources, and why one of them could not answer."""
        found: list[Found] = []
        why = ""
        for source in sources:
            try:
                found += source.search(claim.meaning, limit=self._limit, at=at)
            except HaechiError as error:
                why = f"{type(error).__name__}: {source.name}"
        if not self._across:  # where its own language says anything, another one must not weigh it down
            found = [one for one in found if not is_foreign(one.evidence.text, claim.language)] or found
        return sorted(found, key=lambda one: -one.score)[: self._limit], why

    def _heavy(self, found: Sequence[Found]) -> list[Found]:
        """The passages that could decide by their weight alone; the first is always one."""
        floor = min(self._refuted_at, self._supported_at)
        return [one for one in found if _weight(one, found[0].score) >= floor]

    def _outdated(self, claim: Claim, sources: Iterable[EvidenceSource], at: str) -> str:
        """The source of a passage that is about the claim and holds no longer; "" when there is none."""
        if not at:
            return ""
        every, _ = self._search(claim, sources, "")
        return next((one.evidence.source for one in every if is_outdated(one.evidence, at)), "")

    def _weighed(self, claim: Claim, weighed: Sequence[_Weighed], why: str) -> Judgement:
        support, doubt = max(weighed, key=lambda one: one.supported), max(weighed, key=lambda one: one.refuted)
        best = max(weighed, key=lambda one: one.decided)
        supports, refutes = support.supported >= self._supported_at, doubt.refuted >= self._refuted_at
        refuted = best.refuted
        if supports and refutes and support is not doubt:
            outcome, best = ClaimOutcome.CONTRADICTORY, doubt
            refuted = doubt.refuted / (doubt.refuted + support.supported)
        elif refutes and best is doubt:
            outcome = ClaimOutcome.REFUTED
        elif supports:
            outcome = ClaimOutcome.SUPPORTED
        else:
            outcome = ClaimOutcome.NOT_ENOUGH
        text = best.found.evidence.text
        return Judgement(
            claim,
            outcome,
            min(1.0, refuted),
            _citation(claim, best.found),
            compare(claim.meaning, text, claim.language).reasons,
            supporting=_citation(claim, support.found) if outcome is ClaimOutcome.CONTRADICTORY else None,
            foreign=outcome is ClaimOutcome.NOT_ENOUGH and is_foreign(text, claim.language),
            why=why,
        )


def _speaks_of(claim: Claim, found: Found) -> bool:
    """Whether a passage has anything of the claim; one in another language cannot be asked so."""
    text = found.evidence.text
    if touches(facts_of(claim.meaning), f"{found.evidence.title} {text}") or is_foreign(text, claim.language):
        return True
    return bool(compare(claim.meaning, text, claim.language).names_matched)


def _weigh(found: Sequence[Found], stances: Sequence[Stance]) -> list[_Weighed]:
    return [_Weighed(one, stance, _weight(one, found[0].score)) for one, stance in zip(found, stances, strict=True)]


def _weight(found: Found, best: float) -> float:
    return (found.score / best) ** 2 if best else 1.0


def _citation(claim: Claim, found: Found) -> Citation:
    """The sentences of a passage that speak of what the claim speaks of, up to an order that was left out between them."""
    text = found.evidence.text
    offsets = anchor_of(facts_of(claim.meaning), text).offsets
    first, last = (offsets[0], offsets[-1] + 1) if offsets else (0, len(text))
    quote = text[first : min(last, first + LONGEST_QUOTE)]
    left_out = _LEFT_OUT.search(quote)
    quote = quote[: left_out.start()] if left_out is not None else quote
    before = len(quote) - len(quote.lstrip())
    start = found.evidence.start + first + before
    quote = quote.strip()
    return Citation(found.evidence.source, quote, start, start + len(quote))
