"""One field of an answer on its way to the client: prose, JSON, or a word that comes whole.

Rules of this file
1. Prose is released by the guard's stream, in pieces as small as its hold-back allows.
2. JSON (tool-call arguments, structured answers) is released when it is whole: only then can it be masked and stay JSON.
3. A field keeps what was received and what was released, for the audit record; neither leaves it otherwise.
"""

from __future__ import annotations

import json
from typing import Protocol

from gateway.openai.walk import rename_keys, rewrite, unknown_keys
from gateway.substitution import MASKS, Substitution
from gateway.text_check import TextCheck
from guard.checker import SafetyChecker
from guard.conversation import ALONE, Conversation
from guard.placeholders import Placeholders
from guard.verdict import Action, Coverage, Direction, Severity, Verdict


class Field(Protocol):
    """One text of an answer."""

    received: list[str]
    released: list[str]
    blocked: bool

    def feed(self, text: str) -> str:
        """Take the next piece, answer what may be released; "" once blocked."""
        ...

    def asks(self, text: str) -> bool:
        """Whether taking this piece would ask a classifier."""
        ...

    def finish(self) -> str:
        """The rest that may be released; the text is complete. Asked again, "" ."""
        ...

    def verdicts(self) -> tuple[Verdict, ...]:
        """What the guard says so far; ends the field, as when the other side went away, unless it was finished."""
        ...


class Prose:
    """A text that a reader reads as it comes."""

    __slots__ = ("_end", "_restoring", "_stream", "blocked", "received", "released")

    def __init__(
        self, checker: SafetyChecker, conversation: Conversation = ALONE, substitution: Substitution = MASKS
    ) -> None:
        self._stream = checker.stream(Direction.OUTPUT, conversation=conversation, replace=substitution.output)
        placeholders = substitution.placeholders
        self._restoring = placeholders.restoring() if placeholders else None
        self._end: Verdict | None = None
        self.received: list[str] = []
        self.released: list[str] = []
        self.blocked = False

    def asks(self, text: str) -> bool:
        return self._stream.asks(text)

    def feed(self, text: str) -> str:
        self.received.append(text)
        out = self._stream.feed(text)
        self.blocked = self._stream.blocked
        if self._restoring is not None and out:
            out = self._restoring.feed(out)
        if out:
            self.released.append(out)
        return out

    def finish(self) -> str:
        if self._end is not None:
            return ""
        end = self._stream.finish()
        self._end = end.verdict
        self.blocked = end.verdict.blocked
        rest = end.text
        if self._restoring is not None and not self.blocked:
            rest = self._restoring.feed(rest) + self._restoring.finish()
        if rest:
            self.released.append(rest)
        return rest

    def verdicts(self) -> tuple[Verdict, ...]:
        if self._end is None:
            self._end = self._stream.abort().verdict
        return (self._end,)


class Whole:
    """A text that is checked and released only when it is complete."""

    __slots__ = (
        "_check", "_finished", "_longest", "_placeholders", "_policy", "_verdicts", "blocked", "received", "released",
    )  # fmt: skip

    def __init__(
        self,
        checker: SafetyChecker,
        conversation: Conversation = ALONE,
        substitution: Substitution = MASKS,
        *,
        longest: int,
    ) -> None:
        """longest: characters; a longer text is blocked, because it is neither checked nor kept."""
        self._check = TextCheck(checker, Direction.OUTPUT, conversation, substitution.output)
        self._placeholders = substitution.placeholders
        self._policy = checker.policy
        self._longest = longest
        self._verdicts: tuple[Verdict, ...] = ()
        self._finished = False
        self.received: list[str] = []
        self.released: list[str] = []
        self.blocked = False

    def asks(self, text: str) -> bool:
        return False  # only when it is whole

    def feed(self, text: str) -> str:
        self._longest -= len(text)
        if self._longest < 0:
            self.blocked = True
            self._finished = True
        if not self.blocked:
            self.received.append(text)
        return ""

    def finish(self) -> str:
        if self._finished or self.blocked:
            return ""
        self._finished = True
        checked = self._check.any("".join(self.received))
        self._verdicts = checked.verdicts
        self.blocked = checked.blocked
        if self.blocked or not checked.text:
            return ""
        text = checked.text if not self._placeholders else restored_json(checked.text, self._placeholders)
        self.released.append(text)
        return text

    def verdicts(self) -> tuple[Verdict, ...]:
        if not self._verdicts and self.received:
            # Nothing of it was released, so nothing of it counts as checked.
            total = sum([len(piece) for piece in self.received])
            return (unread(total, self._policy.name, self._policy.digest, blocked=self.blocked),)
        return self._verdicts


def restored_json(text: str, placeholders: Placeholders) -> str:
    """A text that ought to be JSON with the values put back; what is JSON stays JSON, whatever a value holds."""

    def leaf(path: object, inner: str) -> str:
        return placeholders.restore(inner, agree=True)

    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return placeholders.restore(text, agree=True)
    new = rewrite(value, leaf)
    names = {key: placeholders.restore(key) for key in unknown_keys(value) if "<" in key}
    if names:
        new = rename_keys(new, names)
    return text if new is value else json.dumps(new, ensure_ascii=False)


def unread(total: int, policy: str, digest: str, *, blocked: bool) -> Verdict:
    """The verdict on a text that nobody read: stopped where it was too long, else only counted."""
    return Verdict(
        action=Action.BLOCK if blocked else Action.ALLOW,
        severity=Severity.SAFE,
        findings=(),
        scores={},
        coverage=Coverage(checked=0, total=total),
        policy=policy,
        policy_digest=digest,
    )
