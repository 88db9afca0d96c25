"""Who keeps the root keys: one contract for the key file, a transit engine and the clouds; and a gateway that cannot read."""

from __future__ import annotations

import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hvac
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit import AuditLog, Event, EventType, Segment
from audit.erase import Eraser, Why
from audit.errors import KeysUnavailable
from audit.keycheck import KeyChecker
from audit.kms import FileKms, Kms
from audit.kms_cloud import AwsKms, GcpKms
from audit.kms_transit import open_transit
from audit.reader_key import ReaderKey
from audit.verify import Outcome, verify_folder
from tests.openbao_server import OpenBao, openbao
from tests.transit_server import TOKEN, Transit, transit


class CloudError(Exception):
    """What the fakes below raise; the vendors' own errors are of many classes."""


@dataclass
class FakeAws:
    """The shape of `boto3.client("kms")`, with real cryptography and AWS's states of a key."""

    keys: dict[str, bytes] = field(default_factory=lambda: {"root": bytes(range(32))})
    aliases: dict[str, str] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    signing: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def _key(self, given: dict[str, Any]) -> bytes:
        found = self.aliases.get(given["KeyId"], given["KeyId"])
        if found not in self.keys or self.states.get(found, "Enabled") != "Enabled":
            raise CloudError("NotFoundException or KMSInvalidStateException")
        return self.keys[found]

    def encrypt(self, **given: Any) -> dict[str, bytes]:
        data = repr(sorted(given["EncryptionContext"].items())).encode()
        return {"CiphertextBlob": bytes(12) + AESGCM(self._key(given)).encrypt(bytes(12), given["Plaintext"], data)}

    def decrypt(self, **given: Any) -> dict[str, bytes]:
        data = repr(sorted(given["EncryptionContext"].items())).encode()
        blob = given["CiphertextBlob"]
        return {"Plaintext": AESGCM(self._key(given)).decrypt(blob[:12], blob[12:], data)}

    def create_key(self, **given: Any) -> dict[str, dict[str, str]]:
        assert set(given) == {"Description"}
        self.keys[f"key-{len(self.keys)}"] = AESGCM.generate_key(256)
        return {"KeyMetadata": {"KeyId": f"key-{len(self.keys) - 1}"}}

    def create_alias(self, **given: Any) -> None:
        self.aliases[given["AliasName"]] = given["TargetKeyId"]

    def delete_alias(self, **given: Any) -> None:
        del self.aliases[given["AliasName"]]

    def describe_key(self, **given: Any) -> dict[str, dict[str, str]]:
        return {"KeyMetadata": {"KeyId": self.aliases[given["KeyId"]]}}

    def disable_key(self, **given: Any) -> None:
        self.states[given["KeyId"]] = "Disabled"

    def schedule_key_deletion(self, **given: Any) -> None:
        assert 7 <= given["PendingWindowInDays"] <= 30
        self.states[given["KeyId"]] = "PendingDeletion"

    def get_paginator(self, name: str) -> SimpleNamespace:
        assert name == "list_aliases"
        pages = [{"Aliases": [{"AliasName": alias}]} for alias in self.aliases]
        return SimpleNamespace(paginate=lambda: iter(pages))

    def get_public_key(self, **given: Any) -> dict[str, bytes]:
        assert given["KeyId"] == "sign"
        return {"PublicKey": self.signing.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)}

    def sign(self, **given: Any) -> dict[str, bytes]:
        assert (given["MessageType"], given["SigningAlgorithm"]) == ("RAW", "ED25519_SHA_512")
        return {"Signature": self.signing.sign(given["Message"])}


@dataclass
class FakeGcp:
    """The shape of Google's `KeyManagementServiceClient`."""

    keys: dict[str, bytes] = field(default_factory=lambda: {"ring/cryptoKeys/root": bytes(range(32))})
    destroyed: set[str] = field(default_factory=set)
    signing: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def _key(self, name: str) -> bytes:
        if name in self.destroyed or name not in self.keys:
            raise CloudError("FailedPrecondition or NotFound")
        return self.keys[name]

    def encrypt(self, *, request: dict[str, Any]) -> SimpleNamespace:
        sealed = AESGCM(self._key(request["name"])).encrypt(
            bytes(12), request["plaintext"], request["additional_authenticated_data"]
        )
        return SimpleNamespace(ciphertext=sealed)

    def decrypt(self, *, request: dict[str, Any]) -> SimpleNamespace:
        plain = AESGCM(self._key(request["name"])).decrypt(
            bytes(12), request["ciphertext"], request["additional_authenticated_data"]
        )
        return SimpleNamespace(plaintext=plain)

    def list_crypto_keys(self, *, request: dict[str, Any]) -> Iterator[SimpleNamespace]:
        return (SimpleNamespace(name=name) for name in self.keys)

    def list_crypto_key_versions(self, *, request: dict[str, Any]) -> list[SimpleNamespace]:
        state = "DESTROY_SCHEDULED" if request["parent"] in self.destroyed else "ENABLED"
        return [SimpleNamespace(name=request["parent"] + "/cryptoKeyVersions/1", state=SimpleNamespace(name=state))]

    def create_crypto_key(self, *, request: dict[str, Any]) -> None:
        self.keys[f"{request['parent']}/cryptoKeys/{request['crypto_key_id']}"] = AESGCM.generate_key(256)

    def destroy_crypto_key_version(self, *, request: dict[str, Any]) -> None:
        self.destroyed.add(request["name"].rsplit("/", 2)[0])

    def get_public_key(self, *, request: dict[str, Any]) -> SimpleNamespace:
        pem = self.signing.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return SimpleNamespace(pem=pem.decode())

    def asymmetric_sign(self, *, request: dict[str, Any]) -> SimpleNamespace:
        return SimpleNamespace(signature=self.signing.sign(request["data"]))


@pytest.fixture(scope="module")
def real() -> Iterator[OpenBao]:
    """One OpenBao for the tests of this file; each of them takes keys of its own name."""
    with openbao() as found:
        yield found


@pytest.fixture(params=["ours", pytest.param("OpenBao", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest) -> Iterator[Transit | OpenBao]:
    """A transit engine: the one of these tests, and OpenBao itself."""
    if request.param == "OpenBao":
        yield request.getfixturevalue("real")
        return
    with transit() as found:
        yield found


def address(engine: Transit | OpenBao) -> str:
    """A place for keys that nobody used before."""
    return f"{engine.url.replace('http', 'vault+http', 1)}/transit/haechi-{secrets.token_hex(4)}"


@pytest.fixture(params=["file", "transit", pytest.param("OpenBao", marks=pytest.mark.slow), "aws", "gcp"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Kms]]:
    """How one keeper of root keys is opened, again and again."""
    if request.param == "OpenBao":
        url = address(request.getfixturevalue("real"))
        yield lambda: open_transit(url, TOKEN)
        return
    aws, gcp = FakeAws(), FakeGcp()
    with transit() as engine:
        yield _keepers(tmp_path, aws, gcp, address(engine))[request.param]


def _keepers(folder: Path, aws: FakeAws, gcp: FakeGcp, url: str) -> dict[str, Callable[[], Kms]]:
    return {
        "file": lambda: FileKms.open(folder / "root.key", b"passphrase"),
        "transit": lambda: open_transit(url, TOKEN),
        "aws": lambda: AwsKms(aws, "root", "sign"),
        "gcp": lambda: GcpKms(gcp, "ring", "ring/cryptoKeys/root", "ring/cryptoKeys/sign/cryptoKeyVersions/1"),
    }


class TestContract:
    """What holds whoever keeps the keys."""

    def test_what_was_wrapped_opens_with_its_binding_only(self, opened: Callable[[], Kms]) -> None:
        """Another key, another binding, another generation, a flipped byte: nothing opens."""
        kms = opened()
        for generation in (0, 1):
            wrapped = kms.wrap(b"k" * 32, b"tenant a", generation)
            assert opened().unwrap(wrapped, b"tenant a", generation) == b"k" * 32
            changed = wrapped[:-3] + (b"AAA" if wrapped[-3:] != b"AAA" else b"BBB")
            for bad in (
                (wrapped, b"tenant b", generation),
                (wrapped, b"tenant a", 1 - generation),
                (changed, b"tenant a", generation),
            ):
                with pytest.raises(KeysUnavailable):
                    kms.unwrap(*bad)

    def test_a_destroyed_generation_opens_nothing_any_more(self, opened: Callable[[], Kms]) -> None:
        """Not here and not in a new process; others stay; destroying again changes nothing."""
        kms = opened()
        first, second = kms.wrap(b"1" * 32, b"x", 1), kms.wrap(b"2" * 32, b"x", 2)
        kms.destroy_generation(1)
        kms.destroy_generation(1)
        for one in (kms, opened()):
            with pytest.raises(KeysUnavailable):
                one.unwrap(first, b"x", 1)
            assert one.unwrap(second, b"x", 2) == b"2" * 32

    def test_signatures_verify_with_the_public_key(self, opened: Callable[[], Kms]) -> None:
        """Ed25519 over the very bytes."""
        signer = opened().signer()
        opened().signer().public_key().verify(signer.sign(b"checkpoint"), b"checkpoint")

    def test_a_log_lives_with_it(self, opened: Callable[[], Kms], tmp_path: Path) -> None:
        """Write, read, rotate, erase, shred, verify, and open again."""
        folder = tmp_path / "audit"
        with AuditLog.open(folder, kms=opened()) as log:
            for user in ("a", "b"):
                part = Segment("prompt", f"of {user}".encode(), user)
                log.append(Event(EventType.REQUEST_RECEIVED, "default", user, segments=(part,))).durable.result(10)
            Eraser(log).rotate(Why("ann", "T"))
            Eraser(log).erase("default", "a", Why("ann", "T"))
            log.shred()
        with AuditLog.open(folder, kms=opened()) as log:
            assert [log.read("default", n, who="w", purpose="p", ticket="t")[0].content for n in (0, 1)] == [
                None,
                b"of b",
            ]
            log.sign()
            assert verify_folder(folder, key_check=KeyChecker(log.keys)).outcome is Outcome.INTACT

    def test_the_keys_of_another_are_refused(self, opened: Callable[[], Kms], tmp_path: Path) -> None:
        """Before anything is signed."""
        AuditLog.open(tmp_path / "audit").close()
        with pytest.raises(KeysUnavailable, match="does not belong"):
            AuditLog.open(tmp_path / "audit", kms=opened())


class TestClouds:
    def test_a_signing_key_of_another_kind_is_refused(self) -> None:
        """A log's checkpoints are Ed25519; the message says what to make."""
        aws, gcp = (
            FakeAws(signing=ec.generate_private_key(ec.SECP256R1())),
            FakeGcp(signing=ec.generate_private_key(ec.SECP256R1())),
        )  # type: ignore[arg-type]  # the wrong kind is the point
        for kms in (AwsKms(aws, "root", "sign"), GcpKms(gcp, "ring", "ring/cryptoKeys/root", "v1")):
            with pytest.raises(KeysUnavailable, match="not of Ed25519"):
                kms.signer()

    def test_a_generation_that_never_was_is_destroyed_without_a_word(self) -> None:
        """Finishing what another process began must not fail."""
        aws, gcp = FakeAws(), FakeGcp()
        for kms in (AwsKms(aws, "root", "sign"), GcpKms(gcp, "ring", "ring/cryptoKeys/root", "v1")):
            kms.destroy_generation(7)
        assert (gcp.destroyed, aws.states) == (set(), {})


class TestTransit:
    def test_a_signing_key_that_was_rotated_in_the_service_is_refused(self, engine: Transit | OpenBao) -> None:
        """A log keeps its key for life: checkpoints of another would be no checkpoints of this log."""
        url = address(engine)
        open_transit(url, TOKEN).signer().sign(b"x")
        client = hvac.Client(engine.url, token=TOKEN)
        client.secrets.transit.rotate_key(name=f"{url.rsplit('/', 1)[1]}-sign")
        with pytest.raises(KeysUnavailable, match="was rotated"):
            open_transit(url, TOKEN).signer().public_key()

    def test_a_server_that_is_sealed_or_refuses_is_one_clear_error(self, engine: Transit | OpenBao) -> None:
        """And no message holds the token."""
        url = address(engine)
        with pytest.raises(KeysUnavailable, match="Forbidden") as refused:
            open_transit(url, "s.wrong-token")
        assert "wrong-token" not in str(refused.value)
        kms = open_transit(url, TOKEN)
        engine.sealed = True
        for ask in (lambda: kms.wrap(b"k", b"b"), lambda: kms.signer().sign(b"x"), lambda: kms.destroy_generation(1)):
            with pytest.raises(KeysUnavailable):
                ask()
        engine.sealed = False

    def test_a_service_that_is_away_delays_signing_and_no_record(
        self, engine: Transit | OpenBao, tmp_path: Path
    ) -> None:
        """Records go on under keys that are known; checkpoints follow when it is back."""
        url = address(engine)
        with AuditLog.open(tmp_path / "audit", kms=open_transit(url, TOKEN)) as log:
            part = Segment("prompt", b"x", "u")
            log.append(Event(EventType.REQUEST_RECEIVED, "default", "r0", segments=(part,))).durable.result(10)
            engine.sealed = True
            log.append(Event(EventType.REQUEST_RECEIVED, "default", "r1", segments=(part,))).durable.result(10)
            with pytest.raises(KeysUnavailable):
                log.sign()
            engine.sealed = False
        assert verify_folder(tmp_path / "audit").outcome is Outcome.INTACT

    def test_a_token_that_is_empty_is_missed_before_anything_is_sent(self) -> None:
        """The hint names the variable that it comes from."""
        with pytest.raises(KeysUnavailable, match="needs a token") as refused:
            open_transit("vault+http://127.0.0.1:1/transit/x", "")
        assert "HAECHI_AUDIT_KMS_TOKEN" in refused.value.hint

    @pytest.mark.parametrize(
        "url", ["https://h/transit/x", "vault+https://h", "vault+https://h/transit/a b", "vault://h/t/n"]
    )
    def test_an_address_of_another_form_is_refused(self, url: str) -> None:
        """Before anything is sent."""
        with pytest.raises(KeysUnavailable):
            open_transit(url, TOKEN)


class TestWriteOnly:
    """A gateway that holds the public half of a reader's key."""

    def write(self, folder: Path, public: ReaderKey, name: str) -> None:
        with AuditLog.open(folder, reader=public) as log:
            for user in ("ann", "bob"):
                part = Segment("prompt", f"{name} of {user}".encode(), user)
                log.append(Event(EventType.RESPONSE_COMPLETED, "default", name, segments=(part,))).durable.result(10)
            with pytest.raises(KeysUnavailable, match="reader"):
                log.read("default", 0, who="w", purpose="p", ticket="t")

    def test_it_writes_what_only_the_reader_reads(self, folder: Path, tmp_path: Path) -> None:
        """Across restarts, with everything the gateway has; the reader reads all, and erases a subject whole."""
        ReaderKey.make(tmp_path / "reader")
        public = ReaderKey.load(tmp_path / "reader" / "reader.key")
        secret = ReaderKey.load(tmp_path / "reader" / "reader.secret")
        self.write(folder, public, "one")
        self.write(folder, public, "two")
        thief = AuditLog.open(folder)
        with pytest.raises(KeysUnavailable):
            thief.read("default", 0, who="thief", purpose="p", ticket="t")
        thief.close()
        with AuditLog.open(folder, reader=secret) as log:
            found = [log.read("default", n, who="w", purpose="p", ticket="t")[0].content for n in range(4)]
            assert found == [b"one of ann", b"one of bob", b"two of ann", b"two of bob"]
            Eraser(log).erase("default", "ann", Why("ann", "T"))
            found = [log.read("default", n, who="w", purpose="p", ticket="t")[0].content for n in range(4)]
            assert found == [None, b"one of bob", None, b"two of bob"]
            Eraser(log).rotate(Why("ann", "T"))
            log.shred()
            assert log.read("default", 1, who="w", purpose="p", ticket="t")[0].content == b"one of bob"
        assert verify_folder(folder).outcome is Outcome.INTACT

    def test_another_readers_secret_opens_nothing(self, folder: Path, tmp_path: Path) -> None:
        """And a file that is no key is named."""
        for name in ("mine", "other"):
            ReaderKey.make(tmp_path / name)
        self.write(folder, ReaderKey.load(tmp_path / "mine" / "reader.key"), "one")
        other = ReaderKey.load(tmp_path / "other" / "reader.secret")
        with AuditLog.open(folder, reader=other) as log, pytest.raises(KeysUnavailable):
            log.read("default", 0, who="w", purpose="p", ticket="t")
        (tmp_path / "bad").write_text("haechi-reader nonsense\n")
        kind, text = (tmp_path / "mine" / "reader.key").read_text().split()
        (tmp_path / "kind").write_text(f"{kind}-of-later {text}\n")
        (tmp_path / "short").write_text(f"{kind} {text[:8]}\n")
        for path in (tmp_path / "bad", tmp_path / "missing", tmp_path / "kind", tmp_path / "short"):
            with pytest.raises(KeysUnavailable, match="no reader's key"):
                ReaderKey.load(path)

    def test_a_key_store_of_version_1_is_taken_over(self, folder: Path) -> None:
        """Its keys open as before."""
        with AuditLog.open(folder) as log:
            part = Segment("prompt", b"old", "u")
            log.append(Event(EventType.REQUEST_RECEIVED, "default", "r", segments=(part,))).durable.result(10)
        with sqlite3.connect(folder / "keys.db") as db:
            db.execute("drop index subject_key_place")
            db.execute("create unique index of_1 on subject_key (tenant, tag, class, epoch)")
            db.execute("pragma user_version=1")
        db.close()
        with AuditLog.open(folder) as log:
            assert log.read("default", 0, who="w", purpose="p", ticket="t")[0].content == b"old"
        with sqlite3.connect(folder / "keys.db") as db:
            assert db.execute("pragma user_version").fetchone()[0] == 2
        db.close()


def test_a_generation_key_leaves_no_bytes_behind(tmp_path: Path) -> None:
    """The file is written over before it is removed."""
    kms = FileKms.open(tmp_path / "root.key")
    kms.wrap(b"k" * 32, b"x", 3)
    shutil.copy(tmp_path / "generation-3.key", tmp_path / "kept")
    handle = (tmp_path / "generation-3.key").open("rb")
    kms.destroy_generation(3)
    assert handle.read() == bytes((tmp_path / "kept").stat().st_size)
    handle.close()
