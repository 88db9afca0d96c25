"""Tokens of a sentence, and which of them follow each other in two sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

ALIGNED: Final = 120
"""Tokens of each side that are aligned; what follows is not."""
SHORT: Final = 5
"""Tokens of a part that the other side does not have which still belongs to what both say."""
_TOKEN: Final = re.compile(r"\d+(?:[.,]\d+)*|[A-Za-z\u00c0-\u024f]+(?:['’][A-Za-z]+)?|[가-힣]+|[\u3400-\u9fff]|[^\s\w]")
_PARTICLE: Final = re.compile(
    "(?<=[가-힣])(?:에서는|에게서|으로는|으로서|으로써|에서|에게|으로|까지|부터|처럼|보다|이라고|라고|은|는|이|가|을|를|의|에|와|과|도|로|만)$"
)
_ENDING: Final = re.compile(r"(?:ing|ed|es|s|e|['’]s)$")
_MARKS: Final = frozenset("。.,，、!！?？;；:：\"'“”‘’()（）")


@dataclass(frozen=True, slots=True)
class Token:
    """A word, number or Han character. key: what it is compared by. start, end: where it stands."""

    key: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Run:
    """Tokens of the claim and of the evidence that correspond; ranges of token numbers, half open."""

    mine: range
    theirs: range


@dataclass(frozen=True, slots=True)
class Aligned:
    """How two token rows fit: shares of the claim's tokens, `dropped` of the evidence's, and the places that differ.

    runs: equal tokens. places: tokens that stand where others do. near_mine, near_theirs: parts of each side that the
    other has too, with the short parts between them.
    """

    equal: float
    replaced: float
    added: float
    dropped: float
    runs: tuple[Run, ...]
    places: tuple[Run, ...]
    near_mine: tuple[range, ...]
    near_theirs: tuple[range, ...]


def tokens(text: str) -> tuple[Token, ...]:
    """The tokens of a text; punctuation is none, a Korean word goes without its particle."""
    found = []
    for match in _TOKEN.finditer(text):
        word = match[0]
        if word in _MARKS:
            continue
        found.append(Token(_key(word), match.start(), match.end()))
    return tuple(found)


def _key(word: str) -> str:
    if "가" <= word[0] <= "힣":
        return _PARTICLE.sub("", word) if len(word) > 1 else word
    if word[0].isdigit():
        return word.replace(",", "")
    key = word.lower()
    return _ENDING.sub("", key) if len(key) > 4 else key


def align(mine: Sequence[Token], theirs: Sequence[Token]) -> Aligned:
    """Align two rows of tokens by their longest common runs."""
    left, right = [t.key for t in mine[:ALIGNED]], [t.key for t in theirs[:ALIGNED]]
    codes = SequenceMatcher(None, left, right, autojunk=False).get_opcodes()
    whole: dict[str, int] = dict.fromkeys(("equal", "replace", "delete", "insert"), 0)
    for tag, a, b, c, d in codes:
        whole[tag] += (d - c) if tag == "insert" else (b - a)
    n = max(1, len(left))
    return Aligned(
        whole["equal"] / n,
        whole["replace"] / n,
        whole["delete"] / n,
        whole["insert"] / max(1, len(right)),
        tuple(Run(range(a, b), range(c, d)) for tag, a, b, c, d in codes if tag == "equal"),
        tuple(Run(range(a, b), range(c, d)) for tag, a, b, c, d in codes if tag == "replace"),
        tuple(range(a, b) for tag, a, b, _, _ in codes if tag == "equal" or b - a <= SHORT),
        tuple(range(c, d) for tag, _, _, c, d in codes if tag == "equal" or d - c <= SHORT),
    )
