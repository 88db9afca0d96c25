"""Choose records by their headers, and draw a sample that the operator cannot steer.

The seed of a draw is SHA-256(root of a signed checkpoint | a number that the auditor names afterwards): the operator fixed
the root before knowing the number, and anybody can draw again. The population is everything below the checkpoint that
the filter takes, so its completeness is proven by the same root.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from audit import canonical
from audit.store_port import Store

SEED_DOMAIN = b"haechi-audit-sample/1\0"


@dataclass(frozen=True, slots=True)
class Filter:
    """What records are wanted; empty fields take everything. since_us, until_us: sequencing time, the end excluded."""

    type: str = ""
    decision: str = ""
    category: str = ""
    request: str = ""
    reason: str = ""
    policy: str = ""
    model: str = ""
    since_us: int = 0
    until_us: int = 0

    def takes(self, header: dict[str, Any]) -> bool:
        """Whether a header is wanted."""
        equal = (
            ("typ", self.type),
            ("dec", self.decision),
            ("req", self.request),
            ("rsn", self.reason),
            ("pol", self.policy),
            ("mod", self.model),
        )
        return (
            all(not wanted or header[name] == wanted for name, wanted in equal)
            and (not self.category or any(found["c"] == self.category for found in header["fin"]))
            and header["sts"] >= self.since_us
            and (not self.until_us or header["sts"] < self.until_us)
        )


def population(store: Store, log: str, wanted: Filter, size: int = -1) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and header of every record that is wanted, of the first `size` (all when negative), in order."""
    for seq, leaf in store.headers(log, 0, size):
        header = canonical.decode(leaf)
        if wanted.takes(header):
            yield seq, header


def draw(members: Sequence[int], count: int, root: bytes, number: int) -> list[int]:
    """`count` members without repetition, in ascending order; all of them when there are not more.

    Each is taken by a hash of the seed, a counter and nothing else; hashes beyond the largest multiple of the number of
    members left are passed over, so that every member is equally likely.
    """
    seed = hashlib.sha256(SEED_DOMAIN + root + str(number).encode("ascii")).digest()
    left, counter = list(members), 0
    drawn: list[int] = []
    while left and len(drawn) < count:
        value = int.from_bytes(hashlib.sha256(seed + counter.to_bytes(8, "big")).digest()[:8], "big")
        counter += 1
        if value < 2**64 - 2**64 % len(left):
            drawn.append(left.pop(value % len(left)))
    return sorted(drawn)
