"""A text as the tagger sees it: units (words in English, characters in Korean and Chinese) and hashed features.

Rules of this file
1. Features are computed here and nowhere else, for training and for use alike.
2. A feature is a number below BUCKETS; which ones collide is decided by the hash alone, so weights stay small.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from guard.pii.names import lists

BUCKETS = 1 << 17
Features = NDArray[np.uint32]
_WORD = re.compile(
    r"[^\W\d_]+(?:['’](?!s\b)[^\W\d_]+|[.-][^\W\d_]+)*|[0-9]+(?:[.,:/-][0-9]+)*|\n|[^\s\w]|\w", re.UNICODE
)


@dataclass(frozen=True, slots=True)
class Units:
    """starts, ends: unit i is text[starts[i]:ends[i]]. features: shape (units, features each)."""

    starts: list[int]
    ends: list[int]
    features: Features


def _hash(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass")) % BUCKETS


def _shape(word: str) -> str:
    """What kind of characters, runs made short: Xx, xx, X.X., dd-dd."""
    out: list[str] = []
    for char in word:
        kind = "X" if char.isupper() else "x" if char.isalpha() else "d" if char.isdigit() else char
        if len(out) < 2 or out[-1] != kind or out[-2] != kind:
            out.append(kind)
    return "".join(out[:8])


def _lists_of(low: str) -> str:
    """In which lists of names a word stands."""
    bare = low.rstrip(".")
    return "".join(
        mark
        for mark, names in (
            ("g", lists.ENGLISH_GIVEN), ("f", lists.ENGLISH_FAMILY), ("p", lists.ENGLISH_PLACES), ("c", lists.ENGLISH_COMPANY),
            ("t", lists.ENGLISH_TITLES),
        )
        if bare in names
    )  # fmt: skip


def english(text: str) -> Units:
    """Words and signs with their form, their neighbours, and the lists they stand in."""
    found = list(_WORD.finditer(text))
    words = [m.group() for m in found]
    lows = [w.lower() for w in words]
    shapes = [_shape(w) for w in words]
    known = [_lists_of(low) for low in lows]
    pad = ["<", "<", "<"]
    lows, shapes, known = pad + lows + pad, pad + shapes + pad, pad + known + pad
    rows = [_english_row(lows, shapes, known, at + 3) for at in range(len(words))]
    features = np.array(rows, dtype=np.uint32).reshape(len(words), -1)
    return Units([m.start() for m in found], [m.end() for m in found], features)


def _english_row(lows: list[str], shapes: list[str], known: list[str], at: int) -> list[int]:
    low, shape = lows[at], shapes[at]
    near = [f"w{o}{lows[at + o]}" for o in (-3, -2, -1, 0, 1, 2, 3)]
    near += [f"s{o}{shapes[at + o]}" for o in (-2, -1, 0, 1, 2)]
    near += [f"l{o}{known[at + o]}" for o in (-1, 0, 1)]
    near += [
        f"p{low[:1]}", f"p{low[:2]}", f"p{low[:3]}", f"x{low[-1:]}", f"x{low[-2:]}", f"x{low[-3:]}", f"x{low[-4:]}",
        f"a{lows[at - 1]}|{low}", f"b{low}|{lows[at + 1]}", f"c{lows[at - 2]}|{lows[at - 1]}", f"d{lows[at + 1]}|{lows[at + 2]}",
        f"e{lows[at - 1]}|{shape}", f"f{shape}|{lows[at + 1]}", f"g{shapes[at - 1]}|{shape}|{shapes[at + 1]}",
        f"h{lows[at - 1]}|{shape}|{lows[at + 1]}", f"i{known[at]}|{shape}|{known[at + 1]}", f"j{lows[at - 2]}|{lows[at - 1]}|{shape}",
        f"k{len(low) if len(low) < 8 else 8}{shape}",
    ]  # fmt: skip
    return [_hash(f) for f in near]


_TEMPLATES = (
    (-3,), (-2,), (-1,), (0,), (1,), (2,), (3,), (-3, -2), (-2, -1), (-1, 0), (0, 1), (1, 2), (2, 3), (-1, 1), (-2, -1, 0), (-1, 0, 1),
    (0, 1, 2), (1, 2, 3), (-3, -2, -1), (0, 1, 2, 3), (-2, -1, 0, 1), (-1, 0, 1, 2),
)  # fmt: skip
_CLASS_TEMPLATES = (
    (-1,),
    (0,),
    (1,),
    (2,),
    (-2, -1, 0),
    (-1, 0, 1),
    (0, 1, 2),
    (-2, -1, 0, 1, 2),
    (-1, 0, 1, 2),
    (0, 1, 2, 3),
)


def _mixed(parts: list[NDArray[np.uint64]], salt: int) -> NDArray[np.uint64]:
    """One hash for each position of the arrays together."""
    value = np.full(parts[0].shape, (salt * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF, dtype=np.uint64)
    for part in parts:
        value = (value ^ part) * np.uint64(0xFF51AFD7ED558CCD)
        value ^= value >> np.uint64(32)
    return value


def _classes(text: str, family: frozenset[str], given: frozenset[str]) -> NDArray[np.uint64]:
    return np.array([_class(c, family, given) for c in text], dtype=np.uint64)


def _class(char: str, family: frozenset[str], given: frozenset[str]) -> int:
    """What a character is, and whether families or given names are written with it."""
    if "가" <= char <= "힣" or "\u4e00" <= char <= "\u9fff":
        return (2 if char < "가" else 3) + 32 * (char in family) + 64 * (char in given)
    if char.isspace():
        return 4
    if char.isdigit():
        return 5
    if char.isalpha():
        return 7 if char.isupper() else 6
    return 8 + (ord(char) & 15)


def characters(text: str, *, korean: bool) -> Units:
    """Characters with their neighbours; in Korean also the place in the word, and the words around."""
    size = len(text)
    family = lists.KOREAN_FAMILY if korean else lists.CHINESE_FAMILY
    given = lists.KOREAN_GIVEN if korean else lists.CHINESE_GIVEN
    reach = 4
    codes = np.zeros(size + 2 * reach, dtype=np.uint64)
    codes[reach : reach + size] = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    classes = np.zeros(size + 2 * reach, dtype=np.uint64)
    classes[reach : reach + size] = _classes(text, family, given)

    def at(array: NDArray[np.uint64], offset: int) -> NDArray[np.uint64]:
        return array[reach + offset : reach + offset + size]

    columns = [_mixed([at(codes, o) for o in template], n + 1) for n, template in enumerate(_TEMPLATES)]
    columns += [_mixed([at(classes, o) for o in template], n + 101) for n, template in enumerate(_CLASS_TEMPLATES)]
    columns += [
        _mixed([at(classes, -1), at(codes, 0), at(classes, 1)], 120),
        _mixed([at(codes, -1), at(classes, 0), at(classes, 1)], 121),
        _mixed([at(codes, -1), at(classes, 0), at(classes, 1), at(classes, 2), at(codes, 3)], 122),
        _mixed([at(classes, 0), at(classes, 1), at(codes, 2)], 123),
        _mixed([at(classes, 0), at(classes, 1), at(classes, 2), at(codes, 3)], 124),
        _mixed([at(classes, -1), at(classes, 0), at(codes, 1)], 125),
    ]
    if korean:
        columns += _word_columns(text, at(codes, 0), at(classes, 0))
    stacked = np.stack(columns, axis=1) % np.uint64(BUCKETS) if size else np.zeros((0, len(columns)), dtype=np.uint64)
    return Units(list(range(size)), list(range(1, size + 1)), stacked.astype(np.uint32))


_SPACED = re.compile(r"\S+")


def _word_columns(text: str, codes: NDArray[np.uint64], classes: NDArray[np.uint64]) -> list[NDArray[np.uint64]]:
    """Where in its word a character stands, how the word ends, and what the words around begin and end with."""
    size = len(text)
    place = np.zeros((6, size), dtype=np.uint64)
    found = [(m.start(), m.end()) for m in _SPACED.finditer(text)]
    for number, (start, end) in enumerate(found):
        after = found[number + 1] if number + 1 < len(found) else (size, size)
        before = found[number - 1] if number else (0, 0)
        place[0, start:end] = np.minimum(np.arange(end - start), 6)
        place[1, start:end] = np.minimum(np.arange(end - start)[::-1], 6)
        place[2, start:end] = _hash(text[max(start, end - 2) : end])
        place[3, start:end] = _hash(text[after[0] : min(after[1], after[0] + 3)])
        place[4, start:end] = _hash(text[max(before[0], before[1] - 2) : before[1]])
        place[5, start:end] = _hash(text[start:end])
    return [
        _mixed([place[0], codes], 201),
        _mixed([place[0], place[1], classes], 202),
        _mixed([place[2], place[0], place[1]], 203),
        _mixed([place[3], place[1]], 204),
        _mixed([place[4], place[0]], 205),
        _mixed([place[5], place[0]], 206),
        _mixed([place[3], codes], 207),
        _mixed([place[0], place[1], place[2], classes], 208),
    ]
