"""Character n-grams of a folded text as numbers of table rows, without building a string per n-gram.

Rules of this file
1. Same text, same numbers, on every machine: unsigned 32-bit arithmetic only.
2. All n-grams are hashed together: one multiplication and one addition per length, then every step once over all of them.
Shapes: L code points of the padded text, N lengths of n-gram, P positions where n-grams start.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LENGTHS = (1, 2, 3, 4, 5)
"""Code points per n-gram. One covers emoji and Han characters, five covers words of English and Korean stems."""
REACH = LENGTHS[-1] - 1
"""Code points that an n-gram may need behind the one where it starts."""

Codes = npt.NDArray[np.uint32]
Slots = npt.NDArray[np.uint32]

_STEP = np.uint32(0x01000193)  # the FNV prime: odd, so that multiplying loses nothing
_MIX = np.uint32(0x9E3779B1)  # 2^32 divided by the golden ratio, as in Knuth's multiplicative hashing
_FOLD = np.uint32(15)
_BY_LENGTH = np.array([[n * 0x85EBCA6B & 0xFFFFFFFF] for n in LENGTHS], dtype=np.uint32)
"""Shape (N, 1): keeps n-grams of one length apart from those of another."""
_ROWS_TO_END = np.array([n for n in LENGTHS for _ in range(1, n)])
_BEFORE_END = np.array([back for n in LENGTHS for back in range(1, n)])


def codes_of(folded: str, behind: int = 0) -> Codes:
    """The code points with one blank before and one behind, shape (L,): word edges are part of n-grams.

    behind: how many zeros follow them.
    """
    return np.frombuffer(f" {folded} {chr(0) * behind}".encode("utf-32-le", "replace"), dtype=np.uint32)


def slot_grid(codes: Codes, bits: int) -> Slots:
    """Table rows by length and position, shape (N, P) with P = codes.size - REACH; values in [0, 2**bits)."""
    positions = codes.size - REACH
    scaled = codes * _MIX
    grid = np.empty((len(LENGTHS), positions), dtype=np.uint32)
    shorter, *others = grid
    shorter[:] = scaled[:positions]
    for n, longer in enumerate(others, 1):
        np.multiply(shorter, _STEP, out=longer)
        longer += scaled[n : n + positions]
        shorter = longer
    spare = grid >> _FOLD
    grid ^= spare
    grid += _BY_LENGTH
    np.right_shift(grid, _FOLD, out=spare)
    grid *= _MIX
    grid ^= spare
    grid *= _STEP
    grid >>= np.uint32(32 - bits)
    return grid


def beyond(length: int) -> npt.NDArray[np.intp]:
    """Which entries of a grid of shape (N, length), counted row by row, are n-grams that reach beyond the text's end."""
    entries: npt.NDArray[np.intp] = _ROWS_TO_END * length - _BEFORE_END
    return entries


def slots_of(codes: Codes, bits: int) -> list[Slots]:
    """For each length n in LENGTHS the table rows of the n-grams that start at 0..L-n; values in [0, 2**bits)."""
    grid = slot_grid(np.concatenate([codes, np.zeros(REACH, dtype=np.uint32)]), bits)
    return [row[: codes.size - n + 1] for n, row in zip(LENGTHS, grid, strict=True) if n <= codes.size]
