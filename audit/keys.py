"""Tenant keys and subject keys, in a database of their own (FORMAT.md section 5).

Rules of this file
1. Subject keys are random, one per subject x retention class x month, under a random id. Who a key belongs to is
   known only here, as an HMAC under the tenant key; destroying the row makes the content unreadable and the id an orphan.
2. A deleted row leaves no copy in a key file. Where copies stay, `shred` makes them worthless.
"""

from __future__ import annotations

import hmac
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from audit.errors import KeysUnavailable
from audit.kms import Kms
from audit.reader_key import SEALED_BYTES, ReaderKey, write_only
from audit.seal import KEY_BYTES, SubjectKey
from audit.store_keys import KeyDatabase, KeyFile
from audit.store_port import PUT_STATE

_MOST_CACHED = 4096
WRAP, INDEX = "wrap", "index"
"""Uses of a tenant's keys: one wraps subject keys and is rotated, the other makes tags and stays."""


class KeyPlace(NamedTuple):
    """What a subject key is for. epoch: a month in UTC, `2026-11`."""

    tenant: str
    subject: str
    retention: str
    epoch: str


class KeyEntry(NamedTuple):
    """A key that exists, without the key. tag: finds the subject for who knows its name and the tenant key."""

    kid: str
    tenant: str
    tag: bytes
    retention: str
    epoch: str


class Hold(NamedTuple):
    """A legal hold. whole_tenant: on every subject of the tenant."""

    id: str
    tenant: str
    whole_tenant: bool
    placed_us: int


def epoch_of(at_us: int) -> str:
    """The month of a time."""
    return _month_of_day(at_us // 86_400_000_000)


@lru_cache(maxsize=64)
def _month_of_day(day: int) -> str:
    return time.strftime("%Y-%m", time.gmtime(day * 86_400))


class SubjectKeys:
    """The key store of one audit folder. Safe for several threads and processes."""

    def __init__(self, where: Path | KeyDatabase, kms: Kms, *, reader: ReaderKey | None = None) -> None:
        self._db = KeyFile(where) if isinstance(where, Path) else where
        self._kms = kms
        self._reader = reader
        self._lock = threading.Lock()
        self._tenants: dict[tuple[str, str], bytes] = {}
        self._rotations = 0
        self._cache: OrderedDict[KeyPlace, SubjectKey] = OrderedDict()

    def obtain(self, places: Iterable[KeyPlace]) -> dict[KeyPlace, SubjectKey]:
        """The keys for new content; those that do not exist yet are made, all in one transaction.

        Raises:
            LogUnavailable: the key store cannot be written.
        """
        with self._lock:
            found: dict[KeyPlace, SubjectKey] = {}
            missing: dict[KeyPlace, None] = {}
            for place in places:
                key = self._cache.get(place)
                if key is None:
                    missing[place] = None
                else:
                    found[place] = key
            if missing:
                made = self._find_or_make_all(list(missing))
                self._cache.update(made)
                found.update(made)
                while len(self._cache) > _MOST_CACHED:
                    self._cache.popitem(last=False)
            return found

    def forget(self) -> None:
        """Drop what is cached: another process destroyed keys."""
        with self._lock:
            self._cache.clear()

    def for_reading(self, kid: str) -> SubjectKey | None:
        """The key of that id; None when it was destroyed."""
        with self._lock, self._reading() as db:
            row = db.execute("select tenant, wrapped from subject_key where kid = ?", (kid,)).fetchone()
            if row is None:
                return None
            return SubjectKey(kid, self._open(row[0], kid, row[1]))

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._db.close()

    def knows(self, tenant: str) -> bool:
        """Whether content was ever written for a tenant."""
        with self._lock:
            return self._has_keys(tenant)

    def tenants(self) -> list[str]:
        """Tenants that have keys."""
        with self._lock:
            return self._tenant_names()

    def entries(self, tenant: str | None = None, subject: str | None = None) -> list[KeyEntry]:
        """Keys that exist, all or those of one tenant, or of one subject in it."""
        clauses, values = ["1 = 1"], list[str | bytes]()
        if tenant is not None:
            clauses.append("tenant = ?")
            values.append(tenant)
            if subject is not None:
                clauses.append("tag = ?")
                with self._lock, self._reading():
                    values.append(self._tag(tenant, subject))
        find = f"select kid, tenant, tag, class, epoch from subject_key where {' and '.join(clauses)} order by kid"  # noqa: S608  # fixed clauses
        with self._lock:
            return [KeyEntry(*row) for row in self._db.execute(find, values)]

    def place_hold(self, hold: Hold, subject: str | None) -> None:
        """Keep the keys of a subject, or of a whole tenant, from being destroyed."""
        with self._lock, self._writing() as db:
            if subject is not None and not self._has_keys(hold.tenant):
                self._make_tenant(hold.tenant)
            tag = None if subject is None else self._tag(hold.tenant, subject)
            db.execute(
                "insert into hold (id, tenant, tag, placed_us) values (?, ?, ?, ?)",
                (hold.id, hold.tenant, tag, hold.placed_us),
            )

    def lift_hold(self, hold_id: str) -> Hold | None:
        """Let go of a hold; None when there is none of that id."""
        found = next((hold for hold in self.holds() if hold.id == hold_id), None)
        with self._lock, self._writing() as db:
            db.execute("delete from hold where id = ?", (hold_id,))
        return found

    def holds(self) -> list[Hold]:
        """Every hold."""
        with self._lock:
            rows = self._db.execute("select id, tenant, tag is null, placed_us from hold order by placed_us")
            return [Hold(row[0], row[1], bool(row[2]), row[3]) for row in rows]

    def held(self, entries: Iterable[KeyEntry]) -> dict[str, str]:
        """Which of these keys a hold keeps: key id to hold id."""
        with self._lock:
            holds = self._db.execute("select id, tenant, tag from hold").fetchall()
        return {
            entry.kid: hold
            for entry in entries
            for hold, tenant, tag in holds
            if tenant == entry.tenant and tag in {None, entry.tag}
        }

    def erasures(self) -> int:
        """How many destructions this file has seen; fewer than the log counts, and it is an old copy."""
        with self._lock:
            return self._count("erasures")

    def destroy(self, kids: Sequence[str], erasures: int) -> tuple[bytes, ...]:
        """Delete keys from the file. Returns what was stored of them, so that the file can be searched for it.

        erasures: what the log counts with this one.

        Raises:
            LogUnavailable: the key store cannot be written.
        """
        marks = ",".join("?" * len(kids))
        with self._lock, self._writing() as db:
            stored: tuple[bytes, ...] = ()
            if kids:
                find = f"select wrapped from subject_key where kid in ({marks})"  # noqa: S608  # question marks only
                stored = tuple(bytes(row[0]) for row in db.execute(find, tuple(kids)))
                db.execute(f"delete from subject_key where kid in ({marks})", tuple(kids))  # noqa: S608
            db.execute(PUT_STATE, ("erasures", erasures))
            if stored and db.keeps_copies:
                db.execute(PUT_STATE, ("shred_due", 1))
            self._cache.clear()
        return stored

    def copies_of(self, secrets_: Iterable[bytes]) -> int:
        """How many of these byte strings are still in the key store, as far as this program can look; see `shred`."""
        with self._lock:
            return self._db.copies_of(secrets_)

    def rotate(self, tenant: str) -> int:
        """Wrap a tenant's subject keys under a new tenant key. Returns how many; no content is touched.

        Raises:
            LogUnavailable: the key store cannot be written; the old key then stays.
        """
        with self._lock, self._writing():
            count = self._renew(tenant, self._count("generation"))
            self._count_rotation()
        return count

    def shred(self) -> int:
        """Make every copy of a destroyed key worthless, wherever it lies: write-ahead logs, replicas, backups, flash cells.

        New tenant keys under a new generation key; then the old generation key is destroyed, which never was in the
        database. Returns how many subject keys were wrapped again; no content is touched.

        Raises:
            LogUnavailable: the key store cannot be written; the old keys then stay.
            KeysUnavailable: the old generation key cannot be destroyed; `shred` again.
        """
        with self._lock:
            with self._writing() as db:
                old = self._count("generation")
                count = sum(self._renew(tenant, old + 1) for tenant in self._tenant_names())
                db.execute(PUT_STATE, ("generation", old + 1))
                db.execute(PUT_STATE, ("shred_due", 0))
                self._count_rotation()
            for generation in range(max(old - 1, 1), old + 1):  # also the one that a crash may have left
                self._kms.destroy_generation(generation)
        return count

    def is_shred_due(self) -> bool:
        """Whether keys were destroyed whose copies can still be read by who holds the generation key."""
        with self._lock:
            return self._count("shred_due") > 0

    def _renew(self, tenant: str, generation: int) -> int:
        old, new = self._tenant_key(tenant, WRAP), os.urandom(KEY_BYTES)
        rows = self._db.execute("select kid, wrapped from subject_key where tenant = ?", (tenant,)).fetchall()
        self._db.rewrap([(_wrap(new, _unwrap(old, wrapped, kid), kid), kid) for kid, wrapped in rows])
        self._keep_tenant_key(tenant, WRAP, new, generation)
        return len(rows)

    def _count_rotation(self) -> None:
        self._db.execute(PUT_STATE, ("rotations", self._count("rotations") + 1))
        self._tenants.clear()

    def _tenant_names(self) -> list[str]:
        return [row[0] for row in self._db.execute("select distinct tenant from tenant_key order by tenant")]

    def _find_or_make_all(self, places: list[KeyPlace]) -> dict[KeyPlace, SubjectKey]:
        with self._reading():
            made = {place: key for place in places if (key := self._find(place)) is not None}
        missing = [place for place in places if place not in made]
        if missing:
            with self._writing():
                for place in missing:
                    made[place] = self._find(place) or self._make(place)
        return made

    @contextmanager
    def _reading(self) -> Iterator[KeyDatabase]:
        """One moment of the key store, with the tenant keys of that moment."""
        with self._db.reading():
            self._forget_rotated()
            yield self._db

    @contextmanager
    def _writing(self) -> Iterator[KeyDatabase]:
        """A transaction on the key store."""
        with self._db.writing():
            self._forget_rotated()
            yield self._db

    def _forget_rotated(self) -> None:
        """Another process may have rotated the tenant keys that are cached here."""
        rotations = self._count("rotations")
        if rotations != self._rotations:
            self._tenants.clear()
            self._rotations = rotations

    def _count(self, name: str) -> int:
        row = self._db.execute("select value from state where name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def _find(self, place: KeyPlace) -> SubjectKey | None:
        if not self._has_keys(place.tenant):
            return None
        rows = self._db.execute(
            "select kid, wrapped from subject_key where tenant = ? and tag = ? and class = ? and epoch = ?",
            (place.tenant, self._tag(place.tenant, place.subject), place.retention, place.epoch),
        ).fetchall()
        for kid, wrapped in rows:
            inner = self._open_outer(place.tenant, kid, wrapped)
            if self._reader is None and len(inner) == KEY_BYTES:
                return SubjectKey(kid, inner)
        return None  # a sealed key is not opened for writing: another one is made, and `entries` finds both

    def _make(self, place: KeyPlace) -> SubjectKey:
        if not self._has_keys(place.tenant):
            self._make_tenant(place.tenant)
        kid, key = secrets.token_hex(16), os.urandom(KEY_BYTES)
        inner = key if self._reader is None else self._reader.seal(key, kid)
        wrapped = _wrap(self._tenant_key(place.tenant, WRAP), inner, kid)
        row = (kid, place.tenant, self._tag(place.tenant, place.subject), place.retention, place.epoch, wrapped)
        self._db.execute(
            "insert into subject_key (kid, tenant, tag, class, epoch, wrapped) values (?, ?, ?, ?, ?, ?)", row
        )
        return SubjectKey(kid, key)

    def _tag(self, tenant: str, subject: str) -> bytes:
        """What finds a subject's keys without naming the subject."""
        index = self._tenant_key(tenant, INDEX)
        return hmac.digest(index, b"subject\0" + subject.encode("utf-8", "surrogatepass"), "sha256")

    def _open(self, tenant: str, kid: str, wrapped: bytes) -> bytes:
        inner = self._open_outer(tenant, kid, wrapped)
        if len(inner) != SEALED_BYTES:
            return inner
        if self._reader is None:
            raise write_only()
        return self._reader.open(inner, kid)

    def _open_outer(self, tenant: str, kid: str, wrapped: bytes) -> bytes:
        try:
            return _unwrap(self._tenant_key(tenant, WRAP), wrapped, kid)
        except InvalidTag as error:
            raise KeysUnavailable(
                "a stored subject key does not open", hint="keys.db was altered; restore it"
            ) from error

    def _has_keys(self, tenant: str) -> bool:
        if (tenant, WRAP) in self._tenants:
            return True
        return self._db.execute("select 1 from tenant_key where tenant = ?", (tenant,)).fetchone() is not None

    def _tenant_key(self, tenant: str, use: str) -> bytes:
        key = self._tenants.get((tenant, use))
        if key is None:
            find = "select wrapped from tenant_key where tenant = ? and use = ?"
            row = self._db.execute(find, (tenant, use)).fetchone()
            if row is None:
                raise KeysUnavailable(f"the {use} key of tenant {tenant!r} is gone", hint="restore keys.db")
            generation = self._count("generation") if use == WRAP else 0
            key = self._tenants[tenant, use] = self._kms.unwrap(row[0], _bound(tenant, use), generation)
        return key

    def _make_tenant(self, tenant: str) -> None:
        self._keep_tenant_key(tenant, WRAP, os.urandom(KEY_BYTES), self._count("generation"))
        self._keep_tenant_key(tenant, INDEX, os.urandom(KEY_BYTES), 0)

    def _keep_tenant_key(self, tenant: str, use: str, key: bytes, generation: int) -> None:
        wrapped = self._kms.wrap(key, _bound(tenant, use), generation)
        put = (
            "insert into tenant_key (tenant, use, wrapped) values (?, ?, ?)"
            " on conflict (tenant, use) do update set wrapped = excluded.wrapped"
        )
        self._db.execute(put, (tenant, use, wrapped))


def _bound(tenant: str, use: str) -> bytes:
    return b"tenant\0" + tenant.encode() + b"\0" + use.encode()


def _wrap(key: bytes, secret: bytes, kid: str) -> bytes:
    nonce = os.urandom(12)
    return nonce + AESGCM(key).encrypt(nonce, secret, kid.encode())


def _unwrap(key: bytes, wrapped: bytes, kid: str) -> bytes:
    return AESGCM(key).decrypt(wrapped[:12], wrapped[12:], kid.encode())
