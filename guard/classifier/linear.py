"""Stage 1: one linear score per head over hashed character n-grams, in whole numbers, window by window.

Rules of this file
1. Sums are integers, so that a score depends on nothing but the text: not on neighbours, threads or the machine.
2. A long text is judged in overlapping windows and a head's score is that of its worst window.
3. In a long text each n-gram is added once, to its block; two neighbouring blocks make a window.
Shapes: L code points, K heads, M windows, N lengths of n-gram, B blocks, P positions where n-grams start, W eights of columns.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from guard.classifier.hashing import LENGTHS, REACH, Codes, beyond, codes_of, slot_grid

BLOCK = 128
WINDOW = 2 * BLOCK
"""Code points judged together: about the length of the texts trained on, and a short insult still weighs in it.
Windows start every BLOCK, so that each phrase shorter than a block is whole in some window."""

Scores = npt.NDArray[np.float32]
Sums = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

_BYTES = 8
"""Columns of a row that are read as one number of 64 bits."""
_EVEN = np.uint64(
    0x00FF00FF00FF00FF
)  # every other byte, in a lane of 16 bits: room for the sum of 257, more than a block
_BYTE = np.uint64(8)
_BIAS = np.uint64(0x8080808080808080)  # makes signed bytes w unsigned ones, w + 128
_AT_ONCE = 16
"""Blocks of a long text hashed together: what that needs stays in the processor's cache, however long the text."""


@dataclass(frozen=True, slots=True)
class LinearHeads:
    """Weights of stage 1.

    weights: (2**bits, K) int8, the product of an n-gram's weight and its rarity, in units of `units`.
    rarity: (2**bits,) uint8, squared inverse document frequency in 1/16; 0 for n-grams hardly seen in training.
    units: (K,) float32. offsets: (K,) float32, logit of a text without evidence.
    words: the same weights, eight columns read as one number; (2**bits,) for each of W eights.
    """

    bits: int
    weights: npt.NDArray[np.int8]
    rarity: npt.NDArray[np.uint8]
    units: Scores
    offsets: Scores
    words: tuple[Words, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", _words(self.weights))

    def logits(self, folded: str) -> Scores:
        """The logit of each head's worst window, shape (K,)."""
        worst: Scores = self.window_logits(folded).max(axis=0)
        return worst

    def window_logits(self, folded: str) -> Scores:
        """Logits by window, shape (M, K); a text of at most WINDOW code points is one window."""
        codes = codes_of(folded, behind=REACH)
        if len(folded) <= WINDOW:
            sums, squares = self._sums_together(codes)
        else:
            sums, squares = self._sums_by_window(codes)
        norms = np.sqrt(squares / np.float32(16) + np.float32(1e-6))
        logits: Scores = sums / norms[:, None] * self.units + self.offsets
        return logits

    def _sums_together(self, codes: Codes) -> tuple[Scores, Scores]:
        """Weights (1, K) and squared rarities (1,) of all n-grams of a short text; codes: (L + REACH,)."""
        slots = slot_grid(codes, self.bits).ravel()
        counts = np.ones((1, slots.size), dtype=np.float32)
        counts[0, beyond(codes.size - REACH)] = 0
        # Whole numbers below 2**24 are exact in float32, in whatever order they are added.
        sums = counts @ self.weights.take(slots, axis=0).astype(np.float32)
        return sums, counts @ self.rarity.take(slots).astype(np.float32)

    def _sums_by_window(self, codes: Codes) -> tuple[Scores, Scores]:
        """Weights (M, K) and squared rarities (M,) of the n-grams that start inside each window; codes: (L + REACH,)."""
        length = codes.size - REACH
        last = -(-length // BLOCK) - 1  # never read by itself: n-grams that reach beyond the end may start before it
        starts = range(0, last, _AT_ONCE)
        parts = [
            self._lanes(codes[BLOCK * start : BLOCK * (start + _AT_ONCE) + REACH], inside=True) for start in starts[:-1]
        ]
        parts.append(self._lanes(codes[BLOCK * starts[-1] :], inside=False))
        by_block = np.concatenate(parts, axis=1)
        by_window = by_block[:, :-1] + by_block[:, 1:]
        columns = by_window[:-1].reshape(-1, 2, last, 4).transpose(2, 0, 3, 1).reshape(last, -1)[:, : self.units.size]
        positions = np.minimum(length - BLOCK * np.arange(last), WINDOW)
        sums = columns - (128 * len(LENGTHS)) * positions[:, None]
        return sums.astype(np.float32), by_window[-1, :, 0].astype(np.float32)

    def _lanes(self, codes: Codes, *, inside: bool) -> Sums:
        """Weights + 128 and squared rarities of all lengths at all positions of each block, added up, (2 * W + 1, B, 4).

        For each of W eights of columns the even ones, then the odd ones; then rarities, in the first lane.
        codes: (P + REACH,). inside: whether more text follows, so that no n-gram reaches beyond its end; those that do count 0.
        """
        positions = codes.size - REACH
        slots = slot_grid(codes, self.bits).ravel().astype(np.intp)
        found = np.empty((2 * len(self.words) + 1, slots.size), dtype=np.uint64)
        for table, even, odd in zip(self.words, found[::2], found[1::2], strict=False):
            eight = table.take(slots)
            eight ^= _BIAS
            np.bitwise_and(eight, _EVEN, out=even)
            np.right_shift(eight, _BYTE, out=odd)
            odd &= _EVEN
        found[-1] = self.rarity.take(slots)
        if not inside:
            nothing = beyond(positions)
            found[:-1, nothing] = _BIAS & _EVEN
            found[-1, nothing] = 0
        rows, starts = np.arange(0, found.size, positions), np.arange(0, positions, BLOCK)
        by_length = np.add.reduceat(found.ravel(), (rows[:, None] + starts).ravel())
        lanes = by_length.view(np.uint16).reshape(len(found), len(LENGTHS), starts.size, 4)
        sums: Sums = lanes.sum(axis=1, dtype=np.int64)
        return sums


def _words(weights: npt.NDArray[np.int8]) -> tuple[Words, ...]:
    """Columns (R, K) by eights as numbers (R,), with zeros where columns are missing; no copy where K is eight."""
    if missing := -weights.shape[1] % _BYTES:
        weights = np.pad(weights, ((0, 0), (0, missing)))
    eights = range(0, weights.shape[1], _BYTES)
    return tuple(np.ascontiguousarray(weights[:, at : at + _BYTES]).view(np.uint64)[:, 0] for at in eights)
