"""What Qwen3Guard-Gen is asked and how its answer is read; its model card and arXiv 2510.14276 fix both.

Rules of this file
1. An answer that is not in its form is no judgement; it is never taken for "safe".
2. What is judged cannot pretend to be the end of its own message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from guard.backends.errors import AnswerUnreadable
from guard.backends.labels import QWEN3GUARD
from guard.classify import Role, Turn
from guard.verdict import Category, Direction, Severity

CATEGORIES: Final = frozenset(category for ours in QWEN3GUARD.values() for category in ours)
SEVERITIES: Final[Mapping[str, Severity]] = {
    "Safe": Severity.SAFE,
    "Unsafe": Severity.UNSAFE,
    "Controversial": Severity.CONTROVERSIAL,
}
WEIGHTS: Final[Mapping[Severity, float]] = {Severity.SAFE: 0.0, Severity.CONTROVERSIAL: 0.6, Severity.UNSAFE: 1.0}
"""How much each severity counts for a score: controversial lies between the default thresholds 0.5 and 0.8."""
_SAFETY: Final = re.compile(r"^[ \t]*Safety:[ \t]*(Safe|Unsafe|Controversial)[ \t.]*$", re.M)
_CATEGORIES: Final = re.compile(r"^[ \t]*Categories:[ \t]*(.*)$", re.M)
_KNOWN: Final = re.compile("|".join(re.escape(name) for name in sorted(QWEN3GUARD, key=len, reverse=True)))


@dataclass(frozen=True, slots=True)
class Judgement:
    """What Qwen3Guard said: its severity, and the categories as ours."""

    severity: Severity
    categories: frozenset[Category]

    def scores(self, weight: float) -> dict[Category, float]:
        """A score for every category that Qwen3Guard knows. weight: that of the severity."""
        return {category: weight if category in self.categories else 0.0 for category in sorted(CATEGORIES)}


def read_answer(answer: str) -> Judgement:
    """The judgement in an answer. Thoughts before it are not read.

    Raises:
        AnswerUnreadable: no severity, or one that is not safe without a category.
    """
    said = answer.rpartition("</think>")[2]
    safety = _SAFETY.search(said)
    if safety is None:
        raise AnswerUnreadable("the judge did not say Safe, Unsafe or Controversial")
    severity = SEVERITIES[safety[1]]
    named = _CATEGORIES.search(said)
    categories = frozenset(c for name in _KNOWN.findall(named[1] if named else "") for c in QWEN3GUARD[name])
    if severity is not Severity.SAFE and not categories:
        raise AnswerUnreadable("the judge named no category that it has")
    return Judgement(severity, categories)


def messages(text: str, context: str, turns: Sequence[Turn], direction: Direction) -> list[dict[str, str]]:
    """The conversation as the chat template takes it; its last message is the one to be judged.

    context: the beginning of that message. System turns are not part of what Qwen3Guard reads.
    """
    said = [
        {"role": turn.role.value, "content": plain(turn.text)}
        for turn in turns
        if turn.role in {Role.USER, Role.ASSISTANT}
    ]
    last = plain(context + text)
    if direction is Direction.INPUT:
        return [*said, {"role": "user", "content": last}]
    if not said or said[-1]["role"] != "user":
        said.append({"role": "user", "content": ""})
    return [*said, {"role": "assistant", "content": last}]


def plain(text: str) -> str:
    """The text without Qwen's control words, in as many code points: `<|im_end|>` in it must not end a message."""
    return text.replace("<|", "<!")
