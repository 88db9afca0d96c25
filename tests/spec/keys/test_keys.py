"""API keys: shown once, stored as hashes, gone at once when revoked."""

from __future__ import annotations

import multiprocessing
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.keys import CACHED_KEYS, Caller, KeyStore, check_tenant
from haechi.base.clock import FixedClock
from haechi.base.errors import InvalidTenant, UnknownKey, UnusableKeyStore, WeakKey
from haechi.base.ids import DEFAULT_TENANT, TenantId
from tests.cost import least_cpu

GIVEN = "given-secret-of-more-than-twenty"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a key store is to be."""
    return tmp_path / "data" / "keys.db"


@pytest.fixture
def store(path: Path) -> Iterator[KeyStore]:
    """An empty key store."""
    opened = KeyStore.open(path, clock=FixedClock())
    yield opened
    opened.close()


def test_a_key_speaks_for_its_tenant(store: KeyStore) -> None:
    """Authentication answers who the caller is."""
    made = store.create(TenantId("acme"), "laptop")
    assert Caller(TenantId("acme"), made.key_id) == store.authenticate(made.secret)


def test_keys_are_long_random_and_different(store: KeyStore) -> None:
    """Each key is `hk_` and 256 random bits."""
    made = [store.create().secret for _ in range(50)]
    assert len(set(made)) == 50
    assert all(secret.startswith("hk_") and len(secret) == 46 for secret in made)


@pytest.mark.parametrize("wrong", ["", "hk_", "x" * 600, "hk_\ud800", "hk_" + "A" * 43, "열쇠", "a\0b"], ids=ascii)
def test_anything_else_is_nobody(store: KeyStore, wrong: str) -> None:
    """A wrong key, whatever it is made of, authenticates nobody and raises nothing."""
    store.create()
    assert store.authenticate(wrong) is None


def test_a_key_changed_in_any_place_is_nobody(store: KeyStore) -> None:
    """Every character counts."""
    secret = store.create().secret
    changed = [secret[:i] + ("A" if secret[i] != "A" else "B") + secret[i + 1 :] for i in range(len(secret))]
    assert [None] * len(secret) == [store.authenticate(key) for key in [*changed]]
    assert store.authenticate(secret + " ") is None


def test_the_secret_is_in_no_file(store: KeyStore, path: Path) -> None:
    """Neither the database nor its journal holds the text of a key, or its plain SHA-256."""
    import hashlib

    made = store.create(label="visible")
    given = store.create(secret=GIVEN)
    store.authenticate(made.secret)
    content = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert b"visible" in content
    for secret in (made.secret, given.secret):
        assert secret.encode() not in content
        assert hashlib.sha256(secret.encode()).digest() not in content
    assert made.secret not in repr(made)


def test_only_the_owner_may_read_the_files(store: KeyStore, path: Path) -> None:
    """The database and its journal are mode 0600."""
    store.create()
    assert {0o600} == {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}


def test_a_revoked_key_stops_at_once_in_its_own_process(store: KeyStore) -> None:
    """Also when the key was in use a moment ago."""
    made = store.create()
    assert store.authenticate(made.secret) is not None
    entry = store.revoke(made.key_id)
    assert store.authenticate(made.secret) is None
    assert entry.revoked_us == FixedClock().now_us()


def test_a_revoked_key_stops_at_once_in_every_other_process(store: KeyStore, path: Path) -> None:
    """Another connection's revocation is seen at the very next request, cache or not."""
    made = store.create()
    assert store.authenticate(made.secret) is not None
    context = multiprocessing.get_context("spawn")
    other = context.Process(target=revoke_there, args=(path, made.key_id))
    other.start()
    other.join(timeout=60)
    assert other.exitcode == 0
    assert store.authenticate(made.secret) is None


def revoke_there(path: Path, key_id: str) -> None:
    """What the other process does."""
    KeyStore.open(path).revoke(key_id)


def test_a_key_made_elsewhere_works_at_once(store: KeyStore, path: Path) -> None:
    """A store that is already open follows."""
    other = KeyStore.open(path)
    made = other.create()
    other.close()
    assert store.authenticate(made.secret) is not None


def test_revoking_twice_keeps_the_first_time(path: Path) -> None:
    """The record says when a key really stopped."""
    clock = FixedClock()
    store = KeyStore.open(path, clock=clock)
    made = store.create()
    first = store.revoke(made.key_id)
    clock.advance(60)
    assert first == store.revoke(made.key_id)
    store.close()


def test_revoking_an_unknown_id_is_an_error(store: KeyStore) -> None:
    """Nobody is told that a key was revoked when none was."""
    with pytest.raises(UnknownKey):
        store.revoke("key_000000000000")


def test_a_given_secret_works_and_is_added_once(store: KeyStore) -> None:
    """Starting again with the same HAECHI_API_KEY makes no second key."""
    first, second = store.create(secret=GIVEN), store.create(secret=GIVEN)
    assert first.key_id == second.key_id
    assert len(store.list()) == 1
    assert store.authenticate(GIVEN) == Caller(DEFAULT_TENANT, first.key_id)


def test_a_given_secret_that_was_revoked_stays_revoked(store: KeyStore) -> None:
    """Restarting with the old variable does not bring a revoked key back."""
    store.revoke(store.create(secret=GIVEN).key_id)
    store.create(secret=GIVEN)
    assert store.authenticate(GIVEN) is None


@pytest.mark.parametrize(
    "weak", ["", "short", "x" * 19, "x" * 513, "with a space in the middle", "열쇠" * 20, "tab\tinside-the-secret!"]
)
def test_a_weak_given_secret_is_refused(store: KeyStore, weak: str) -> None:
    """What can be guessed, or cannot travel in a header, is no key; the message does not repeat it."""
    with pytest.raises(WeakKey) as refused:
        store.create(secret=weak)
    assert not weak or weak not in str(refused.value)
    assert store.list() == ()


@pytest.mark.parametrize("name", ["a", "acme", "a-b-1", "x" * 63, "0"])
def test_tenant_names(name: str) -> None:
    """1 to 63 of a-z, 0-9 and hyphen."""
    assert name == check_tenant(name)


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "x" * 64, "회사", "a\n", "a b", "../x", "_system"])
def test_what_is_not_a_tenant_name(name: str, store: KeyStore) -> None:
    """Everything else is refused, also by create."""
    with pytest.raises(InvalidTenant):
        store.create(TenantId(name))


def test_keys_outlive_the_process(path: Path) -> None:
    """A key works after the store is opened again, and two stores share nothing."""
    first = KeyStore.open(path)
    made = first.create()
    first.close()
    again, elsewhere = KeyStore.open(path), KeyStore.open(path.parent / "other.db")
    assert again.authenticate(made.secret) is not None
    assert elsewhere.authenticate(made.secret) is None
    again.close()
    elsewhere.close()


def test_the_same_key_hashes_differently_in_two_stores(path: Path) -> None:
    """The hash is keyed by the store, so tables of hashes do not compare."""
    rows = []
    for file in (path, path.parent / "other.db"):
        store = KeyStore.open(file)
        store.create(secret=GIVEN)
        store.close()
        with sqlite3.connect(file) as connection:
            rows.append(connection.execute("SELECT digest FROM keys").fetchone()[0])
        connection.close()
    assert rows[0] != rows[1]


def test_many_threads_and_connections_make_keys_together(path: Path) -> None:
    """Two stores opened at the same moment on a new file agree on its hash key, and lose no key."""
    made: list[str] = []
    gate = threading.Barrier(4)

    def make() -> None:
        gate.wait(timeout=30)
        store = KeyStore.open(path)
        made.extend(store.create().secret for _ in range(5))
        store.close()

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    store = KeyStore.open(path)
    assert 20 == len(made) == len([s for s in made if store.authenticate(s)])
    store.close()


@pytest.mark.parametrize("content", [b"not a database, but long enough to look at" * 50, b"\0" * 5000])
def test_a_damaged_file_is_an_error_and_lets_nobody_in(content: bytes, tmp_path: Path) -> None:
    """A store that cannot be read is refused with a code, never treated as empty."""
    path = tmp_path / "keys.db"
    path.write_bytes(content)
    with pytest.raises(UnusableKeyStore):
        KeyStore.open(path)


def test_a_file_of_a_newer_release_is_refused(store: KeyStore, path: Path) -> None:
    """An unknown version is not guessed at."""
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE store SET version = 99")
    connection.close()
    with pytest.raises(UnusableKeyStore, match="version 99"):
        KeyStore.open(path)


def test_a_store_that_breaks_while_open_is_an_error_not_an_answer(store: KeyStore, path: Path) -> None:
    """Nobody is let in, and nobody is told that their key is wrong."""
    made = store.create()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE keys")
    connection.close()
    with pytest.raises(UnusableKeyStore):
        store.authenticate(made.secret)


def test_a_folder_in_the_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    """Whatever the operating system says becomes our error."""
    (tmp_path / "keys.db").mkdir()
    with pytest.raises(UnusableKeyStore):
        KeyStore.open(tmp_path / "keys.db")


def test_the_cache_is_bounded() -> None:
    """Remembered callers cannot fill the memory."""
    assert CACHED_KEYS <= 100_000


def test_a_known_key_costs_little(store: KeyStore) -> None:
    """On the hot path a key check takes at most 20 microseconds of CPU."""
    secret = store.create().secret
    thousand = least_cpu(lambda: [store.authenticate(secret) for _ in range(1000)], tries=5)
    assert thousand / 1000 <= 20e-6
