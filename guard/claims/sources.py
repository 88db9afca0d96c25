"""Knowledge bases by the names that a policy gives them, opened when the first claim asks."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from guard.claims.ports import EvidenceSource, Found
from guard.knowledge import Shelf


class NamedBase:
    """A knowledge base that need not be there yet: each search says so until it is. Safe for several threads."""

    def __init__(self, name: str, shelf: Shelf) -> None:
        self.name = name
        self._shelf = shelf
        self._lock = threading.Lock()
        self._base: EvidenceSource | None = None

    def search(self, claim: str, *, limit: int = 5, at: str = "") -> Sequence[Found]:
        """See EvidenceSource.

        Raises:
            KnowledgeMissing, KnowledgeEmpty, UnusableKnowledge: until the base can be used.
        """
        with self._lock:
            if self._base is None:
                self._base = self._shelf.open(self.name)
            base = self._base
        return base.search(claim, limit=limit, at=at)
