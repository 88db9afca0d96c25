"""Root keys: wrap tenant keys, sign checkpoints. The file provider keeps them beside nothing else, mode 0600."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from audit.errors import KeysUnavailable
from audit.note import Signer
from audit.store import sync_folder

_GIVE = "the one it was made with, as HAECHI_AUDIT_PASSPHRASE or --audit-passphrase"
_SCRYPT_N = 2**15  # RFC 7914 recommends N as large as tolerable; 2^15, r=8 needs 32 MiB and about 0.1 s


class Kms(Protocol):
    """A keeper of root keys.

    generation: 0 for the root key itself; from 1 on a key of its own, made at its first use, that can be destroyed:
    whatever was wrapped under it is then worthless, wherever copies of it lie.
    """

    def wrap(self, key: bytes, bound: bytes, generation: int = 0) -> bytes:
        """Encrypt a key under the root key or a generation's, bound to `bound`."""
        ...

    def unwrap(self, wrapped: bytes, bound: bytes, generation: int = 0) -> bytes:
        """Decrypt what `wrap` made.

        Raises:
            KeysUnavailable: not with this key, or not now.
        """
        ...

    def destroy_generation(self, generation: int) -> None:
        """Destroy a generation's key for good; nothing when there is none.

        Raises:
            KeysUnavailable: it is still there.
        """
        ...

    def signer(self) -> Signer:
        """What signs checkpoints."""
        ...


@dataclass(frozen=True)
class FileKms:
    """Root key and signing key in one file."""

    _root: bytes = field(repr=False)
    _signer: Ed25519PrivateKey = field(repr=False)
    _folder: Path

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
            return cls(secret[:32], Ed25519PrivateKey.from_private_bytes(secret[32:64]), path.parent)
        except OSError as error:
            raise KeysUnavailable(
                f"the key file {path} cannot be used: {error.strerror}", hint="check the folder's owner and mode"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise KeysUnavailable(
                f"the key file {path} is damaged", hint="restore it from its backup; without it no content can be read"
            ) from error

    def wrap(self, key: bytes, bound: bytes, generation: int = 0) -> bytes:
        return _wrap(self._key(generation, make=True), key, bound)

    def unwrap(self, wrapped: bytes, bound: bytes, generation: int = 0) -> bytes:
        try:
            return _unwrap(self._key(generation, make=False), wrapped, bound)
        except (InvalidTag, ValueError) as error:
            raise KeysUnavailable(
                "a stored key does not open with this key file", hint="use the key file that belongs to this folder"
            ) from error

    def destroy_generation(self, generation: int) -> None:
        path = self._path(generation)
        try:
            with path.open("r+b") as file:  # written over in place, for file systems that keep it there
                file.write(bytes(path.stat().st_size))
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
            sync_folder(path.parent)
        except FileNotFoundError:
            return
        except OSError as error:
            raise KeysUnavailable(
                f"the generation key {path} cannot be destroyed: {error.strerror}", hint="remove it, then try again"
            ) from error

    def signer(self) -> Ed25519PrivateKey:
        return self._signer

    def _key(self, generation: int, *, make: bool) -> bytes:
        if generation == 0:
            return self._root
        path = self._path(generation)
        bound = b"generation\0" + str(generation).encode()
        try:
            if make and not path.exists():
                write_once(path, _wrap(self._root, os.urandom(32), bound))
            return _unwrap(self._root, path.read_bytes(), bound)
        except (OSError, InvalidTag, ValueError) as error:
            raise KeysUnavailable(
                f"the generation key {path} is missing or damaged",
                hint="restore it from its backup; several machines need a key service instead of key files",
            ) from error

    def _path(self, generation: int) -> Path:
        return self._folder / f"generation-{generation}.key"


def write_once(path: Path, data: bytes) -> None:
    """Make a private file durably, unless it is there: of two processes one writes it, and the other finds it whole."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}.new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    sync_folder(path.parent)


def _wrap(root: bytes, key: bytes, bound: bytes) -> bytes:
    nonce = os.urandom(12)
    return nonce + AESGCM(root).encrypt(nonce, key, bound)


def _unwrap(root: bytes, wrapped: bytes, bound: bytes) -> bytes:
    return AESGCM(root).decrypt(wrapped[:12], wrapped[12:], bound)


def _create(path: Path, passphrase: bytes | None) -> None:
    signer = Ed25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    secret = os.urandom(32) + signer
    entry = _sealed(secret, passphrase) if passphrase else {"v": 1, "secret": secret.hex()}
    write_once(path, json.dumps(entry).encode("ascii"))


def _sealed(secret: bytes, passphrase: bytes) -> dict[str, object]:
    salt, nonce = os.urandom(16), os.urandom(12)
    sealed = AESGCM(_stretch(passphrase, salt)).encrypt(nonce, secret, b"kms")
    return {"v": 1, "salt": salt.hex(), "nonce": nonce.hex(), "sealed": sealed.hex()}


def protect(path: Path, passphrase: bytes) -> None:
    """Put a key file that has no passphrase under one. The old bytes are written over.

    Raises:
        KeysUnavailable: it has one already, is damaged, or cannot be written.
    """
    try:
        entry = json.loads(path.read_text("ascii"))
        if "sealed" in entry:
            raise KeysUnavailable(f"the key file {path} has a passphrase already", hint="nothing is to be done")
        secret = _open_secret(entry, None)
        fresh = path.with_name(f"{path.name}.{os.getpid()}.protected")
        write_once(fresh, json.dumps(_sealed(secret, passphrase)).encode("ascii"))
        FileKms.open(fresh, passphrase)
        with path.open("r+b") as old:
            fresh.replace(path)
            sync_folder(path.parent)
            old.write(bytes(os.fstat(old.fileno()).st_size))
            old.flush()
            os.fsync(old.fileno())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KeysUnavailable(
            f"the key file {path} cannot be protected", hint="is it there, whole and yours?"
        ) from error


def _open_secret(entry: dict[str, str], passphrase: bytes | None) -> bytes:
    if "sealed" not in entry:
        if passphrase:
            raise KeysUnavailable(
                "a passphrase was given, and the key file is not protected by one",
                hint="haechi audit keys protect puts it under the passphrase; or leave the passphrase out",
            )
        return bytes.fromhex(entry["secret"])
    if not passphrase:
        raise KeysUnavailable("the key file is protected by a passphrase, and none was given", hint=_GIVE)
    try:
        return AESGCM(_stretch(passphrase, bytes.fromhex(entry["salt"]))).decrypt(
            bytes.fromhex(entry["nonce"]), bytes.fromhex(entry["sealed"]), b"kms"
        )
    except InvalidTag as error:
        raise KeysUnavailable("the passphrase of the key file is wrong", hint=_GIVE) from error


def _stretch(passphrase: bytes, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=_SCRYPT_N, r=8, p=1).derive(passphrase)
