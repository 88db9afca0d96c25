"""A witness: remembers one checkpoint per log, and cosigns only what grew out of it (c2sp.org/tlog-witness).

Run it under another account or on another machine than the log: it protects against whoever holds the log's signing key.

Rules of this file
1. The memory is written before the answer is given, and both under one lock: no two answers can contradict each other.
2. Of checkpoints that contradict each other both are kept: signed by the same log, they are the evidence of a split view.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.cosign import cosign
from audit.errors import MalformedNote, TamperedLog
from audit.note import Checkpoint, VerifierKey, decode_base64, parse, verify
from audit.pins import Pins
from audit.proof import MOST_HASHES, verify_consistency
from audit.tree import EMPTY_ROOT
from haechi.base.clock import Clock, SystemClock

MOST_BYTES = 128 * 1024
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: HTTPStatus
    text: str = ""
    media_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Submission:
    """What a log asks to be cosigned: the size it last got cosigned, the proof of growth, the new checkpoint."""

    old: int
    path: tuple[bytes, ...]
    note: bytes
    checkpoint: Checkpoint

    @classmethod
    def parse(cls, body: bytes) -> Submission:
        """Read the body of an add-checkpoint request.

        Raises:
            MalformedNote: anything but the exact form.
        """
        head, blank, note = body.partition(b"\n\n")
        lines = head.decode("ascii", "replace").split("\n")
        old = _OLD.fullmatch(lines[0])
        if not blank or old is None or len(lines) > 1 + MOST_HASHES:
            raise MalformedNote("not an old size, a proof and a checkpoint")
        path = tuple(map(decode_base64, lines[1:]))
        if any(len(one) != len(EMPTY_ROOT) for one in path):
            raise MalformedNote("a hash of the proof is not 32 bytes")
        return cls(int(old[1]), path, note, parse(note)[0])


class Witness:
    """One witness. families: keys of the logs it knows; a key named `a/b` is that of every log `a/b/...`."""

    def __init__(
        self,
        folder: Path,
        name: str,
        private: Ed25519PrivateKey,
        families: Sequence[VerifierKey],
        clock: Clock | None = None,
    ) -> None:
        self._memory = Pins(folder)
        self._name = name
        self._private = private
        self._families = families
        self._clock = clock or SystemClock()

    def add_checkpoint(self, body: bytes) -> Answer:
        """The answer to an add-checkpoint request."""
        try:
            asked = Submission.parse(body)
        except MalformedNote as error:
            return Answer(HTTPStatus.BAD_REQUEST, f"{error.message}\n")
        origin = asked.checkpoint.origin
        family = next((f for f in self._families if origin == f.name or origin.startswith(f"{f.name}/")), None)
        if family is None:
            return Answer(HTTPStatus.NOT_FOUND, "unknown log\n")
        try:
            verify(asked.note, VerifierKey(origin, family.public))
        except (TamperedLog, MalformedNote):
            return Answer(HTTPStatus.FORBIDDEN, "not signed by this log's key\n")
        if asked.old > asked.checkpoint.size:
            return Answer(HTTPStatus.BAD_REQUEST, "the old size is larger than the new one\n")
        with self._memory.exclusive():
            return self._decide(asked)

    def _decide(self, asked: Submission) -> Answer:
        new = asked.checkpoint
        remembered = self._memory.note(new.origin)
        latest = parse(remembered)[0] if remembered else Checkpoint(new.origin, 0, EMPTY_ROOT)
        if remembered and latest.size == new.size and latest.root != new.root:
            self._keep_conflict(remembered, asked.note)
            return _conflict(latest.size)
        if asked.old != latest.size:
            return _conflict(latest.size)
        try:
            verify_consistency(latest, new, asked.path)
        except TamperedLog:
            if remembered:
                self._keep_conflict(remembered, asked.note)
            return Answer(HTTPStatus.UNPROCESSABLE_ENTITY, "the proof does not show growth\n")
        if remembered is None or latest.size < new.size:
            self._memory.remember(new.origin, asked.note)
        return Answer(HTTPStatus.OK, cosign(new, self._name, self._private, self._clock.now_us() // 1_000_000))

    def _keep_conflict(self, older: bytes, newer: bytes) -> None:
        folder = self._memory.folder / "conflicts"
        folder.mkdir(exist_ok=True, mode=0o700)
        kept = older + b"\n" + newer
        (folder / f"{hashlib.sha256(kept).hexdigest()[:32]}.txt").write_bytes(kept)


def _conflict(size: int) -> Answer:
    return Answer(HTTPStatus.CONFLICT, f"{size}\n", "text/x.tlog.size")
