"""Second signatures (FORMAT.md section 7): ML-DSA-44 over checkpoints, where a folder or the auditor has the key."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from audit.verifier.checks import EVERY_LOG, blob, read_base64, sha
from audit.verifier.header import Wrong

KEY_FILE = "public-mldsa.key"


def read_second_key(line: str) -> tuple[str, bytes]:
    """A C2SP key line of type 06: name and ML-DSA-44 public key."""
    name, key_id, encoded = line.strip().split("+", 2)
    raw = base64.b64decode(encoded, validate=True)
    if raw[:1] != b"\x06" or len(raw) != 1313 or sha(name.encode() + b"\n" + raw)[:4].hex() != key_id:
        raise Wrong("the second public key line does not fit itself")
    return name, raw[1:]


def is_signed_twice(note: bytes, log: str, public: bytes) -> bool:
    """Whether a checkpoint of this log, whose form is known to be right, is signed with that key as well."""
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

    body, _, signatures = note.partition(b"\n\n")
    origin, size, root = body.decode("ascii").split("\n")
    key_id = sha(log.encode() + b"\n\x06" + public)[:4]
    for line in signatures.decode("utf-8").splitlines():
        _, name, encoded = line.split(" ")
        raw = read_base64(encoded)
        if name == log and raw[:4] == key_id:
            signer = log.encode()
            message = b"subtree/v1\n\0" + bytes([len(signer)]) + signer + raw[4:12]
            message += bytes([len(origin)]) + origin.encode() + bytes(8) + int(size).to_bytes(8, "big")
            MLDSA44PublicKey.from_public_bytes(public).verify(raw[12:], message + read_base64(root))
            return True
    return False


def verify_second(folder: Path, pins: Path, key_line: str) -> None:
    """Of a folder or an export as tiles: all signatures fit, none is left out after the first, `_system` ends with one."""
    family, public = read_second_key(key_line)
    signed = dict(_in_tiles(folder, family) if not (folder / "log.db").is_file() else _in_folder(folder))
    for log, notes in signed.items():
        twice = [is_signed_twice(note, log, public) for note in notes]
        if twice != sorted(twice):
            raise Wrong(f"{log}: a checkpoint lacks the second signature, which an earlier one has")
        if log == f"{family}/_system" and not twice[-1]:
            raise Wrong(f"{log}: the newest checkpoint lacks the second signature")
    for path in pins.glob("*.note"):
        note = path.read_bytes()
        is_signed_twice(note, note.split(b"\n", 1)[0].decode(), public)


def _in_folder(folder: Path) -> Iterable[tuple[str, list[bytes]]]:
    db = sqlite3.connect(f"{(folder / 'log.db').resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        for (log,) in db.execute(EVERY_LOG).fetchall():
            rows = db.execute("select note from checkpoint where log = ? order by size", (log,))
            if notes := [blob(row[0]) for row in rows]:
                yield log, notes
    finally:
        db.close()


def _in_tiles(folder: Path, family: str) -> Iterable[tuple[str, list[bytes]]]:
    for path in folder.glob("*/checkpoint"):
        yield f"{family}/{path.parent.name}", [path.read_bytes()]
