"""Root keys in AWS KMS or Google Cloud KMS. The client is given by the caller, made with the vendor's own package.

A generation is a key of its own: it cannot be used from the moment it is destroyed, and is gone for good when the vendor's
waiting time is over (AWS at least 7 days, Google 30 unless set otherwise). Certificates should name that day.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from audit.errors import KeysUnavailable

AWS_WAIT_DAYS = 7
_T = TypeVar("_T")


@dataclass(frozen=True)
class AwsKms:
    """client: `boto3.client("kms")`. root, signing: key ids or ARNs; signing is of ECC_NIST_EDWARDS25519.

    alias: prefix of the aliases under which generations are made, `alias/haechi`.
    """

    client: Any
    root: str
    signing: str
    alias: str = "alias/haechi"

    def wrap(self, key: bytes, bound: bytes, generation: int = 0) -> bytes:
        if generation:
            self._make(generation)
        answer = _ask(
            "wrap a key", lambda: self.client.encrypt(
                KeyId=self._key(generation), Plaintext=key, EncryptionContext=_context(bound)
            )["CiphertextBlob"],
        )  # fmt: skip
        return bytes(answer)

    def unwrap(self, wrapped: bytes, bound: bytes, generation: int = 0) -> bytes:
        answer = _ask(
            "unwrap a key", lambda: self.client.decrypt(
                KeyId=self._key(generation), CiphertextBlob=wrapped, EncryptionContext=_context(bound)
            )["Plaintext"],
        )  # fmt: skip
        return bytes(answer)

    def destroy_generation(self, generation: int) -> None:
        alias = self._key(generation)
        if not self._exists(alias):
            return
        described = _ask("find a generation", lambda: self.client.describe_key(KeyId=alias)["KeyMetadata"]["KeyId"])
        _ask("disable a generation", lambda: self.client.disable_key(KeyId=described))
        _ask(
            "delete a generation",
            lambda: self.client.schedule_key_deletion(KeyId=described, PendingWindowInDays=AWS_WAIT_DAYS),
        )
        _ask("forget a generation", lambda: self.client.delete_alias(AliasName=alias))

    def signer(self) -> CloudSigner:
        found = _ask("read the signing key", lambda: self.client.get_public_key(KeyId=self.signing)["PublicKey"])
        public = _ask("read the signing key", lambda: load_der_public_key(found))

        def sign(data: bytes) -> bytes:
            return bytes(
                self.client.sign(
                    KeyId=self.signing, Message=data, MessageType="RAW", SigningAlgorithm="ED25519_SHA_512"
                )["Signature"]
            )

        return CloudSigner(sign, _ed25519(public))

    def _key(self, generation: int) -> str:
        return f"{self.alias}-g{generation}" if generation else self.root

    def _exists(self, alias: str) -> bool:
        pages = _ask("list aliases", lambda: list(self.client.get_paginator("list_aliases").paginate()))
        return any(entry["AliasName"] == alias for page in pages for entry in page["Aliases"])

    def _make(self, generation: int) -> None:
        alias = self._key(generation)
        if not self._exists(alias):
            made = _ask("make a generation", lambda: self.client.create_key(Description="audit log generation"))
            _ask(
                "name a generation",
                lambda: self.client.create_alias(AliasName=alias, TargetKeyId=made["KeyMetadata"]["KeyId"]),
            )


@dataclass(frozen=True)
class GcpKms:
    """client: `google.cloud.kms.KeyManagementServiceClient()`.

    ring: `projects/P/locations/L/keyRings/R`. root: a key in it of purpose ENCRYPT_DECRYPT. signing: the full name of a key
    version of EC_SIGN_ED25519.
    """

    client: Any
    ring: str
    root: str
    signing: str
    prefix: str = "haechi"

    def wrap(self, key: bytes, bound: bytes, generation: int = 0) -> bytes:
        if generation:
            self._make(generation)
        request = {"name": self._key(generation), "plaintext": key, "additional_authenticated_data": bound}
        return bytes(_ask("wrap a key", lambda: self.client.encrypt(request=request).ciphertext))

    def unwrap(self, wrapped: bytes, bound: bytes, generation: int = 0) -> bytes:
        request = {"name": self._key(generation), "ciphertext": wrapped, "additional_authenticated_data": bound}
        return bytes(_ask("unwrap a key", lambda: self.client.decrypt(request=request).plaintext))

    def destroy_generation(self, generation: int) -> None:
        name = self._key(generation)
        if self._exists(name):
            versions = _ask(
                "list a generation", lambda: list(self.client.list_crypto_key_versions(request={"parent": name}))
            )
            for version in versions:
                if str(getattr(version.state, "name", version.state)) in {"ENABLED", "DISABLED"}:
                    request = {"name": version.name}
                    _ask("destroy a generation", lambda r=request: self.client.destroy_crypto_key_version(request=r))  # type: ignore[misc]  # bound now

    def signer(self) -> CloudSigner:
        pem = _ask("read the signing key", lambda: self.client.get_public_key(request={"name": self.signing}).pem)
        public = _ask("read the signing key", lambda: load_pem_public_key(pem.encode("ascii")))

        def sign(data: bytes) -> bytes:
            return bytes(self.client.asymmetric_sign(request={"name": self.signing, "data": data}).signature)

        return CloudSigner(sign, _ed25519(public))

    def _key(self, generation: int) -> str:
        return f"{self.ring}/cryptoKeys/{self.prefix}-g{generation}" if generation else self.root

    def _exists(self, name: str) -> bool:
        keys = _ask("list keys", lambda: list(self.client.list_crypto_keys(request={"parent": self.ring})))
        return any(key.name == name for key in keys)

    def _make(self, generation: int) -> None:
        if not self._exists(self._key(generation)):
            request = {
                "parent": self.ring,
                "crypto_key_id": f"{self.prefix}-g{generation}",
                "crypto_key": {"purpose": "ENCRYPT_DECRYPT"},
            }
            _ask("make a generation", lambda: self.client.create_crypto_key(request=request))


@dataclass(frozen=True)
class CloudSigner:
    """A signing key in the vendor's hands."""

    call: Callable[[bytes], bytes]
    public: Ed25519PublicKey

    def sign(self, data: bytes, /) -> bytes:
        return _ask("sign a checkpoint", lambda: self.call(data))

    def public_key(self) -> Ed25519PublicKey:
        return self.public


def _ed25519(key: object) -> Ed25519PublicKey:
    if not isinstance(key, Ed25519PublicKey):
        raise KeysUnavailable(
            "the log's signing key is not of Ed25519", hint="make one of ECC_NIST_EDWARDS25519 or EC_SIGN_ED25519"
        )
    return key


def _context(bound: bytes) -> dict[str, str]:
    return {"haechi": base64.b64encode(bound).decode("ascii")}


def _ask(what: str, call: Callable[[], _T]) -> _T:
    try:
        return call()
    except KeysUnavailable:
        raise
    except Exception as error:  # the vendors' errors have no common parent that could be named here
        raise KeysUnavailable(
            f"the key service did not {what}: {type(error).__name__}",
            hint="does the role allow it, and is the key enabled? docs/operations.md lists the permissions",
        ) from error
