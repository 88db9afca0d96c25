"""Run by `benchmarks.audit_others` in an environment of its own: other packages' logs attacked, and our export read by another.

    python benchmarks/audit_rivals.py attack auditchain|auditchain-hmac|auditchain-ed25519|presidio-audit|cloakllm FOLDER
    python benchmarks/audit_rivals.py read EXPORT/TENANT

Each log is a file of JSON lines that the attacker may write; keys, where the package has any, are not the attacker's. Every log is
judged by the package's own verifier as its documentation calls it. Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Line = dict[str, Any]
Attack = Callable[[list[Line], Callable[[list[Line]], list[Line]]], list[Line]]
RECORDS = 20


def _edited(lines: list[Line]) -> list[Line]:
    """The sixth record with another decision."""
    lines = json.loads(json.dumps(lines))
    field = next(f for f in ("actor", "operator", "mode") if f in lines[5])
    lines[5][field] = "somebody else"
    return lines


ATTACKS: dict[str, Attack] = {
    "edit": lambda lines, _: _edited(lines),
    "delete": lambda lines, _: lines[:5] + lines[6:],
    "swap": lambda lines, _: [*lines[:5], lines[6], lines[5], *lines[7:]],
    "truncate": lambda lines, _: lines[:-5],
    "edit and recompute": lambda lines, rehash: rehash(_edited(lines)),
    "cut to one": lambda lines, _: lines[:1],
}


def attack(path: Path, intact: Callable[[], bool], rehash: Callable[[list[Line]], list[Line]]) -> dict[str, bool]:
    """Which attacks the verifier notices. rehash: recompute the chain with nothing but the package's own hash.

    Raises:
        AssertionError: when the untouched log does not verify; the comparison would mean nothing.
    """
    honest = path.read_text("utf-8")
    if not intact():
        raise AssertionError(f"{path}: the untouched log does not verify")
    found = {}
    for name, change in ATTACKS.items():
        lines = change([json.loads(line) for line in honest.splitlines()], rehash)
        path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines), "utf-8")
        found[name] = not intact()
    path.write_text(honest, "utf-8")
    return found


def _auditchain(folder: Path, **keys: Any) -> dict[str, bool]:
    from auditchain import AuditLog, JsonlBackend, LogCorruptedError
    from auditchain.hash import compute_record_hash
    from auditchain.records import AuditRecord

    path = folder / "log.jsonl"

    async def write() -> None:
        async with AuditLog(JsonlBackend(path), **keys) as log:
            for number in range(RECORDS):
                await log.append("user", "request", f"req-{number}")

    async def verify() -> bool:
        async with AuditLog(JsonlBackend(path), **keys) as log:
            return bool((await log.verify()).ok)

    def intact() -> bool:
        try:
            return asyncio.run(verify())
        except (LogCorruptedError, ValueError):  # a log that cannot even be opened was noticed
            return False

    def rehash(lines: list[Line]) -> list[Line]:
        previous = lines[0]["prev_hash"]
        for line in lines:
            line["prev_hash"] = previous
            line["hash"] = previous = compute_record_hash(AuditRecord.from_stored(line), None)
        return lines

    asyncio.run(write())
    return attack(path, intact, rehash)


def _presidio_audit(folder: Path) -> dict[str, bool]:
    from presidio_audit.records import AuditRecord, canonical_hash
    from presidio_audit.store import JsonlAuditStore, verify_chain

    path = folder / "log.jsonl"
    store = JsonlAuditStore(path)
    for number in range(RECORDS):
        when = f"2026-01-01T00:00:{number:02d}+00:00"
        store.append(AuditRecord(f"id-{number}", when, "PERSON", None, None, "replace", (0, 4), f"req-{number}"))

    def rehash(lines: list[Line]) -> list[Line]:
        previous = None
        for line in lines:
            line["prev_hash"] = previous
            line["record_hash"] = previous = canonical_hash(line)
        return lines

    return attack(path, lambda: bool(verify_chain(JsonlAuditStore(path))), rehash)


def _cloakllm(folder: Path) -> dict[str, bool]:
    from cloakllm import ShieldConfig
    from cloakllm.audit import AuditLogger

    config = ShieldConfig(log_dir=folder)
    logger = AuditLogger(config)
    for number in range(RECORDS):
        logger.log("sanitize", original_text=f"text {number}", sanitized_text="", mode="tokenize")
    (path,) = folder.glob("audit_*.jsonl")

    def rehash(lines: list[Line]) -> list[Line]:
        previous = lines[0]["prev_hash"]
        for line in lines:
            line["prev_hash"] = previous
            line.pop("entry_hash", None)
            line["entry_hash"] = previous = AuditLogger._compute_hash(line)
        return lines

    return attack(path, lambda: bool(AuditLogger(config).verify_chain()[0]), rehash)


def read(folder: Path) -> dict[str, bool]:
    """Our export through `aics_tlog`: the checkpoint's signature, every tile and entry, proofs, and a flipped bit."""
    import aics_tlog as tlog

    key = tlog.read_vkey_file((folder / "public.key").read_text("utf-8"))
    note = tlog.parse_note((folder / "checkpoint").read_bytes())
    checked = tlog.verify_checkpoint(note, key)
    reader = tlog.FileSystemTileReader(folder)
    size, root = checked.size or 0, checked.root or b""
    whole = tlog.audit_tiles(reader, size, root)
    entries = [tlog.read_entry(reader, index, size) for index in range(size)]
    included = all(
        tlog.verify_leaf_inclusion(entry, index, size, tlog.inclusion_proof_from_tiles(reader, index, size), root)
        for index, entry in enumerate(entries)
    )
    theirs = tlog.MerkleTree()
    grown = True
    for old, entry in enumerate(entries[:-1], 1):
        theirs.append(entry)
        proof = tlog.consistency_proof_from_tiles(reader, old, size)
        grown = grown and tlog.verify_consistency(old, size, theirs.root(), root, proof)
    tile = folder / "tile/entries/001"
    honest = tile.read_bytes()
    tile.write_bytes(honest[:40] + bytes([honest[40] ^ 1]) + honest[41:])
    try:
        tlog.audit_tiles(reader, size, root)
        flip = False
    except tlog.TileVerificationError:
        flip = True
    tile.write_bytes(honest)
    return {
        "signature": checked.ok,
        "every tile and entry": whole.size == size > 0,
        "inclusion of every record": included,
        "growth from every size": grown,
        "refuses a flipped bit": flip,
    }


def serve_one() -> None:
    """Do the one task that the arguments name."""
    task, *rest = sys.argv[1:]
    if task == "read":
        found = read(Path(rest[0]))
    else:
        name, folder = rest[0], Path(rest[1])
        if name == "cloakllm":
            found = _cloakllm(folder)
        elif name == "presidio-audit":
            found = _presidio_audit(folder)
        elif name == "auditchain-hmac":
            found = _auditchain(folder, seal_key=b"k" * 32)
        elif name == "auditchain-ed25519":
            from auditchain import generate_keypair

            found = _auditchain(folder, signing_key=generate_keypair()[0])
        else:
            found = _auditchain(folder)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    serve_one()
