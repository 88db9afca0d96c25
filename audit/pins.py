"""What was signed last, remembered outside the audit folder (FORMAT.md section 8).

A restored old copy of the folder then cannot be signed over: it does not hold what the pin remembers.

Rules of this file
1. Who signs holds `exclusive` from the check to the new memory: two copies of a folder cannot both pass the check.
2. A pin never goes back.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audit.errors import LogUnavailable, MalformedNote, RolledBack
from audit.note import parse
from audit.store_port import Store


class Pins:
    """A folder with one signed note per log. Reading it makes nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @staticmethod
    def beside(audit_folder: Path) -> Path:
        """Where the pins of an audit folder are when nobody chose a place: `<folder>-pins`."""
        whole = audit_folder.resolve()
        return whole.with_name(f"{whole.name}-pins")

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Nobody else checks or remembers meanwhile.

        Raises:
            LogUnavailable: the folder cannot be made or written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unavailable(error) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def notes(self) -> dict[str, bytes]:
        """The last note remembered for every log that was ever signed."""
        found = {}
        for path in sorted(self.folder.glob("*.note")):
            note = path.read_bytes()
            try:
                found[parse(note)[0].origin] = note
            except MalformedNote as error:
                raise MalformedNote(
                    f"{path}: {error.message}", hint="compare it with the copy that you or a witness keeps"
                ) from error
        return found

    def note(self, log: str) -> bytes | None:
        """The last note remembered for a log."""
        path = self._path(log)
        return path.read_bytes() if path.exists() else None

    def age_s(self, log: str) -> float:
        """Seconds since a log was signed; infinite when it never was."""
        try:
            return time.time() - self._path(log).stat().st_mtime
        except FileNotFoundError:
            return float("inf")

    def remember(self, log: str, note: bytes) -> None:
        """Keep the note, atomically and durably; within `exclusive`.

        Raises:
            LogUnavailable: the folder of pins cannot be written.
        """
        path = self._path(log)
        fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
        try:
            with fresh.open("wb") as file:
                file.write(note)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        except OSError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: OSError) -> LogUnavailable:
        return LogUnavailable(
            f"the checkpoint cannot be remembered in {self.folder}: {error.strerror}",
            hint="check disk space and the folder's mode; until then truncation is harder to exclude",
        )

    def _path(self, log: str) -> Path:
        return self.folder / f"{hashlib.sha256(log.encode()).hexdigest()[:32]}.note"


def check(note: bytes, store: Store) -> None:
    """Whether the store's records begin with what a remembered note says. Read the note before the store.

    Raises:
        RolledBack: they do not: the store is older, or another history.
    """
    pinned = parse(note)[0]
    found = store.frontier_at(pinned.origin, pinned.size)
    if (found.size, found.root()) != (pinned.size, pinned.root):
        raise RolledBack(
            f"log {pinned.origin} does not contain the checkpoint of size {pinned.size} that was signed before",
            hint="this is an old or foreign copy of the folder; nothing is signed until the newest one is back",
        )
