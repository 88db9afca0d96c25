"""One field of an answer on its way to the client: prose, JSON, or a word that comes whole.

Rules of this file
1. Prose is released by the guard's stream, in pieces as small as its hold-back allows.
2. JSON (tool-call arguments, structured answers) is released when it is whole: only then can it be masked and stay JSON.
3. A field keeps what was received and what was released, for the audit record; neither leaves it otherwise.
"""

from __future__ import annotations

from typing import Protocol

from gateway.text_check import TextCheck
from guard.checker import SafetyChecker
from guard.conversation import ALONE, Conversation
from guard.verdict import Action, Coverage, Direction, Severity, Verdict


class Field(Protocol):
    """One text of an answer."""

    received: list[str]
    released: list[str]
    blocked: bool

    def feed(self, text: str) -> str:
        """Take the next piece, answer what may be released; "" once blocked."""
        ...

    def finish(self) -> str:
        """The rest that may be released; the text is complete. Asked again, "" ."""
        ...

    def verdicts(self) -> tuple[Verdict, ...]:
        """What the guard says so far; ends the field, as when the other side went away, unless it was finished."""
        ...


class Prose:
    """A text that a reader reads as it comes."""

    __slots__ = ("_end", "_stream", "blocked", "received", "released")

    def __init__(self, checker: SafetyChecker, conversation: Conversation = ALONE) -> None:
        self._stream = checker.stream(Direction.OUTPUT, conversation=conversation)
        self._end: Verdict | None = None
        self.received: list[str] = []
        self.released: list[str] = []
        self.blocked = False

    def feed(self, text: str) -> str:
        self.received.append(text)
        out = self._stream.feed(text)
        self.blocked = self._stream.blocked
        if out:
            self.released.append(out)
        return out

    def finish(self) -> str:
        if self._end is not None:
            return ""
        end = self._stream.finish()
        self._end = end.verdict
        self.blocked = end.verdict.blocked
        if end.text:
            self.released.append(end.text)
        return end.text

    def verdicts(self) -> tuple[Verdict, ...]:
        if self._end is None:
            self._end = self._stream.abort().verdict
        return (self._end,)


class Whole:
    """A text that is checked and released only when it is complete."""

    __slots__ = ("_check", "_finished", "_longest", "_policy", "_verdicts", "blocked", "received", "released")

    def __init__(self, checker: SafetyChecker, *, longest: int, conversation: Conversation = ALONE) -> None:
        """longest: characters; a longer text is blocked, because it is neither checked nor kept."""
        self._check = TextCheck(checker, Direction.OUTPUT, conversation)
        self._policy = checker.policy
        self._longest = longest
        self._verdicts: tuple[Verdict, ...] = ()
        self._finished = False
        self.received: list[str] = []
        self.released: list[str] = []
        self.blocked = False

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
        self.released.append(checked.text)
        return checked.text

    def verdicts(self) -> tuple[Verdict, ...]:
        if not self._verdicts and self.received:
            # Nothing of it was released, so nothing of it counts as checked.
            total = sum([len(piece) for piece in self.received])
            return (unread(total, self._policy.name, self._policy.digest, blocked=self.blocked),)
        return self._verdicts


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
