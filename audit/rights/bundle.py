"""Everything that is stored about one person, in a form that proves itself (FORMAT.md section 16).

Steps of `export_subject`
1. `access.exported` with the person's key ids is durable before anything is decrypted.
2. Sign, and look at one moment of the log: what is taken out lies below a checkpoint.
3. For every record of the person: its bytes, its proof, and each segment with its ciphertext and record key, so that
   the text is proven to be the one that was recorded.
4. `report.made` with the digest of the file: what left the house, and when.

Other persons' segments in the same records stay out and are counted.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from audit import canonical
from audit.errors import AccessRefused, NotProvable, UnknownSubject
from audit.events import Event, EventType, Segment
from audit.header import MOST_KIDS, context_bytes
from audit.keys import KeyEntry
from audit.log import AuditLog
from audit.proof import HashedTree, InclusionProof
from audit.prove import newest_note
from audit.publisher import SYSTEM
from audit.rights.consult import Consultation, find_consultations
from audit.rights.page import subject_page
from audit.seal import Sealed, SubjectKey, unseal, unwrap
from audit.store_port import Body, Store
from audit.tree import leaf_hash

VERSION = 1
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Records of one person out of a Haechi audit log",
    "type": "array",
    "items": {
        "type": "object",
        "required": ["seq", "time_us", "type", "decision", "request", "model", "policy", "leaf", "segments"],
        "properties": {
            "seq": {"type": "integer", "description": "number of the record in its log"},
            "time_us": {"type": "integer", "description": "microseconds since 1970-01-01T00:00:00Z"},
            "type": {"type": "string", "description": "what happened"},
            "decision": {"enum": ["allow", "flag", "redact", "rewrite", "block", "none"]},
            "request": {"type": "string"},
            "model": {"type": "string", "description": "which model answered"},
            "policy": {"type": "string", "description": "digest of the policy that decided"},
            "findings": {"type": "array", "description": "categories with scores in millionths"},
            "leaf": {"type": "string", "description": "the record's bytes, as they were hashed"},
            "segments": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["name", "kid", "text", "content", "ciphertext", "record_key"],
                    "properties": {
                        "name": {"type": "string"},
                        "kid": {"type": "string"},
                        "text": {"type": "string", "description": "the content as text"},
                        "content": {"type": "string", "contentEncoding": "base64"},
                        "ciphertext": {"type": "string", "contentEncoding": "base64"},
                        "record_key": {"type": "string", "contentEncoding": "base64"},
                    },
                },
            },
        },
    },
}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A ZIP file in memory. records, segments: how many. left_out: segments of other persons in the same records."""

    data: bytes
    log: str
    size: int
    records: int
    segments: int
    left_out: int
    digest: str


@dataclass(slots=True)
class _Taken:
    records: list[dict[str, Any]]
    proofs: dict[int, bytes]
    left_out: int
    headers: bytes


def export_subject(
    log: AuditLog, tenant: str, subject: str, *, who: str, purpose: str, ticket: str, request: str = "",
    headers: bool = False,
) -> Bundle:  # fmt: skip
    """Take out everything of a person. headers: also the headers of all records of the log, which name nobody.

    Raises:
        AccessRefused: no purpose or ticket.
        UnknownSubject: nothing of this person is stored.
        LogUnavailable: the export could not be recorded, so nothing is decrypted.
        TamperedLog: a segment is not what was recorded.
    """
    entries = log.keys.entries(tenant, subject) if log.keys.knows(tenant) else []
    if not entries:
        raise UnknownSubject(f"tenant {tenant!r} has no content of this subject", hint="compare the spelling")
    _record_first(log, entries, who, purpose, ticket, request)
    log.sign()
    store = log.open_store(read_only=True)
    try:
        with store.snapshot():
            name = log.log_name(tenant)
            size, note = newest_note(store, name)
            taken = _take(log, store, name, size, note, {entry.kid for entry in entries}, headers)
            consulted = list(
                find_consultations(
                    store, log.log_name(SYSTEM), {entry.kid for entry in entries},
                    {canonical.decode(one["leaf"].encode())["id"] for one in taken.records},
                )
            )  # fmt: skip
    finally:
        store.close()
    public = (log.folder / "public.key").read_bytes()
    facts = {
        "haechi_export": VERSION, "log": name, "tenant": tenant, "request": request, "size": size,
        "kids": sorted(entry.kid for entry in entries), "filter": "a segment under one of these kids",
        "records": len(taken.records), "left_out_segments_of_others": taken.left_out, "made_us": log.clock.now_us(),
        "headers": bool(headers),
        "limits": "That these are all key ids of the person is the operator's word; that no record under them is missing is "
        "proven where all headers are at hand.",
    }  # fmt: skip
    data = _zip(facts, taken, consulted, note, public)
    digest = hashlib.sha256(data).hexdigest()
    made = Event(
        EventType.REPORT_MADE, SYSTEM, request, act="export.subject", decision="none", policy=f"sha256:{digest}",
        count=len(taken.records), purpose=purpose, segments=(_details(who, ticket),),
    )  # fmt: skip
    log.record(made)
    segments = sum(len(one["segments"]) for one in taken.records)
    return Bundle(data, name, size, len(taken.records), segments, taken.left_out, digest)


def _record_first(
    log: AuditLog, entries: Sequence[KeyEntry], who: str, purpose: str, ticket: str, request: str
) -> None:
    if not who or not purpose or not ticket:
        raise AccessRefused("an export needs who, a purpose and a ticket", hint="--who NAME --purpose P --ticket T")
    for at in range(0, len(entries), MOST_KIDS):
        kids = tuple(entry.kid for entry in entries[at : at + MOST_KIDS])
        log.record(
            Event(
                EventType.ACCESS_EXPORTED, SYSTEM, request, act="access.export", decision="none", purpose=purpose,
                kids=kids, count=len(kids), segments=(_details(who, ticket),),
            )
        )  # fmt: skip


def _details(who: str, ticket: str) -> Segment:
    return Segment("access", f"{who}\n{ticket}".encode(), who, "access-2y")


def _take(log: AuditLog, store: Store, name: str, size: int, note: bytes, kids: set[str], headers: bool) -> _Taken:
    wanted = {seq for kid in kids for found, seq, _ in store.bodies_of(kid) if found == name}
    if any(seq >= size for seq in wanted):
        raise NotProvable("a record of this person is not signed yet", hint="try again in two seconds")
    hashes: list[bytes] = []
    leaves: dict[int, bytes] = {}
    every = io.BytesIO()
    for seq, leaf in store.headers(name, 0, size):
        hashes.append(leaf_hash(leaf))
        if headers:
            every.write(struct.pack(">H", len(leaf)) + leaf)
        if seq in wanted:
            leaves[seq] = leaf
    tree = HashedTree(hashes)
    keys = {kid: key for kid in kids if (key := log.keys.for_reading(kid)) is not None}
    taken = _Taken([], {}, 0, every.getvalue())
    for seq, leaf in leaves.items():
        record, others = _record(seq, leaf, store.bodies(name, seq), keys)
        taken.records.append(record)
        taken.left_out += others
        taken.proofs[seq] = InclusionProof(seq, tree.inclusion(seq), note).text()
    return taken


def _record(seq: int, leaf: bytes, bodies: dict[str, Body], keys: dict[str, SubjectKey]) -> tuple[dict[str, Any], int]:
    """What the bundle says of one record, and how many segments of others it holds."""
    header = canonical.decode(leaf)
    context = hashlib.sha256(b"haechi-audit/1\0" + context_bytes(header)).digest()
    mine = [part for part in header["segs"] if part["kid"] in keys]
    segments = []
    for part in mine:
        body = bodies[part["n"]]
        sealed = Sealed(body.ciphertext or b"", body.wrap or b"", bytes.fromhex(part["ch"]), bytes.fromhex(part["kc"]))
        key = keys[part["kid"]]
        content = unseal(context, part["n"], sealed, key)
        segments.append(
            {
                "name": part["n"],
                "kid": part["kid"],
                "text": content.decode("utf-8", "replace"),
                "content": _base64(content),
                "ciphertext": _base64(sealed.ciphertext),
                "record_key": _base64(unwrap(context, part["n"], sealed, key)),
            }
        )
    said = {
        "seq": seq, "time_us": header["sts"], "type": header["typ"], "decision": header["dec"], "request": header["req"],
        "model": header["mod"], "policy": header["pol"], "findings": header["fin"], "corrects": header["prev"]
        if header["typ"] == EventType.RECORD_CORRECTED.value else "",
        "leaf": leaf.decode("ascii"), "segments": segments,
    }  # fmt: skip
    return said, len(header["segs"]) - len(mine)


def _zip(facts: dict[str, Any], taken: _Taken, consulted: Sequence[Consultation], note: bytes, public: bytes) -> bytes:
    files = dict(_files(facts, taken, consulted, note, public))
    manifest = {**facts, "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}}
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in [("manifest.json", _json(manifest)), *files.items()]:
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _files(
    facts: dict[str, Any], taken: _Taken, consulted: Sequence[Consultation], note: bytes, public: bytes
) -> Iterator[tuple[str, bytes]]:
    yield "public.key", public
    yield "checkpoint", note
    yield "records.json", _json(taken.records)
    yield "schema.json", _json(SCHEMA)
    told = [{**asdict(one), "record": one.record} for one in consulted]
    yield "consultations.json", _json(told)
    yield "index.html", subject_page(facts, taken.records, consulted).encode()
    if facts["headers"]:
        yield "headers.bin", taken.headers
    for seq, proof in taken.proofs.items():
        yield f"proofs/{seq}.tlog-proof", proof


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=True).encode("ascii") + b"\n"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
