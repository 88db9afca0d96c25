"""In what two read sentences disagree: numbers, units, dates and names here, words in guard/claims/turns.py.

Rules of this file
1. Equal things are paired first, those at aligned places before others; what is left on both sides may disagree.
2. Two different things disagree when they stand at the same place of aligned sentences, or count the same thing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from guard.claims.alignment import Aligned
from guard.claims.facts import Facts
from guard.claims.names import Name
from guard.claims.ports import Conflict, Reason
from guard.claims.quantities import Date, Quantity
from guard.claims.slots import Slots
from guard.claims.turns import denied, opposed, outnumbered, quantifier_added, swapped_roles, turned
from guard.claims.units import alike


class _Placed(Protocol):
    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...


Thing = TypeVar("Thing", bound=_Placed)


@dataclass(frozen=True, slots=True)
class Tally:
    """Shares of the claim's things that the evidence has, and has not; both 0 when the claim has none."""

    matched: float
    missing: float


@dataclass(frozen=True, slots=True)
class Conflicts:
    """What was found in one pair."""

    reasons: tuple[Reason, ...]
    numbers: Tally
    dates: Tally
    names: Tally
    quantifier_added: bool


def conflicts(mine: Facts, theirs: Facts, aligned: Aligned, *, contained: bool) -> Conflicts:
    """Every disagreement, by where it stands in the claim. contained: the claim stands in the evidence word for word."""
    slots = Slots(mine, theirs, aligned)
    if contained:
        full = [Tally(float(bool(things)), 0.0) for things in (mine.quantities, mine.dates, mine.names)]
        return Conflicts(tuple(denied(mine, theirs)), full[0], full[1], full[2], quantifier_added=False)
    numbers = _Pairing(mine.quantities, theirs.quantities, slots, _same_quantity)
    when = _Pairing(mine.dates, theirs.dates, slots, Date.agrees)
    who = _Pairing(mine.names, theirs.names, slots, Name.same)
    reasons = [
        *_units(numbers),
        *_made_dates(numbers, mine, theirs, slots),
        *_numbers(numbers, slots),
        *_dates(when, numbers, slots),
        *_other_years(when, theirs),
        *_names(who, mine, theirs, slots),
        *swapped_roles(mine, theirs),
        *turned(mine, theirs, slots),
        *outnumbered(mine, theirs, slots),
        *opposed(mine, theirs, slots),
        *denied(mine, theirs),
    ]
    ordered = tuple(sorted(set(reasons), key=lambda reason: (reason.claim_start, reason.conflict)))
    return Conflicts(ordered, numbers.tally, when.tally, who.tally, quantifier_added(mine, theirs))


class _Pairing(list[tuple[Thing, Thing]]):
    """Equal things of both sides, paired; `left` and `right` are what has no partner."""

    def __init__(
        self, mine: Sequence[Thing], theirs: Sequence[Thing], slots: Slots, same: Callable[[Thing, Thing], bool]
    ) -> None:
        super().__init__()
        self.left, self.right = list(mine), list(theirs)
        for test in (slots.equal, lambda one, other: not slots.exclusive(one, other)):
            for one in list(self.left):
                partner = next((other for other in self.right if test(one, other) and same(one, other)), None)
                if partner is not None:
                    self.append((one, partner))
                    self.left.remove(one)
                    self.right.remove(partner)
        matched = len(self) / max(1, len(mine))
        self.tally = Tally(matched, 1.0 - matched if mine else 0.0)


def _same_quantity(one: Quantity, other: Quantity) -> bool:
    if one.dimension and other.dimension and not alike(one.dimension, other.dimension):
        return False
    return one.same_value(other)


def _reason(conflict: Conflict, one: _Placed, other: _Placed) -> Reason:
    return Reason(conflict, one.start, one.end, other.start, other.end)


def _with_unit(one: Quantity, other: Quantity) -> Reason:
    return Reason(
        Conflict.UNIT,
        min(one.start, one.unit_start),
        max(one.end, one.unit_end),
        min(other.start, other.unit_start),
        max(other.end, other.unit_end),
    )


def _units(numbers: _Pairing[Quantity]) -> list[Reason]:
    """The same number of something else: 5 km and 5 kg, 5 km and 5 m."""
    found = []
    for one in list(numbers.left):
        same = (
            other
            for other in numbers.right
            if one.bare == other.bare
            and one.dimension
            and other.dimension
            and not (alike(one.dimension, other.dimension) and one.value == other.value)
        )
        partner = next(same, None)
        if partner is not None:
            found.append(_with_unit(one, partner))
            numbers.left.remove(one)
            numbers.right.remove(partner)
    return found


def _made_dates(numbers: _Pairing[Quantity], mine: Facts, theirs: Facts, slots: Slots) -> list[Reason]:
    """The digits of a date with a unit on the other side: 2023 months for the year 2023, 5 weeks for the fifth month."""
    found = [
        (one, _reason(Conflict.UNIT, one, date))
        for one in numbers.left
        for date in theirs.dates
        if _numbered(date, one) and slots.equal(one, date)
    ]
    others = [
        (other, _reason(Conflict.UNIT, date, other))
        for other in numbers.right
        for date in mine.dates
        if _numbered(date, other) and slots.equal(date, other)
    ]
    numbers.left = [one for one in numbers.left if one not in [taken for taken, _ in found]]
    numbers.right = [other for other in numbers.right if other not in [taken for taken, _ in others]]
    return [reason for _, reason in (*found, *others)]


def _numbered(date: Date, amount: Quantity) -> bool:
    """Whether an amount with a unit has the number of a year, month or day."""
    return bool(amount.dimension) and amount.bare in (date.year, date.month, date.day)


def _numbers(numbers: _Pairing[Quantity], slots: Slots) -> list[Reason]:
    found = []
    for one in list(numbers.left):
        best = max(numbers.right, key=lambda other: _likeness(one, other, slots), default=None)
        if best is None or _likeness(one, best, slots) < 2:
            continue
        found.append(_reason(Conflict.NUMBER, one, best))
        numbers.left.remove(one)
        numbers.right.remove(best)
    return found


def _likeness(one: Quantity, other: Quantity, slots: Slots) -> int:
    """How sure it is that two numbers count the same thing: 2 and more is enough."""
    likeness = 4 if slots.together(one, other) else 0
    if one.weak or other.weak:
        return likeness
    if one.comparable(other):
        likeness += 2
    elif one.noun and one.noun == other.noun:
        likeness += 2 if not (one.dimension and other.dimension) else 1
    return likeness


def _dates(when: _Pairing[Date], numbers: _Pairing[Quantity], slots: Slots) -> list[Reason]:
    found = []
    for one in list(when.left):
        others = [other for other in when.right if one.disagrees(other)]
        best = next((other for other in others if slots.together(one, other)), others[0] if others else None)
        if best is not None:
            found.append(_reason(Conflict.DATE, one, best))
            when.left.remove(one)
            when.right.remove(best)
    # A number where the other side has a date: one of them was changed beyond recognition.
    found += [
        _reason(Conflict.DATE, one, other)
        for lefts, rights in ((when.left, numbers.right), (numbers.left, when.right))
        for one in lefts
        for other in rights
        if slots.together(one, other)
    ]
    return found


def _other_years(when: _Pairing[Date], theirs: Facts) -> list[Reason]:
    """A day that the evidence names without its year here, and with another year elsewhere."""
    found = []
    for one, partner in when:
        if one.year and not partner.year and one.month and one.day:
            whole = [day for day in theirs.dates if day.year and (day.month, day.day) == (one.month, one.day)]
            if whole and not any(one.agrees(day) for day in whole):
                found.append(_reason(Conflict.DATE, one, whole[0]))
    return found


def _names(who: _Pairing[Name], mine: Facts, theirs: Facts, slots: Slots) -> list[Reason]:
    """A name of the claim that the evidence does not have, where the evidence names another."""
    absent = [one for one in who.left if not _mentioned(one, theirs)]
    others = [other for other in who.right if not _mentioned(other, mine)]
    found = []
    for one in absent:
        best = next((other for other in others if slots.together(one, other)), None)
        if best is None and len(absent) == len(others) == 1 and slots.equal_share >= 0.6:
            best = others[0] if others[0].place == one.place else None
        if best is not None:
            found.append(_reason(Conflict.PLACE if one.place and best.place else Conflict.NAME, one, best))
            others.remove(best)
    return found


def _mentioned(name: Name, facts: Facts) -> bool:
    """Whether every word of a name occurs in the other text, or one that begins with it (Korea, Korean)."""
    keys = {token.key for token in facts.tokens}
    low = facts.text.lower()
    return all(word in keys or (not word.isascii() and word in low) for word in name.key)
