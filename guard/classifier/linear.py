"""Stage 1: one linear score per head over hashed character n-grams, in whole numbers, window by window.

Rules of this file
1. Sums are integers, so that a score depends on nothing but the text: not on neighbours, threads or the machine.
2. A long text is judged in overlapping windows and a head's score is that of its worst window.
Shapes: L code points, K heads, M windows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from guard.classifier.hashing import codes_of, slots_of

BLOCK = 128
WINDOW = 2 * BLOCK
"""Code points judged together: about the length of the texts trained on, and a short insult still weighs in it.
Windows start every BLOCK, so that each phrase shorter than a block is whole in some window."""

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LinearHeads:
    """Weights of stage 1.

    weights: (2**bits, K) int8, the product of an n-gram's weight and its rarity, in units of `units`.
    rarity: (2**bits,) uint8, squared inverse document frequency in 1/16; 0 for n-grams hardly seen in training.
    units: (K,) float32. offsets: (K,) float32, logit of a text without evidence.
    """

    bits: int
    weights: npt.NDArray[np.int8]
    rarity: npt.NDArray[np.uint8]
    units: Scores
    offsets: Scores

    def logits(self, folded: str) -> Scores:
        """The logit of each head's worst window, shape (K,)."""
        worst: Scores = self.window_logits(folded).max(axis=0)
        return worst

    def window_logits(self, folded: str) -> Scores:
        """Logits by window, shape (M, K); a text of at most WINDOW code points is one window."""
        codes = codes_of(folded)
        slots = slots_of(codes, self.bits)
        if codes.size <= WINDOW + 2:
            together = np.concatenate(slots)
            # Whole numbers below 2**24 are exact in float32, in whatever order they are added.
            sums = (np.ones(together.size, np.float32) @ self.weights.take(together, axis=0).astype(np.float32))[None]
            squares = self.rarity.take(together).sum(dtype=np.int64)[None]
        else:
            sums, squares = self._sums_by_window(slots, codes.size)
        norms = np.sqrt(squares.astype(np.float32) / np.float32(16) + np.float32(1e-6))
        logits: Scores = sums / norms[:, None] * self.units + self.offsets
        return logits

    def _sums_by_window(self, slots: list[npt.NDArray[np.uint32]], length: int) -> tuple[Scores, npt.NDArray[np.int64]]:
        """Weights (M, K) and squared rarities (M,) of the n-grams that start inside each window."""
        weights = np.zeros((length, self.weights.shape[1]), dtype=np.float32)
        squares = np.zeros(length, dtype=np.int64)
        for found in slots:
            weights[: found.size] += self.weights.take(found, axis=0)
            squares[: found.size] += self.rarity.take(found)
        starts = np.arange(0, length, BLOCK)
        by_block = np.add.reduceat(weights, starts, axis=0)
        squares_by_block = np.add.reduceat(squares, starts)
        return by_block[:-1] + by_block[1:], squares_by_block[:-1] + squares_by_block[1:]
