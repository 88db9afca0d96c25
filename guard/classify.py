"""The contract of detectors that judge by a model: one calibrated probability per category.

A classifier may offer more than `score`: `Conversational` reads who said what before, `TokenWise` follows an answer token
by token. Attributes that may be absent: `version: str` (which weights; part of the key under which scores are remembered),
`reads_context: bool` (whether a score depends on what stands before the text; true unless it says otherwise),
`odds_among: float` (by what the odds of a sentence are multiplied when it stands among others; 1 unless it says otherwise. Below 1
the classifier is asked about a short text as a whole, too).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from guard.verdict import Category, Direction


class Role(enum.StrEnum):
    """Who said a turn."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation."""

    role: Role
    text: str


class Classifier(Protocol):
    """Judges a sentence or a window."""

    name: str
    categories: frozenset[Category]

    def score(self, text: str, context: str = "") -> Mapping[Category, float]:
        """Calibrated probability in [0, 1] that each category holds for `text`.

        context: what stands before it (earlier sentences); it informs and is not judged.
        """
        ...


@runtime_checkable
class Conversational(Protocol):
    """A classifier that reads the conversation and tells a prompt from an answer."""

    def judge(self, text: str, context: str, turns: Sequence[Turn], direction: Direction) -> Mapping[Category, float]:
        """As `score`; turns: what was said before the text, oldest first."""
        ...


@runtime_checkable
class SelfCalibrated(Protocol):
    """A classifier that knows from which probability on its own scores mean something; for `thresholds: calibrated`."""

    def own_limits(self, category: Category, text: str) -> tuple[float, float] | None:
        """Controversial and unsafe from here, for scores of this text; None where the head has no say."""
        ...

    def least_limit(self, category: Category) -> float:
        """The lowest controversial limit over its languages; 1 for a category that it does not judge."""
        ...


@dataclass(frozen=True, slots=True)
class Stretch:
    """Part of what was fed, in code points of everything fed so far, and how bad it is."""

    start: int
    end: int
    scores: Mapping[Category, float]


class Follower(Protocol):
    """One answer on its way, followed token by token at a cost that is linear in its length."""

    def feed(self, text: str) -> Stretch:
        """Judge the next piece, which ends where no token can go on."""
        ...


@runtime_checkable
class TokenWise(Protocol):
    """A classifier that judges an answer while it is written."""

    def follow(self, turns: Sequence[Turn]) -> Follower:
        """Begin to follow an answer to these turns."""
        ...
