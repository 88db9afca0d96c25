"""Cosignatures: a witness says that it saw a checkpoint, and when (c2sp.org/tlog-cosignature, Ed25519, type 0x04)."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit.errors import MalformedNote, TamperedLog
from audit.note import Checkpoint, decode_base64, parse

COSIGNATURE = b"\x04"
_KEY_BYTES = 32
_STAMP_BYTES = 8
_LINE = re.compile(r"([!-*,-~]{1,255})\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{1,100})")


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A witness's public key with its name, as a `name+hash+base64` line."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """First four bytes of SHA-256(name | 0x0A | 0x04 | key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + COSIGNATURE + self.public).digest()[:4]

    def line(self) -> str:
        """The key line."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(COSIGNATURE + self.public).decode()}"

    @classmethod
    def parse(cls, line: str) -> WitnessKey:
        """Read a key line.

        Raises:
            MalformedNote: not a key line, another kind of key, or a hash that does not fit.
        """
        found = _LINE.fullmatch(line.strip())
        raw = decode_base64(found[3]) if found else b""
        if found is None or raw[:1] != COSIGNATURE or len(raw) != 1 + _KEY_BYTES:
            raise MalformedNote("the witness's public key is not an Ed25519 cosignature key line")
        key = cls(found[1], raw[1:])
        if key.key_id.hex() != found[2]:
            raise MalformedNote("the witness's public key does not fit its own hash")
        return key


def witness_key(name: str, private: Ed25519PrivateKey) -> WitnessKey:
    """The public key of a witness."""
    return WitnessKey(name, private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def cosign(checkpoint: Checkpoint, name: str, private: Ed25519PrivateKey, at_s: int) -> str:
    """A signature line for a checkpoint, with its line end. at_s: seconds since 1970."""
    blob = (
        witness_key(name, private).key_id
        + at_s.to_bytes(_STAMP_BYTES, "big")
        + private.sign(_message(checkpoint, at_s))
    )
    return f"— {name} {base64.b64encode(blob).decode()}\n"


def cosigned_at(note: bytes, key: WitnessKey) -> int:
    """When a witness saw the checkpoint of a note, in seconds since 1970.

    Raises:
        MalformedNote: not a note.
        TamperedLog: the witness did not cosign it, or its cosignature does not fit.
    """
    checkpoint, signatures = parse(note)
    for name, blob in signatures:
        if name == key.name and blob[:4] == key.key_id:
            at_s = int.from_bytes(blob[4 : 4 + _STAMP_BYTES], "big")
            try:
                Ed25519PublicKey.from_public_bytes(key.public).verify(
                    blob[4 + _STAMP_BYTES :], _message(checkpoint, at_s)
                )
            except InvalidSignature as error:
                raise TamperedLog(f"the cosignature of {key.name} does not fit the checkpoint") from error
            return at_s
    raise TamperedLog(f"the checkpoint is not cosigned by {key.name}")


def _message(checkpoint: Checkpoint, at_s: int) -> bytes:
    return f"cosignature/v1\ntime {at_s}\n".encode() + checkpoint.body()
