"""Root keys in OpenBao's or HashiCorp Vault's transit engine, through `hvac`: they never leave it.

Keys under one name: `<name>-root` (aes256-gcm96) wraps tenant keys, `<name>-sign` (ed25519) signs checkpoints, and
`<name>-g<n>` (aes256-gcm96, deletable) are the generations. What a key is bound to travels as associated data.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from audit.errors import KeysUnavailable, PartMissing

TIMEOUT_S = 5
_T = TypeVar("_T")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,80}")


class TransitKms:
    """A keeper of root keys: see `audit.kms.Kms`."""

    def __init__(self, address: str, token: str, *, mount: str, name: str) -> None:
        """Find the keys, or make them where they are missing and the token may.

        Raises:
            KeysUnavailable: the server does not answer, or the token does not open it.
            PartMissing: `hvac` is not installed.
        """
        hvac = _load_hvac()
        self._errors: tuple[type[Exception], ...] = (
            hvac.exceptions.VaultError,
            OSError,
            KeyError,
            TypeError,
            ValueError,
        )
        self._missing: type[Exception] = hvac.exceptions.InvalidPath
        self._transit = hvac.Client(url=address, token=token, timeout=TIMEOUT_S).secrets.transit
        self._mount = mount
        self._name = name
        self._made: set[str] = set()
        self._have(f"{name}-root", "aes256-gcm96")
        self._have(f"{name}-sign", "ed25519")

    def wrap(self, key: bytes, bound: bytes, generation: int = 0) -> bytes:
        name = self._key(generation)
        if generation:
            self._have(name, "aes256-gcm96")
        answer = self._ask(
            "wrap a key", lambda: self._transit.encrypt_data(
                name=name, plaintext=_b64(key), associated_data=_b64(bound), mount_point=self._mount
            )["data"]["ciphertext"],
        )  # fmt: skip
        return str(answer).encode("ascii")

    def unwrap(self, wrapped: bytes, bound: bytes, generation: int = 0) -> bytes:
        answer = self._ask(
            "unwrap a key", lambda: self._transit.decrypt_data(
                name=self._key(generation), ciphertext=wrapped.decode("ascii"), associated_data=_b64(bound),
                mount_point=self._mount,
            )["data"]["plaintext"],
        )  # fmt: skip
        return self._ask("unwrap a key", lambda: base64.b64decode(answer, validate=True))

    def destroy_generation(self, generation: int) -> None:
        name = self._key(generation)
        with suppress(self._missing):
            self._transit_call(lambda: self._transit.read_key(name=name, mount_point=self._mount))
            self._ask(
                "allow a generation's deletion",
                lambda: self._transit.update_key_configuration(
                    name=name, deletion_allowed=True, mount_point=self._mount
                ),
            )
            self._ask("delete a generation", lambda: self._transit.delete_key(name=name, mount_point=self._mount))
        self._made.discard(name)

    def signer(self) -> TransitSigner:
        return TransitSigner(self)

    def sign(self, data: bytes) -> bytes:
        """An Ed25519 signature by the key in the engine."""
        answer = self._ask(
            "sign a checkpoint", lambda: self._transit.sign_data(
                name=f"{self._name}-sign", hash_input=_b64(data), mount_point=self._mount
            )["data"]["signature"],
        )  # fmt: skip
        return self._ask("sign a checkpoint", lambda: base64.b64decode(str(answer).rsplit(":", 1)[1], validate=True))

    def verification_key(self) -> Ed25519PublicKey:
        """The first version of the signing key: a log keeps its key for life, so this one is not rotated."""
        entry = self._ask(
            "read the signing key",
            lambda: self._transit.read_key(name=f"{self._name}-sign", mount_point=self._mount)["data"]["keys"],
        )
        if list(entry) != ["1"]:
            raise KeysUnavailable(
                "the log's signing key was rotated in the key service", hint="start a new log for a new signing key"
            )
        raw = self._ask("read the signing key", lambda: base64.b64decode(entry["1"]["public_key"], validate=True))
        return Ed25519PublicKey.from_public_bytes(raw)

    def _key(self, generation: int) -> str:
        return f"{self._name}-g{generation}" if generation else f"{self._name}-root"

    def _have(self, name: str, kind: str) -> None:
        """Creating a key that exists changes nothing."""
        if name not in self._made:
            self._ask(
                "make a key",
                lambda: self._transit.create_key(
                    name=name, key_type=kind, exportable=False, allow_plaintext_backup=False, mount_point=self._mount
                ),
            )
            self._made.add(name)

    def _transit_call(self, call: Callable[[], Any]) -> None:
        try:
            call()
        except self._missing:
            raise
        except self._errors as error:
            raise _refused("read a key", error) from error

    def _ask(self, what: str, call: Callable[[], _T]) -> _T:
        try:
            return call()
        except self._errors as error:
            raise _refused(what, error) from error


@dataclass(frozen=True, slots=True)
class TransitSigner:
    """The signing key in the engine."""

    kms: TransitKms

    def sign(self, data: bytes, /) -> bytes:
        return self.kms.sign(data)

    def public_key(self) -> Ed25519PublicKey:
        return self.kms.verification_key()


def open_transit(url: str, token: str) -> TransitKms:
    """Open `vault+https://host:8200/MOUNT/NAME` (or `vault+http` on this machine).

    Raises:
        KeysUnavailable: another form, no token, or see TransitKms.
    """
    parts = urlsplit(url)
    path = parts.path.strip("/").rsplit("/", 1)
    if parts.scheme not in {"vault+https", "vault+http"} or not parts.hostname or len(path) != 2:
        raise KeysUnavailable("the key service's address has another form", hint="vault+https://HOST:8200/transit/NAME")
    if not _NAME.fullmatch(path[1]):
        raise KeysUnavailable("the key's name is not one", hint="letters, digits, hyphen, underscore and dot")
    if not token:
        raise KeysUnavailable("the key service needs a token", hint="HAECHI_AUDIT_KMS_TOKEN=...")
    return TransitKms(f"{parts.scheme[6:]}://{parts.netloc}", token, mount=path[0], name=path[1])


def _refused(what: str, error: Exception) -> KeysUnavailable:
    return KeysUnavailable(
        f"the key service did not {what}: {type(error).__name__}",
        hint="is it up and unsealed, and does the token's policy allow it? docs/operations.md lists the paths",
    )


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _load_hvac() -> Any:
    try:
        import hvac
    except ImportError as error:
        raise PartMissing(
            "a key service of OpenBao or Vault needs the package hvac", hint="pip install 'haechi[vault]'"
        ) from error
    return hvac
