"""Encrypt a file to the person who asked for it, in the age format (age-encryption.org/v1): `age -d` opens it.

A file is encrypted to one recipient: an age public key (`age1...`, X25519) or a passphrase (scrypt).
"""

from __future__ import annotations

import base64
import hmac
import os
import re
import secrets
from collections.abc import Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from audit.rights.errors import InvalidRecipient

_VERSION = b"age-encryption.org/v1"
_X25519, _SCRYPT = _VERSION + b"/X25519", _VERSION + b"/scrypt"
_CHUNK = 64 * 1024
_LOG_N = 17
_MOST_LOG_N = 20
_LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_ZERO = bytes(12)
_STANZA = re.compile(
    rb"-> ([!-~]+(?: [!-~]+)*)\n((?:[A-Za-z0-9+/]{64}\n)*[A-Za-z0-9+/]{0,63})\n--- ([A-Za-z0-9+/]{43})\n"
)


def encrypt(data: bytes, *, recipient: str = "", passphrase: str = "") -> bytes:
    """Encrypt to an age public key, or under a passphrase.

    Raises:
        InvalidRecipient: not exactly one of them, or no age public key.
    """
    if bool(recipient) == bool(passphrase):
        raise InvalidRecipient("name one of a recipient and a passphrase", hint="--to age1... or --passphrase -")
    file_key = os.urandom(16)
    stanza = _to_key(file_key, recipient) if recipient else _to_passphrase(file_key, passphrase)
    head = _VERSION + b"\n" + stanza + b"---"
    nonce = os.urandom(16)
    payload = b"".join(_seal_chunks(_hkdf(file_key, nonce, b"payload"), data))
    return head + b" " + _unpadded(_mac(file_key, head)) + b"\n" + nonce + payload


def decrypt(data: bytes, *, identity: str = "", passphrase: str = "") -> bytes:
    """Open what `encrypt`, or `age` with one recipient of these two kinds, has made.

    Raises:
        InvalidRecipient: not such a file, or another key or passphrase.
    """
    first, _, rest = data.partition(b"\n")
    found = _STANZA.match(rest)
    if first != _VERSION or found is None:
        raise InvalidRecipient("not an age file with one recipient", hint="age -d opens files of every kind")
    words, body = found[1].split(b" "), _decode(found[2].replace(b"\n", b""))
    try:
        wrap_key = _key_of(words, identity, passphrase)
        file_key = ChaCha20Poly1305(wrap_key).decrypt(_ZERO, body, None)
        head = first + b"\n" + rest[: found.start(3) - 1]
        if not hmac.compare_digest(_mac(file_key, head), _decode(found[3])):
            raise InvalidRecipient("the file's head was altered")
        payload = rest[found.end() :]
        return b"".join(_open_chunks(_hkdf(file_key, payload[:16], b"payload"), payload[16:]))
    except (InvalidTag, ValueError) as error:
        raise InvalidRecipient(
            "the file does not open with this key or passphrase", hint="or it was altered"
        ) from error


def new_identity() -> tuple[str, str]:
    """A fresh age key pair: identity (`AGE-SECRET-KEY-1...`, keep it) and recipient (`age1...`, give it away)."""
    private = X25519PrivateKey.generate()
    secret = _bech32("age-secret-key-", private.private_bytes_raw()).upper()
    return secret, _bech32("age", private.public_key().public_bytes_raw())


def _to_key(file_key: bytes, recipient: str) -> bytes:
    theirs = _from_bech32("age", recipient)
    ephemeral = X25519PrivateKey.generate()
    share = ephemeral.public_key().public_bytes_raw()
    try:
        shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(theirs))
    except ValueError as error:
        raise InvalidRecipient("the recipient is no usable public key") from error
    body = ChaCha20Poly1305(_hkdf(shared, share + theirs, _X25519)).encrypt(_ZERO, file_key, None)
    return b"-> X25519 " + _unpadded(share) + b"\n" + _unpadded(body) + b"\n"


def _to_passphrase(file_key: bytes, passphrase: str) -> bytes:
    salt = secrets.token_bytes(16)
    body = ChaCha20Poly1305(_scrypt(passphrase, salt, _LOG_N)).encrypt(_ZERO, file_key, None)
    return b"-> scrypt " + _unpadded(salt) + b" " + str(_LOG_N).encode() + b"\n" + _unpadded(body) + b"\n"


def _key_of(words: list[bytes], identity: str, passphrase: str) -> bytes:
    if words[0] == b"X25519" and len(words) == 2 and identity:
        private = X25519PrivateKey.from_private_bytes(_from_bech32("age-secret-key-", identity.lower()))
        share = _decode(words[1])
        shared = private.exchange(X25519PublicKey.from_public_bytes(share))
        return _hkdf(shared, share + private.public_key().public_bytes_raw(), _X25519)
    if words[0] == b"scrypt" and len(words) == 3 and passphrase and int(words[2]) <= _MOST_LOG_N:
        return _scrypt(passphrase, _decode(words[1]), int(words[2]))
    raise InvalidRecipient("the file is encrypted to another kind of recipient", hint="a key or a passphrase")


def _scrypt(passphrase: str, salt: bytes, log_n: int) -> bytes:
    return Scrypt(salt=_SCRYPT + salt, length=32, n=1 << log_n, r=8, p=1).derive(passphrase.encode())


def _hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(key)


def _mac(file_key: bytes, head: bytes) -> bytes:
    return hmac.digest(_hkdf(file_key, b"", b"header"), head, "sha256")


def _seal_chunks(key: bytes, data: bytes) -> Iterator[bytes]:
    cipher = ChaCha20Poly1305(key)
    last = max(0, (len(data) - 1) // _CHUNK)
    for number in range(last + 1):
        nonce = number.to_bytes(11, "big") + bytes([number == last])
        yield cipher.encrypt(nonce, data[number * _CHUNK : (number + 1) * _CHUNK], None)


def _open_chunks(key: bytes, data: bytes) -> Iterator[bytes]:
    cipher = ChaCha20Poly1305(key)
    sealed = _CHUNK + 16
    last = max(0, (len(data) - 1) // sealed)
    for number in range(last + 1):
        nonce = number.to_bytes(11, "big") + bytes([number == last])
        yield cipher.decrypt(nonce, data[number * sealed : (number + 1) * sealed], None)


def _unpadded(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    raw = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    if _unpadded(raw) != text:
        raise InvalidRecipient("base64 is not in its one form")
    return raw


def _bech32(prefix: str, data: bytes) -> str:
    """BIP 173 without its limit of 90 characters, as age uses it."""
    bits = int.from_bytes(data, "big") << (-len(data) * 8 % 5)
    count = -(-len(data) * 8 // 5)
    values = [bits >> 5 * (count - 1 - at) & 31 for at in range(count)]
    check = _polymod([*_expanded(prefix), *values, 0, 0, 0, 0, 0, 0]) ^ 1
    values += [check >> 5 * (5 - at) & 31 for at in range(6)]
    return prefix + "1" + "".join(_LETTERS[value] for value in values)


def _from_bech32(prefix: str, text: str) -> bytes:
    head, _, body = text.strip().rpartition("1")
    if head != prefix or len(body) != 58 or not set(body) <= set(_LETTERS):
        raise InvalidRecipient("this is no age key", hint="age1... is a recipient, AGE-SECRET-KEY-1... an identity")
    values = [_LETTERS.index(letter) for letter in body]
    if _polymod([*_expanded(prefix), *values]) != 1:
        raise InvalidRecipient("an age key is mistyped: its check letters do not fit")
    bits = 0
    for value in values[:-6]:
        bits = bits << 5 | value
    return (bits >> 4).to_bytes(32, "big")


def _expanded(prefix: str) -> list[int]:
    return [ord(letter) >> 5 for letter in prefix] + [0] + [ord(letter) & 31 for letter in prefix]


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for at, factor in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= factor if top >> at & 1 else 0
    return check
