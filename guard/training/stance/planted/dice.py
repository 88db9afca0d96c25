"""Choices from a seeded generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Thing = TypeVar("Thing")


class Dice:
    """The same seed and label, the same choices."""

    def __init__(self, seed: int, label: str) -> None:
        self._rng = np.random.default_rng((seed, *label.encode()))

    def pick(self, things: Sequence[Thing]) -> Thing:
        """One of some things."""
        return things[int(self._rng.integers(len(things)))]

    def shuffled(self, things: Sequence[Thing]) -> list[Thing]:
        """All of them, in another order."""
        return [things[int(i)] for i in self._rng.permutation(len(things))]

    def between(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return int(self._rng.integers(low, high + 1))

    def chance(self, share: float) -> bool:
        """True in this share of throws."""
        return bool(self._rng.random() < share)
