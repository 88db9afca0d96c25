"""Character n-grams of a folded text as numbers of table rows, without building a string per n-gram.

Rules of this file
1. Same text, same numbers, on every machine: unsigned 32-bit arithmetic only.
2. All n-grams of one length are hashed by one multiplication and one addition over the whole text.
Shapes: L code points of the padded text, N lengths of n-gram.
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import numpy.typing as npt

LENGTHS = (1, 2, 3, 4, 5)
"""Code points per n-gram. One covers emoji and Han characters, five covers words of English and Korean stems."""

Codes = npt.NDArray[np.uint32]
Slots = npt.NDArray[np.uint32]

_STEP = np.uint32(0x01000193)  # the FNV prime: odd, so that multiplying loses nothing
_MIX = np.uint32(0x9E3779B1)  # 2^32 divided by the golden ratio, as in Knuth's multiplicative hashing
_FOLD = np.uint32(15)
_BLANK = np.uint32(0x20)


def codes_of(folded: str) -> Codes:
    """The code points with one blank before and one behind, shape (L,): word edges are part of n-grams."""
    codes = np.empty(len(folded) + 2, dtype=np.uint32)
    codes[0] = codes[-1] = _BLANK
    codes[1:-1] = np.frombuffer(folded.encode("utf-32-le", "replace"), dtype=np.uint32)
    return codes


def slots_of(codes: Codes, bits: int) -> list[Slots]:
    """For each length n in LENGTHS the table rows of the n-grams that start at 0..L-n; values in [0, 2**bits)."""
    lengths = LENGTHS[: codes.size]
    scaled = codes * _MIX
    running = [scaled]
    for n in lengths[1:]:
        running.append(running[-1][:-1] * _STEP + scaled[n - 1 :])
    mixed = np.concatenate(running)
    mixed ^= mixed >> _FOLD
    ends = accumulate(part.size for part in running)
    slots = [mixed[end - part.size : end] for part, end in zip(running, ends, strict=True)]
    for n, part in zip(lengths, slots, strict=True):
        part += np.uint32((n * 0x85EBCA6B) & 0xFFFFFFFF)
    low = mixed >> _FOLD
    mixed *= _MIX
    mixed ^= low
    mixed *= _STEP
    mixed >>= np.uint32(32 - bits)
    return slots
