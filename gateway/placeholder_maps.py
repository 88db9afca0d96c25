"""What placeholders stand for, kept between the requests of a conversation: encrypted, for a while, and in no log.

Rules of this file
1. A row is named by a keyed digest of tenant and conversation and holds one sealed map; without the key file the database
   says how many conversations there are, and nothing else.
2. What has expired cannot be opened, and is overwritten when the next map is kept.
3. Two requests of one conversation add to one map; neither takes back what the other gave.
"""

from __future__ import annotations

import hmac
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.errors import MapsUnavailable
from guard.pii.errors import SealBroken
from guard.placeholders import Placeholders, Seal
from guard.replacing import ReplacingKeys
from haechi.base.clock import Clock, SystemClock

KEY_BYTES = 32
DAY_S = 86_400.0
_SCHEMA = """
create table if not exists map (conversation blob primary key, sealed blob not null, expires integer not null) without rowid;
create index if not exists map_expires on map (expires);
"""


class MapStore:
    """The maps of one gateway. Safe for several threads and processes."""

    def __init__(
        self, secret: bytes, path: Path | str = ":memory:", *, keep_s: float = DAY_S, clock: Clock | None = None
    ) -> None:
        """secret: 32 random bytes that every worker shares. keep_s: how long a map is kept after it last grew.

        Raises:
            MapsUnavailable: the file cannot be used.
        """
        self._secret = secret
        self._keep_s = keep_s
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            for pragma in ("journal_mode=truncate", "synchronous=normal", "secure_delete=on"):
                self._db.execute(f"pragma {pragma}")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise _unavailable(error) from error

    @classmethod
    def open(cls, folder: Path, *, keep_s: float = DAY_S) -> MapStore:
        """The maps of a data folder; the key file is made when there is none.

        Raises:
            MapsUnavailable: key or database cannot be read or made.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            secret = _secret(folder / "placeholders.key")
            path = folder / "placeholders.db"
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise _unavailable(error) from error
        return cls(secret, path, keep_s=keep_s)

    def keys(self, tenant: str, conversation: str) -> ReplacingKeys:
        """The keys of made-up values and of hashes."""
        return ReplacingKeys(self._key("pseudonym", tenant, conversation), self._key("hash", tenant))

    def begin(self, tenant: str, conversation: str) -> Placeholders:
        """An empty map of the conversation."""
        return Placeholders(self._key("tag", tenant, conversation))

    def load(self, tenant: str, conversation: str) -> Placeholders:
        """The conversation's map as it was kept; empty when there is none, or it has expired.

        Raises:
            MapsUnavailable: it cannot be read.
        """
        found = self.begin(tenant, conversation)
        name = self._key("row", tenant, conversation)
        try:
            with self._lock:
                row = self._db.execute("select sealed, expires from map where conversation = ?", (name,)).fetchone()
        except sqlite3.Error as error:
            raise _unavailable(error) from error
        now_s = self._now_s()
        if row is not None and now_s < row[1]:
            found.add(self._unseal(Seal(row[0], row[1]), name, now_s))
        return found

    def keep(self, tenant: str, conversation: str, placeholders: Placeholders) -> None:
        """Add the placeholders to the conversation's map, and forget every map that has expired.

        Raises:
            MapsUnavailable: it cannot be written.
        """
        name = self._key("row", tenant, conversation)
        now_s = self._now_s()
        try:
            with self._writing() as db:
                row = db.execute("select sealed, expires from map where conversation = ?", (name,)).fetchone()
                whole = self.begin(tenant, conversation)
                if row is not None and now_s < row[1]:
                    whole.add(self._unseal(Seal(row[0], row[1]), name, now_s))
                whole.add(placeholders)
                expires = int(now_s + self._keep_s)
                sealed = whole.seal(self._key("seal"), conversation=name.hex(), expires_s=expires)
                db.execute("insert or replace into map values (?, ?, ?)", (name, sealed.content, expires))
                db.execute("delete from map where expires <= ?", (now_s,))
        except sqlite3.Error as error:
            raise _unavailable(error) from error

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _unseal(self, seal: Seal, name: bytes, now_s: int) -> Placeholders:
        try:
            return Placeholders.unseal(seal, self._key("seal"), conversation=name.hex(), now_s=now_s)
        except SealBroken as error:
            raise MapsUnavailable(
                "a map of placeholders was altered, or is another key's",
                hint="remove placeholders.db; it is only a memory",
            ) from error

    def _key(self, use: str, *parts: str) -> bytes:
        message = b"".join(len(raw).to_bytes(4, "big") + raw for raw in map(str.encode, (use, *parts)))
        return hmac.digest(self._secret, b"haechi placeholders 1\0" + message, "sha256")

    def _now_s(self) -> int:
        return self._clock.now_us() // 1_000_000

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("begin immediate")
            try:
                yield self._db
                self._db.execute("commit")
            finally:
                if self._db.in_transaction:
                    self._db.execute("rollback")


def _secret(path: Path) -> bytes:
    """The key in the file. Of several processes that make it at once, one wins and the others read its."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    if not path.exists():
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, os.urandom(KEY_BYTES))
            os.fsync(handle)
        finally:
            os.close(handle)
        with suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
    secret = path.read_bytes()
    if len(secret) != KEY_BYTES:
        raise MapsUnavailable(f"{path} is not a key of {KEY_BYTES} bytes", hint="remove it and placeholders.db")
    return secret


def _unavailable(error: Exception) -> MapsUnavailable:
    return MapsUnavailable(
        f"the map of placeholders cannot be used: {error}", hint="check the data folder and its disk"
    )
