"""Hold a claim and a passage against each other explicitly: numbers, units, dates, names, negation, quantity, direction.

No model. What comes out is (a) reasons, disagreements with their place in both texts, and (b) a vector of floats for a
model that judges the pair. Only the sentences of the passage that speak of the same thing as the claim are compared.

Rules of this file
1. A text never disagrees with itself, nor with a passage that contains it word for word and does not deny it.
2. A disagreement needs both sides: what the claim adds and the passage does not mention is a feature, no reason.
3. Times are linear in the texts but for the alignment, which is cut at ALIGNED tokens.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from guard.claims import denials_ko, denials_zh
from guard.claims.alignment import Aligned, Token, align
from guard.claims.conflicts import Conflicts, conflicts
from guard.claims.cues import Kind
from guard.claims.facts import Facts, anchor_of, facts_of
from guard.claims.ports import Conflict, Reason
from guard.language import language_of
from haechi.base.text import Language

SHARED: Final = 0.34
"""Share of the claim's terms that a passage must have before a difference counts as a disagreement."""
_AMOUNTS: Final = frozenset({Conflict.NUMBER, Conflict.UNIT, Conflict.DATE})
_DENIALS: Final[Mapping[Language, Callable[[str, str], bool]]] = {
    Language.KOREAN: denials_ko.denies_passage,
    Language.CHINESE: denials_zh.denies_passage,
}
_SAID: Final = 3
"""Tokens that both sides share before the rest is the only difference."""
_ALIKE: Final = 0.5
"""Share of aligned tokens that stands for it: a Chinese sentence of eight characters shares few terms when one changes."""


@dataclass(frozen=True, slots=True)
class Features:
    """What the comparison found. Shares are in [0, 1]; counts are cut at 3 and divided by 3.

    contained: the claim stands in the passage word for word. coverage: share of the claim's terms, rare ones weigh more,
    in the sentences compared. anywhere: the same in the whole passage. mentioned: share of those sentences' terms that
    the claim has. aligned: share of tokens that follow each other in both. replaced, added, dropped: tokens that differ,
    by how. *_matched, *_missing, *_conflict: of the claim's numbers, dates, names. amount_only: the claim says what the
    sentences say but for a number, unit or date. denied_only: a Korean or Chinese claim denies what a sentence says in its
    words, or says what it denies. other_kind: nothing disagrees, and where the claim has a name or place the
    passage has a date or number (`in Paris`, `in 1889`). Others: one disagreement each.
    """

    contained: float = 0.0
    coverage: float = 0.0
    anywhere: float = 0.0
    mentioned: float = 0.0
    aligned: float = 0.0
    replaced: float = 0.0
    added: float = 0.0
    dropped: float = 0.0
    length: float = 0.0
    same_language: float = 0.0
    numbers: float = 0.0
    numbers_matched: float = 0.0
    numbers_missing: float = 0.0
    number_conflict: float = 0.0
    unit_conflict: float = 0.0
    dates: float = 0.0
    dates_matched: float = 0.0
    dates_missing: float = 0.0
    date_conflict: float = 0.0
    names: float = 0.0
    names_matched: float = 0.0
    names_missing: float = 0.0
    name_conflict: float = 0.0
    place_conflict: float = 0.0
    negations: float = 0.0
    negation_parity: float = 0.0
    negation_conflict: float = 0.0
    quantifier_added: float = 0.0
    quantifier_conflict: float = 0.0
    comparative_conflict: float = 0.0
    antonym_conflict: float = 0.0
    amount_only: float = 0.0
    denied_only: float = 0.0
    other_kind: float = 0.0
    reasons: tuple[Reason, ...] = ()

    def vector(self) -> tuple[float, ...]:
        """The floats in the order of FEATURES."""
        return tuple(float(getattr(self, name)) for name in FEATURES)


FEATURES: Final = tuple(field.name for field in dataclasses.fields(Features) if field.name != "reasons")
"""Names of the floats of `Features.vector()`, in order. New ones are added at the end only."""


def compare(claim: str, evidence: str, language: Language) -> Features:
    """Compare a claim with a passage. language: the claim's; the passage's is told by its letters."""
    mine = facts_of(claim)
    same = language_of(evidence) in (language, Language.OTHER)
    anchor = anchor_of(mine, evidence)
    theirs = anchor.facts
    aligned = align(mine.tokens, theirs.tokens)
    found = conflicts(mine, theirs, aligned, contained=anchor.contained)
    alike = anchor.coverage >= SHARED or aligned.equal >= _ALIKE
    reasons = found.reasons if same and alike else ()
    placed = tuple(_moved(reason, anchor.offsets) for reason in reasons)
    told = _features(mine, theirs, aligned, found, placed, (anchor.contained, anchor.coverage, anchor.anywhere, same))
    denied = language in _DENIALS and _DENIALS[language](claim, evidence)
    return dataclasses.replace(told, denied_only=float(denied))


def _moved(reason: Reason, offsets: Sequence[int]) -> Reason:
    """The reason with evidence positions of the whole passage. offsets: of each character of the compared sentences."""
    last = max(reason.evidence_start, reason.evidence_end - 1)
    start = offsets[reason.evidence_start]
    end = offsets[last] + 1 if reason.evidence_end > reason.evidence_start else start
    return dataclasses.replace(reason, evidence_start=start, evidence_end=end)


def _amount_only(mine: Facts, theirs: Facts, aligned: Aligned, reasons: Sequence[Reason]) -> bool:
    """Whether every word that differs is part of an amount or a date that disagrees; the passage may say more besides."""
    amounts = [reason for reason in reasons if reason.conflict in _AMOUNTS]
    equal = {n for run in aligned.runs for n in run.mine}
    here = [token for n, token in enumerate(mine.tokens) if n not in equal]
    instead = [[theirs.tokens[n] for n in place.theirs] for place in aligned.places]
    return (
        bool(amounts)
        and len(equal) >= _SAID
        and all(any(r.claim_start <= token.start < r.claim_end for r in amounts) for token in here)
        and all(any(r.evidence_start <= t.start < r.evidence_end for r in amounts for t in part) for part in instead)
    )


def _other_kind(mine: Facts, theirs: Facts, aligned: Aligned) -> bool:
    """Whether the claim has a name or place where the passage, which has none that the claim lacks, says when or how much."""
    equal = {n for run in aligned.runs for n in run.theirs}
    named, others, amounts = _named(mine), _named(theirs), _amounts(theirs)
    if len(equal) < _SAID or any(_within(t, others) for n, t in enumerate(theirs.tokens) if n not in equal):
        return False
    return any(
        any(_within(mine.tokens[n], named) for n in place.mine)
        and all(_within(theirs.tokens[n], amounts) for n in place.theirs)
        for place in aligned.places
    )


def _named(facts: Facts) -> list[tuple[int, int]]:
    """Where names and places stand."""
    places = [(cue.start, cue.end) for cue in facts.cues if cue.meaning.kind is Kind.PLACE]
    return places + [(name.start, name.end) for name in facts.names]


def _amounts(facts: Facts) -> list[tuple[int, int]]:
    """Where numbers and dates stand."""
    return [(one.start, one.end) for one in facts.quantities] + [(one.start, one.end) for one in facts.dates]


def _within(token: Token, spans: Sequence[tuple[int, int]]) -> bool:
    return any(start <= token.start < end for start, end in spans)


def _count(number: int) -> float:
    return min(number, 3) / 3


def _features(
    mine: Facts,
    theirs: Facts,
    aligned: Aligned,
    found: Conflicts,
    reasons: tuple[Reason, ...],
    fit: tuple[bool, float, float, bool],
) -> Features:
    contained, coverage, anywhere, same = fit
    kinds = [reason.conflict for reason in reasons]

    def of(conflict: Conflict) -> float:
        return _count(kinds.count(conflict))

    return Features(
        contained=float(contained),
        coverage=coverage,
        anywhere=anywhere,
        mentioned=len(mine.terms & theirs.terms) / max(1, len(theirs.terms)),
        aligned=aligned.equal,
        replaced=aligned.replaced,
        added=aligned.added,
        dropped=aligned.dropped,
        length=min(1.0, len(mine.tokens) / 60),
        same_language=float(same),
        numbers=_count(len(mine.quantities)),
        numbers_matched=found.numbers.matched,
        numbers_missing=found.numbers.missing,
        number_conflict=of(Conflict.NUMBER),
        unit_conflict=of(Conflict.UNIT),
        dates=_count(len(mine.dates)),
        dates_matched=found.dates.matched,
        dates_missing=found.dates.missing,
        date_conflict=of(Conflict.DATE),
        names=_count(len(mine.names)),
        names_matched=found.names.matched,
        names_missing=found.names.missing,
        name_conflict=of(Conflict.NAME),
        place_conflict=of(Conflict.PLACE),
        negations=_count(len(mine.negations)),
        negation_parity=float((len(mine.negations) + len(theirs.negations)) % 2),
        negation_conflict=of(Conflict.NEGATION),
        quantifier_added=float(found.quantifier_added),
        quantifier_conflict=of(Conflict.QUANTIFIER),
        comparative_conflict=of(Conflict.COMPARATIVE),
        antonym_conflict=of(Conflict.ANTONYM),
        amount_only=float(bool(reasons) and _amount_only(mine, theirs, aligned, found.reasons)),
        other_kind=float(same and not found.reasons and _other_kind(mine, theirs, aligned)),
        reasons=reasons,
    )
