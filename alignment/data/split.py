"""Split rows into training and held-out parts without leakage: one prompt never stands on both sides.

The side depends on the prompt and the seed alone, so adding rows moves no other row across.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from alignment.data.fingerprint import Key, prompt_key
from alignment.data.rows import Demonstration, Pair

RowT = TypeVar("RowT", Pair, Demonstration)


@dataclass(frozen=True, slots=True)
class Split(Generic[RowT]):
    """Two sides, each in the order of the input."""

    train: tuple[RowT, ...]
    held_out: tuple[RowT, ...]


def split(rows: Sequence[RowT], *, share: float, seed: int) -> Split[RowT]:
    """Hold out about `share` (0 to 1) of the prompts, by hash."""
    sides = [(row, held_out_side(prompt_key(row.prompt), share=share, seed=seed)) for row in rows]
    return Split(tuple(row for row, out in sides if not out), tuple(row for row, out in sides if out))


def held_out_side(prompt: Key, *, share: float, seed: int) -> bool:
    """Whether a prompt is held out."""
    digest = hashlib.blake2b(prompt, digest_size=8, key=seed.to_bytes(8, "little", signed=True)).digest()
    return int.from_bytes(digest, "little") < share * 2**64
