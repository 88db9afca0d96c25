"""Proofs that a record is in a signed tree, and that one tree grew out of another (RFC 6962 sections 2.1.1 and 2.1.2).

Rules of this file
1. A proof is verified against a checkpoint that the reader trusts, never against the folder that it came from.
2. The file form is c2sp.org/tlog-proof@v1; its parser takes one spelling only.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from audit.errors import MalformedNote, TamperedLog
from audit.note import Checkpoint, VerifierKey, decode_base64, verify
from audit.tree import HASH_BYTES, Frontier, leaf_hash, node_hash

MOST_HASHES = 63
_HEADER = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That a leaf stands at `index` in the tree of a signed checkpoint. hashes: from its sibling up."""

    index: int
    hashes: tuple[bytes, ...]
    note: bytes

    def text(self) -> bytes:
        """The `.tlog-proof` file."""
        lines = [_HEADER, f"index {self.index}", *(base64.b64encode(one).decode() for one in self.hashes), "", ""]
        return "\n".join(lines).encode("ascii") + self.note

    @classmethod
    def parse(cls, text: bytes) -> InclusionProof:
        """Read a `.tlog-proof` file; nothing is verified.

        Raises:
            MalformedNote: anything but the exact form.
        """
        head, blank, note = text.partition(b"\n\n")
        try:
            lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError as error:
            raise MalformedNote("a proof is not ASCII") from error
        if not blank or lines[0] != _HEADER:
            raise MalformedNote("not a tlog-proof@v1")
        rest = lines[2:] if lines[1:] and lines[1].startswith("extra ") else lines[1:]
        if len(rest) > MOST_HASHES + 1:
            raise MalformedNote("a proof has more hashes than any log needs")
        index = _INDEX.fullmatch(rest[0]) if rest else None
        hashes = tuple(map(decode_base64, rest[1:]))
        if index is None or any(len(one) != HASH_BYTES for one in hashes):
            raise MalformedNote("a proof is not an index and hashes")
        return cls(int(index[1]), hashes, note)

    def verify(self, leaf: bytes, key: VerifierKey) -> Checkpoint:
        """The checkpoint that covers these leaf bytes.

        Raises:
            TamperedLog: the proof does not lead from the leaf to the signed root.
            MalformedNote: the checkpoint is not one.
        """
        checkpoint = verify(self.note, key)
        if root_from_inclusion(self.index, checkpoint.size, leaf_hash(leaf), self.hashes) != checkpoint.root:
            raise TamperedLog("the proof does not lead to the signed root")
        return checkpoint


def inclusion(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """PATH(index, leaves): the audit path of a leaf hash within all leaf hashes, its sibling first."""
    path: list[bytes] = []
    first, end = 0, len(leaves)
    while end - first > 1:
        middle = first + _split(end - first)
        if index < middle:
            path.append(_root(leaves, middle, end))
            end = middle
        else:
            path.append(_root(leaves, first, middle))
            first = middle
    return tuple(reversed(path))


class HashedTree:
    """All leaf hashes of a tree with the roots of its perfect subtrees, for many proofs out of one tree."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.size = len(leaves)
        self._levels = [list(leaves)]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            self._levels.append([node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])

    def root(self) -> bytes:
        """The root of the whole tree, which holds at least one leaf."""
        return self._root(0, self.size)

    def inclusion(self, index: int) -> tuple[bytes, ...]:
        """As `inclusion`, in O(log^2) steps."""
        path: list[bytes] = []
        first, end = 0, self.size
        while end - first > 1:
            middle = first + _split(end - first)
            if index < middle:
                path.append(self._root(middle, end))
                end = middle
            else:
                path.append(self._root(first, middle))
                first = middle
        return tuple(reversed(path))

    def _root(self, first: int, end: int) -> bytes:
        """`first` is a multiple of the largest power of two in the range, as every range of RFC 6962 is."""
        width = end - first
        if width & (width - 1) == 0:
            return self._levels[width.bit_length() - 1][first // width]
        middle = first + _split(width)
        return node_hash(self._root(first, middle), self._root(middle, end))


def root_from_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """The root that a path leads to (RFC 9162 section 2.1.3.2); empty when the path does not fit the place."""
    if not 0 <= index < size:
        return b""
    place, last, node = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return b""
        if place & 1 or place == last:
            node = node_hash(sibling, node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        place, last = place >> 1, last >> 1
    return node if last == 0 else b""


def consistency(leaves: Sequence[bytes], old: int) -> tuple[bytes, ...]:
    """PROOF(old, leaves): that the tree of all leaf hashes grew out of its first `old`; empty for 0 and for all."""
    if old in {0, len(leaves)}:
        return ()
    path: list[bytes] = []
    first, end, whole = 0, len(leaves), True
    while end != old:
        middle = first + _split(end - first)
        if old <= middle:
            path.append(_root(leaves, middle, end))
            end = middle
        else:
            path.append(_root(leaves, first, middle))
            first, whole = middle, False
    if not whole:
        path.append(_root(leaves, first, end))
    return tuple(reversed(path))


def verify_consistency(old: Checkpoint, new: Checkpoint, path: Sequence[bytes]) -> None:
    """That the new tree begins with the old one (RFC 9162 section 2.1.4.2).

    Raises:
        TamperedLog: it does not, or the path proves nothing about these sizes.
    """
    if old.size > new.size or (old.size == 0 and path) or (old.size == new.size and (path or old.root != new.root)):
        raise TamperedLog("the trees cannot be consistent")
    if old.size in {0, new.size}:
        return
    if _roots_from_consistency(old, new, path) != (old.root, new.root):
        raise TamperedLog("the newer tree did not grow out of the older one")


def _roots_from_consistency(old: Checkpoint, new: Checkpoint, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    hashes = [old.root, *path] if old.size & (old.size - 1) == 0 else list(path)
    place, last = old.size - 1, new.size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    if not hashes:
        return b"", b""
    older = newer = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return b"", b""
        if place & 1 or place == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            newer = node_hash(newer, sibling)
        place, last = place >> 1, last >> 1
    return (older, newer) if last == 0 else (b"", b"")


def _split(n: int) -> int:
    """The largest power of two below n."""
    return 1 << (n - 1).bit_length() - 1


def _root(leaves: Sequence[bytes], first: int, end: int) -> bytes:
    return Frontier().extended(leaves[at] for at in range(first, end)).root()
