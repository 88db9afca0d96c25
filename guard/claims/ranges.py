"""Ranges: two numbers that are the ends of one statement, in three languages ("2-8 °C", "3일에서 5일", "2至8度", "두세 번").

Rules of this file
1. Both ends stay numbers of their own; each knows the range it belongs to.
2. A lower end without a unit has that of the upper end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from guard.claims.quantities import Ends, Quantity

_BETWEEN: Final = re.compile(
    r"[ ]?(?:[-–—−~～〜]|to|and|or|through|에서|부터|내지|이상|至|到|、)[ ]?[$￦₩€£¥]?[ ]?", re.I
)
_LISTED: Final = re.compile(r"[ ]?(?:and|or|、)", re.I)
_OPENED: Final = re.compile(r"\b(?:between|from)[ ][$€£¥]?$", re.I)
_LONGEST_BETWEEN: Final = 8


def with_ranges(text: str, found: Sequence[Quantity]) -> list[Quantity]:
    """The numbers of a text in order, the ends of ranges marked as such."""
    numbers = list(found)
    for at in range(len(numbers) - 1):
        low, high = numbers[at], numbers[at + 1]
        if low.ends is None and _joined(text, low, high):
            low = _measured(low, high)
            if low.dimension == high.dimension and low.value < high.value:
                ends = Ends(low.value, high.value)
                numbers[at], numbers[at + 1] = replace(low, ends=ends), replace(high, ends=ends, upper=True)
    return numbers


def _joined(text: str, low: Quantity, high: Quantity) -> bool:
    """Whether the words between two numbers make them the ends of a range."""
    between = text[max(low.end, low.unit_end) : min(high.start, high.unit_start)]
    if len(between) > _LONGEST_BETWEEN or _BETWEEN.fullmatch(between) is None:
        return False
    if _LISTED.match(between) is None:
        return True
    return high.bare == low.bare + 1 or _OPENED.search(text, max(0, low.start - 9), low.start) is not None


def _measured(low: Quantity, high: Quantity) -> Quantity:
    """The lower end, measured as the upper one where it has no unit of its own."""
    if low.dimension or not high.dimension or not high.bare:
        return low
    return replace(low, value=low.bare * high.value / high.bare, dimension=high.dimension)
