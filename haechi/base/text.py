"""Positions in text and the three languages.

A position is an index in code points of the text as it was received, before any normalisation.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Language(enum.StrEnum):
    """The languages that detectors declare. Anything else is `OTHER`, which no detector may call safe by default."""

    KOREAN = "ko"
    CHINESE = "zh"
    ENGLISH = "en"
    OTHER = "other"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open range [start, end) in code points."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"a span needs 0 <= start <= end, got {self.start}..{self.end}")

    def __len__(self) -> int:
        return self.end - self.start

    def overlaps(self, other: Span) -> bool:
        """Whether the two ranges share a code point."""
        return self.start < other.end and other.start < self.end
