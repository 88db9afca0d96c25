"""Root keys: wrap tenant keys, sign checkpoints. The file provider keeps them beside nothing else, mode 0600."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from audit.errors import KeysUnavailable

_SCRYPT_N = 2**15  # RFC 7914 recommends N as large as tolerable; 2^15, r=8 needs 32 MiB and about 0.1 s


class Kms(Protocol):
    """A keeper of root keys."""

    def wrap(self, key: bytes, bound: bytes) -> bytes:
        """Encrypt a key under the root key, bound to `bound`."""
        ...

    def unwrap(self, wrapped: bytes, bound: bytes) -> bytes:
        """Decrypt what `wrap` made."""
        ...

    def signer(self) -> Ed25519PrivateKey:
        """The key that signs checkpoints."""
        ...


@dataclass(frozen=True)
class FileKms:
    """Root key and signing key in one file."""

    _root: bytes
    _signer: Ed25519PrivateKey

    @classmethod
    def open(cls, path: Path, passphrase: bytes | None = None) -> FileKms:
        """Read the key file, or make it when the folder has none yet.

        Raises:
            KeysUnavailable: unreadable, damaged, or the passphrase is missing or wrong.
        """
        try:
            if not path.exists():
                _create(path, passphrase)
            entry = json.loads(path.read_text("ascii"))
            secret = _open_secret(entry, passphrase)
            return cls(secret[:32], Ed25519PrivateKey.from_private_bytes(secret[32:64]))
        except OSError as error:
            raise KeysUnavailable(
                f"the key file {path} cannot be used: {error.strerror}", hint="check the folder's owner and mode"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise KeysUnavailable(
                f"the key file {path} is damaged", hint="restore it from its backup; without it no content can be read"
            ) from error

    def wrap(self, key: bytes, bound: bytes) -> bytes:
        nonce = os.urandom(12)
        return nonce + AESGCM(self._root).encrypt(nonce, key, bound)

    def unwrap(self, wrapped: bytes, bound: bytes) -> bytes:
        try:
            return AESGCM(self._root).decrypt(wrapped[:12], wrapped[12:], bound)
        except (InvalidTag, ValueError) as error:
            raise KeysUnavailable(
                "a stored key does not open with this key file", hint="use the key file that belongs to this folder"
            ) from error

    def signer(self) -> Ed25519PrivateKey:
        return self._signer


def _create(path: Path, passphrase: bytes | None) -> None:
    signer = Ed25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    secret = os.urandom(32) + signer
    entry: dict[str, object] = {"v": 1}
    if passphrase:
        salt, nonce = os.urandom(16), os.urandom(12)
        entry.update(
            salt=salt.hex(),
            nonce=nonce.hex(),
            sealed=AESGCM(_stretch(passphrase, salt)).encrypt(nonce, secret, b"kms").hex(),
        )
    else:
        entry["secret"] = secret.hex()
    # Written aside and linked, so that of two processes starting together one makes the keys and the other finds them.
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        json.dump(entry, file)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


def _open_secret(entry: dict[str, str], passphrase: bytes | None) -> bytes:
    if "sealed" not in entry:
        return bytes.fromhex(entry["secret"])
    if not passphrase:
        raise KeysUnavailable("the key file is protected by a passphrase", hint="give the passphrase it was made with")
    try:
        return AESGCM(_stretch(passphrase, bytes.fromhex(entry["salt"]))).decrypt(
            bytes.fromhex(entry["nonce"]), bytes.fromhex(entry["sealed"]), b"kms"
        )
    except InvalidTag as error:
        raise KeysUnavailable(
            "the passphrase of the key file is wrong", hint="give the one it was made with"
        ) from error


def _stretch(passphrase: bytes, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=_SCRYPT_N, r=8, p=1).derive(passphrase)
