"""What of the passages that were found is given to the stance model.

Rules of this file
1. Orders to the reader are no evidence (guard/claims/orders.py): a passage of nothing else is left out.
2. A passage that says two things of a claim is read as two: a model that reads both in one would pick a winner.
3. A model that was not measured across languages is not asked about a passage in another language than the claim.
4. Places stay those of the document.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from guard.claims.compare import Features, compare
from guard.claims.facts import facts_of, plain, shared, words_of
from guard.claims.orders import orders_in, without
from guard.claims.ports import Claim, Found
from guard.language import words_by_language
from guard.sentences import segments
from haechi.base.text import Language, Span

_ABOUT: Final = 0.6
"""Share of the claim's terms, or of its tokens in order, from which a sentence alone says the claim or another of it."""
_LONGEST: Final = 1_000
_OWN: Final = 0.3
"""Share of a text's words that are of a claim's language, from which it is in that language."""


@dataclass(frozen=True, slots=True)
class Reading:
    """found: what is judged, best first. ordered: the source of the first passage that gave orders; "" where none did."""

    found: list[Found]
    ordered: str


def without_orders(claim: Claim, found: Sequence[Found]) -> Reading:
    """The passages without the orders in them; one that spoke of the claim in an order only weighs less."""
    kept: list[Found] = []
    ordered = ""
    for one in found:
        orders = orders_in(one.evidence.text)
        if orders:
            ordered = ordered or one.evidence.source
            one = _without(claim, one, without(one.evidence.text, orders))
        if one.evidence.text.strip():
            kept.append(one)
    return Reading(sorted(kept, key=lambda one: -one.score), ordered)


def _without(claim: Claim, one: Found, text: str) -> Found:
    mine = facts_of(claim.meaning).terms
    before, after = (shared(mine, words_of(plain(read))) for read in (one.evidence.text, text))
    blank = len(text) - len(text.lstrip())
    evidence = replace(one.evidence, text=text.strip(), start=one.evidence.start + blank)
    return Found(evidence, one.score * after / before if before else one.score)


def apart(claim: Claim, found: Sequence[Found]) -> list[Found]:
    """The passages, each of those that contradict themselves as two."""
    return [part for one in found for part in _apart(claim, one)]


def _apart(claim: Claim, one: Found) -> Iterator[Found]:
    """The two sentences of a passage that disagree on the claim, or the passage."""
    sides = _sides(claim, one.evidence.text)
    for span in sides:
        text = one.evidence.text[span.start : span.end]
        yield replace(one, evidence=replace(one.evidence, text=text, start=one.evidence.start + span.start))
    if not sides:
        yield one


def _sides(claim: Claim, text: str) -> tuple[Span, ...]:
    """A sentence that says the claim and one that says another thing of it; nothing where they do not both occur."""
    mine = facts_of(claim.meaning).terms
    near = [
        span
        for span in segments(text, _LONGEST)
        if shared(mine, words_of(plain(text[span.start : span.end]))) >= _ABOUT
    ]
    if len(near) < 2:
        return ()
    read = [(span, compare(claim.meaning, text[span.start : span.end], claim.language)) for span in near]
    says = next((span for span, found in read if _says(found)), None)
    against = next((span for span, found in read if found.reasons and found.aligned >= _ABOUT), None)
    return () if says is None or against is None else tuple(sorted((says, against), key=lambda span: span.start))


def _says(found: Features) -> bool:
    """Whether nothing of the claim is missing in a sentence."""
    missing = max(found.numbers_missing, found.dates_missing, found.names_missing)
    return not found.reasons and not missing and (bool(found.contained) or found.aligned >= _ABOUT)


def is_foreign(text: str, language: Language) -> bool:
    """Whether a text is in another language than a claim, by its words; a few names in other letters change nothing."""
    words = words_by_language(text)
    return words.get(language, 0.0) < _OWN * sum(words.values())
