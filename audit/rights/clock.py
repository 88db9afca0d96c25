"""When an answer is due: periods counted in a jurisdiction's days, over month ends, leap days, holidays and time zones.

Rules of this file
1. The day on which a request arrives is not counted, and a period ends with the last hour of its last day, in the
   jurisdiction's own time zone; a change to summer time therefore never moves the day.
2. A month ends on the day of the same number, or on the last day of a shorter month.
3. Days are computed as dates and turned into an instant once, at the end.
4. What a calendar does not know (holidays of a year that the pack does not list) makes a due date earlier, never later.
"""

from __future__ import annotations

import calendar
import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from audit.errors import PartMissing
from audit.rights.errors import InvalidPack

_PERIOD = re.compile(r"([1-9][0-9]{0,3}) (hour|day|working day|month)s?")
_DAY_US = 86_400_000_000


class Unit(enum.Enum):
    """What a period counts."""

    HOUR = "hour"
    DAY = "day"
    WORKING_DAY = "working day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Period:
    """A length of time as a law says it."""

    number: int
    unit: Unit

    @classmethod
    def parse(cls, text: str) -> Period:
        """`1 month`, `45 days`, `15 working days`, `72 hours`.

        Raises:
            InvalidPack: anything else.
        """
        found = _PERIOD.fullmatch(text)
        if found is None:
            raise InvalidPack(f"{text[:40]!r} is not a period", hint="1 month, 45 days, 15 working days, 72 hours")
        return cls(int(found[1]), Unit(found[2]))

    def plus(self, other: Period) -> Period:
        """Both, one after the other, counted from the same start.

        Raises:
            InvalidPack: they count different things.
        """
        if self.unit is not other.unit:
            raise InvalidPack("an extension counts in the same unit as the period that it extends")
        return Period(self.number + other.number, self.unit)

    def __str__(self) -> str:
        return f"{self.number} {self.unit.value}{'' if self.number == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Pause:
    """Days on which a clock stood still: from the first to before the last."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Calendar:
    """Which days a jurisdiction works on.

    weekend: 0 Monday to 6 Sunday. every_year: (month, day). dates: holidays that move. years: those that `dates` covers.
    rolls: whether a period that ends on a day off ends on the next working day instead. worked: weekend days that are worked.
    """

    zone: ZoneInfo
    weekend: frozenset[int] = frozenset({5, 6})
    every_year: frozenset[tuple[int, int]] = frozenset()
    dates: frozenset[date] = frozenset()
    years: frozenset[int] = frozenset()
    rolls: bool = True
    worked: frozenset[date] = frozenset()

    def is_working(self, day: date) -> bool:
        """Whether a day is neither weekend nor a holiday that this calendar knows."""
        return (
            day.weekday() not in self.weekend and (day.month, day.day) not in self.every_year and day not in self.dates
        )

    def next_working(self, day: date) -> date:
        """This day, or the first working day after it."""
        while not self.is_working(day):
            day += timedelta(days=1)
        return day

    def working_days_after(self, day: date, number: int) -> date:
        """The day on which the number is reached, the first day not counted."""
        while number:
            day += timedelta(days=1)
            number -= self.is_working(day)
        return day

    def local_day(self, at_us: int) -> date:
        """The calendar day of an instant."""
        return datetime.fromtimestamp(at_us / 1e6, tz=UTC).astimezone(self.zone).date()

    def last_day(self, received: date, period: Period, pauses: Iterable[Pause] = ()) -> date:
        """The day whose last hour ends a period in days or months.

        Raises:
            ValueError: a period in hours has none.
        """
        day = _count(self, received, period)
        for pause in pauses:
            if period.unit is Unit.WORKING_DAY:
                lost = sum(map(self.is_working, _days(pause)))
                day = self.working_days_after(day, lost)
            else:
                day += timedelta(days=max(0, (pause.last - pause.first).days))
        return self.next_working(day) if self.rolls else day

    def due_us(self, received_us: int, period: Period, pauses: Iterable[Pause] = ()) -> int:
        """The instant at which a period is over, microseconds. Hours run through; days end at local midnight."""
        if period.unit is Unit.HOUR:
            return received_us + period.number * 3_600_000_000
        return self.midnight_after(self.last_day(self.local_day(received_us), period, pauses))

    def midnight_after(self, day: date) -> int:
        """The end of a day in this zone, microseconds. Where midnight is skipped it is the first instant of the next day."""
        local = datetime.combine(day + timedelta(days=1), time(), tzinfo=self.zone)
        return int(local.astimezone(UTC).timestamp()) * 1_000_000


def zone_of(name: str) -> ZoneInfo:
    """A time zone of the IANA database.

    Raises:
        PartMissing: this system has no such zone, or no time zones at all.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise PartMissing(f"no time zone {name!r} on this system", hint="pip install 'haechi[reports]'") from error


def add_months(day: date, months: int) -> date:
    """The day of the same number so many months later, or the last day of that month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _count(cal: Calendar, received: date, period: Period) -> date:
    if period.unit is Unit.DAY:
        return received + timedelta(days=period.number)
    if period.unit is Unit.MONTH:
        return add_months(received, period.number)
    if period.unit is Unit.WORKING_DAY:
        return cal.working_days_after(received, period.number)
    raise ValueError("hours end at an instant and not with a day")


def _days(pause: Pause) -> Iterable[date]:
    return (pause.first + timedelta(days=n) for n in range(max(0, (pause.last - pause.first).days)))
