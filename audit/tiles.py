"""A log as static files that any tlog client reads (c2sp.org/tlog-tiles): checkpoint, hash tiles, bundles of headers.

Derived data: written from the leaves, never read back by the log. Headers hold no content, so an auditor may have them all.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from audit.note import parse
from audit.prove import newest_note
from audit.store_port import Store
from audit.tree import leaf_hash, node_hash

WIDTH = 256


def write_tiles(store: Store, log: str, folder: Path) -> int:
    """Write the files of a log up to its newest checkpoint. Returns its size.

    Raises:
        NotProvable: nothing is signed yet.
        OSError: the folder cannot be written.
    """
    size, note = newest_note(store, log)
    entries: list[bytes] = []
    hashes: list[bytes] = []
    for number, (_, leaf) in enumerate(store.headers(log, 0, size)):
        entries.append(struct.pack(">H", len(leaf)) + leaf)
        hashes.append(leaf_hash(leaf))
        if len(entries) == WIDTH or number == size - 1:
            _write(folder / "tile/entries", number // WIDTH, len(entries), b"".join(entries))
            entries.clear()
    level = 0
    while hashes:
        for number, tile in enumerate(_chunks(hashes)):
            _write(folder / "tile" / str(level), number, len(tile), b"".join(tile))
        hashes = [_root(tile) for tile in _chunks(hashes) if len(tile) == WIDTH]
        level += 1
    (folder / "checkpoint").write_bytes(note)  # last: a reader that finds it finds everything it names
    return parse(note)[0].size


def tile_path(number: int, width: int) -> str:
    """Where a tile lies below its level: groups of three digits, all but the last behind an `x`; partial ones in `.p`."""
    digits = f"{number % 1000:03d}"
    while number >= 1000:
        number //= 1000
        digits = f"x{number % 1000:03d}/{digits}"
    return digits if width == WIDTH else f"{digits}.p/{width}"


def _write(folder: Path, number: int, width: int, data: bytes) -> None:
    path = folder / tile_path(number, width)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _chunks(hashes: list[bytes]) -> Iterator[list[bytes]]:
    for at in range(0, len(hashes), WIDTH):
        yield hashes[at : at + WIDTH]


def _root(hashes: list[bytes]) -> bytes:
    """The root of a full tile, level by level."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]
