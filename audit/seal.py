"""Seal one segment under a fresh key that is bound to its record (FORMAT.md section 4, suite 1).

Rules of this file
1. A record key seals one segment once; nonces can therefore never repeat under a key.
2. Everything is bound to `ctx` and the segment's name: nothing can be moved between records, segments, logs or tenants.
3. `kc` commits to the key (AES-GCM alone does not), and is checked before decryption.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass, field
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from audit.errors import TamperedLog

KEY_BYTES = 32
NONCE_BYTES = 12
FRESH_BYTES = KEY_BYTES + 2 * NONCE_BYTES
"""Random bytes that sealing one segment uses up: its record key and two nonces."""
_STEP = 256
_SMALL = 4096


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """The key that wraps the record keys of one subject, class and month. kid: 32 hex digits, random."""

    kid: str
    key: bytes = field(repr=False)
    cipher: AESGCM = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cipher", AESGCM(self.key))


class Sealed(NamedTuple):
    """A sealed segment. ciphertext: nonce | GCM. wrap: nonce | GCM of the record key. ch, kc: 32 bytes each."""

    ciphertext: bytes
    wrap: bytes
    ch: bytes
    kc: bytes


def padded_length(n: int) -> int:
    """Bytes after padding: steps of 256 up to 4 KiB, above that Padmé (at most 12 % more)."""
    if n <= _SMALL:
        return max(_STEP, -(-n // _STEP) * _STEP)
    exponent = n.bit_length() - 1
    step = 1 << (exponent - exponent.bit_length())
    return -(-n // step) * step


def seal(context: bytes, name: str, content: bytes, subject: SubjectKey, fresh: bytes | None = None) -> Sealed:
    """Encrypt content. context: SHA-256 of the record's context bytes, 32 bytes.

    fresh: `FRESH_BYTES` random bytes that nothing else uses, for who draws those of many segments at once.
    """
    fresh = fresh or os.urandom(FRESH_BYTES)
    record_key, nonce, wrap_nonce = fresh[:KEY_BYTES], fresh[KEY_BYTES:-NONCE_BYTES], fresh[-NONCE_BYTES:]
    bound = context + name.encode("ascii")
    plain = len(content).to_bytes(8, "big") + content
    plain = plain.ljust(padded_length(len(plain)), b"\0")
    ciphertext = nonce + AESGCM(_derive(record_key, b"enc", bound)).encrypt(nonce, plain, bound)
    wrap = wrap_nonce + subject.cipher.encrypt(wrap_nonce, record_key, _wrap_data(subject.kid, bound))
    return Sealed(ciphertext, wrap, hashlib.sha256(ciphertext).digest(), _derive(record_key, b"commit", bound))


def unseal(context: bytes, name: str, sealed: Sealed, subject: SubjectKey) -> bytes:
    """Decrypt a segment.

    Raises:
        TamperedLog: ciphertext, wrap, commitment or binding does not fit.
    """
    bound = context + name.encode("ascii")
    if not hmac.compare_digest(hashlib.sha256(sealed.ciphertext).digest(), sealed.ch):
        raise TamperedLog("a segment's ciphertext is not the one that was recorded")
    record_key = unwrap(context, name, sealed, subject)
    try:
        plain = AESGCM(_derive(record_key, b"enc", bound)).decrypt(
            sealed.ciphertext[:NONCE_BYTES], sealed.ciphertext[NONCE_BYTES:], bound
        )
    except (InvalidTag, ValueError) as error:
        raise TamperedLog("a segment does not open with its key") from error
    length = int.from_bytes(plain[:8], "big")
    if len(plain) < 8 or length > len(plain) - 8 or any(plain[8 + length :]):
        raise TamperedLog("a segment's padding is not zero")
    return plain[8 : 8 + length]


def unwrap(context: bytes, name: str, sealed: Sealed, subject: SubjectKey) -> bytes:
    """The record key of a segment, without touching its content.

    Raises:
        TamperedLog: the wrap does not open, or holds another key than the one that was committed to.
    """
    bound = context + name.encode("ascii")
    try:
        record_key = subject.cipher.decrypt(
            sealed.wrap[:NONCE_BYTES], sealed.wrap[NONCE_BYTES:], _wrap_data(subject.kid, bound)
        )
    except (InvalidTag, ValueError) as error:
        raise TamperedLog("a segment's key does not open") from error
    if not hmac.compare_digest(_derive(record_key, b"commit", bound), sealed.kc):
        raise TamperedLog("a segment's key is not the one it was committed to")
    return record_key


def _derive(key: bytes, use: bytes, bound: bytes) -> bytes:
    return hmac.digest(key, use + b"\0" + bound, "sha256")


def _wrap_data(kid: str, bound: bytes) -> bytes:
    return b"wrap\0" + kid.encode("ascii") + bound
