"""What was signed last, remembered outside the audit folder (FORMAT.md section 8).

A restored old copy of the folder then cannot be signed over: its last checkpoint is older than the pin.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from audit.errors import LogUnavailable, RolledBack
from audit.note import parse
from audit.store import SqliteStore, as_bytes


class Pins:
    """A folder with one signed note per log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def names(self) -> list[str]:
        """Every log that was ever signed."""
        return sorted(parse(path.read_bytes())[0].origin for path in self.folder.glob("*.note"))

    def note(self, log: str) -> bytes | None:
        """The last note remembered for a log."""
        path = self._path(log)
        return path.read_bytes() if path.exists() else None

    def check(self, log: str, store: SqliteStore) -> None:
        """Whether the store's checkpoints include the remembered one.

        Raises:
            RolledBack: they do not: the store is older, or another history.
        """
        note = self.note(log)
        if note is None:
            return
        pinned = parse(note)[0]
        row = store.connection.execute(
            "select note from checkpoint where log = ? and size = ?", (log, pinned.size)
        ).fetchone()
        if row is None or parse(as_bytes(row[0]))[0] != pinned:
            raise RolledBack(
                f"log {log} does not contain the checkpoint of size {pinned.size} that was signed before",
                hint="this is an old or foreign copy of the folder; nothing is signed until the newest one is back",
            )

    def remember(self, log: str, note: bytes) -> None:
        """Keep the note, atomically and durably.

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
            raise LogUnavailable(
                f"the checkpoint cannot be remembered in {self.folder}: {error.strerror}",
                hint="check disk space and the folder's mode; until then truncation is harder to exclude",
            ) from error

    def _path(self, log: str) -> Path:
        return self.folder / f"{hashlib.sha256(log.encode()).hexdigest()[:32]}.note"
