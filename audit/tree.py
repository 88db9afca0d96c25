"""RFC 6962 section 2.1: hashes of leaves and nodes, and a tree that grows at its right edge.

A frontier is the list of roots of the perfect subtrees that make up a tree of `size` leaves, largest first;
it is all that is needed to append and to compute the root, and it has one hash per set bit of `size`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from audit.errors import TamperedLog

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256(0x00 | leaf)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 | left | right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a tree. hashes: 32 bytes each, one per set bit of size."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if len(self.hashes) != self.size.bit_count():
            raise TamperedLog("a stored tree edge does not fit its size")

    def extended(self, leaves: Iterable[bytes]) -> Frontier:
        """The frontier after these leaf hashes were appended."""
        size, stack, sha256 = self.size, list(self.hashes), hashlib.sha256
        for leaf in leaves:
            node, bit = leaf, size
            while bit & 1:
                node = sha256(b"\x01" + stack.pop() + node).digest()  # `node_hash`, once for every leaf that is written
                bit >>= 1
            stack.append(node)
            size += 1
        return Frontier(size, tuple(stack))

    def root(self) -> bytes:
        """The Merkle tree hash."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root

    def to_bytes(self) -> bytes:
        """Concatenated hashes."""
        return b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> Frontier:
        """Read what `to_bytes` wrote.

        Raises:
            TamperedLog: wrong length for the size.
        """
        if size < 0 or len(data) % HASH_BYTES:
            raise TamperedLog("a stored tree edge has the wrong length")
        return cls(size, tuple(data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)))
