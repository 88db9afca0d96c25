"""A gateway that can write and not read: subject keys sealed to a reader's public key (HPKE, RFC 9180; FORMAT.md section 5).

Who breaks into such a gateway finds no key that opens old content: only keys still in the memory of the process, which are
those of subjects it has served since its start.
"""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from audit.errors import KeysUnavailable
from audit.store import sync_folder

_PUBLIC, _SECRET = "haechi-reader", "haechi-reader-secret"
_INFO = b"haechi-audit subject key\0"
SEALED_BYTES = 80
"""Of a sealed key: 32 encapsulated, 32 encrypted, 16 tag."""


@dataclass(frozen=True, slots=True)
class ReaderKey:
    """A reader's key; `secret` only where content may be read."""

    public: X25519PublicKey
    secret: X25519PrivateKey | None = field(default=None, repr=False)

    @classmethod
    def load(cls, path: Path) -> ReaderKey:
        """Read a key file, public or secret.

        Raises:
            KeysUnavailable: it cannot be read, or is none.
        """
        try:
            kind, text = path.read_text("ascii").split()
            raw = base64.b64decode(text, validate=True)
            if kind == _PUBLIC:
                return cls(X25519PublicKey.from_public_bytes(raw))
            if kind == _SECRET:
                secret = X25519PrivateKey.from_private_bytes(raw)
                return cls(secret.public_key(), secret)
        except (OSError, ValueError, binascii.Error) as error:
            raise KeysUnavailable(f"{path} is no reader's key", hint="haechi audit keys new-reader DIR") from error
        raise KeysUnavailable(f"{path} is no reader's key", hint="haechi audit keys new-reader DIR")

    @classmethod
    def make(cls, folder: Path) -> ReaderKey:
        """Make `reader.secret` and `reader.key` in a folder.

        Raises:
            OSError: the folder cannot be written, or has a secret already.
        """
        secret = X25519PrivateKey.generate()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(folder / "reader.secret", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            raw = secret.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
            file.write(f"{_SECRET} {base64.b64encode(raw).decode('ascii')}\n")
            file.flush()
            os.fsync(file.fileno())
        public = secret.public_key()
        raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        (folder / "reader.key").write_text(f"{_PUBLIC} {base64.b64encode(raw).decode('ascii')}\n", "ascii")
        sync_folder(folder)
        return cls(public, secret)

    def seal(self, key: bytes, kid: str) -> bytes:
        """A subject key that only the secret opens."""
        return _suite().encrypt(key, self.public, info=_INFO + kid.encode("ascii"))

    def open(self, sealed: bytes, kid: str) -> bytes:
        """What `seal` was given.

        Raises:
            KeysUnavailable: this is the public half, or it was sealed to somebody else.
        """
        if self.secret is None:
            raise write_only()
        try:
            return _suite().decrypt(sealed, self.secret, info=_INFO + kid.encode("ascii"))
        except (InvalidTag, ValueError) as error:
            raise KeysUnavailable(
                "a subject key does not open with this reader's key", hint="use the reader's key of that time"
            ) from error


def write_only() -> KeysUnavailable:
    """That content is asked for where nobody can read."""
    return KeysUnavailable(
        "content is sealed to a reader's key, and this machine holds only its public half",
        hint="read where the secret is: --audit-reader-key reader.secret",
    )


def _suite() -> Suite:
    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
