"""Numbers with their units, and dates, as a text states them.

Rules of this file
1. A date is partial: only what is written of year, month, day, century and weekday is known.
2. Characters of a date are not numbers as well.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from guard.claims.numerals import FEW, NUMBER, value_of
from guard.claims.units import Unit, unit_after, unit_before

_MONTHS: Final = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_MONTH: Final = r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
_YEAR: Final = r"(?:1\d{3}|20\d{2}|21\d{2}|[5-9]\d{2})"
_WEEKDAYS: Final = {
    sign: number
    for number, signs in enumerate(
        ("monday 월요일 星期一 周一", "tuesday 화요일 星期二 周二", "wednesday 수요일 星期三 周三", "thursday 목요일 星期四 周四",
         "friday 금요일 星期五 周五", "saturday 토요일 星期六 周六", "sunday 일요일 星期日 星期天 周日"), 1
    )
    for sign in signs.split()
}  # fmt: skip
_DATE: Final = re.compile(
    rf"(?P<iso>\b(?P<y1>\d{{4}})[-/.](?P<m1>\d{{1,2}})[-/.](?P<d1>\d{{1,2}})(?!\d))|"
    rf"(?P<cjk>(?P<y2>\d{{2,4}})[ ]?[년年](?![간间])(?:[ ]?(?P<m2>\d{{1,2}})[ ]?[월月](?:[ ]?(?P<d2>\d{{1,2}})[ ]?[일日号])?)?)|"
    r"(?P<cjk_month>(?<!\d)(?P<m3>\d{1,2})[ ]?[월月](?:[ ]?(?P<d3>\d{1,2})[ ]?[일日号])?)|"
    rf"(?P<us>\b(?P<m4>{_MONTH})\.?[ ](?P<d4>\d{{1,2}})(?:st|nd|rd|th)?(?:,?[ ](?P<y4>{_YEAR})\b|\b(?![,.]\d)))|"
    rf"(?P<uk>\b(?P<d5>\d{{1,2}})(?:st|nd|rd|th)?[ ](?:of[ ])?(?P<m5>{_MONTH})\b(?:,?[ ](?P<y5>{_YEAR})\b)?)|"
    rf"(?P<month_year>\b(?P<m6>{_MONTH})\.?,?[ ](?:of[ ])?(?P<y6>{_YEAR})\b)|"
    r"(?P<century>\b(?P<c1>\d{1,2})(?:st|nd|rd|th)[ -]century\b|(?P<c2>\d{1,2})[ ]?(?:세기|世纪))|"
    r"(?P<year>(?<![\d.,$€£₩¥])(?P<y7>1[0-9]\d{2}|20\d{2})s?\b(?![.,]\d|[ ]?[%％만억천万亿千]))|"
    rf"(?P<weekday>\b(?:{'|'.join(day for day in _WEEKDAYS if day.isascii())})\b|{'|'.join(day for day in _WEEKDAYS if not day.isascii())})|"
    r"(?P<month>\b(?:January|February|March|April|June|July|August|September|October|November|December)\b|(?<=\b[Ii]n )May\b)",
    re.I,
)
_CLOCK: Final = re.compile(
    r"(?P<half>오전|오후|새벽|아침|저녁|밤|낮|上午|下午|凌晨|早上|中午|晚上|傍晚)?[ ]?(?<![\d:.])(?P<hour>[01]?\d|2[0-4])"
    r"(?:(?P<colon>:(?P<minute>[0-5]\d)(?![:\d]))|[ ]?(?P<sign>시(?![간리민장도군])|[点點时時](?![间間儿])(?!钟头))(?:[ ]?(?P<past>[0-5]?\d)[ ]?[분分]|(?P<thirty>[ ]?반|半))?)?"
    r"(?P<latin>[ ]?(?:a\.?m\b\.?|p\.?m\b\.?|o['’]clock\b))?",
    re.I,
)
_LATE: Final = frozenset(["오후", "저녁", "밤", "낮", "下午", "晚上", "傍晚"])
_HAN_YEAR: Final = re.compile(
    r"(?P<year>[〇零一二三四五六七八九]{4})年(?:(?P<month>[一二三四五六七八九十]{1,2})月)?(?:(?P<day>[一二三四五六七八九十]{1,3})[日号])?"
)
_YEAR_BEFORE: Final = re.compile(
    r"(?:\b(?:in|since|by|until|till|from|to|of|during|year|before|after|circa|around|early|late|mid|and|for|the|through)|[-–—(,/])[ -]?$",
    re.I,
)
_COUNTED_AFTER: Final = re.compile(
    r"[ ](?!(?:and|or|to|in|on|at|by|for|with|from|when|while|after|before|as|but|the|a|an|was|were|is|are|until|through)\b)[a-z]"
)
_ABOUT: Final = re.compile(
    r"(?:\b(?:about|around|approximately|roughly|nearly|almost|some|circa|an estimated|estimated at)|약|대략|거의|대충|大约|约|大概|近|将近|左右)[ ]?[$￦₩€£¥]?$",
    re.I,
)
_ABOUT_AFTER: Final = re.compile(r"[ ]?(?:or so\b|정도|가량|쯤|여[ ]?(?=[명개])|左右|多)", re.I)
_MORE: Final = re.compile("[多余餘여]")
"""In a number: 3,000多万 is some more than 30 million."""
_TO: Final = re.compile(r"[ ]?(?:to|until|till|through|[-–—])[ ]?(?:[A-Za-z]+day,?[ ])?", re.I)
_MINUS: Final = re.compile(r"(?:(?<![\w)])[-−–]|minus |영하 ?|마이너스 ?|零下|负)$", re.I)
_NOUN: Final = re.compile(r"[ -]?(?:of )?([A-Za-z][A-Za-z'-]+|[가-힣]+|[\u3400-\u9fff]{1,2})")
_SHORT: Final = 24


@dataclass(frozen=True, slots=True)
class Ends:
    """A range of values, both ends included, in base units."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number. value: in base units of its dimension. bare: without the unit's size. start, end: the number.

    unit_start, unit_end: where the unit stands; both equal `end` when there is none. noun: what is counted, lower case.
    ends: of the range that it is one end of, `upper` the upper one; of "두세" and "两三" both, with the lower as value.
    """

    value: float
    bare: float
    dimension: str
    start: int
    end: int
    unit_start: int
    unit_end: int
    noun: str = ""
    about: bool = False
    weak: bool = False
    ends: Ends | None = None
    upper: bool = False

    def same_value(self, other: Quantity) -> bool:
        """Whether both say the same amount: equal, in a range, or within 5 % of what only one of them calls approximate."""
        if self.ends is not None and other.ends is not None:
            if self.comparable(other) and self.ends == other.ends:
                return True
            same = self.value == other.value if self.comparable(other) else self.bare == other.bare
            return same and self.upper == other.upper
        if other.ends is not None and (self.comparable(other) or not self.dimension):
            return other.ends.low <= self.value <= other.ends.high
        mine, others = (self.value, other.value) if self.comparable(other) else (self.bare, other.bare)
        if abs(mine - others) <= 1e-6 * max(abs(mine), abs(others)):
            return True
        return self.about != other.about and abs(mine - others) <= 0.05 * max(abs(mine), abs(others))

    def comparable(self, other: Quantity) -> bool:
        """Whether both are measured in units of the same kind."""
        return bool(self.dimension) and self.dimension == other.dimension


@dataclass(frozen=True, slots=True)
class Date:
    """What is written of a date or of a time of day; 0 where it is not. weekday: 1 for Monday. start, end: where it stands.

    clock: minutes since midnight or noon, and one; day_clock: since midnight, and one, where the half of the day is known.
    """

    start: int
    end: int
    year: int = 0
    month: int = 0
    day: int = 0
    century: int = 0
    weekday: int = 0
    clock: int = 0
    day_clock: int = 0

    def agrees(self, other: Date) -> bool:
        """Whether both name a same part and differ in none that both name."""
        pairs = [(a, b) for a, b in zip(self.parts(), other.parts(), strict=True) if a and b]
        return bool(pairs) and all(a == b for a, b in pairs)

    def disagrees(self, other: Date) -> bool:
        """Whether they differ in a part that both name."""
        return any(a and b and a != b for a, b in zip(self.parts(), other.parts(), strict=True))

    def parts(self) -> tuple[int, ...]:
        """Year, month, day, century, weekday, the time by a clock of twelve hours, and by one of twenty-four."""
        return self.year, self.month, self.day, self.century, self.weekday, self.clock, self.day_clock


def dates(text: str) -> list[Date]:
    """The dates of a text in order."""
    found = [date for match in _DATE.finditer(text) if (date := _date(text, match)) is not None]
    found += [
        Date(m.start(), m.end(), _han(m["year"]), _han(m["month"]), _han(m["day"])) for m in _HAN_YEAR.finditer(text)
    ]
    found = _with_years(text, sorted(found, key=lambda date: date.start))
    times = [time for match in _CLOCK.finditer(text) if (time := _clock(match)) is not None]
    found += [time for time in times if not any(time.start < date.end and date.start < time.end for date in found)]
    return sorted(found, key=lambda date: date.start)


def _with_years(text: str, found: list[Date]) -> list[Date]:
    """The first day of a range written "2 September to 6 September 1666" has the year of the last."""
    days = [at for at, date in enumerate(found) if date.day]
    for first, last in itertools.pairwise(days):
        low, high = found[first], found[last]
        if high.year and not low.year and _TO.fullmatch(text, low.end, high.start):
            found[first] = replace(low, year=high.year)
    return found


def _clock(match: re.Match[str]) -> Date | None:
    """A time of day; a number alone is none."""
    if not (match["colon"] or match["sign"] or match["latin"]):
        return None
    hour = int(match["hour"])
    minutes = int(match["minute"] or match["past"] or (30 if match["thirty"] else 0))
    letters = (match["latin"] or "").replace(".", "").strip().lower()
    known = bool(match["half"]) or letters in ("am", "pm") or hour == 0 or hour > 12
    if letters == "pm" or match["half"] in _LATE:
        hour = hour % 12 + 12
    elif known and hour == 12 and match["half"] != "中午":
        hour = 0
    whole = hour % 24 * 60 + minutes
    return Date(match.start(), match.end(), clock=whole % 720 + 1, day_clock=whole + 1 if known else 0)


def _han(text: str | None) -> int:
    match = NUMBER.match(f"{text or '零'}年")
    value = None if match is None else value_of(match)
    return int(value or 0)


def _date(text: str, match: re.Match[str]) -> Date | None:
    start, end = match.span()
    part = match.group
    if match["year"]:
        return Date(start, end, year=int(part("y7"))) if _is_year(text, start, end) else None
    if match["weekday"]:
        return Date(start, end, weekday=_WEEKDAYS[match[0].lower()])
    if match["century"]:
        return Date(start, end, century=int(part("c1") or part("c2")))
    year = _first(match, "y1", "y2", "y4", "y5", "y6")
    month = match["m1"] or match["m2"] or match["m3"] or match["m4"] or match["m5"] or match["m6"] or match["month"]
    if match["cjk"] and not month and year < 100:
        return None  # ten years, not the year ten
    if "may" in (match["m4"], match["m5"]):
        return None  # "children of 6 to 12 may ..."
    return Date(start, end, year, _month(month), _first(match, "d1", "d2", "d3", "d4", "d5"))


def _first(match: re.Match[str], *names: str) -> int:
    return next((int(match[name]) for name in names if match[name]), 0)


def _month(written: str | None) -> int:
    if not written:
        return 0
    if written.isdecimal():
        return int(written)
    return 1 + next(at for at, name in enumerate(_MONTHS) if name.startswith(written.lower()[:3]))


def _is_year(text: str, start: int, end: int) -> bool:
    """Whether a number of four digits is a year: no unit or counted noun behind it, or a word before that says so."""
    if unit_after(text, end) is not None or unit_before(text, start) is not None:
        return False
    if _YEAR_BEFORE.search(text, max(0, start - _SHORT), start):
        return True
    return _COUNTED_AFTER.match(text, end) is None


def quantities(text: str, taken: list[Date]) -> Iterator[Quantity]:
    """The numbers of a text in order, without those inside the dates."""
    rest = iter(sorted(taken, key=lambda date: date.start))
    date = next(rest, None)
    for match in NUMBER.finditer(text):
        while date is not None and date.end <= match.start():
            date = next(rest, None)
        if date is not None and date.start < match.end():
            continue
        value = value_of(match)
        if value is not None:
            yield _quantity(text, match, value)


def _quantity(text: str, match: re.Match[str], value: float) -> Quantity:
    start, end = match.span()
    negative = _MINUS.search(text, max(0, start - 6), start)
    if negative is not None and not (start >= 2 and text[start - 2].isdigit()):
        value, start = -value, negative.start()
    before, after = unit_before(text, start), unit_after(text, end)
    unit, unit_start, unit_end = Unit("", 1.0), end, end
    if match["fraction"]:
        unit = Unit("share", 1.0)
    elif match["percent"]:
        unit, unit_start, unit_end = Unit("share", 0.01), start, start + 3
    elif before is not None:
        unit, unit_start, unit_end = before[0], before[1], start
    elif after is not None:
        unit, unit_start, unit_end = after[0], end, after[1]
    counted = _NOUN.match(text, max(end, unit_end)) or (_NOUN.match(text, end) if unit_end > end else None)
    about = (
        _ABOUT.search(text, max(0, start - _SHORT), start)
        or _ABOUT_AFTER.match(text, max(end, unit_end))
        or _MORE.search(match[0])
    )
    few = FEW.get(match["few"] or "")
    weak = match[0].lower() in ("one", "second", "한", "first")
    return Quantity(
        value * unit.size,
        value,
        unit.dimension,
        start,
        end,
        unit_start,
        unit_end,
        counted[1].lower() if counted else "",
        about is not None,
        weak,
        None if few is None else Ends(few * unit.size, (few + 1) * unit.size),
    )
