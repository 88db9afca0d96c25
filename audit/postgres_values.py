"""Values in the binary form of PostgreSQL's protocol: what a batch needs, and no more."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import chain, repeat

_INT8, _INT4, _TEXT, _BYTEA = 20, 23, 25, 17
_HEAD = struct.Struct(">iiIii")  # dimensions, whether there are nulls, type of an item, length, first index
_LENGTH = struct.Struct(">i")


def big(number: int) -> bytes:
    """A `bigint`."""
    return number.to_bytes(8, "big", signed=True)


def bigs(numbers: Sequence[int]) -> bytes:
    """A `bigint[]`."""
    return _head(_INT8, len(numbers)) + struct.pack(">" + "iq" * len(numbers), *_lengths_and(8, numbers))


def ints(numbers: Sequence[int]) -> bytes:
    """An `integer[]`."""
    return _head(_INT4, len(numbers)) + struct.pack(">" + "ii" * len(numbers), *_lengths_and(4, numbers))


def texts(words: Sequence[str]) -> bytes:
    """A `text[]`."""
    return _joined(_TEXT, [word.encode() for word in words])


def blobs(items: Sequence[bytes]) -> bytes:
    """A `bytea[]`."""
    return _joined(_BYTEA, items)


def _joined(kind: int, items: Sequence[bytes]) -> bytes:
    return _head(kind, len(items)) + b"".join(chain.from_iterable([(_LENGTH.pack(len(item)), item) for item in items]))


def _lengths_and(length: int, numbers: Sequence[int]) -> chain[int]:
    return chain.from_iterable(zip(repeat(length), numbers, strict=False))


def _head(kind: int, count: int) -> bytes:
    return _HEAD.pack(1, 0, kind, count, 1) if count else _HEAD.pack(0, 0, kind, 0, 0)[:12]
