"""The names in the texts that were read last, by a keyed digest of the text; the texts themselves are not kept."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict

from guard.pii.names.decode import Name


class Recent:
    """Safe for several threads."""

    def __init__(self, texts: int = 2048, names: int = 20_000) -> None:
        """texts, names: how many are remembered, at most; the text that was longest not asked for goes first."""
        self._most_texts, self._most_names = texts, names
        self._secret = secrets.token_bytes(32)
        self._found: OrderedDict[bytes, tuple[Name, ...]] = OrderedDict()
        self._count = 0
        self._lock = threading.Lock()

    def key(self, text: str) -> bytes:
        """What a text is remembered under."""
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=self._secret).digest()

    def get(self, key: bytes) -> tuple[Name, ...] | None:
        """The names in the text of that key, if they are remembered."""
        with self._lock:
            found = self._found.get(key)
            if found is not None:
                self._found.move_to_end(key)
            return found

    def put(self, key: bytes, names: tuple[Name, ...]) -> None:
        """Remember names."""
        with self._lock:
            self._count += len(names) - len(self._found.pop(key, ()))
            self._found[key] = names
            while len(self._found) > self._most_texts or self._count > self._most_names:
                self._count -= len(self._found.popitem(last=False)[1])
