"""Tenant keys and subject keys, in a database of their own (FORMAT.md section 5).

Rules of this file
1. Subject keys are random, one per subject x retention class x month, under a random id. Who a key belongs to is
   known only here, as an HMAC under the tenant key; destroying the row makes the content unreadable and the id an orphan.
2. `secure_delete` and a rollback journal that is truncated: a deleted row leaves no copy in the file.
"""

from __future__ import annotations

import hmac
import os
import secrets
import sqlite3
import threading
import time
from collections import OrderedDict
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from audit.errors import LogUnavailable
from audit.kms import Kms
from audit.seal import KEY_BYTES, SubjectKey

_SCHEMA = """
create table if not exists tenant_key (tenant text primary key, wrapped blob not null) without rowid;
create table if not exists subject_key (
    kid text primary key, tenant text not null, tag blob not null, class text not null, epoch text not null,
    wrapped blob not null, unique (tenant, tag, class, epoch)) without rowid;
"""
_MOST_CACHED = 4096


class SubjectKeys:
    """The key store of one audit folder. Safe for several threads and processes."""

    def __init__(self, path: Path, kms: Kms) -> None:
        self._kms = kms
        self._lock = threading.Lock()
        self._tenants: dict[str, bytes] = {}
        self._cache: OrderedDict[tuple[str, str, str, str], SubjectKey] = OrderedDict()
        try:
            self._db = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            for pragma in ("journal_mode=truncate", "synchronous=full", "secure_delete=on"):
                self._db.execute(f"pragma {pragma}")
            self._db.executescript(_SCHEMA)
            path.chmod(0o600)
        except (sqlite3.Error, OSError) as error:
            raise LogUnavailable(
                f"the key store {path} cannot be opened", hint="check the folder's owner and mode"
            ) from error

    def for_writing(self, tenant: str, subject: str, retention: str, at_us: int) -> SubjectKey:
        """The key for new content; made when there is none for this month.

        Raises:
            LogUnavailable: the key store cannot be written.
        """
        epoch = time.strftime("%Y-%m", time.gmtime(at_us // 1_000_000))
        place = (tenant, subject, retention, epoch)
        with self._lock:
            cached = self._cache.get(place)
            if cached is None:
                try:
                    cached = self._find_or_make(tenant, subject, retention, epoch)
                except sqlite3.Error as error:
                    raise LogUnavailable(
                        "the key store cannot be written", hint="check disk space and the folder's mode"
                    ) from error
                self._cache[place] = cached
                if len(self._cache) > _MOST_CACHED:
                    self._cache.popitem(last=False)
            return cached

    def for_reading(self, kid: str) -> SubjectKey | None:
        """The key of that id; None when it was destroyed."""
        with self._lock:
            row = self._db.execute("select tenant, wrapped from subject_key where kid = ?", (kid,)).fetchone()
            if row is None:
                return None
            return SubjectKey(kid, self._open(row[0], kid, row[1]))

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._db.close()

    def _find_or_make(self, tenant: str, subject: str, retention: str, epoch: str) -> SubjectKey:
        tag = hmac.digest(self._tenant_key(tenant), b"subject\0" + subject.encode("utf-8", "surrogatepass"), "sha256")
        place = (tenant, tag, retention, epoch)
        find = "select kid, wrapped from subject_key where tenant = ? and tag = ? and class = ? and epoch = ?"
        row = self._db.execute(find, place).fetchone()
        if row is None:
            kid, key = secrets.token_hex(16), os.urandom(KEY_BYTES)
            nonce = os.urandom(12)
            wrapped = nonce + _aes(self._tenant_key(tenant)).encrypt(nonce, key, kid.encode())
            self._db.execute("insert or ignore into subject_key values (?, ?, ?, ?, ?, ?)", (kid, *place, wrapped))
            row = self._db.execute(find, place).fetchone()
        return SubjectKey(row[0], self._open(tenant, row[0], row[1]))

    def _open(self, tenant: str, kid: str, wrapped: bytes) -> bytes:
        return _aes(self._tenant_key(tenant)).decrypt(wrapped[:12], wrapped[12:], kid.encode())

    def _tenant_key(self, tenant: str) -> bytes:
        key = self._tenants.get(tenant)
        if key is None:
            bound = b"tenant\0" + tenant.encode()
            find = "select wrapped from tenant_key where tenant = ?"
            row = self._db.execute(find, (tenant,)).fetchone()
            if row is None:
                wrapped = self._kms.wrap(os.urandom(KEY_BYTES), bound)
                self._db.execute("insert or ignore into tenant_key values (?, ?)", (tenant, wrapped))
                row = self._db.execute(find, (tenant,)).fetchone()
            key = self._tenants[tenant] = self._kms.unwrap(row[0], bound)
        return key


def _aes(key: bytes) -> AESGCM:
    return AESGCM(key)
