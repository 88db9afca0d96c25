"""The one byte form of a header: a profile of JSON on which every implementation agrees (FORMAT.md section 2).

Rules of this file
1. Objects, arrays, strings and integers within +-2^53; ASCII keys; no floats, booleans or null.
2. Hash stored bytes; never encode again before hashing. `decode` refuses bytes that `encode` would not have made.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from audit.errors import TamperedLog

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def encode(header: object) -> bytes:
    """The canonical bytes of a value within the profile; `audit.header` checks that it is."""
    return _ENCODER.encode(header).encode("ascii")


def decode(data: bytes) -> dict[str, Any]:
    """Read canonical bytes.

    Raises:
        TamperedLog: not canonical: other spacing, duplicate keys, floats, other types, not JSON.
    """
    try:
        value = json.loads(data.decode("ascii"), parse_float=_refuse, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise TamperedLog("a header is not canonical JSON") from error
    if not isinstance(value, dict) or encode(value) != data:  # a duplicate key is lost on the way, and so shows
        raise TamperedLog("a header is not in its one canonical form")
    return value


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"not an integer: {text[:20]}")
