"""Reversible scrubbing of one conversation: every value becomes a placeholder, and comes back.

A placeholder that already stands in a text before it is scrubbed is escaped, so that restoring gives it back.
"""

from __future__ import annotations

from collections.abc import Iterable

from guard.placeholders import PLACEHOLDER, Placeholders, Restoring, Seal
from guard.scrub import Entity, Scrubbed, Scrubber


class Pseudonyms:
    """The placeholders of one conversation. Not for use by several threads at once."""

    def __init__(self, scrubber: Scrubber, *, secret: bytes | None = None) -> None:
        """Begin a conversation. secret: keys the tags; random without it."""
        self._scrubber = scrubber
        self._placeholders = Placeholders(secret)

    def scrub(self, text: str) -> Scrubbed:
        """The text with a placeholder for every value, the same for the same value in this conversation."""
        found = list(self._scrubber.find(text))
        forged = [Entity("TEXT", m.start(), m.end(), 1.0, "placeholder") for m in PLACEHOLDER.finditer(text)]
        every = _apart([*forged, *found]) if forged else found
        out: list[str] = []
        at = 0
        for entity in every:
            out.append(text[at : entity.start])
            out.append(self._placeholders.name(entity.type, text[entity.start : entity.end]))
            at = entity.end
        out.append(text[at:])
        return Scrubbed("".join(out), tuple(found))

    def restore(self, text: str, *, agree: bool = False) -> str:
        """The text with every placeholder of this conversation replaced by its value; see `restoring` for agree."""
        return self._placeholders.restore(text, agree=agree)

    def restoring(self, *, agree: bool = True) -> Restoring:
        """Restore a text that arrives in pieces.

        agree: let Korean particles after a placeholder agree with its value; for what a model wrote.
        """
        return self._placeholders.restoring(agree=agree)

    def __len__(self) -> int:
        return len(self._placeholders)

    def seal(self, key: bytes, *, conversation: str, expires_s: int) -> Seal:
        """The map, encrypted with AES-256-GCM under the key and bound to the conversation and the expiry."""
        return self._placeholders.seal(key, conversation=conversation, expires_s=expires_s)

    @classmethod
    def unseal(cls, seal: Seal, key: bytes, scrubber: Scrubber, *, conversation: str, now_s: int) -> Pseudonyms:
        """The conversation as it was sealed.

        Raises:
            SealExpired: when its time is over.
            SealBroken: when key, conversation or expiry are not those it was sealed with, or a byte was changed.
        """
        opened = cls(scrubber)
        opened._placeholders = Placeholders.unseal(seal, key, conversation=conversation, now_s=now_s)
        return opened


def _apart(entities: Iterable[Entity]) -> list[Entity]:
    """In order, the earlier one winning where two overlap; placeholders first."""
    kept: list[Entity] = []
    for entity in sorted(entities, key=lambda e: (e.start, e.type != "TEXT")):
        if not kept or entity.start >= kept[-1].end:
            kept.append(entity)
    return kept
