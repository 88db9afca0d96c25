"""The conversation around a text, and scores that were given before: an earlier turn is not judged again.

Rules of this file
1. The memory holds numbers under keys that nobody can turn back into text, and forgets them.
2. A score is found again only for the same tenant, policy, classifier, direction, text and surroundings. The text is taken
   as it was read, not as it folds: else a disguised spelling that a classifier misses would answer for the plain one.
"""

from __future__ import annotations

import hmac
import math
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from guard.claims.samples import Samples
from guard.classify import Role, Turn
from guard.knowledge.evidence import Evidence
from guard.verdict import Category
from haechi.base.clock import Clock, SystemClock

Scores = Mapping[Category, float]


@dataclass(frozen=True, slots=True)
class Conversation:
    """What was said before a text, oldest first, and whose conversation it is.

    until: a time on the monotonic clock after which nobody waits for a classifier any more; none where it is infinite.
    evidence: what the claims of an answer are held against. question: what it answers. samples: other answers to it.
    """

    turns: tuple[Turn, ...] = ()
    tenant: str = ""
    until: float = math.inf
    evidence: tuple[Evidence, ...] = ()
    question: str = ""
    samples: Samples | None = None

    def recent(self, turns: int, longest: int) -> str:
        """The last turns of the user as one text of at most so many code points; "" when there are none."""
        said = [turn.text for turn in self.turns if turn.role is Role.USER and turn.text.strip()]
        return "\n".join(said[-turns:])[-longest:] if turns and longest else ""

    def within(self, longest: int) -> tuple[Turn, ...]:
        """The last turns that have no more code points than this together; the last one is there, cut if need be."""
        kept: list[Turn] = []
        room = longest
        for turn in reversed(self.turns):
            if len(turn.text) > room and kept:
                break
            kept.append(Turn(turn.role, turn.text[-room:] if room else ""))
            room -= len(kept[-1].text)
        return tuple(reversed(kept))


ALONE: Final = Conversation()
"""A text that stands for itself."""


@dataclass(frozen=True, slots=True)
class _Entry:
    scores: Scores
    until: float


@dataclass(slots=True)
class ScoreMemory:
    """Scores by a keyed digest of what they are of. Safe for several threads.

    most: entries; the one that was longest not asked for goes first. seconds: how long one is kept.
    """

    most: int
    seconds: float
    clock: Clock = field(default_factory=SystemClock)
    hits: int = 0
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _entries: OrderedDict[bytes, _Entry] = field(default_factory=OrderedDict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def name(self, parts: Iterable[str]) -> bytes:
        """The key of a score: HMAC-SHA-256, under a key of this process, over every part and its length."""
        message = b"".join(
            len(raw).to_bytes(8, "big") + raw for raw in (part.encode("utf-8", "surrogatepass") for part in parts)
        )
        return hmac.digest(self._key, message, "sha256")

    def get(self, name: bytes) -> Scores | None:
        """The scores under that key, unless they are too old."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is None:
                return None
            if entry.until < self.clock.monotonic():
                del self._entries[name]
                return None
            self._entries.move_to_end(name)
            self.hits += 1
            return entry.scores

    def put(self, name: bytes, scores: Scores) -> None:
        """Remember scores."""
        with self._lock:
            self._entries[name] = _Entry(dict(scores), self.clock.monotonic() + self.seconds)
            self._entries.move_to_end(name)
            while len(self._entries) > self.most:
                self._entries.popitem(last=False)

    def __len__(self) -> int:
        return len(self._entries)


def surroundings(turns: Sequence[Turn]) -> list[str]:
    """The turns as parts of a key."""
    return [part for turn in turns for part in (turn.role.value, turn.text)]
