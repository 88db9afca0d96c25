"""The policy in force: one checker, and what may be remembered only as long as it is that one.

Rules of this file
1. A request keeps the policy it began with, to its end; a policy file that changes meanwhile is for the next request.
2. What was found harmless under one policy is forgotten with it.
"""

from __future__ import annotations

from typing import Final

from gateway.openai.walk import PROTOCOL_WORDS
from gateway.text_check import TextCheck
from guard.checker import SafetyChecker
from guard.policy import Operator
from guard.reload import ReloadingChecker
from guard.verdict import Direction


class KnownWords:
    """Short strings in which a policy saw nothing: names of models and kinds, the same in every request.

    Bounded, and what is longer than a name is not kept: this is no store of texts.
    """

    __slots__ = ("_words",)

    LONGEST: Final = 64
    MOST: Final = 1_000

    def __init__(self) -> None:
        self._words = set(PROTOCOL_WORDS)

    def __contains__(self, text: str) -> bool:
        return text in self._words

    def add(self, text: str) -> None:
        """Remember a word."""
        if len(text) <= self.LONGEST and len(self._words) < self.MOST and text.isascii() and " " not in text:
            self._words.add(text)


class InForce:
    """A checker and what belongs to it.

    input, output: whole texts in that direction. label: `name@digest`, cut. hides: data is replaced by more than masks.
    """

    __slots__ = ("checker", "hides", "input", "known", "label", "output")

    def __init__(self, checker: SafetyChecker) -> None:
        self.checker = checker
        self.label = f"{checker.policy.name}@{checker.policy.digest[:19]}"
        self.known = KnownWords()
        self.input = TextCheck(checker, Direction.INPUT)
        self.output = TextCheck(checker, Direction.OUTPUT)
        self.hides = any(set(checker.policy.operators(d).values()) != {Operator.MASK} for d in Direction)


class PolicySource:
    """Where a request gets its policy from."""

    def __init__(self, checker: SafetyChecker | ReloadingChecker) -> None:
        self._source = checker
        self._in_force = InForce(self._newest())

    def current(self) -> InForce:
        """The policy for a request that begins now."""
        newest = self._newest()
        if newest is not self._in_force.checker:
            self._in_force = InForce(newest)
        return self._in_force

    def _newest(self) -> SafetyChecker:
        return self._source.current() if isinstance(self._source, ReloadingChecker) else self._source
