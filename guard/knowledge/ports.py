"""What a knowledge base is, wherever it lies: a writer that changes it as a whole, and a base that is searched.

tests/contract/knowledge holds what every implementation has to do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

from guard.knowledge.evidence import Found
from guard.knowledge.passages import Section


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a document beside its text. Dates are ISO dates, empty when unknown."""

    source: str = ""
    licence: str = ""
    valid_from: str = ""
    valid_to: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a knowledge base. root: the folder it was read from. passages: how many it has.

    meaning: fingerprint of what made its vectors (guard/knowledge/meaning.py).
    """

    root: str
    name: str
    version: int
    sha256: str
    about: About
    passages: int
    meaning: str = ""


class KnowledgeWriter(Protocol):
    """Changes one knowledge base. Use as a context: changes are kept when it ends well, and dropped otherwise.

    What was removed or replaced is gone from where the base lies when the context has ended.
    """

    def __enter__(self) -> KnowledgeWriter: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raises UnusableKnowledge: a change could not be kept, or what was removed not be overwritten."""
        ...

    def put(self, root: str, name: str, sections: Sequence[Section], about: About, sha256: str) -> int:
        """Add a document or replace its former version; answers how many passages it has."""
        ...

    def remove(self, name: str, *, root: str | None = None) -> int:
        """Remove every document of that name, or the one that was read from `root`; answers how many.

        Raises:
            UnknownDocument
        """
        ...

    def documents(self) -> tuple[Document, ...]:
        """Every document, by name."""
        ...


class KnowledgeBase(Protocol):
    """One knowledge base, open for reading; follows what is written meanwhile. Safe for several threads."""

    name: str

    def search(self, claim: str, *, limit: int = 5, at: str = "") -> tuple[Found, ...]:
        """The passages that fit a claim best, best first.

        None when no term of it occurs and nothing in another language is near it (guard/knowledge/across.py).
        at: ISO date; documents that are outdated or not yet valid then are left out. Empty: all, with their dates.
        """
        ...

    def documents(self) -> tuple[Document, ...]:
        """Every document, by name."""
        ...

    def close(self) -> None:
        """Let go of what is held open."""
        ...


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
