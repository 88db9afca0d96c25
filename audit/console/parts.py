"""What the console is made of."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from audit.console.accounts import Accounts
from audit.console.errors import NotAllowed
from audit.console.sessions import Sessions
from audit.log import AuditLog
from audit.store_place import SQLITE, Place
from audit.store_port import Store
from audit.verify import FolderProof


@dataclass(frozen=True, slots=True)
class LastProof:
    """What the last verification said, and when."""

    proof: FolderProof
    at: datetime


@dataclass(slots=True)
class ConsoleParts:
    """folder: of the log. log: opened with its keys; None when the console shows a copy and has none.

    database: `sqlite` for the file in the folder, or the URL of a PostgreSQL database.
    """

    folder: Path
    pins: Path
    accounts: Accounts
    sessions: Sessions
    log: AuditLog | None = None
    database: str = field(default=SQLITE, repr=False)
    last_proof: LastProof | None = None
    verifying: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """A reading hold on the log."""
        store = Place(self.folder, self.database).open(read_only=True)
        try:
            yield store
        finally:
            store.close()

    def log_with_keys(self) -> AuditLog:
        """The open log.

        Raises:
            NotAllowed: this console was started without keys.
        """
        if self.log is None:
            raise NotAllowed(
                "this console was started without keys and can only show what is in clear",
                hint="start it without --without-keys, where the key file is",
            )
        return self.log
