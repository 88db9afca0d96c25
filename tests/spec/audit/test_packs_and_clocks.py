"""Clocks count a jurisdiction's days, and every statement of a pack says where it comes from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import AuditError
from audit.packs import FOLDER, RightKind, Status, lint, load, names, read
from audit.rights.clock import Calendar, Pause, Period, Unit, add_months
from audit.rights.errors import InvalidPack

GDPR, CCPA, KOREA, CHINA = (load(name).calendar for name in ("gdpr", "ccpa", "kr-pipa", "cn-pipl"))


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1_000_000)


@pytest.mark.parametrize(
    ("calendar", "received", "period", "last"),
    [
        (GDPR, "2027-01-29", "1 month", "2027-03-01"),  # no 29 February, the 28th is a Sunday
        (GDPR, "2028-01-31", "1 month", "2028-02-29"),  # leap day
        (GDPR, "2026-11-24", "1 month", "2026-12-24"),
        (GDPR, "2026-11-25", "1 month", "2026-12-28"),  # Christmas, then a weekend
        (GDPR, "2026-08-31", "3 months", "2026-11-30"),
        (CCPA, "2026-11-24", "45 days", "2027-01-08"),
        (CCPA, "2026-05-20", "45 days", "2026-07-06"),  # Independence Day is a Saturday
        (CCPA, "2026-11-20", "15 working days", "2026-12-15"),  # Thanksgiving and the day after
        (KOREA, "2026-09-14", "10 days", "2026-09-28"),  # Chuseok, then Sunday
        (KOREA, "2026-11-24", "10 days", "2026-12-04"),
        (CHINA, "2026-09-24", "15 working days", "2026-10-23"),  # National Day; 10 October is worked
    ],
)
def test_a_period_ends_on_the_day_that_the_law_means(calendar: Calendar, received: str, period: str, last: str) -> None:
    """Month ends, leap days, weekends, holidays, working days."""
    assert calendar.last_day(date.fromisoformat(received), Period.parse(period)) == date.fromisoformat(last)


def test_the_day_ends_at_local_midnight_also_when_the_clock_was_changed_meanwhile() -> None:
    """In Brussels summer time begins on 28 March 2027: the instant moves by an hour, the day does not."""
    due = GDPR.due_us(us("2027-03-01T09:00:00+01:00"), Period.parse("1 month"))
    assert due == us("2027-04-02T00:00:00+02:00")
    assert CCPA.due_us(us("2026-10-20T23:30:00-07:00"), Period.parse("45 days")) == us("2026-12-05T00:00:00-08:00")


def test_the_day_of_receipt_is_the_day_at_the_office_and_not_in_greenwich() -> None:
    """What arrives at one in the morning in Seoul arrived yesterday in UTC."""
    due = KOREA.due_us(us("2026-11-24T01:00:00+09:00"), Period.parse("10 days"))
    assert due == us("2026-12-05T00:00:00+09:00")


def test_hours_run_through_nights_and_clock_changes() -> None:
    """72 hours are 72 hours."""
    start = us("2027-03-27T12:00:00+01:00")
    assert GDPR.due_us(start, Period.parse("72 hours")) == start + 72 * 3_600_000_000
    with pytest.raises(ValueError, match="not with a day"):
        GDPR.last_day(date(2027, 3, 27), Period.parse("72 hours"))


def test_days_on_which_the_clock_stood_still_are_added() -> None:
    """Calendar days to days, working days to working days."""
    pause = [Pause(date(2026, 11, 25), date(2026, 12, 1))]
    assert GDPR.last_day(date(2026, 11, 24), Period(1, Unit.MONTH), pause) == date(2026, 12, 30)
    assert CHINA.last_day(date(2026, 11, 23), Period(5, Unit.WORKING_DAY), pause) == date(2026, 12, 4)


@given(
    st.dates(date(2026, 1, 1), date(2028, 12, 1)),
    st.sampled_from(sorted(RightKind)),
    st.sampled_from(["gdpr", "ccpa", "kr-pipa", "cn-pipl"]),
)
def test_a_due_day_is_a_working_day_and_no_earlier_than_the_period(day: date, kind: RightKind, name: str) -> None:
    """For every right of every pack; and a later receipt is never due earlier."""
    pack = load(name)
    if kind in pack.rights:
        period, cal = pack.rights[kind].answer, pack.calendar
        last = cal.last_day(day, period)
        assert cal.is_working(last)
        assert last > day
        assert cal.last_day(day + timedelta(days=1), period) >= last
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=cal.zone)
        end = datetime.fromtimestamp(cal.due_us(int(noon.timestamp() * 1e6), period) / 1e6, tz=UTC).astimezone(cal.zone)
        assert (end.date(), end.hour, end.minute) == (last + timedelta(days=1), 0, 0)


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(0, 60))
def test_months_later_is_the_same_number_or_the_end_of_the_month(day: date, months: int) -> None:
    """Never a day of the month after."""
    later = add_months(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == day.day or (later.day < day.day and (later + timedelta(days=1)).day == 1)


def test_a_missing_holiday_makes_a_date_earlier_never_later() -> None:
    """What the calendar does not know must not excuse a late answer."""
    known = Calendar(ZoneInfo("UTC"), dates=frozenset({date(2026, 12, 7)}))
    unknown = Calendar(ZoneInfo("UTC"))
    for day in (date(2026, 11, 20) + timedelta(days=n) for n in range(30)):
        for period in (Period(10, Unit.DAY), Period(5, Unit.WORKING_DAY)):
            assert unknown.last_day(day, period) <= known.last_day(day, period)


def test_every_pack_has_article_source_date_and_status_everywhere_and_none_is_stale() -> None:
    """Fails when a statement was checked more than a year ago: look at it again, and say when."""
    today = datetime.now(UTC).date()
    assert len(names()) == 5
    assert [problem for name in names() for problem in lint(load(name), today)] == []
    for name in names():
        assert {one.status for one in load(name).statements.values()} <= set(Status)


def test_the_linter_finds_what_it_is_for() -> None:
    """A stale date, a source that is no address, an empty text; a missing, unknown or empty field."""
    text = (FOLDER / "gdpr.yaml").read_text("utf-8")
    assert any("more than a year" in problem for problem in lint(load("gdpr"), date(2030, 1, 1)))
    odd = read("gdpr", text.replace("source: https://eur-lex.europa.eu/eli/reg/2016/679/oj", "source: somewhere", 1))
    assert any("no https address" in problem for problem in lint(odd, date(2026, 12, 1)))
    for old, new in (
        ("    status: general\n", ""),
        ("    status: general\n", "    status: certain\n"),
        ("    checked: 2026-11-24\n", "    checked: lately\n"),
        ("    article: GDPR 12(3)\n", "    article:\n"),
        ("law: ", "lore: "),
        ("answer: 1 month", "answer: soon"),
        ("extension: 2 months", "extension: 10 days"),
        ("statement: answer", "statement: nobody"),
        ("report: [records", "report: [nothing"),
        ("pack: gdpr", "pack: other"),
        ("zone: Europe/Brussels", "zone: Europe/Brussel s"),
    ):
        assert old in text
        with pytest.raises(AuditError, match="HAE-A"):
            read("gdpr", text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda pack: pack["statements"].append(pack["statements"][0]), "stands twice"),
        (lambda pack: pack["statements"].clear(), "there is none"),
        (lambda pack: pack.update(statements="GDPR 12(3)"), "a list is missing"),
        (lambda pack: pack.update(title="GDPR"), "a mapping is missing"),
    ],
    ids=["an id twice", "no statement", "a text for a list", "a text for a mapping"],
)
def test_a_pack_of_another_shape_is_refused(change: Callable[[dict[str, Any]], object], says: str) -> None:
    """The message says what is missing."""
    pack = yaml.safe_load((FOLDER / "gdpr.yaml").read_text("utf-8"))
    change(pack)
    with pytest.raises(InvalidPack, match=says):
        read("gdpr", yaml.safe_dump(pack))


def test_a_pack_that_is_no_mapping_or_not_there_is_refused() -> None:
    """A path is no name; the hint lists those that there are."""
    with pytest.raises(InvalidPack, match="a mapping is missing"):
        read("gdpr", "- 1")
    for name in ("atlantis", "../gdpr", ""):
        with pytest.raises(InvalidPack, match="no pack") as refused:
            load(name)
        assert "gdpr" in refused.value.hint


def test_the_linter_finds_dates_ahead_and_texts_that_say_nothing() -> None:
    """A date that nobody can have looked on, and a statement without its article or its text."""
    text = (FOLDER / "gdpr.yaml").read_text("utf-8")
    assert any("in the future" in problem for problem in lint(load("gdpr"), date(2020, 1, 1)))
    for old, new in (("article: GDPR 12(3)", "article: ' '"), ("text: ", "text: short #")):
        odd = read("gdpr", text.replace(old, new, 1))
        assert any("says nothing" in problem for problem in lint(odd, date(2026, 12, 1))), old
