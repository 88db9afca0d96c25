"""Room that is kept free beside the log, so that a full disk can still be recorded."""

from __future__ import annotations

import errno
import os
from pathlib import Path


class Ballast:
    """A file that holds the room until it is needed."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self._size = size

    def fill(self) -> bool:
        """Take the room; False when there is too little."""
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(handle, 0, self._size)
            finally:
                os.close(handle)
        except OSError:
            self.path.unlink(missing_ok=True)
            return False
        return True

    def release(self) -> bool:
        """Give the room up; False when it was given up before."""
        try:
            self.path.unlink()
        except OSError:
            return False
        return True


def is_disk_full(error: BaseException) -> bool:
    """Whether an error came of a full disk: SQLite's, the system's or PostgreSQL's word for it."""
    cause = error.__cause__
    if isinstance(cause, OSError):
        return cause.errno in {errno.ENOSPC, errno.EDQUOT}
    return getattr(cause, "sqlite_errorname", "") == "SQLITE_FULL" or getattr(cause, "sqlstate", "") == "53100"
