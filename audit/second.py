"""A second signature of checkpoints that a quantum computer does not forge: ML-DSA-44 (FIPS 204).

It is of type 0x06 of c2sp.org/tlog-cosignature, made by the log itself under its own name.

Rules of this file
1. Optional: a folder that holds `mldsa.key` signs twice, from then on. The seed lies there under the root key.
2. A checkpoint without it after one with it is no accident: what was switched on stays on.
3. Ed25519 is checked first and always; this is never a substitute.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from audit.errors import AuditError, KeysUnavailable, MalformedNote, PartMissing, TamperedLog
from audit.kms import Kms, write_once
from audit.note import Checkpoint, decode_base64, is_name, parse

MLDSA44 = b"\x06"
PUBLIC_BYTES = 1312
SEED_FILE, PUBLIC_FILE = "mldsa.key", "public-mldsa.key"
_BOUND = b"mldsa-44"
_LABEL = b"subtree/v1\n\0"
_STAMP_BYTES = 8


@dataclass(frozen=True, slots=True)
class SecondKey:
    """The public key of the second signature with its name, as a `name+hash+base64` line."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """First four bytes of SHA-256(name | 0x0A | 0x06 | key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + MLDSA44 + self.public).digest()[:4]

    def line(self) -> str:
        """The key line."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(MLDSA44 + self.public).decode()}"

    def of(self, log: str) -> SecondKey:
        """The same key under the name of one log of the family."""
        return SecondKey(log, self.public)

    @classmethod
    def parse(cls, line: str) -> SecondKey:
        """Read a key line.

        Raises:
            MalformedNote: not a key line, another kind of key, or a hash that does not fit.
        """
        name, _, rest = line.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = decode_base64(encoded)
        if raw[:1] != MLDSA44 or len(raw) != 1 + PUBLIC_BYTES or not is_name(name):
            raise MalformedNote("the second public key is not an ML-DSA-44 key line")
        key = cls(name, raw[1:])
        if key.key_id.hex() != key_id:
            raise MalformedNote("the second public key does not fit its own hash")
        return key

    def signed_at(self, note: bytes) -> int | None:
        """When a checkpoint was signed with this key, in seconds since 1970; None when it was not.

        Raises:
            MalformedNote: not a note.
            TamperedLog: such a signature is there and does not fit.
            PartMissing: this build of `cryptography` has no ML-DSA.
        """
        checkpoint, signatures = parse(note)
        for name, blob in signatures:
            if name == self.name and blob[:4] == self.key_id:
                at_s = int.from_bytes(blob[4 : 4 + _STAMP_BYTES], "big")
                try:
                    public = MLDSA44PublicKey.from_public_bytes(self.public)
                    public.verify(blob[4 + _STAMP_BYTES :], _message(self.name, checkpoint, at_s))
                except UnsupportedAlgorithm as error:
                    raise _unsupported() from error
                except (InvalidSignature, ValueError) as error:
                    raise TamperedLog("a checkpoint's second signature does not fit") from error
                return at_s
        return None

    def problems(self, notes: Iterable[tuple[str, bytes]], *, must: bool) -> Iterator[str]:
        """What is wrong with the second signatures of this log's checkpoints. notes: what to call each, and its bytes.

        must: the newest has one.
        """
        begun, missing, called = False, False, ""
        for called, note in notes:
            try:
                missing = self.signed_at(note) is None
            except PartMissing:
                raise
            except AuditError as error:
                yield f"{called}: {error.message}"
                missing = False
            begun = begun or not missing
            if missing and begun:
                yield f"{called} lacks the second signature, which an earlier one has"
        if must and missing and not begun:
            yield f"{called} lacks the second signature"


class SecondSigner:
    """The key of a folder, if it has one; found as soon as it is made, also by a gateway that runs."""

    def __init__(self, folder: Path, kms: Kms) -> None:
        self._folder = folder
        self._kms = kms
        self._private: MLDSA44PrivateKey | None = None

    def line(self, checkpoint: Checkpoint, at_us: int) -> bytes:
        """The signature line for a checkpoint; nothing without a key.

        Raises:
            KeysUnavailable: the key does not open.
            PartMissing: this build of `cryptography` has no ML-DSA.
        """
        private = self._load()
        if private is None:
            return b""
        at_s = at_us // 1_000_000
        key = SecondKey(checkpoint.origin, private.public_key().public_bytes_raw())
        blob = key.key_id + at_s.to_bytes(_STAMP_BYTES, "big") + private.sign(_message(key.name, checkpoint, at_s))
        return f"— {key.name} {base64.b64encode(blob).decode()}\n".encode()

    def make(self, origin: str) -> SecondKey:
        """The folder's key, made when there is none. origin: the name of its family of logs.

        Raises:
            KeysUnavailable: the key that is there does not open.
            PartMissing: this build of `cryptography` has no ML-DSA.
        """
        if not (self._folder / SEED_FILE).exists():
            seed = os.urandom(32)
            public = SecondKey(origin, _private(seed).public_key().public_bytes_raw())
            write_once(self._folder / PUBLIC_FILE, f"{public.line()}\n".encode("ascii"))
            write_once(self._folder / SEED_FILE, self._kms.wrap(seed, _BOUND))
        return SecondKey(origin, self._read().public_key().public_bytes_raw())

    def _load(self) -> MLDSA44PrivateKey | None:
        if self._private is None and (self._folder / SEED_FILE).exists():
            self._private = self._read()
        return self._private

    def _read(self) -> MLDSA44PrivateKey:
        path = self._folder / SEED_FILE
        try:
            return _private(self._kms.unwrap(path.read_bytes(), _BOUND))
        except OSError as error:
            raise KeysUnavailable(
                f"{path} cannot be read: {error.strerror}", hint="restore it, or check its owner and mode"
            ) from error


def second_key(folder: Path) -> SecondKey | None:
    """The key line that lies in a folder.

    Raises:
        MalformedNote: what lies there is none.
    """
    path = folder / PUBLIC_FILE
    return SecondKey.parse(path.read_text("ascii")) if path.exists() else None


def check_second(folder: Path, note: bytes, log: str) -> None:
    """Whether a folder has what its log was signed with before.

    Raises:
        KeysUnavailable: the newest checkpoint has a second signature and the folder no key for it.
    """
    _, signatures = parse(note)
    twice = sum(name == log for name, _ in signatures) > 1
    if twice and not (folder / SEED_FILE).exists():
        raise KeysUnavailable(
            f"this log is signed twice, and {folder / SEED_FILE} is missing",
            hint=f"restore {SEED_FILE} and {PUBLIC_FILE}, or copy them from the machine that has them",
        )


def _message(name: str, checkpoint: Checkpoint, at_s: int) -> bytes:
    """`cosigned_message` of c2sp.org/tlog-cosignature for a whole tree."""
    signer, origin = name.encode(), checkpoint.origin.encode()
    return b"".join(
        (
            _LABEL,
            len(signer).to_bytes(1, "big") + signer,
            at_s.to_bytes(8, "big"),
            len(origin).to_bytes(1, "big") + origin,
            (0).to_bytes(8, "big"),
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        )
    )


def _private(seed: bytes) -> MLDSA44PrivateKey:
    try:
        return MLDSA44PrivateKey.from_seed_bytes(seed)
    except UnsupportedAlgorithm as error:
        raise _unsupported() from error
    except ValueError as error:
        raise KeysUnavailable("the seed of the second signature is damaged", hint="restore it") from error


def _unsupported() -> PartMissing:
    return PartMissing(
        "this build of the package cryptography has no ML-DSA", hint="install one that carries OpenSSL 3.5 or later"
    )
