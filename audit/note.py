"""Checkpoints as C2SP signed notes (c2sp.org/tlog-checkpoint, c2sp.org/signed-note), Ed25519 signature type 0x01.

Rules of this file
1. Parsing is strict: one spelling per value, bounded sizes, no trailing bytes. What does not parse is not trusted.
2. The key name is the log's origin line.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit.errors import MalformedNote, TamperedLog
from audit.tree import HASH_BYTES

ED25519 = b"\x01"
MOST_BYTES = 64 * 1024
MOST_SIGNATURES = 64
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_NAME = re.compile(r"[!-*,-~]{1,255}")  # printable ASCII without space and plus, c2sp.org/signed-note


class Signer(Protocol):
    """An Ed25519 key that may lie elsewhere."""

    def sign(self, data: bytes, /) -> bytes:
        """A signature of 64 bytes."""
        ...

    def public_key(self) -> Ed25519PublicKey:
        """What verifies it."""
        ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log had committed to. size: number of leaves. root: 32 bytes."""

    origin: str
    size: int
    root: bytes

    def body(self) -> bytes:
        """The signed text."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n".encode()


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name, as a `name+hash+base64` line."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """First four bytes of SHA-256(name | 0x0A | 0x01 | key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def line(self) -> str:
        """The key in the form that Go's sumdb/note tools read."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, line: str) -> VerifierKey:
        """Read a key line.

        Raises:
            MalformedNote: not a key line, other algorithm, or a hash that does not fit.
        """
        name, _, rest = line.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = decode_base64(encoded)
        if len(raw) != 1 + HASH_BYTES or raw[:1] != ED25519 or not _NAME.fullmatch(name):
            raise MalformedNote("the log's public key is not an Ed25519 key line")
        key = cls(name, raw[1:])
        if key.key_id.hex() != key_id:
            raise MalformedNote("the log's public key does not fit its own hash")
        return key


def public_key(name: str, private: Signer) -> VerifierKey:
    """The verifier key of a signer."""
    return VerifierKey(name, private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def sign(checkpoint: Checkpoint, private: Signer) -> bytes:
    """A signed note."""
    body = checkpoint.body()
    key = public_key(checkpoint.origin, private)
    signature = base64.b64encode(key.key_id + private.sign(body)).decode()
    return body + f"\n— {checkpoint.origin} {signature}\n".encode()


def parse(note: bytes) -> tuple[Checkpoint, tuple[tuple[str, bytes], ...]]:
    """Split a note into its checkpoint and `(name, key id | signature)` pairs, nothing verified.

    Raises:
        MalformedNote: anything but the exact form.
    """
    if len(note) > MOST_BYTES:
        raise MalformedNote("a checkpoint is longer than 64 KiB")
    try:
        text = note.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedNote("a checkpoint is not UTF-8") from error
    body, blank, signatures = text.partition("\n\n")
    lines = body.split("\n")
    if not blank or len(lines) != 3 or not _NAME.fullmatch(lines[0]) or not _SIZE.fullmatch(lines[1]):
        raise MalformedNote("a checkpoint is not origin, size and root")
    root = decode_base64(lines[2])
    if len(root) != HASH_BYTES:
        raise MalformedNote("a checkpoint's root is not 32 bytes")
    return Checkpoint(lines[0], int(lines[1]), root), _signatures(signatures)


def verify(note: bytes, key: VerifierKey) -> Checkpoint:
    """The checkpoint, signed by the key.

    Raises:
        MalformedNote: not a note.
        TamperedLog: no valid signature by this key, or another log's checkpoint.
    """
    checkpoint, signatures = parse(note)
    if checkpoint.origin != key.name:
        raise TamperedLog("a checkpoint belongs to another log")
    public = Ed25519PublicKey.from_public_bytes(key.public)
    for name, blob in signatures:
        if name == key.name and blob[:4] == key.key_id:
            try:
                public.verify(blob[4:], checkpoint.body())
            except InvalidSignature as error:
                raise TamperedLog("a checkpoint's signature does not fit") from error
            return checkpoint
    raise TamperedLog("a checkpoint is not signed by the log's key")


def _signatures(text: str) -> tuple[tuple[str, bytes], ...]:
    if not text.endswith("\n"):
        raise MalformedNote("a checkpoint does not end with a line end")
    lines = text[:-1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise MalformedNote("a checkpoint has too many signatures")
    found = []
    for line in lines:
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "—" or not _NAME.fullmatch(parts[1]):
            raise MalformedNote("a signature line is not in the C2SP form")
        blob = decode_base64(parts[2])
        if len(blob) < 5:
            raise MalformedNote("a signature is too short")
        found.append((parts[1], blob))
    return tuple(found)


def is_name(text: str) -> bool:
    """Whether a key may be called that."""
    return _NAME.fullmatch(text) is not None


def decode_base64(text: str) -> bytes:
    """Standard base64 in its one canonical spelling.

    Raises:
        MalformedNote: anything else.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedNote("base64 expected") from error
    if base64.b64encode(raw).decode() != text:
        raise MalformedNote("base64 is not in its one canonical form")
    return raw
