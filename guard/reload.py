"""Use a policy file while it may change: a cheap look at the file, and a checker that is never worse than before.

A file that cannot be used any more does not take the guard down and does not loosen it: the last good checker stays,
and the error is logged once for each version of the file.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path

from guard.checker import KNOWLEDGE, SafetyChecker
from guard.knowledge import Shelf
from guard.policy import Policy
from guard.policy_file import find
from guard.registry import CLAIMS, NO_MODEL
from haechi.base.clock import Clock, SystemClock
from haechi.base.errors import HaechiError

_LOG = logging.getLogger("haechi.guard.reload")
_CLASSIFIER = "classifier"
"""The built-in detector that takes a second or two to load."""


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What the file system says of a file; equal stamps mean an unchanged file."""

    changed_ns: int
    size: int
    inode: int


def _stamp(path: Path) -> _Stamp | None:
    try:
        seen = path.stat()
    except OSError:
        return None
    return _Stamp(seen.st_mtime_ns, seen.st_size, seen.st_ino)


class ReloadingChecker:
    """Answers the checker of the newest good version of a policy file. Safe to ask from several threads."""

    def __init__(
        self,
        policy: str | Path = "default",
        *,
        every_s: float = 1.0,
        clock: Clock | None = None,
        knowledge: Path | Shelf = KNOWLEDGE,
    ) -> None:
        """Load the policy. every_s: seconds between looks at the file. knowledge: where its knowledge bases lie.

        Raises:
            What SafetyChecker.load raises, for the first load only.
        """
        self._path = find(policy)
        self._every_s = every_s
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._stamp = _stamp(self._path)
        self._knowledge = knowledge
        self._checker = SafetyChecker.load(self._path, knowledge=knowledge)
        self._next_look = self._clock.monotonic() + every_s

    def current(self) -> SafetyChecker:
        """The checker to use for the next request. Costs a clock read, and a stat once every `every_s`."""
        if self._clock.monotonic() < self._next_look or not self._lock.acquire(blocking=False):
            return self._checker
        try:
            self._next_look = self._clock.monotonic() + self._every_s
            stamp = _stamp(self._path)
            if stamp is not None and stamp != self._stamp:
                self._stamp = stamp
                self._reload()
        finally:
            self._lock.release()
        return self._checker

    def _reload(self) -> None:
        """Take up the changed file; where a model may have to be loaded for it, on a thread, with the old one meanwhile."""
        try:
            policy = Policy.load(self._path)
        except HaechiError as error:
            _LOG.error("the changed policy is not used, the one before stays: %s", error)  # no trace needed
            return
        if _may_be_slow(policy):
            threading.Thread(
                target=self._take_up, args=(policy, self._stamp), name="haechi-policy", daemon=True
            ).start()
        else:
            self._take_up(policy, self._stamp)

    def _take_up(self, policy: Policy, stamp: _Stamp | None) -> None:
        """Load what the policy names and use it, unless the file has changed once more meanwhile."""
        try:
            checker = SafetyChecker(policy, knowledge=self._knowledge)
            if stamp == self._stamp:
                self._checker = checker
        except HaechiError as error:
            _LOG.error("the changed policy is not used, the one before stays: %s", error)  # no trace needed
        else:
            _LOG.info("policy %s reloaded, digest %s", policy.name, policy.digest)


def _may_be_slow(policy: Policy) -> bool:
    """Whether a model may have to be loaded for a policy."""
    stance = policy.document.claims.stance if CLAIMS.name in policy.detectors else NO_MODEL
    return bool(policy.document.models) or _CLASSIFIER in policy.detectors or stance != NO_MODEL
