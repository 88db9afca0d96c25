"""Which places of two aligned sentences correspond."""

from __future__ import annotations

from bisect import bisect_right
from typing import Final, Protocol

from guard.claims.alignment import ALIGNED, Aligned, Token
from guard.claims.facts import Facts

_WIDEST: Final = 10
"""Tokens of a replaced part beyond which its inside corresponds no longer."""


class Placed(Protocol):
    """Anything with a place in a text."""

    @property
    def start(self) -> int:
        """First code point."""
        ...

    @property
    def end(self) -> int:
        """Code point after the last."""
        ...


class Slots:
    """The correspondence of two sentences."""

    def __init__(self, mine: Facts, theirs: Facts, aligned: Aligned) -> None:
        self._mine, self._theirs = mine.tokens, theirs.tokens
        self._starts = [t.start for t in mine.tokens], [t.start for t in theirs.tokens]
        self.aligned = aligned
        self.equal_share = aligned.equal
        self._twin: dict[int, int] = {}
        for run in aligned.runs:
            self._twin.update(zip(run.mine, run.theirs, strict=True))

    def equal(self, one: Placed, other: Placed) -> bool:
        """Whether both stand at aligned, equal tokens."""
        here, there = self._range(one, 0), self._range(other, 1)
        return any(self._twin.get(n) in there for n in here)

    def together(self, one: Placed, other: Placed) -> bool:
        """Whether both lie in parts of the sentences that replace each other, or share an aligned token."""
        here, there = self._range(one, 0), self._range(other, 1)
        if any(self._twin.get(n) in there for n in here):
            return True
        return any(
            _meet(place.mine, here) and _meet(place.theirs, there)
            for place in self.aligned.places
            if len(place.mine) <= _WIDEST and len(place.theirs) <= _WIDEST
        )

    def exchanged(self, one: Placed, other: Placed) -> bool:
        """Whether one stands in place of the other, and nothing else differs there."""
        here, there = self._range(one, 0), self._range(other, 1)
        return any(
            _meet(place.mine, here)
            and _meet(place.theirs, there)
            and len(place.mine) <= len(here)
            and len(place.theirs) <= len(there)
            for place in self.aligned.places
        )

    def exclusive(self, one: Placed, other: Placed) -> bool:
        """Whether `one` stands alone with something else at its place, so that `other` is not what it stands for."""
        here, there = self._range(one, 0), self._range(other, 1)
        for place in self.aligned.places:
            if len(place.mine) == len(place.theirs) == len(here) and _meet(place.mine, here):
                return not _meet(place.theirs, there)
        return False

    def inside(self, placed: Placed, side: int) -> bool:
        """Whether something stands in the part that corresponds: aligned, or in a short part that differs."""
        tokens = self._range(placed, side)
        return any(_meet(tokens, near) for near in (self.aligned.near_mine if side == 0 else self.aligned.near_theirs))

    def after(self, placed: Placed, side: int, number: int) -> tuple[Token, ...]:
        """The next tokens behind something. side: 0 for the claim, 1 for the evidence."""
        tokens = self._mine if side == 0 else self._theirs
        last = self._range(placed, side).stop
        return tokens[last : last + number]

    def before(self, placed: Placed, side: int, number: int) -> tuple[Token, ...]:
        """The tokens before something, in order."""
        tokens = self._mine if side == 0 else self._theirs
        first = self._range(placed, side).start
        return tokens[max(0, first - number) : first]

    def _range(self, placed: Placed, side: int) -> range:
        """The numbers of the tokens that something covers."""
        starts = self._starts[side]
        tokens = self._mine if side == 0 else self._theirs
        first = max(0, bisect_right(starts, placed.start) - 1)
        if first < len(tokens) and tokens[first].end <= placed.start:
            first += 1
        last = bisect_right(starts, max(placed.start, placed.end - 1))
        return range(first, min(max(first, last), ALIGNED))


def _meet(one: range, other: range) -> bool:
    return max(one.start, other.start) < min(one.stop, other.stop)
