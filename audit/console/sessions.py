"""Who is signed in. Sessions live in memory: a restart signs everybody out, and no file holds a session.

Rules of this file
1. The cookie is 256 random bits; only its hash is kept.
2. A session ends after 15 minutes without a request, and after 8 hours in any case.
3. Every form carries the session's own token; a form without it changes nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass

IDLE_S = 15 * 60.0
LONGEST_S = 8 * 3600.0
MOST = 1000


@dataclass(slots=True)
class Session:
    """One signed-in browser. form_token: what its forms must carry. began, seen: seconds of the clock given."""

    name: str
    form_token: str
    began: float
    seen: float

    def carries(self, token: str) -> bool:
        """Whether a form's token is this session's."""
        return hmac.compare_digest(self.form_token.encode(), token.encode())


class Sessions:
    """All sessions of one console."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._open: dict[bytes, Session] = {}

    def begin(self, name: str) -> str:
        """A new session; the cookie's value."""
        cookie = secrets.token_urlsafe(32)
        at = self._now()
        with self._lock:
            self._forget_ended(at)
            while len(self._open) >= MOST:
                del self._open[min(self._open, key=lambda key: self._open[key].seen)]
            self._open[_key(cookie)] = Session(name, secrets.token_urlsafe(32), at, at)
        return cookie

    def find(self, cookie: str) -> Session | None:
        """The session of a cookie, which counts as seen now; None when there is none or it has ended."""
        at = self._now()
        with self._lock:
            self._forget_ended(at)
            session = self._open.get(_key(cookie))
            if session is not None:
                session.seen = at
            return session

    def end(self, cookie: str) -> None:
        """Sign out."""
        with self._lock:
            self._open.pop(_key(cookie), None)

    def end_all_of(self, name: str) -> None:
        """Sign a person out everywhere."""
        with self._lock:
            self._open = {key: one for key, one in self._open.items() if one.name != name}

    def _forget_ended(self, at: float) -> None:
        ended = [key for key, one in self._open.items() if at - one.seen > IDLE_S or at - one.began > LONGEST_S]
        for key in ended:
            del self._open[key]


def _key(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()
