"""Where knowledge bases lie: files of a folder, for one machine, or tables of a PostgreSQL database, for several."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from guard.knowledge.ports import KnowledgeBase, KnowledgeWriter
from guard.knowledge.sqlite_base import SqliteBase
from guard.knowledge.sqlite_store import SqliteWriter

SQLITE: Final = "sqlite"


@dataclass(frozen=True, slots=True)
class Shelf:
    """All knowledge bases of a gateway. folder: of the files, `<data-dir>/knowledge`.

    database: `sqlite`, or the URL of a PostgreSQL database; the folder is not used then.
    """

    folder: Path
    database: str = field(default=SQLITE, repr=False)

    def open(self, name: str) -> KnowledgeBase:
        """A knowledge base for reading.

        Raises:
            InvalidKnowledgeName, KnowledgeMissing, KnowledgeEmpty, UnusableKnowledge; MissingExtra.
        """
        if self.database == SQLITE:
            return SqliteBase(name, self.folder)
        from guard.knowledge.postgres_base import PostgresBase

        return PostgresBase(name, self.database)

    def writer(self, name: str, *, make: bool = False) -> KnowledgeWriter:
        """What changes a knowledge base. make: create it when it is missing.

        Raises:
            InvalidKnowledgeName, KnowledgeMissing, UnusableKnowledge; MissingExtra.
        """
        if self.database == SQLITE:
            return SqliteWriter(name, self.folder, make=make)
        from guard.knowledge.postgres_store import PostgresWriter

        return PostgresWriter(name, self.database, make=make)

    def names(self) -> tuple[str, ...]:
        """The knowledge bases there are, in order.

        Raises:
            UnusableKnowledge; MissingExtra.
        """
        if self.database == SQLITE:
            return tuple(sorted(path.stem for path in self.folder.glob("*.db")))
        from guard.knowledge.postgres import names

        return names(self.database)


def open_base(name: str, folder: Path, database: str = SQLITE) -> KnowledgeBase:
    """Open a knowledge base for reading. See `Shelf.open`."""
    return Shelf(folder, database).open(name)
