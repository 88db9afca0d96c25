"""Pairs that follow from labelled ones: the claim denied, and claim and passage exchanged.

What a passage supports, it refutes when denied, and the other way round; what it leaves open stays open. A claim that a
passage refutes refutes the passage; one that it does not refute does not. So a denial is no sign of its own: its label
depends on what the claim says.

Rules of this file
1. A derived pair stands in the part of the pair that it comes from.
2. A label that follows for logicians only allows two stances: who labels takes two facts that merely differ for a
   contradiction, and denying the second does not make it true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from guard.claims import denials_ko
from guard.training.stance import denials_zh
from guard.training.stance.pairs import REFUTED, SUPPORTED, UNSURE, Pair
from haechi.base.text import Language

DENIED: Final = "denied"
TURNED: Final = "turned"
"""Kinds of these pairs."""
_DENIED: Final[Mapping[Language, Callable[[str], str | None]]] = {
    Language.KOREAN: denials_ko.denied,
    Language.CHINESE: denials_zh.denied,
}
_SHORTEST: Final = 6
"""Signs of a claim that can stand for a passage."""


def derived_pairs(pairs: Sequence[Pair]) -> list[Pair]:
    """What follows from Korean and Chinese pairs with one label."""
    chosen = [p for p in pairs if p.language in _DENIED and len(p.allowed) == 1]
    return [*_denials(chosen), *_turned(chosen)]


def _denials(pairs: Sequence[Pair]) -> Iterator[Pair]:
    after = {SUPPORTED: (REFUTED,), REFUTED: (SUPPORTED, UNSURE), UNSURE: (UNSURE,)}
    for pair in pairs:
        claim = _DENIED[pair.language](pair.claim)
        if claim is not None:
            yield replace(pair, claim=claim, allowed=after[pair.allowed[0]], kind=DENIED)


def _turned(pairs: Sequence[Pair]) -> Iterator[Pair]:
    for pair in pairs:
        if len(pair.claim) >= _SHORTEST:
            allowed = (REFUTED,) if pair.allowed == (REFUTED,) else (SUPPORTED, UNSURE)
            yield replace(pair, claim=pair.evidence, evidence=pair.claim, allowed=allowed, kind=TURNED)
