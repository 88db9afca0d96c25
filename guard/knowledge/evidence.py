"""What a search in a knowledge base answers: passages with where they stand and until when they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Evidence:
    """One passage of text that a claim is held against.

    source: what is cited, as `kb:medical/who-2024.md#3`. start: code points of `text` inside the document's text.
    dated: ISO date from which the document holds, empty when unknown. valid_to: ISO date after which it is outdated.
    """

    text: str
    source: str
    title: str = ""
    start: int = 0
    dated: str = ""
    valid_to: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A passage and how well it fits, 0 to 1: the weighted share of the claim's terms that it has."""

    evidence: Evidence
    score: float


class EvidenceSource(Protocol):
    """Where evidence for a claim is looked for."""

    @property
    def name(self) -> str:
        """What the policy calls it."""
        ...

    def search(self, claim: str, *, limit: int = 5, at: str = "") -> Sequence[Found]:
        """The passages that fit best, best first. at: ISO date; what is not valid then is left out."""
        ...
