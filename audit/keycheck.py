"""For who holds the keys: whether every segment's key opens and is the one that was committed to. No content is read."""

from __future__ import annotations

import hashlib

from audit.errors import AuditError
from audit.header import Part, context_of
from audit.keys import SubjectKeys
from audit.seal import Sealed, SubjectKey, unwrap
from audit.store_port import Body, Record

_MOST_CACHED = 4096


class KeyChecker:
    """A `KeyCheck` for `verify_folder`."""

    def __init__(self, keys: SubjectKeys) -> None:
        self._keys = keys
        self._cache: dict[str, SubjectKey] = {}

    def __call__(self, record: Record, part: Part, body: Body) -> str:
        """What is wrong with the segment's key; empty when it opens."""
        key = self._cache.get(part.kid) or self._keys.for_reading(part.kid)
        if key is None:
            return "its key was destroyed without a certificate"
        if len(self._cache) >= _MOST_CACHED:
            self._cache.clear()
        self._cache[part.kid] = key
        context = hashlib.sha256(b"haechi-audit/1\0" + context_of(record.header)).digest()
        sealed = Sealed(body.ciphertext or b"", body.wrap or b"", bytes.fromhex(part.ch), bytes.fromhex(part.kc))
        try:
            unwrap(context, part.name, sealed, key)
        except AuditError as error:
            return error.message
        return ""
