"""Phrases of a lexicon: a pattern of words that either spells out a few terms or is matched slot by slot.

A pattern is text with `[a/b/c]` (one of the alternatives, an empty one allowed) and `(x/y)` (one of them, or nothing). A pattern of
few combinations is spelt out as terms. One of many becomes a `Phrase`: the automaton finds its openers, and an
expression anchored there checks the rest, so that the size of the lexicon is the sum and not the product of the words.

Expressions are alternations of literals with no repetition but that of blanks, so that each try is linear.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import regex

from guard.fold import build_views

_OPTIONS = re.compile(r"\[([^\[\]]*)\]|\(([^()]*)\)")
MOST_SPELT_OUT = 256
# A blank between two words of letters must be there; beside Hangul and Han it may be left out.
_BLANK = "(?: +|(?<![a-z0-9])|(?![a-z0-9]))"

Slots = Sequence[tuple[str, ...]]


def slots_of(pattern: str) -> list[tuple[str, ...]]:
    """The pattern as a sequence of alternatives, folded like the texts they are looked for in."""
    slots: list[tuple[str, ...]] = []
    at = 0
    for group in _OPTIONS.finditer(pattern):
        slots.append((pattern[at : group.start()],))
        choice, option = group.groups()
        slots.append(tuple(choice.split("/")) if choice is not None else ("", *option.split("/")))
        at = group.end()
    slots.append((pattern[at:],))
    return [tuple(dict.fromkeys(build_views(a).folded.text for a in slot)) for slot in slots if slot != ("",)]


def spelt_out(slots: Slots) -> Iterator[str]:
    """Every term of the pattern, with single blanks."""
    for chosen in itertools.product(*slots):
        yield " ".join("".join(chosen).split())


def combinations(slots: Slots) -> int:
    """How many terms the pattern has."""
    return math.prod(map(len, slots))


def openers(slots: Slots) -> set[str]:
    """What the phrase can begin with: the alternatives of its first slot that are not empty, or those after it."""
    found: set[str] = set()
    blank = " " if len(slots) > 1 and all(a.startswith(" ") for a in slots[1]) else ""
    for alternative in slots[0]:
        if alternative.strip():
            text = alternative.strip()
            # "i" would open a phrase inside every other word; a blank must follow it, so it is part of the opener.
            found.add(text + blank if text.isascii() and len(text) < 4 else text)
        elif len(slots) > 1:
            found |= openers(slots[1:])
    return found


def _expression(slots: Slots) -> str:
    parts: list[str] = []
    for slot in slots:
        longest_first = sorted(slot, key=len, reverse=True)
        body = "|".join(re.escape(a).replace("\\ ", _BLANK) for a in longest_first)
        parts.append(f"(?:{body})")
    # Korean and Chinese are written with and without blanks between words; English is not.
    between = "" if all(a.isascii() for slot in slots for a in slot) else " ?"
    return between.join(parts)


def _pairs(slots: Slots) -> Iterator[str]:
    """Pairs inside the alternatives, and across slots as far as empty alternatives let them meet."""
    for at, slot in enumerate(slots):
        for word in slot:
            yield from (word[i : i + 2] for i in range(len(word) - 1))
        ends = {word[-1] for word in slot if word}
        for following in slots[at + 1 :]:
            yield from (a + word[0] for a in ends for word in following if word)
            if "" not in following:
                break


@dataclass(frozen=True, slots=True)
class Phrase:
    """A pattern of many combinations.

    longest: code points of its longest term. pairs: the neighbouring characters of its terms.
    """

    whole: re.Pattern[str]
    begun: regex.Pattern[str]
    longest: int
    pairs: frozenset[str]

    @classmethod
    def of(cls, slots: Slots) -> Phrase:
        """Compile a pattern."""
        expression = _expression(slots)
        return cls(
            re.compile(expression),
            regex.compile(expression),
            sum(max(map(len, slot)) for slot in slots),
            frozenset(_pairs(slots)),
        )

    def end(self, text: str, start: int) -> int | None:
        """Where the phrase that begins at `start` ends; None when there is none."""
        found = self.whole.match(text, start)
        return start + len(found.group().rstrip(" ")) if found is not None else None

    def may_go_on(self, text: str, start: int) -> bool:
        """Whether the text from `start` to its end begins the phrase, or is all of it."""
        found = self.begun.match(text, start, partial=True)
        return found is not None and (found.partial or found.end() == len(text))
