"""Which writers of a log still live: how open requests of others are told from orphans.

A process holds a lock for as long as it lives: a locked file where one machine writes, a lock of its session in PostgreSQL
where several do. Nobody has to clean up after one that died.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from audit.errors import LogUnavailable
from audit.postgres import Database
from audit.store_postgres import lock_number


class Liveness(Protocol):
    """How writers say that they live, and ask it of others."""

    def announce(self, writer: str) -> None:
        """Hold this writer's lock until `close`."""
        ...

    def is_gone(self, writer: str) -> bool:
        """Whether the process of that writer ended without closing; within `alone`."""
        ...

    def alone(self) -> AbstractContextManager[None]:
        """No other process announces itself or recovers meanwhile: of several that open together, one does the work."""
        ...

    def keep(self) -> None:
        """Hold on to what was announced; called now and then."""
        ...

    def forget_gone(self) -> None:
        """Remove what dead processes left; within `alone`."""
        ...

    def close(self) -> None:
        """Let go of what was announced."""
        ...


class FolderLiveness:
    """Locked files in `writers`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "writers"
        self._held: tuple[str, int] | None = None

    def announce(self, writer: str) -> None:
        with self.alone():
            handle = os.open(self._folder / writer, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(handle, fcntl.LOCK_EX)
        self._held = writer, handle

    def is_gone(self, writer: str) -> bool:
        path = self._folder / writer
        try:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            path.unlink(missing_ok=True)
            return True
        finally:
            os.close(handle)

    @contextmanager
    def alone(self) -> Iterator[None]:
        self._folder.mkdir(exist_ok=True, mode=0o700)
        handle = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def keep(self) -> None:
        pass  # the system holds it for as long as the process lives

    def forget_gone(self) -> None:
        for path in self._folder.iterdir():
            if path.name != "lock":
                self.is_gone(path.name)

    def close(self) -> None:
        if self._held is not None:
            writer, handle = self._held
            (self._folder / writer).unlink(missing_ok=True)
            os.close(handle)
            self._held = None


class SessionLiveness:
    """Advisory locks of a session that does nothing else; one that broke is replaced before anybody can ask."""

    def __init__(self, url: str) -> None:
        self._db = Database(url)
        self._schema = str(self._db.one("select current_schema()")[0])
        self._db.execute("set idle_in_transaction_session_timeout = 0")
        self._writer = ""

    def announce(self, writer: str) -> None:
        self._writer = writer
        self._db.execute("select pg_advisory_lock(?)", (self._number("writer", writer),))

    def is_gone(self, writer: str) -> bool:
        if writer == self._writer:
            return False
        number = self._number("writer", writer)
        free = bool(self._db.one("select pg_try_advisory_lock(?)", (number,))[0])
        if free:
            self._db.execute("select pg_advisory_unlock(?)", (number,))
        return free

    @contextmanager
    def alone(self) -> Iterator[None]:
        number = self._number("alone", self._schema)
        self._db.execute("select pg_advisory_lock(?)", (number,))
        try:
            yield
        finally:
            self._db.execute("select pg_advisory_unlock(?)", (number,))

    def keep(self) -> None:
        if self._writer and self._db.is_broken():
            self.announce(self._writer)

    def forget_gone(self) -> None:
        pass  # nothing is left of a session that ended

    def close(self) -> None:
        try:
            if self._writer:
                self._db.execute("select pg_advisory_unlock(?)", (self._number("writer", self._writer),))
        except LogUnavailable:
            pass  # the server lets go of it by itself
        self._db.close()

    def _number(self, use: str, name: str) -> int:
        return lock_number(use, f"{self._schema}\0{name}")
