"""API keys: who may speak, and for which tenant.

Rules of this file
1. A key is 256 random bits. Its text is returned once, by `create`, and is stored nowhere: the file holds an
   HMAC-SHA256 of it under a random key of the store, which is enough because there is nothing to guess.
2. A revocation in any process is seen by every process at its next `authenticate`, in PostgreSQL within a second:
   the cache is dropped whenever the rows say that another connection has written.
3. A store that cannot be read is an error, never an answer: nobody is let in on a failure.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
from dataclasses import dataclass, field
from pathlib import Path

from gateway.key_rows import VERSION, FileRows, KeyRows, ServerRows
from haechi.base.clock import Clock, SystemClock
from haechi.base.errors import InvalidTenant, UnknownKey, UnusableKeyStore, WeakKey
from haechi.base.ids import DEFAULT_TENANT, TenantId

KEY_PREFIX = "hk_"
SECRET_BYTES = 32
SHORTEST_GIVEN_SECRET = 20
"""Characters; what a person may bring as HAECHI_API_KEY. Ours have 46."""
LONGEST_SECRET = 512
CACHED_KEYS = 10_000
"""Callers remembered per process; about 3 MB."""

_TENANT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_GIVEN_SECRET = re.compile(r"[\x21-\x7e]+")
_LABEL_CHARS = 200


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is behind a key."""

    tenant: TenantId
    key_id: str


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key at the moment it is made, the only one at which its secret exists in the clear."""

    key_id: str
    tenant: TenantId
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """What the store knows of a key. Times in microseconds since 1970; revoked_us is None while it is valid."""

    key_id: str
    tenant: TenantId
    label: str
    created_us: int
    revoked_us: int | None


def check_tenant(name: str) -> TenantId:
    """A tenant name: 1 to 63 of a-z, 0-9 and hyphen, neither first nor last a hyphen.

    Raises:
        InvalidTenant: for anything else.
    """
    if not _TENANT.fullmatch(name):
        raise InvalidTenant(
            f"{name!r} is not a tenant name", hint="1 to 63 of a-z, 0-9 and hyphen; a hyphen is neither first nor last"
        )
    return TenantId(name)


class KeyStore:
    """API keys in one SQLite file or in PostgreSQL. Safe to share between threads and processes."""

    def __init__(self, rows: KeyRows, hash_key: bytes, clock: Clock) -> None:
        self._rows = rows
        self._hash_key = hash_key
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: object = None
        self._callers: dict[bytes, Caller] = {}

    @classmethod
    def open(cls, place: Path | str, *, clock: Clock | None = None) -> KeyStore:
        """Open the store, making it where it is missing. place: a file, or the URL of a PostgreSQL database.

        Raises:
            UnusableKeyStore: when it cannot be made, read or written, or is something else.
        """
        rows: KeyRows = FileRows(place) if isinstance(place, Path) else ServerRows(place)
        try:
            version, hash_key = rows.prepare(secrets.token_bytes(SECRET_BYTES))
            _refuse_other_versions(rows.name, version)
        except BaseException:
            rows.close()
            raise
        return cls(rows, hash_key, clock or SystemClock())

    def create(self, tenant: TenantId = DEFAULT_TENANT, label: str = "", *, secret: str | None = None) -> NewKey:
        """Make a key. `secret` takes one from outside (HAECHI_API_KEY) instead of 256 fresh random bits.

        A given secret that the store already holds is not added again; its entry is returned as it stands,
        and stays revoked if it was.

        Raises:
            InvalidTenant: for a tenant name of the wrong form.
            WeakKey: for a given secret under 20 characters, or with spaces or characters outside ASCII.
            UnusableKeyStore: when it cannot be written.
        """
        check_tenant(tenant)
        text = KEY_PREFIX + secrets.token_urlsafe(SECRET_BYTES) if secret is None else _check_given(secret)
        digest = self._digest(text)
        key_id = "key_" + secrets.token_hex(6)
        row = (key_id, tenant, label[:_LABEL_CHARS], digest, self._clock.now_us())
        with self._lock:
            self._rows.execute(
                "INSERT INTO keys (key_id, tenant, label, digest, created_us) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (digest) DO NOTHING",
                row,
            )
            ((made_id, made_for),) = self._rows.execute("SELECT key_id, tenant FROM keys WHERE digest = ?", (digest,))
            self._rows.wrote()
        return NewKey(key_id=made_id, tenant=TenantId(made_for), secret=text)

    def authenticate(self, secret: str) -> Caller | None:
        """Who holds this key; None when nobody does, or it was revoked.

        Raises:
            UnusableKeyStore: when the store cannot be read.
        """
        if not secret or len(secret) > LONGEST_SECRET:
            return None
        digest = self._digest(secret)
        with self._lock:
            seen = self._rows.changes()
            if seen != self._seen or len(self._callers) >= CACHED_KEYS:
                self._callers.clear()
                self._seen = seen
            caller = self._callers.get(digest)
            if caller is None:
                caller = self._look_up(digest)
                if caller is not None:
                    self._callers[digest] = caller
        return caller

    def revoke(self, key_id: str) -> KeyEntry:
        """Make a key invalid from now on, in every process. Revoking it again changes nothing.

        Raises:
            UnknownKey: when no key has this id.
            UnusableKeyStore: when it cannot be written.
        """
        with self._lock:
            self._rows.execute(
                "UPDATE keys SET revoked_us = ? WHERE key_id = ? AND revoked_us IS NULL", (self._clock.now_us(), key_id)
            )
            self._rows.wrote()
            self._callers.clear()  # a connection's own writes are not told to it
        for entry in self.list():
            if entry.key_id == key_id:
                return entry
        raise UnknownKey(f"no API key has the id {key_id!r}", hint="haechi key list shows the ids")

    def list(self) -> tuple[KeyEntry, ...]:
        """Every key ever made, oldest first, revoked ones too."""
        with self._lock:
            rows = self._rows.execute(
                "SELECT key_id, tenant, label, created_us, revoked_us FROM keys ORDER BY created_us, key_id"
            )
        return tuple(KeyEntry(row[0], TenantId(row[1]), row[2], row[3], row[4]) for row in rows)

    def close(self) -> None:
        """Let go of the file or the server. The store is of no use afterwards."""
        with self._lock:
            self._rows.close()

    def _digest(self, secret: str) -> bytes:
        return hmac.digest(self._hash_key, secret.encode("utf-8", "surrogatepass"), hashlib.sha256)

    def _look_up(self, digest: bytes) -> Caller | None:
        rows = self._rows.execute(
            "SELECT key_id, tenant, digest FROM keys WHERE digest = ? AND revoked_us IS NULL", (digest,)
        )
        # The index finds the row by a keyed hash that a caller cannot steer, so its timing tells nothing of a key;
        # the comparison in constant time keeps that true should the query ever change.
        if not rows or not hmac.compare_digest(rows[0][2], digest):
            return None
        return Caller(tenant=TenantId(rows[0][1]), key_id=rows[0][0])


def _refuse_other_versions(name: str, version: int) -> None:
    if version != VERSION:
        raise UnusableKeyStore(
            f"{name} has version {version} of the key store; this release reads version {VERSION}",
            hint="install the release that wrote it, or move the file away and make new keys",
        )


def _check_given(secret: str) -> str:
    if not SHORTEST_GIVEN_SECRET <= len(secret) <= LONGEST_SECRET or not _GIVEN_SECRET.fullmatch(secret):
        raise WeakKey(
            "the API key given is not usable",
            hint=f"{SHORTEST_GIVEN_SECRET} to {LONGEST_SECRET} visible ASCII characters without spaces;"
            " `python3 -c 'import secrets; print(secrets.token_urlsafe(32))'` makes a good one",
        )
    return secret
