"""Log-probabilities of tokens, passed on only behind text that went out exactly as it came.

Rules of this file
1. The token texts repeat the answer: an entry goes out once every character it covers has been released.
2. From the first difference between what was received and what was released, nothing more goes out.
"""

from __future__ import annotations

from typing import Any

from gateway.upstream.ports import Json


class Logprobs:
    """The entries of one choice that wait for their text. Lengths are in characters since the start of the choice."""

    __slots__ = ("_broken", "_held", "_pending", "_received", "_released", "used")

    def __init__(self) -> None:
        self._pending: list[tuple[int, Json]] = []
        self._held = ""
        self._received = 0
        self._released = 0
        self._broken = False
        self.used = False

    def take(self, given: Any, received: Any, released: Any) -> Json | None:
        """The entries that may go out with `released`, after `received` came with `given`; None when there are none."""
        self.used = True
        if self._broken:
            return None
        received = received if isinstance(received, str) else ""
        released = released if isinstance(released, str) else ""
        entries = given.get("content") if isinstance(given, dict) else None
        entries = entries if isinstance(entries, list) else []
        self._held += received
        if "".join([_token(entry) for entry in entries]) != received or not self._held.startswith(released):
            self._broken = True
            self._pending = []
            return None
        for entry in entries:
            self._received += len(_token(entry))
            self._pending.append((self._received, entry))
        self._held = self._held[len(released) :]
        self._released += len(released)
        settled = [entry for end, entry in self._pending if end <= self._released]
        self._pending = self._pending[len(settled) :]
        return {"content": settled} if settled else None


def _token(entry: Any) -> str:
    token = entry.get("token") if isinstance(entry, dict) else None
    return token if isinstance(token, str) else ""
