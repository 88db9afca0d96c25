"""Disagreements by words: negation, denial, quantifiers, opposites, and roles that were swapped.

Rules of this file
1. Two negations make none: an opposite that is negated on one side only is no disagreement.
2. A negation counts where the sentences correspond; one in a clause that the other side does not have does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from guard.claims.cues import Cue, Kind
from guard.claims.facts import Facts
from guard.claims.ports import Conflict, Reason
from guard.claims.slots import Slots

_CONFLICTING: Final = {
    "all": {"most", "some", "few", "none"},
    "most": {"few", "none"},
    "some": {"none"},
    "few": {"all", "most"},
    "none": {"all", "most", "some", "few"},
    "only": set[str](),
}
"""What the evidence may not say when the claim says the key: most of them are not all, but all of them are some."""
_NEEDS_PLACE: Final = frozenset(
    [
        "after",
        "before",
        "over",
        "under",
        "up",
        "down",
        "above",
        "below",
        "back",
        "front",
        "left",
        "right",
        "top",
        "bottom",
        "first",
        "last",
        "final",
        "end",
        "ends",
        "start",
        "starts",
        "good",
        "bad",
        "new",
        "old",
        "long",
        "short",
        "high",
        "low",
        "large",
        "small",
        "big",
        "little",
        "many",
        "few",
        "more",
        "less",
        "early",
        "late",
        "day",
        "night",
        "inside",
        "within",
        "outside",
        "true",
        "present",
        "free",
        "paid",
        "dark",
        "bright",
        "direct",
        "same",
        "different",
        "이전",
        "이후",
        "이상",
        "이하",
        "위에",
        "아래",
        "큰",
        "작은",
        "많은",
        "적은",
        "之前",
        "之后",
        "以前",
        "以后",
        "以上",
        "以下",
        "早",
        "晚",
        "첫",
        "처음",
        "마지막",
        "있는",
        "없는",
        "존재",
    ]
)
"""Everyday words that oppose each other only at the same place of both sentences."""
_CLOSE: Final = 0.5
"""Share of aligned tokens from which opposites anywhere in both sentences count."""
_PARITY: Final = 0.55
"""Share of the claim's tokens that must be aligned before a difference in negation alone counts."""
_ROLE: Final = re.compile(
    "(?P<subject>은|는|이|가|께서)(?![가-힣])|(?P<object>을|를|에게)(?![가-힣])|(?P<than>보다)(?![가-힣])"
)


def _reason(conflict: Conflict, one: Cue | None, other: Cue | None) -> Reason:
    """A disagreement; the side that lacks the word is pointed at with an empty range at its begin."""
    start, end = (one.start, one.end) if one is not None else (0, 0)
    first, last = (other.start, other.end) if other is not None else (0, 0)
    return Reason(conflict, start, end, first, last)


def _of(facts: Facts, kind: Kind) -> list[Cue]:
    return [cue for cue in facts.cues if cue.meaning.kind is kind]


def turned(mine: Facts, theirs: Facts, slots: Slots) -> Iterator[Reason]:
    """One sentence negates what the other states."""
    here = [cue for cue in mine.negations if slots.inside(cue, 0)]
    there = [cue for cue in theirs.negations if slots.inside(cue, 1)]
    if (len(here) + len(there)) % 2 == 0 or slots.equal_share < _PARITY:
        return
    if any(True for _ in _opposites(mine, theirs, slots)):
        return  # negated, and turned by an opposite: the same again
    alone_here = [cue for cue in here if not any(slots.equal(cue, other) for other in there)]
    alone_there = [cue for cue in there if not any(slots.equal(cue, other) for other in here)]
    one = alone_here[0] if alone_here else None
    other = alone_there[0] if alone_there and one is None else None
    if one is not None or other is not None:
        yield _reason(Conflict.NEGATION, one, other)


def denied(mine: Facts, theirs: Facts) -> Iterator[Reason]:
    """The evidence calls false what the claim states, or the other way round."""
    if bool(mine.denials) != bool(theirs.denials):
        one = mine.denials[0] if mine.denials else None
        other = theirs.denials[0] if theirs.denials else None
        if not (mine.negations if one is None else theirs.negations):
            yield _reason(Conflict.NEGATION, one, other)


def outnumbered(mine: Facts, theirs: Facts, slots: Slots) -> Iterator[Reason]:
    """All against some, none against most, and so on."""
    here, there = _of(mine, Kind.QUANTIFIER), _of(theirs, Kind.QUANTIFIER)
    said = {cue.meaning.key for cue in there}
    for one in here:
        if one.meaning.key in said:
            continue
        against = [other for other in there if other.meaning.key in _CONFLICTING[one.meaning.key]]
        best = next((other for other in against if slots.together(one, other)), None)
        if best is None and len(here) == len(there) == 1 and against and slots.equal_share >= _CLOSE:
            best = against[0]
        if best is not None:
            yield _reason(Conflict.QUANTIFIER, one, best)


def quantifier_added(mine: Facts, theirs: Facts) -> bool:
    """Whether the claim says all, none or only, and the evidence no such word."""
    strong = {cue.meaning.key for cue in _of(mine, Kind.QUANTIFIER)} & {"all", "none", "only", "most"}
    return bool(strong - {cue.meaning.key for cue in _of(theirs, Kind.QUANTIFIER)})


def opposed(mine: Facts, theirs: Facts, slots: Slots) -> Iterator[Reason]:
    """Words of opposite meaning, unless just one of them is negated."""
    for one, other in _opposites(mine, theirs, slots):
        if _negated(one, mine, slots, 0) == _negated(other, theirs, slots, 1):
            kind = Conflict.COMPARATIVE if one.meaning.kind is Kind.COMPARATIVE else Conflict.ANTONYM
            yield _reason(kind, one, other)


def _opposites(mine: Facts, theirs: Facts, slots: Slots) -> Iterator[tuple[Cue, Cue]]:
    for kind in (Kind.COMPARATIVE, Kind.OPPOSITE):
        here, there = _of(mine, kind), _of(theirs, kind)
        said = {(cue.meaning.key, cue.meaning.side) for cue in there}
        for one in here:
            against = (o for o in there if o.meaning.key == one.meaning.key and o.meaning.side != one.meaning.side)
            if (
                one.meaning.key,
                one.meaning.side,
            ) in said:  # elsewhere, perhaps: then it is no opposite but at its place
                against = (o for o in against if slots.exchanged(one, o))
            for other in against:
                if slots.together(one, other) or _far_enough(one, other, mine, theirs, slots):
                    yield one, other
                    break


def _far_enough(one: Cue, other: Cue, mine: Facts, theirs: Facts, slots: Slots) -> bool:
    """Whether two opposites that do not stand at the same place are strong enough words to disagree nevertheless."""
    words = {mine.text[one.start : one.end].lower(), theirs.text[other.start : other.end].lower()}
    return slots.equal_share >= _CLOSE and not words & _NEEDS_PLACE


def _negated(cue: Cue, facts: Facts, slots: Slots, side: int) -> bool:
    """Whether a negation stands beside a word: before it, in Korean mostly behind it."""
    near = (*slots.before(cue, side, 3), *slots.after(cue, side, 2))
    if "가" <= facts.text[cue.start] <= "힣":
        near = (*slots.before(cue, side, 1), *slots.after(cue, side, 2))
    else:
        near = slots.before(cue, side, 3)
    start = min((token.start for token in near), default=cue.start)
    end = max((token.end for token in near), default=cue.end)
    return any(start <= negation.start < max(end, cue.end) for negation in facts.negations) and not any(
        negation.start >= cue.start and negation.end <= cue.end for negation in facts.negations
    )


def swapped_roles(mine: Facts, theirs: Facts) -> Iterator[Reason]:
    """The same sentence about the same names, with their roles exchanged."""
    both = [(a, b) for a in mine.names for b in theirs.names if a.key == b.key]
    if len({a.key for a, _ in both}) < 2:
        return
    if any("가" <= sign <= "힣" for sign in mine.text):
        for a, b in both:
            here, there = _ROLE.match(mine.text, a.end), _ROLE.match(theirs.text, b.end)
            if here and there and here.lastgroup != there.lastgroup and "than" in (here.lastgroup, there.lastgroup):
                yield Reason(Conflict.COMPARATIVE, a.start, a.end, b.start, b.end)
        return
    order = [a.key for a, _ in both]
    others = sorted(both, key=lambda pair: pair[1].start)
    if order != [a.key for a, _ in others] and _without_names(mine) == _without_names(theirs):
        a, b = both[0]
        yield Reason(Conflict.NAME, a.start, a.end, b.start, b.end)


def _without_names(facts: Facts) -> list[str]:
    return [t.key for t in facts.tokens if not any(n.start <= t.start < n.end for n in facts.names)]
