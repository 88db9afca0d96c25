"""The leaf header: clear, hashed, closed. What is not in this table is refused at write (FORMAT.md section 3).

Rules of this file
1. No free text: every string is a random id, a digest, an enum word or a short name of printable ASCII.
2. `sts` and `segs` are added after sealing and are outside `ctx`; everything else binds the ciphertexts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from audit.canonical import LARGEST, encode
from audit.errors import InvalidRecord
from audit.events import Event, EventType

VERSION = 1
MOST_BYTES = 8 * 1024
MOST_SEGMENTS = 256
MOST_FINDINGS = 64
_OUTSIDE_CONTEXT = frozenset({"segs", "sts"})

_ID = re.compile(r"[0-9a-f]{32}")
_OPTIONAL_ID = re.compile(r"(?:[0-9a-f]{32})?")
_WORD = re.compile(r"[a-z0-9_.:-]{0,64}")
_NAME = re.compile(r"[A-Za-z0-9_.:@/+-]{0,128}")
_LOG = re.compile(r"[A-Za-z0-9_.:/-]{1,200}")
_DIGEST = re.compile(r"(?:sha256:[0-9a-f]{64})?")
_HEX64 = re.compile(r"[0-9a-f]{64}")
_DECISION = re.compile(r"allow|flag|redact|rewrite|block|none")
_TYPES = frozenset(kind.value for kind in EventType)

Check = Callable[[Any], bool]


def _text(pattern: re.Pattern[str]) -> Check:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LARGEST


def _list_of(most: int, keys: dict[str, Check]) -> Check:
    def check(value: Any) -> bool:
        return (
            isinstance(value, list)
            and len(value) <= most
            and all(isinstance(v, dict) and v.keys() == keys.keys() and all(keys[k](v[k]) for k in keys) for v in value)
        )

    return check


_SEGMENT: dict[str, Check] = {
    "ch": _text(_HEX64), "kc": _text(_HEX64), "kid": _text(_ID), "len": _count, "n": _text(_WORD),
}  # fmt: skip
_HEAD: dict[str, Check] = {"log": _text(_LOG), "root": _text(_HEX64), "size": _count}

REQUIRED: dict[str, Check] = {
    "act": _text(_WORD),
    "cls": _text(_WORD),
    "dec": _text(_DECISION),
    "fin": _list_of(MOST_FINDINGS, {"c": _text(_WORD), "p": _count}),
    "hv": lambda value: value == VERSION and type(value) is int,
    "id": _text(_ID),
    "log": _text(_LOG),
    "mod": _text(_NAME),
    "pol": _text(_DIGEST),
    "prev": _text(_OPTIONAL_ID),
    "pur": _text(_WORD),
    "req": _text(_NAME),
    "rsn": _text(_WORD),
    "segs": _list_of(MOST_SEGMENTS, _SEGMENT),
    "sts": _count,
    "ten": _text(_WORD),
    "ti": _count,
    "to": _count,
    "typ": lambda value: value in _TYPES,
    "w": _text(_ID),
    "wn": _count,
    "wts": _count,
}
OPTIONAL: dict[str, Check] = {
    "cc": _count,
    "ct": _count,
    "cl": _count,
    "heads": _list_of(4096, _HEAD),
    "tkt": _text(_NAME),
    "who": _text(_NAME),
}


def check(header: dict[str, Any]) -> None:
    """Whether a header fits the closed schema.

    Raises:
        InvalidRecord: names the first field that does not, never its value.
    """
    for name, test in REQUIRED.items():
        if name not in header or not test(header[name]):
            raise InvalidRecord(f"header field {name!r} is missing or not in its form")
    for name, value in header.items():
        if name not in REQUIRED and not (name in OPTIONAL and OPTIONAL[name](value)):
            raise InvalidRecord(f"header field {name!r} is unknown or not in its form")


def context_bytes(header: dict[str, Any]) -> bytes:
    """The canonical header without what is added after sealing: what ciphertexts are bound to."""
    return encode({k: v for k, v in header.items() if k not in _OUTSIDE_CONTEXT})


def build(event: Event, *, log: str, record_id: str, writer: str, number: int, at_us: int) -> dict[str, Any]:
    """The header of an event, complete but for `segs` and `sts`."""
    header: dict[str, Any] = {
        "act": event.act, "cls": event.retention, "dec": event.decision,
        "fin": [{"c": category, "p": score} for category, score in event.findings[:MOST_FINDINGS]],
        "hv": VERSION, "id": record_id, "log": log, "mod": event.model, "pol": event.policy, "prev": event.previous,
        "pur": event.purpose, "req": event.request_id, "rsn": event.reason, "ten": event.tenant,
        "ti": event.tokens_in, "to": event.tokens_out, "typ": event.type.value,
        "w": writer, "wn": number, "wts": at_us,
    }  # fmt: skip
    if event.chars_total:
        header.update(cc=event.chars_checked, ct=event.chars_total, cl=event.chars_leaked)
    return header
