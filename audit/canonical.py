"""The one byte form of a header: a profile of JSON on which every implementation agrees (FORMAT.md section 2).

Rules of this file
1. Objects, arrays, strings and integers within +-2^53; ASCII keys; no floats, booleans or null.
2. Hash stored bytes; never encode again before hashing. `decode` refuses bytes that `encode` would not have made.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from audit.errors import TamperedLog

LARGEST = 2**53


def encode(header: dict[str, Any]) -> bytes:
    """The canonical bytes of a header that `audit.header` has checked."""
    return json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def decode(data: bytes) -> dict[str, Any]:
    """Read canonical bytes.

    Raises:
        TamperedLog: not canonical: other spacing, duplicate keys, floats, other types, not JSON.
    """
    try:
        value = json.loads(data.decode("ascii"), object_pairs_hook=_object, parse_float=_refuse, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise TamperedLog("a header is not canonical JSON") from error
    if not isinstance(value, dict) or encode(value) != data:
        raise TamperedLog("a header is not in its one canonical form")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("duplicate key")
    return made


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"not an integer: {text[:20]}")
