"""Edits that make a true sentence false, one function for each kind.

Rules of this file
1. An edit changes one place and nothing else; where nothing fits it gives None.
2. Arithmetic, too, has a taught and a held-out form: other sizes of change, other parts of a date, words for digits.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from guard.claims.cues import Kind, cues
from guard.claims.facts import facts_of, lowered
from guard.claims.names import Name
from guard.claims.places import PLACES
from guard.claims.quantities import Date, Quantity, dates, quantities
from guard.training.stance.planted.dice import Dice
from guard.training.stance.planted.tables import Tables
from haechi.base.text import Language

_MONTHS: Final = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_WEEKDAYS: Final = (
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    ["월요일", "화요일", "수요일", "목요일", "금요일", "토요일", "일요일"],
    ["星期一", "星期二", "星期三", "星期四", "星期五", "星期六"],
    ["周一", "周二", "周三", "周四", "周五", "周六"],
)
_NUMERALS: Final = (
    [
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "twenty",
        "thirty",
        "fifty",
    ],
    ["두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉", "열"],
    ["二", "三", "四", "五", "六", "七", "八", "九", "十"],
    ["两", "三", "四", "五", "六", "七", "八", "九", "十"],
)
_PLAIN_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Workshop:
    """What the edits draw from. names: names of other sentences by their shape."""

    tables: Tables
    dice: Dice
    names: Mapping[tuple[object, ...], Sequence[str]]


def shape_of(text: str, name: Name) -> tuple[object, ...]:
    """Names of one shape can stand for each other: place or not, number of words, last sign of an Asian one."""
    written = text[name.start : name.end]
    asian = not written.isascii()
    return (name.place, asian, written[-1] if asian else len(written.split(" ")))


def put(text: str, start: int, end: int, instead: str) -> str:
    """The text with one range replaced."""
    return text[:start] + instead + text[end:]


def number(text: str, shop: Workshop) -> str | None:
    """Another number."""
    found = [q for q in quantities(text, dates(text)) if not q.weak]
    for one in shop.dice.shuffled(found):
        written = text[one.start : one.end]
        new = _other_digits(written, shop) if _PLAIN_NUMBER.fullmatch(written) else _other_numeral(written, shop)
        if new is not None and new != written:
            return put(text, one.start, one.end, new)
    return None


def _other_digits(written: str, shop: Workshop) -> str | None:
    plain = written.replace(",", "")
    places = len(plain.partition(".")[2])
    value = float(plain)
    if shop.tables.held_out:
        # Held out: two digits exchanged, or the last one changed.
        digits = list(plain)
        spots = [i for i in range(len(digits) - 1) if digits[i] != digits[i + 1] and "." not in digits[i : i + 2]]
        if spots and shop.dice.chance(0.5) and digits[spots[0]] != "0":
            at = shop.dice.pick(spots)
            digits[at], digits[at + 1] = digits[at + 1], digits[at]
        else:
            digits[-1] = str((int(digits[-1]) + shop.dice.between(1, 8)) % 10)
        return _like(written, float("".join(digits)), places)
    factor = shop.dice.pick((0.2, 0.5, 1.3, 1.6, 2.0, 3.0, 10.0))
    new = value * factor if places or value * factor >= 1 else value + shop.dice.between(2, 9)
    return _like(written, new if places else float(round(new)), places)


def _like(written: str, value: float, places: int) -> str:
    return f"{value:,.{places}f}" if "," in written else f"{value:.{places}f}"


def _other_numeral(written: str, shop: Workshop) -> str | None:
    for row in _NUMERALS:
        if written.lower() in row:
            others = [w for w in row if w != written.lower()]
            # Taught and held-out halves of the row do not meet.
            new = shop.dice.pick(others[::2] if shop.tables.held_out else others[1::2])
            return new.capitalize() if written[0].isupper() else new
    return None


def date(text: str, shop: Workshop) -> str | None:
    """Another year, month, day or weekday."""
    for one in shop.dice.shuffled(list(dates(text))):
        written = text[one.start : one.end]
        for change in shop.dice.shuffled((_other_year, _other_month, _other_day, _other_weekday)):
            new = change(written, one, shop)
            if new is not None and new != written:
                return put(text, one.start, one.end, new)
    return None


def _other_year(written: str, one: Date, shop: Workshop) -> str | None:
    match = re.search(r"\d{4}", written)
    if match is None:
        return None
    if shop.tables.held_out:
        year = int(match[0]) + shop.dice.pick((-100, -90, -70, -60, -40, 10, 20))
    else:
        year = int(match[0]) + shop.dice.pick((-27, -15, -8, -3, -2, -1, 1, 2, 4, 9))
    return put(written, *match.span(), str(year))


def _other_month(written: str, one: Date, shop: Workshop) -> str | None:
    match = re.search("|".join(_MONTHS), written)
    step = shop.dice.pick((2, 5, 7) if shop.tables.held_out else (1, 3, 4, 6))
    if match is not None:
        return put(written, *match.span(), _MONTHS[(_MONTHS.index(match[0]) + step) % 12])
    match = re.search(r"(\d{1,2})(?=[ ]?[월月])", written)
    return None if match is None else put(written, *match.span(), str((int(match[0]) - 1 + step) % 12 + 1))


def _other_day(written: str, one: Date, shop: Workshop) -> str | None:
    match = re.search(r"(?<!\d)(\d{1,2})(?!\d)(?=[ ]?[일日号,]|st|nd|rd|th|[ ][A-Z]|$)", written)
    if match is None or re.match(r"[ ]?[월月]", written[match.end() :]):
        return None
    step = shop.dice.pick((4, 9, 13) if shop.tables.held_out else (1, 3, 7, 10))
    return put(written, *match.span(), str((int(match[0]) - 1 + step) % 28 + 1))


def _other_weekday(written: str, one: Date, shop: Workshop) -> str | None:
    for row in _WEEKDAYS:
        if written in row:
            return row[(row.index(written) + (3 if shop.tables.held_out else shop.dice.pick((1, 2, 4)))) % len(row)]
    return None


def unit(text: str, shop: Workshop) -> str | None:
    """Another unit, or another order of magnitude."""
    found: list[Quantity] = list(quantities(text, dates(text)))
    places = [
        (a, b, new)
        for a, b, new in shop.tables.places("unit", text)
        if any(q.start < b and a <= max(q.unit_end, q.end) + 1 and a >= q.start for q in found)
        or re.search(r"\d[ ]?$", text[max(0, a - 3) : a])
    ]
    return _one_of(text, places, shop)


def name(text: str, shop: Workshop) -> str | None:
    """Somebody or something else of the same kind."""
    return _renamed(text, shop, place=False)


def place(text: str, shop: Workshop) -> str | None:
    """Another country or city."""
    found = [c for c in cues(text, lowered(text)) if c.meaning.kind is Kind.PLACE]
    column, others = _places(shop.tables.language, held_out=shop.tables.held_out)
    for cue in shop.dice.shuffled(found):
        written = text[cue.start : cue.end]
        at = column.get(written.lower())
        if at is not None:
            fitting = [new for new in others.get(at, ()) if new.lower() not in text.lower()]
            if fitting:
                return put(text, cue.start, cue.end, shop.dice.pick(fitting))
    return _renamed(text, shop, place=True)


def _places(language: Language, *, held_out: bool) -> tuple[dict[str, int], dict[int, list[str]]]:
    """Column of each way a place is written in the table, and the ways of that column for one half of the places."""
    column: dict[str, int] = {}
    others: dict[int, list[str]] = {}
    for row, line in enumerate(PLACES.strip().splitlines()):
        ways = [w.replace("_", " ") for w in line.split() if _script(w) is language]
        for i, way in enumerate(ways):
            column[way] = i
            if (row % 2 == 1) is held_out:
                others.setdefault(i, []).append(way.title() if way.isascii() else way)
    return column, others


def _script(word: str) -> Language:
    if word[0].isascii():
        return Language.ENGLISH
    return Language.KOREAN if "가" <= word[0] <= "힣" else Language.CHINESE


def _renamed(text: str, shop: Workshop, *, place: bool) -> str | None:
    for one in shop.dice.shuffled([n for n in facts_of(text).names if n.place is place]):
        fitting = shop.names.get(shape_of(text, one), ())
        for _ in range(6 if fitting else 0):
            new = shop.dice.pick(fitting)
            if new.lower() not in text.lower() and text[one.start : one.end].lower() not in new.lower():
                return put(text, one.start, one.end, new)
    return None


def swapped(text: str, shop: Workshop) -> str | None:
    """Two names with their roles exchanged."""
    found = [n for n in facts_of(text).names if not n.place]
    for one, other in itertools.pairwise(found):
        a, b = text[one.start : one.end], text[other.start : other.end]
        between = text[one.end : other.start]
        if a == b or a in b or b in a or len(between) < 8 or re.fullmatch(r"[ ,、과와및和与and]*", between):
            continue
        return put(put(text, other.start, other.end, a), one.start, one.end, b)
    return None


def _by_table(kind: str) -> Callable[[str, Workshop], str | None]:
    def edit(text: str, shop: Workshop) -> str | None:
        return _one_of(text, list(shop.tables.places(kind, text)), shop)

    return edit


def _one_of(text: str, places: Sequence[tuple[int, int, str]], shop: Workshop) -> str | None:
    if not places:
        return None
    start, end, instead = shop.dice.pick(places)
    return put(text, start, end, instead)


EDITS: Final[Mapping[str, Callable[[str, Workshop], str | None]]] = {
    "number": number,
    "date": date,
    "unit": unit,
    "name": name,
    "place": place,
    "negation": _by_table("negation"),
    "antonym": _by_table("antonym"),
    "quantifier": _by_table("quantifier"),
    "comparative": _by_table("comparative"),
    "subject": swapped,
}
"""Every kind of edit."""
