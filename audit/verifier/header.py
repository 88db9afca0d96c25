"""The header of FORMAT.md sections 2 and 3, twice: read as JSON field by field, and as a whole by one expression.

The first says what is wrong and gives every field. The second is quick. What the second takes, the first takes.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

WORD, ID, HASH = r"[a-z0-9_.:-]{0,64}", r"[0-9a-f]{32}", r"[0-9a-f]{64}"
NAME, LOG = r"[A-Za-z0-9_.:@/+-]{0,128}", r"[A-Za-z0-9_.:/-]{1,200}"
COUNT = "(?:0|[1-9][0-9]{0,14}|[1-8][0-9]{15})"
MOST_BYTES = 8192
NUMBERS = {"cc", "cl", "ct", "hv", "n", "sts", "ti", "to", "until", "wn", "wts"}
TEXTS = {
    "act": WORD, "cls": WORD, "dec": "(?:allow|flag|redact|rewrite|block|none)", "id": ID, "log": LOG,
    "mod": NAME, "pol": rf"(?:sha256:{HASH})?", "prev": rf"(?:{ID})?", "pur": WORD,
    "req": NAME, "rsn": WORD, "ten": WORD, "w": ID,
    "typ": r"(?:request\.(?:received|orphaned)|response\.(?:completed|blocked|aborted|failed)|log\.(?:opened|closed)"
    r"|heads|access\.read|erasure\.(?:intent|done|deferred|replayed)|retention\.done|hold\.(?:placed|lifted)|keys\.rotated"
    r"|spill\.(?:drained|damaged)|records\.lost|mode\.chosen|disk\.full|checkpoint\.anchored|rights\.step"
    r"|record\.corrected|restriction\.(?:placed|lifted)|access\.(?:approved|exported)|breach\.step|report\.made)",
}  # fmt: skip
ENTRIES = {
    "fin": rf'\{{"c":"{WORD}","p":{COUNT}\}}',
    "heads": rf'\{{"log":"{LOG}","root":"{HASH}","size":{COUNT}\}}',
    "kids": f'"{ID}"',
    "segs": rf'\{{"ch":"{HASH}","kc":"{HASH}","kid":"{ID}","len":{COUNT},"n":"{WORD}"\}}',
}
MOST = {"heads": 20, "kids": 200}
OPTIONAL = {"cc", "cl", "ct", "heads", "kids", "n", "until"}
FIELDS = (NUMBERS | TEXTS.keys() | ENTRIES.keys()) - OPTIONAL
SCANNED = ("log", "segs", "sts", "w", "wn")


class Wrong(Exception):
    """A proof failed; the text says which."""


def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON objects with one value per key."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise Wrong("a key stands twice in a header")
    return made


def read_header(data: bytes, log: str) -> dict[str, Any]:
    """Step 1."""
    try:
        header = json.loads(data.decode("ascii"), object_pairs_hook=no_duplicates)
    except (ValueError, RecursionError) as error:
        raise Wrong("a header is not JSON") from error
    again = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    if not isinstance(header, dict) or again != data or not all(map(_plain, header.values())):
        raise Wrong("a header is not canonical")
    if not FIELDS <= header.keys() <= FIELDS | OPTIONAL or header["hv"] != 1:
        raise Wrong("a header has missing or unknown fields")
    if not all(_fits(name, value) for name, value in header.items()) or len(data) > MOST_BYTES:
        raise Wrong("a header field is not in its form")
    if header["log"] != log:
        raise Wrong("a header names another log")
    return header


def _fits(name: str, value: Any) -> bool:
    """Section 3, field by field."""
    if name in NUMBERS:
        return type(value) is int and 0 <= value < 9 * 10**15
    if name in TEXTS:
        return isinstance(value, str) and re.fullmatch(TEXTS[name], value) is not None
    if not isinstance(value, list) or len(value) > MOST.get(name, MOST_BYTES):
        return False
    entries = (json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=True) for entry in value)
    return all(re.fullmatch(ENTRIES[name], entry) for entry in entries)


def _plain(value: Any) -> bool:
    """Strings, whole numbers, and lists and objects of them; no floats, booleans or null."""
    if isinstance(value, dict):
        return all(map(_plain, value.values()))
    if isinstance(value, list):
        return all(map(_plain, value))
    return isinstance(value, str) or type(value) is int


class Part(NamedTuple):
    """What a header says of a segment, as it stands there."""

    ch: str
    kc: str
    kid: str
    length: str
    name: str


class Scanned(NamedTuple):
    """What is checked of every record. sts: sequencing time. writer, number: `w` and `wn`."""

    sts: int
    writer: str
    number: int
    parts: list[Part]


def _expression() -> re.Pattern[str]:
    """Every header of version 1 in its canonical form, and nothing else; `SCANNED` in groups, in their order."""
    text = ""
    for name in sorted(FIELDS | OPTIONAL):
        if name in ENTRIES:
            more = MOST.get(name, MOST_BYTES) - 1
            value = rf"\[(?:{ENTRIES[name]}(?:,{ENTRIES[name]}){{0,{more}}})?\]"
        else:
            value = f'"{TEXTS[name]}"' if name in TEXTS else "1" if name == "hv" else COUNT
        field = f'"{name}":' + (f"({value})" if name in SCANNED else value) + ","
        text += f"(?:{field})?" if name in OPTIONAL else field
    return re.compile(r"\{" + text[:-1] + r"\}")


HEADER = _expression()
PART = re.compile('"ch":"([0-9a-f]*)","kc":"([0-9a-f]*)","kid":"([0-9a-f]*)","len":([0-9]*),"n":"([^"]*)"')


def scan_header(data: bytes, log: str) -> Scanned:
    """Step 1, quickly; raises what `read_header` raises."""
    found = HEADER.fullmatch(data.decode("latin-1")) if len(data) <= MOST_BYTES else None
    if found is None:
        read_header(data, log)
        raise Wrong("a header is not in its form")
    named, segs, sts, writer, number = found.groups()
    if named[1:-1] != log:
        raise Wrong("a header names another log")
    return Scanned(int(sts), writer, int(number), [Part(*part) for part in PART.findall(segs)])
