"""Where the database of an audit folder is: in the folder itself, or in PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from audit.alive import FolderLiveness, Liveness, SessionLiveness
from audit.errors import NothingToVerify
from audit.keys import SubjectKeys
from audit.kms import Kms
from audit.postgres import SCHEMES
from audit.reader_key import ReaderKey
from audit.store import SqliteStore
from audit.store_keys import KeySchema
from audit.store_port import Store
from audit.store_postgres import PostgresStore

SQLITE = "sqlite"


@dataclass(frozen=True, slots=True)
class Place:
    """An audit folder and its database. database: `sqlite`, or the URL of a PostgreSQL database."""

    folder: Path
    database: str = field(default=SQLITE, repr=False)

    @property
    def is_shared(self) -> bool:
        """Whether several machines may write: the database is a server, not a file in the folder."""
        return self.database.startswith(SCHEMES)

    def open(self, *, read_only: bool = False) -> Store:
        """A hold on the database.

        Raises:
            LogUnavailable: it cannot be opened.
        """
        if self.is_shared:
            return PostgresStore(self.database, read_only=read_only)
        return SqliteStore(self.folder / "log.db", read_only=read_only)

    def open_existing(self) -> Store:
        """A hold for reading.

        Raises:
            NothingToVerify: there is no log, or no key line that says whose it is.
            LogUnavailable: it cannot be opened.
        """
        if not self.is_shared and not (self.folder / "log.db").is_file():
            raise NothingToVerify(
                f"{self.folder} holds no audit log",
                hint="name the folder that holds log.db; with --database for a log in PostgreSQL",
            )
        if not (self.folder / "public.key").is_file():
            raise NothingToVerify(
                f"{self.folder} holds no public.key", hint="name the folder of the gateway, or put its public key there"
            )
        store = self.open(read_only=True)
        if isinstance(store, PostgresStore) and not store.is_made():
            store.close()
            raise NothingToVerify("the PostgreSQL schema holds no audit log", hint="is search_path the right one?")
        return store

    def keys(self, kms: Kms, reader: ReaderKey | None = None) -> SubjectKeys:
        """The key store of this place."""
        return SubjectKeys(KeySchema(self.database) if self.is_shared else self.folder / "keys.db", kms, reader=reader)

    def liveness(self) -> Liveness:
        """How writers of this place know of each other."""
        return SessionLiveness(self.database) if self.is_shared else FolderLiveness(self.folder)
