"""The contract of detectors that judge by a model: one calibrated probability per category."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from guard.verdict import Category


class Classifier(Protocol):
    """Judges a sentence or a window."""

    name: str
    categories: frozenset[Category]

    def score(self, text: str, context: str = "") -> Mapping[Category, float]:
        """Calibrated probability in [0, 1] that each category holds for `text`.

        context: what stands before it (earlier sentences); it informs and is not judged.
        """
        ...
