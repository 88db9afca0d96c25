"""Amounts that are written differently: `四百六十八米` and `468米`, `0.3 km` and `300 metres`.

A claim is shown to the encoder with its amounts as the passage writes them, so that another way of writing does not look like
another number, and another number is not hidden by another way of writing.

Rules of this file
1. What a claim says stays what it is: an amount is written in another unit, or in figures, and never changed.
2. The claim changes only towards what stands in the passage. Ranges and numbers without a unit stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from guard.claims.facts import facts_of
from guard.claims.quantities import Quantity

_DECIMALS = 3


def as_counted(claim: str, passage: str) -> str:
    """The claim, each of its amounts in the words, or at least in the unit and figures, of the passage."""
    theirs = list(_amounts(passage))
    if not theirs:
        return claim
    for mine in reversed(list(_amounts(claim))):
        start, end = _span(mine)
        claim = claim[:start] + _instead(claim, mine, passage, theirs) + claim[end:]
    return claim


def _amounts(text: str) -> Iterator[Quantity]:
    """The numbers of a text that have a unit and are no end of a range."""
    return (amount for amount in facts_of(text).quantities if amount.dimension and amount.ends is None)


def _instead(claim: str, mine: Quantity, passage: str, theirs: list[Quantity]) -> str:
    """The words for an amount of the claim."""
    written = _words(claim, mine)
    alike = [other for other in theirs if mine.comparable(other)]
    same = [_words(passage, other) for other in alike if math.isclose(mine.value, other.value, rel_tol=1e-9)]
    if same:
        return written if written in same else same[0]
    others = (_in_its_unit(mine, passage, other) for other in alike)
    return next((words for words in others if words is not None), written)


def _in_its_unit(mine: Quantity, passage: str, other: Quantity) -> str | None:
    """The amount in the unit and the figures of one of the passage; None where that one has none, or it would not be exact."""
    figures, unit = passage[other.start : other.end], passage[other.end : other.unit_end]
    if not unit or other.unit_start < other.end or not figures.replace(",", "").replace(".", "").isdecimal():
        return None
    number = mine.value * other.bare / other.value if other.value else math.inf
    if not math.isclose(number, round(number, _DECIMALS), rel_tol=1e-9) or abs(number) >= 1e9:
        return None
    written = f"{round(number, _DECIMALS):,.12g}"
    return (written if "," in figures else written.replace(",", "")) + unit


def _span(amount: Quantity) -> tuple[int, int]:
    """Where number and unit stand."""
    return min(amount.start, amount.unit_start), max(amount.end, amount.unit_end)


def _words(text: str, amount: Quantity) -> str:
    start, end = _span(amount)
    return text[start:end]
