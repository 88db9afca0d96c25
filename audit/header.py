"""The leaf header: clear, hashed, closed. What does not fit this table is refused at write (FORMAT.md section 3).

Rules of this file
1. No free text: every string is a random id, a digest, an enum word or a short name of printable ASCII.
2. `sts` and `segs` are added after sealing and are outside the context; everything else binds the ciphertexts.
3. A closed schema in canonical form is a regular language: one expression, built from the table, says of a header's
   bytes that they fit and that no other bytes say the same.
4. What is written is put together as text, field by field in sorted order, and that expression then judges the whole:
   a value that is not in its form, or would pretend to be another field, does not get past it.
"""

from __future__ import annotations

import json
import re
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, Final, NamedTuple

from audit.canonical import encode
from audit.errors import InvalidRecord
from audit.events import Event, EventType

_OTHER_FORM = "a header is not in its one canonical form"
VERSION: Final = 1
MOST_BYTES: Final = 8 * 1024
MOST_SEGMENTS: Final = 256
MOST_FINDINGS: Final = 64
MOST_KIDS: Final = 200

_ID = '"[0-9a-f]{32}"'
_WORD = '"[a-z0-9_.:-]{0,64}"'
_NAME = '"[A-Za-z0-9_.:@/+-]{0,128}"'
_LOG = '"[A-Za-z0-9_.:/-]{1,200}"'
_HASH = '"[0-9a-f]{64}"'
_COUNT = "(?:0|[1-9][0-9]{0,14}|[1-8][0-9]{15})"  # below 9e15, so exact in every JSON implementation


def _list(item: str, most: int) -> str:
    return rf"\[(?:{item}(?:,{item}){{0,{most - 1}}})?\]"


_SEGMENT = rf'\{{"ch":{_HASH},"kc":{_HASH},"kid":{_ID},"len":{_COUNT},"n":{_WORD}\}}'
_FINDING = rf'\{{"c":{_WORD},"p":{_COUNT}\}}'
_HEAD = rf'\{{"log":{_LOG},"root":{_HASH},"size":{_COUNT}\}}'
_TYPE = '"(?:' + "|".join(re.escape(kind.value) for kind in EventType) + ')"'

REQUIRED: Final[dict[str, str]] = {
    "act": _WORD,
    "cls": _WORD,
    "dec": '"(?:allow|flag|redact|rewrite|block|none)"',
    "fin": _list(_FINDING, MOST_FINDINGS),
    "hv": str(VERSION),
    "id": _ID,
    "log": _LOG,
    "mod": _NAME,
    "pol": '"(?:sha256:[0-9a-f]{64})?"',
    "prev": '"(?:[0-9a-f]{32})?"',
    "pur": _WORD,
    "req": _NAME,
    "rsn": _WORD,
    "segs": _list(_SEGMENT, MOST_SEGMENTS),
    "sts": _COUNT,
    "ten": _WORD,
    "ti": _COUNT,
    "to": _COUNT,
    "typ": _TYPE,
    "w": _ID,
    "wn": _COUNT,
    "wts": _COUNT,
}
OPTIONAL: Final[dict[str, str]] = {
    "cc": _COUNT,
    "cl": _COUNT,
    "ct": _COUNT,
    "heads": _list(_HEAD, 20),
    "kids": _list(_ID, MOST_KIDS),
    "n": _COUNT,
    "until": _COUNT,
}
_OUTSIDE_CONTEXT = frozenset({"segs", "sts"})
_BEFORE_TENANT = b',"ten":"'  # where `segs` and `sts` belong in sorted order; no value can contain it


_READ = frozenset({"heads", "kids", "log", "segs", "sts", "typ", "w", "wn"})


def _whole() -> re.Pattern[str]:
    """The language of headers, fields in sorted order; those that are read in a group, texts without their quotes."""
    pieces = []
    for name, pattern in sorted({**REQUIRED, **OPTIONAL}.items()):
        if name in _READ:
            value = f'"({pattern[1:-1]})"' if pattern.startswith('"') else f"({pattern})"
        else:
            value = f"(?:{pattern})"
        pieces.append(f'"{name}":{value},' if name in REQUIRED else f'(?:"{name}":{value},)?')
    return re.compile(r"\{" + "".join(pieces)[:-1] + r"\}")  # the last field, `wts`, is required


_HEADER = _whole()
_SEGS, _STS = sorted(_READ).index("segs") + 1, sorted(_READ).index("sts") + 1
_PARTS = re.compile('"ch":"([0-9a-f]+)","kc":"([0-9a-f]+)","kid":"([0-9a-f]+)","len":([0-9]+),"n":"([^"]*)"')
_HEADS = re.compile('"log":"([^"]+)","root":"([0-9a-f]+)","size":([0-9]+)')
_LISTED = re.compile('"([0-9a-f]{32})"')
_SEGMENT_NAME = re.compile("[a-z0-9_.:-]{1,64}")
_TENANT = re.compile("[a-z0-9_.:-]{1,64}")


class Part(NamedTuple):
    """What a header says of one segment. ch: SHA-256 of its ciphertext, kc: commitment to its key, hexadecimal."""

    ch: str
    kc: str
    kid: str
    length: int
    name: str


class Leaf(NamedTuple):
    """The fields of a header that a verifier compares.

    sts: microseconds. number: the writer's counter. listed: the text of the lists `heads`, `kids`, `segs`, read when asked for.
    """

    log: str
    sts: int
    type: str
    writer: str
    number: int
    listed: tuple[str | None, str | None, str]

    @property
    def heads(self) -> list[tuple[str, str, int]]:
        """Logs that this record says had grown: name, root in hexadecimal, size."""
        return [(log, root, int(size)) for log, root, size in _HEADS.findall(self.listed[0] or "")]

    @property
    def kids(self) -> list[str]:
        """Keys that this record says are destroyed."""
        return _LISTED.findall(self.listed[1] or "")

    @property
    def parts(self) -> list[Part]:
        """Its segments, in the order of the header."""
        return [Part(ch, kc, kid, int(n), name) for ch, kc, kid, n, name in _PARTS.findall(self.listed[2])]


def read(data: bytes) -> Leaf:
    """Judge stored bytes.

    Raises:
        InvalidRecord: they are not the canonical bytes of a header of version 1.
    """
    leaf = leaf_of(data)
    if leaf is None:
        raise InvalidRecord(_OTHER_FORM)
    return leaf


def leaf_of(data: bytes) -> Leaf | None:
    """What `read` reads; None where it would raise."""
    match = _match(data)
    if match is None:
        return None
    heads, kids, log, segs, sts, kind, writer, number = match.groups()
    return Leaf(log, int(sts), kind, writer, int(number), (heads, kids, segs))


def _match(data: bytes) -> re.Match[str] | None:
    # As Latin-1 every byte is one character, and the language has none beyond ASCII.
    return _HEADER.fullmatch(data.decode("latin-1")) if len(data) <= MOST_BYTES else None


def check(header: dict[str, Any]) -> None:
    """Whether a header fits the closed schema.

    Raises:
        InvalidRecord: names the first field that does not, never its value.
    """
    if _HEADER.fullmatch(encode(header).decode("ascii")) is None:
        raise _misfit(header)


def _misfit(header: dict[str, Any]) -> InvalidRecord:
    known = {**REQUIRED, **OPTIONAL}
    for name in header:
        if name not in known:
            return InvalidRecord(f"header field {name[:20]!r} is unknown")
    for name, pattern in known.items():
        if name in header and not re.fullmatch(pattern.encode(), encode(header[name])):
            return InvalidRecord(f"header field {name!r} is not in its form")
    if missing := sorted(REQUIRED.keys() - header.keys()):
        return InvalidRecord(f"header fields are missing: {', '.join(missing)}")
    return InvalidRecord(_OTHER_FORM)


def _misfit_of(leaf: bytes) -> InvalidRecord:
    try:
        return _misfit(json.loads(leaf))
    except (ValueError, TypeError, RecursionError):
        return InvalidRecord("a header field is not in its form")


def check_names(event: Event) -> None:
    """Whether what keys and ciphertexts will be bound to has its form; before anything is sealed.

    Raises:
        InvalidRecord: the tenant or a segment's name is not a short word, or a segment's name stands twice.
    """
    if not _TENANT.fullmatch(event.tenant):
        raise InvalidRecord("header field 'ten' is not in its form")
    names = {segment.name for segment in event.segments}
    if len(names) != len(event.segments) or not all(map(_SEGMENT_NAME.fullmatch, names)):
        raise InvalidRecord("the names of segments are short words, each used once a record")


def context_bytes(header: dict[str, Any]) -> bytes:
    """The canonical header without what is added after sealing: what ciphertexts are bound to."""
    return encode({k: v for k, v in header.items() if k not in _OUTSIDE_CONTEXT})


def context_of(leaf: bytes) -> bytes:
    """`context_bytes` of a stored leaf that `read` has judged."""
    match = _match(leaf)
    if match is None:
        raise InvalidRecord(_OTHER_FORM)
    return leaf[: match.start(_SEGS) - len(b',"segs":')] + leaf[match.end(_STS) :]


def complete(context: bytes, segments: bytes, at_us: int) -> bytes:
    """The leaf: the context with `segs` and `sts` in their place.

    Raises:
        InvalidRecord: the whole does not fit the schema, or is too long.
    """
    head, mark, tail = context.partition(_BEFORE_TENANT)
    leaf = b'%b,"segs":%b,"sts":%d%b%b' % (head, segments, at_us, mark, tail)
    if _HEADER.fullmatch(leaf.decode("latin-1")) is None:
        raise _misfit_of(leaf)
    if len(leaf) > MOST_BYTES:
        raise InvalidRecord(f"a header of {len(leaf)} bytes is longer than {MOST_BYTES}")
    return leaf


class Head(NamedTuple):
    """A log that has grown. root: 32 bytes."""

    log: str
    root: bytes
    size: int


def context(
    event: Event, *, log: str, record_id: str, writer: str, number: int, at_us: int, heads: tuple[Head, ...] = ()
) -> bytes:
    """The header of an event, complete but for `segs` and `sts`; `complete` judges whether it fits."""
    findings = ",".join([f'{{"c":{quoted(name)},"p":{score}}}' for name, score in event.findings[:MOST_FINDINGS]])
    checked = f'"cc":{event.chars_checked},"cl":{event.chars_leaked},' if event.chars_total else ""
    total = f'"ct":{event.chars_total},' if event.chars_total else ""
    named = ",".join([f'{{"log":{quoted(one.log)},"root":"{one.root.hex()}","size":{one.size}}}' for one in heads])
    listed = f'"heads":[{named}],' if heads else ""
    kids = f'"kids":[{",".join(map(quoted, event.kids))}],' if event.kids else ""
    count = f'"n":{event.count},' if event.count else ""
    until = f'"until":{event.until_us},' if event.until_us else ""
    return (
        f'{{"act":{quoted(event.act)},{checked}"cls":{quoted(event.retention)},{total}"dec":{quoted(event.decision)},'
        f'"fin":[{findings}],{listed}"hv":{VERSION},"id":{quoted(record_id)},{kids}'
        f'"log":{quoted(log)},"mod":{quoted(event.model)},{count}"pol":{quoted(event.policy)},'
        f'"prev":{quoted(event.previous)},"pur":{quoted(event.purpose)},"req":{quoted(event.request_id)},'
        f'"rsn":{quoted(event.reason)},"ten":{quoted(event.tenant)},"ti":{event.tokens_in},"to":{event.tokens_out},'
        f'"typ":{quoted(event.type)},{until}"w":{quoted(writer)},"wn":{number},"wts":{at_us}}}'
    ).encode("ascii")
