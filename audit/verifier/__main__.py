"""Verify an audit folder offline: `python -m audit.verifier FOLDER [--pins DIR] [--key FILE]`.

Written from FORMAT.md; shares no code with the log, so that one mistake does not hide another. The numbers in comments
are the steps of FORMAT.md section 9. Exit code 0 intact, 1 tampered, 3 cannot tell.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FIELDS = frozenset(
    {
        "act", "cls", "dec", "fin", "hv", "id", "log", "mod", "pol", "prev", "pur",
        "req", "rsn", "segs", "sts", "ten", "ti", "to", "typ", "w", "wn", "wts",
    }
)  # fmt: skip
OPTIONAL = {"cc", "ct", "cl", "heads", "tkt", "who"}


class Wrong(Exception):
    """A proof failed; the text says which."""


def sha(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


class Tree:
    """An RFC 6962 tree that only grows: (leaves, root) of its perfect subtrees, largest first."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, bytes]] = []
        self.size = 0

    def add(self, leaf: bytes) -> None:
        """Append a record's bytes; two subtrees of equal size become one."""
        self.parts.append((1, sha(b"\x00" + leaf)))
        self.size += 1
        while len(self.parts) > 1 and self.parts[-1][0] == self.parts[-2][0]:
            (n, right), (_, left) = self.parts.pop(), self.parts.pop()
            self.parts.append((2 * n, sha(b"\x01" + left + right)))

    def root(self) -> bytes:
        """Fold the subtrees from the right."""
        root = sha(b"") if not self.parts else self.parts[-1][1]
        for _, left in reversed(self.parts[:-1]):
            root = sha(b"\x01" + left + root)
        return root


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
    if not isinstance(header, dict) or again != data or _has_float(header):
        raise Wrong("a header is not canonical")
    if not FIELDS <= header.keys() <= FIELDS | OPTIONAL or header["hv"] != 1:
        raise Wrong("a header has missing or unknown fields")
    if header["log"] != log:
        raise Wrong("a header names another log")
    return header


def _has_float(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_float(v) for v in value.values())
    if isinstance(value, list):
        return any(_has_float(v) for v in value)
    return isinstance(value, float)


def read_key(line: str) -> tuple[str, bytes]:
    """A C2SP key line: name and Ed25519 public key."""
    name, key_id, encoded = line.strip().split("+", 2)
    raw = base64.b64decode(encoded, validate=True)
    if raw[:1] != b"\x01" or len(raw) != 33 or sha(name.encode() + b"\n" + raw)[:4].hex() != key_id:
        raise Wrong("the public key line does not fit itself")
    return name, raw[1:]


def read_note(note: bytes, log: str, public: bytes) -> tuple[int, bytes]:
    """A signed checkpoint: size and root."""
    body, _, signatures = note.partition(b"\n\n")
    origin, size, root = body.decode("ascii").split("\n")
    key_id = sha(log.encode() + b"\n\x01" + public)[:4]
    if origin != log or str(int(size)) != size:
        raise Wrong("a checkpoint is not of this log")
    for line in signatures.decode("utf-8").splitlines():
        dash, name, blob = line.split(" ")
        raw = base64.b64decode(blob, validate=True)
        if dash == "—" and name == log and raw[:4] == key_id:
            Ed25519PublicKey.from_public_bytes(public).verify(raw[4:], body + b"\n")
            return int(size), base64.b64decode(root, validate=True)
    raise Wrong("a checkpoint is not signed by the log's key")


def verify_log(
    db: sqlite3.Connection, log: str, public: bytes, pin: Path | None, seen: dict[str, list[int]]
) -> list[str]:
    """Steps 1 to 5 for one log; returns what cannot be told."""
    signed: dict[int, bytes] = {}
    for size, note in db.execute("select size, note from checkpoint where log = ?", (log,)):
        noted, signed[size] = read_note(bytes(note), log, public)
        if noted != size:
            raise Wrong(f"the checkpoint of size {noted} is filed under {size}")
    tree, last, proven = Tree(), 0, 0
    for seq, data in db.execute("select seq, header from leaf where log = ? order by seq", (log,)):
        if seq != tree.size:
            raise Wrong(f"record {tree.size} is missing")  # step 2
        header = read_header(bytes(data), log)
        if header["sts"] < last:
            raise Wrong(f"record {seq}: time goes back")
        last = header["sts"]
        tree.add(bytes(data))
        seen.setdefault(header["w"], []).append(header["wn"])
        verify_bodies(db, log, seq, header)
        if tree.size in signed:
            if tree.root() != signed[tree.size]:
                raise Wrong(f"records up to {seq} are not the ones that were signed")  # step 3
            proven += 1
    if proven != len(signed):
        raise Wrong("more was signed than is here")
    edge = db.execute("select size, hashes from edge where log = ?", (log,)).fetchone()
    if edge is None or (edge[0], bytes(edge[1])) != (tree.size, b"".join(part for _, part in tree.parts)):
        raise Wrong("the records do not lead to the stored tree")
    return verify_pin(log, public, pin, signed, tree.size)


def verify_pin(log: str, public: bytes, pin: Path | None, signed: dict[int, bytes], size: int) -> list[str]:
    """Step 4."""
    if pin is None:
        return [f"{log}: truncation cannot be excluded"]
    pinned, root = read_note(pin.read_bytes(), log, public)
    if signed.get(pinned) != root:
        raise Wrong("the pinned checkpoint is not in the log")
    return [] if size in signed else [f"{log}: the newest records are not signed yet"]


def verify_bodies(db: sqlite3.Connection, log: str, seq: int, header: dict[str, Any]) -> None:
    """Step 5."""
    rows = {
        r[0]: r[1:] for r in db.execute("select name, kid, ciphertext from body where log = ? and seq = ?", (log, seq))
    }
    for part in header["segs"]:
        kid, ciphertext = rows.pop(part["n"], (None, b""))
        if kid != part["kid"] or sha(ciphertext or b"").hex() != part["ch"]:
            raise Wrong(f"record {seq}: segment {part['n']} is not the one that was recorded")
    if rows:
        raise Wrong(f"record {seq}: there are segments that it does not name")


def verify_folder(folder: Path, pins: Path, key_line: str) -> list[str]:
    """All logs; returns what cannot be told, raises Wrong or InvalidSignature on proof of tampering."""
    if not (folder / "log.db").is_file():
        raise FileNotFoundError(f"{folder} holds no log.db")
    origin, public = read_key(key_line)
    db = sqlite3.connect(f"{(folder / 'log.db').resolve().as_uri()}?mode=ro", uri=True)
    try:
        logs = sorted(row[0] for row in db.execute("select distinct log from leaf"))
        doubts = [] if logs else ["there is no record"]
        seen: dict[str, list[int]] = {}
        by_name = {note.read_bytes().split(b"\n", 1)[0].decode(): note for note in pins.glob("*.note")}
        if by_name.keys() - set(logs):
            raise Wrong("a log that was signed is gone")
        for log in logs:
            if not log.startswith(origin + "/"):
                raise Wrong("a log is not of this family")
            doubts += verify_log(db, log, public, by_name.get(log), seen)
        for numbers in seen.values():  # step 6
            if sorted(numbers) != list(range(1, len(numbers) + 1)):
                raise Wrong("a writer's records have a gap or stand twice")
    finally:
        db.close()
    return doubts


def main() -> int:
    """Read the arguments, print the outcome."""
    parser = argparse.ArgumentParser(prog="python -m audit.verifier", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pins", type=Path, help="remembered checkpoints; default: <folder>-pins")
    parser.add_argument("--key", type=Path, help="the public key you hold; default: the folder's own public.key")
    args = parser.parse_args()
    pins = args.pins or args.folder.with_name(args.folder.name + "-pins")
    try:
        doubts = verify_folder(args.folder, pins, (args.key or args.folder / "public.key").read_text("ascii"))
    except (Wrong, InvalidSignature, ValueError, TypeError, AttributeError, KeyError, sqlite3.DatabaseError) as error:
        sys.stdout.write(f"tampered: {str(error) or 'a signature does not fit'}\n")
        return 1
    except OSError as error:
        sys.stdout.write(f"cannot tell: {error}\n")
        return 3
    sys.stdout.write("".join(f"cannot tell: {doubt}\n" for doubt in doubts) or "intact\n")
    return 3 if doubts else 0


if __name__ == "__main__":
    raise SystemExit(main())
