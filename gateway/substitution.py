"""What one request puts in the place of personal data on its way in and out, and puts back into the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.placeholder_maps import MapStore
from guard.checker import SafetyChecker
from guard.mask import Replace
from guard.placeholders import Placeholders
from guard.verdict import Direction


@dataclass(frozen=True, slots=True)
class Substitution:
    """input, output: replacements in that direction; None for masks. placeholders: what the answer may name."""

    input: Replace | None = None
    output: Replace | None = None
    placeholders: Placeholders | None = None


MASKS: Final = Substitution()
"""A policy that only masks."""


@dataclass(frozen=True, slots=True)
class Hiding:
    """The conversation whose values are replaced. lasting: the client named it, so it may come again."""

    store: MapStore
    tenant: str
    conversation: str
    lasting: bool

    def begin(self, checker: SafetyChecker) -> Substitution:
        """What the policy asks for.

        Raises:
            MapsUnavailable: the conversation's earlier placeholders cannot be had.
        """
        placeholders = None
        if checker.uses_placeholders():
            open_map = self.store.load if self.lasting else self.store.begin
            placeholders = open_map(self.tenant, self.conversation)
        keys = self.store.keys(self.tenant, self.conversation)
        return Substitution(
            checker.replacing(Direction.INPUT, keys, placeholders),
            checker.replacing(Direction.OUTPUT, keys),
            placeholders,
        )

    def keep(self, substitution: Substitution, before: int) -> None:
        """Remember the conversation's placeholders, when there are more than before.

        Raises:
            MapsUnavailable: they cannot be written.
        """
        placeholders = substitution.placeholders
        if self.lasting and placeholders is not None and len(placeholders) > before:
            self.store.keep(self.tenant, self.conversation, placeholders)
