"""Passages in other languages than a claim: they share no words with it, so their vectors choose them.

Rules of this file
1. Only where the claim's own words find little (`is_weak`): what is there in its language comes first, and costs nothing more.
2. The index is in memory, one bit for each number of a vector, read again when the knowledge base has changed. A base of more than
   MOST passages has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from guard.knowledge.evidence import Found
from guard.knowledge.meaning import nearness

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MOST: Final = 500_000
"""Passages of a base that are indexed: 30 MB of memory, and some seconds to read them."""
NEAREST: Final = 100
"""Passages of each other language whose whole vectors are compared."""
LOOKED_AT: Final = 50
"""Of those, passages that are read and ranked."""
_WEAK: Final = 0.3
"""Score of the best passage below which other languages are looked at."""
_CHUNK: Final = 10_000

_NEAR: Final = 0.05
"""Score below which a passage in another language is about something else."""

Rows = Iterable[tuple[int, bytes]]


def is_weak(found: Sequence[Found]) -> bool:
    """Whether what was found shares so little with the claim that other languages are worth a look."""
    return not found or found[0].score < _WEAK


def closest(vector: bytes, rows: Rows) -> list[int]:
    """Numbers of the passages that are read, of those whose signs are near. rows: number and whole vector of each."""
    numbers, vectors = [], []
    for number, theirs in rows:
        numbers.append(number)
        vectors.append(theirs)
    near = nearness(vector, vectors)
    return [numbers[at] for at in sorted(range(len(near)), key=lambda at: -near[at])[:LOOKED_AT]]


def beside(found: Sequence[Found], abroad: Sequence[Found], limit: int) -> tuple[Found, ...]:
    """The best of what was found and of what is near in other languages, each passage once."""
    near = [one for one in abroad if one.score >= _NEAR]
    best = sorted(dict.fromkeys([*found, *near]), key=lambda one: -one.score)
    return tuple(best[:limit])


class Across:
    """The vectors of a knowledge base by their signs. Not for use by several threads at once."""

    def __init__(self) -> None:
        self._stamp: object = None
        self._spoken: dict[int, tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]] = {}

    def nearest(self, vector: bytes, stamp: object, read: Callable[[], Rows]) -> list[int]:
        """Numbers of the passages that are nearest to a claim's vector, of every language but its own.

        stamp: of the base's state. read: number and vector of every passage that can be compared; asked when it changed.
        """
        import numpy as np

        if stamp != self._stamp:
            self._spoken = _indexed(read())
            self._stamp = stamp
        mine = _signs_of(np.frombuffer(vector, np.int8)[None, 1:])
        found: list[int] = []
        for language, (numbers, signs) in self._spoken.items():
            if language == vector[0]:
                continue
            apart = np.bitwise_count(signs ^ mine).sum(axis=1, dtype=np.int32)
            best = np.argpartition(apart, NEAREST)[:NEAREST] if len(apart) > NEAREST else np.arange(len(apart))
            found += numbers[best].tolist()
        return found


def _indexed(rows: Rows) -> dict[int, tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]]:
    """Numbers and signs of the passages of each language; nothing where there are none, or too many."""
    import numpy as np

    numbers: list[int] = []
    signs: list[npt.NDArray[np.uint64]] = []
    languages = bytearray()
    chunk: list[bytes] = []
    for number, vector in rows:
        if len(numbers) == MOST:
            return {}
        numbers.append(number)
        languages.append(vector[0])
        chunk.append(vector)
        if len(chunk) == _CHUNK:
            signs.append(_packed(chunk))
    if chunk:
        signs.append(_packed(chunk))
    if not signs:
        return {}
    every, spoken, packed = (
        np.array(numbers, np.int64),
        np.frombuffer(bytes(languages), np.uint8),
        np.concatenate(signs),
    )
    return {int(language): (every[spoken == language], packed[spoken == language]) for language in np.unique(spoken)}


def _packed(chunk: list[bytes]) -> npt.NDArray[np.uint64]:
    """The signs of some vectors; empties the list."""
    import numpy as np

    vectors = np.frombuffer(b"".join(chunk), np.int8).reshape(len(chunk), -1)
    chunk.clear()
    return _signs_of(vectors[:, 1:])


def _signs_of(numbers: npt.NDArray[np.int8]) -> npt.NDArray[np.uint64]:
    """(N, W / 64) bits, filled up with zeros."""
    import numpy as np

    bits = np.packbits(numbers > 0, axis=1)
    return np.pad(bits, ((0, 0), (0, -bits.shape[1] % 8))).view(np.uint64)
