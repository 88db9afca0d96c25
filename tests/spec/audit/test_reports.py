"""Reports: every kind in every language and form, with numbers that are the log's, and hostile strings that stay strings."""

from __future__ import annotations

import csv
import io
import json
import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest
import reportlab
from hypothesis import given
from hypothesis import strategies as st

from audit import AuditLog, Event, EventType
from audit.access import Wanted, read_content
from audit.erase import Eraser, Why
from audit.errors import PartMissing
from audit.packs import RightKind, Status
from audit.reports.document import LANGUAGES, Report, Table, say
from audit.reports.kinds import Kind, Wish, make_report, month_before
from audit.reports.render import cell, plain, to_csv, to_html, to_json, to_pdf, to_text
from audit.reports.shapes import to_ocsf, to_otel
from audit.rights import breach
from audit.rights.breach import BreachStep
from audit.rights.errors import ConflictingStep, InvalidReport, StepRefused
from audit.rights.requests import Asked, By, Desk, State
from audit.verify import Outcome, verify_folder
from haechi.base.clock import FixedClock

from .conftest import independent, request

ROOT = Path(__file__).resolve().parents[3]
BY = By("officer-1", "T-1")
HOUR_US = 3_600_000_000


@pytest.fixture
def busy(folder: Path) -> Path:
    """A log with decisions, readings, an erasure, requests and an incident."""
    with AuditLog.open(folder) as log:
        for number in range(4):
            request(log, number, user=f"user-{number}")
        blocked = Event(EventType.REQUEST_RECEIVED, "default", "req_b", findings=(("pii", 990_000),), model="qwen")
        log.append(blocked).durable.result(10)
        read_content(log, Wanted("default", 0, "김민지", "incident", "INC-1", "서울"))
        Eraser(log).erase("default", "user-3", Why("o", "T", "gdpr-17-1-b"))
        for pack in ("gdpr", "ccpa"):
            one = Desk(log).open(Asked("default", "user-1", RightKind.ERASURE, pack), BY)
            Desk(log).refuse(one.id, By("o", "T", "not-found"))
        breach.open_incident(log, "default", aware_us=log.clock.now_us(), nature="odd", who="o", ticket="T")
    return folder


def value(report: Report, name: str) -> str:
    return dict(report.facts)[name]


def rows(report: Report, title: str) -> tuple[tuple[str, ...], ...]:
    return next(table.rows for table in report.tables if table.title == title)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_report_can_be_made_in_every_form(busy: Path, language: str) -> None:
    """HTML, CSV, text, JSON and PDF; afterwards the log is intact and says which were made."""
    with AuditLog.open(busy) as log:
        for kind in Kind:
            report = make_report(kind, log, Wish(language, who="officer-1", ticket="T"))
            page = to_html(report)
            assert "<script" not in page
            assert f'lang="{language}"' in page
            assert len(list(csv.reader(io.StringIO(to_csv(report))))) > 3
            assert report.say("What this says and what it does not") in page
            assert to_text(report)
            assert json.loads(to_json(report))["kind"] == kind.value
            assert to_pdf(report).startswith(b"%PDF-1.")
    assert verify_folder(busy).outcome is Outcome.INTACT
    assert independent(busy) == 0


@pytest.mark.parametrize(
    ("language", "intact", "refused", "erasure"), [("ko", "온전함", "거절됨", "삭제"), ("zh", "完整", "已拒绝", "删除")]
)
def test_words_of_ours_are_in_the_readers_language_and_for_machines_as_they_are(
    busy: Path, language: str, intact: str, refused: str, erasure: str
) -> None:
    """Outcomes, states and rights; strings out of the log, such as the ground of a refusal, are shown as they are."""
    with AuditLog.open(busy) as log:
        integrity = make_report(Kind.INTEGRITY, log, Wish(language))
        requests = make_report(Kind.CCPA, log, Wish(language))
    for form in (to_html, to_csv, to_text):
        assert intact in form(integrity)
        assert "intact" not in form(integrity)
        assert refused in form(requests)
        assert erasure in form(requests)
        assert "not-found" in form(requests)
    assert json.loads(to_json(integrity))["facts"][2] == ["Outcome", "intact"]
    assert "refused" in to_json(requests)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_of_ours_can_be_said(language: str) -> None:
    """What a list can hold, not only what the reports above happened to hold."""
    for word in (*Outcome, *State, *RightKind, *BreachStep, *Status):
        assert say(word.value, language).isascii() == (language == "en"), word


def test_the_numbers_are_those_of_the_log(busy: Path) -> None:
    """Readings, erasures, refusals, incidents: each counted once."""
    with AuditLog.open(busy) as log:
        assert value(make_report(Kind.ACCESS, log, Wish()), "Entries") == "1"
        erasure = make_report(Kind.ERASURE, log, Wish())
        assert value(erasure, "Erasures") == "1"
        assert rows(erasure, "Erasures")[0][2:5] == ("gdpr-17-1-b", "1", "2")
        assert rows(erasure, "Begun and not finished") == ()
        assert [row[-2:] for row in rows(erasure, "Requests")] == [("refused", "not-found")] * 2
        assert rows(make_report(Kind.CCPA, log, Wish()), "Metrics") == (("erasure", "1", "0", "1", "0.0", "0.0"),)
        korea = make_report(Kind.KOREA_ACCESS, log, Wish(who="o", ticket="T"))
        ((who, _, place, _, task),) = rows(korea, "Readings")
        assert (who, place, task) == ("김민지", "서울", "incident INC-1")
        again = make_report(Kind.KOREA_ACCESS, log, Wish(who="o", ticket="T"))
        assert len(rows(again, "Readings")) == 1
        events = dict(rows(make_report(Kind.AI_ACT, log, Wish()), "Events recorded"))
        assert events["request.received"] == "5"
        assert set(events) == {kind.value for kind in EventType}
        integrity = make_report(Kind.INTEGRITY, log, Wish())
        assert value(integrity, "Outcome") in {"intact", "cannot-tell", "cannot tell"}


def test_the_retention_report_sets_the_schedule_beside_reality(folder: Path) -> None:
    """Overdue, held, never ending, in time; what expired is listed with its certificate; prompts go before metadata."""
    clock = FixedClock(1_795_492_800_000_000)
    with AuditLog.open(folder, clock=clock) as log:
        request(log, 1)
        request(log, 2, user="user-2")
        Eraser(log).place_hold("default", "user-2", Why("o", "T"))
        clock.advance(70 * 86_400)
        report = make_report(Kind.RETENTION, log, Wish(tenant="default"))
        assert value(report, "Overdue") == "1"
        assert [row[1:] for row in rows(report, "Schedule and reality")] == [
            ("content-30d", "2026-11", "2", "1", "2026-12-31", "overdue")
        ]
        Eraser(log).expire(Why("o", "T"))
        report = make_report(Kind.RETENTION, log, Wish(tenant="default"))
        assert value(report, "Overdue") == "0"
        assert rows(report, "Schedule and reality")[0][-1] == "held"
        assert len(rows(report, "Expired in the period")) == 1
        store = log.open_store(read_only=True)
        assert sum(1 for _ in store.headers(log.log_name("default"))) == 4
        store.close()
    assert verify_folder(folder).outcome is Outcome.INTACT


def test_an_incident_has_a_clock_from_awareness_and_is_overdue_after_it(folder: Path) -> None:
    """Telling the authority, or deciding not to, stops it; steps are in order; texts are encrypted."""
    clock = FixedClock(1_795_492_800_000_000)
    with AuditLog.open(folder, clock=clock) as log:
        for number in range(3):
            request(log, number, user=f"user-{number % 2}")
        aware = clock.now_us() - 10 * HOUR_US
        one = breach.open_incident(log, "default", aware_us=aware, nature="lost-laptop", who="o", ticket="T")
        assert one.due_us == aware + 72 * HOUR_US
        assert not one.overdue(one.due_us - 1)
        assert one.overdue(one.due_us)
        with pytest.raises(StepRefused, match="a ticket"):
            breach.take(log, one.id, breach.BreachStep.NOTED, who="o", ticket="", note="did it")
        stale = one
        one = breach.take(log, one.id, breach.BreachStep.NOTED, who="o", ticket="T", note="did first")
        with pytest.raises(ConflictingStep):
            breach._take(log, stale, breach.BreachStep.NOT_NOTIFIED, breach._file("p", "T", "at the same time"))
        assert breach.find_incident(log, one.id) == one
        for step in (breach.BreachStep.NOTED, breach.BreachStep.AUTHORITY_TOLD, breach.BreachStep.CLOSED):
            one = breach.take(log, one.id, step, who="o", ticket="T", note=f"did {step.value}")
        assert not one.overdue(one.due_us + 1)
        with pytest.raises(StepRefused):
            breach.take(log, one.id, breach.BreachStep.NOTED, who="o", ticket="T", note="late")
        wish = Wish(incident=one.id, who="o", ticket="T", since_us=1)
        report = make_report(Kind.BREACH, log, wish)
        assert [row[2] for row in rows(report, "Steps")] == [
            "lost-laptop",
            "did first",
            "did noted",
            "did authority-told",
            "did closed",
        ]
        assert (value(report, "Records in the period"), value(report, "Persons, approximately")) == ("6", "2")
        with pytest.raises(InvalidReport):
            make_report(Kind.BREACH, log, Wish(incident=one.id))
    assert b"lost-laptop" not in b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_period_has_a_first_and_a_last_moment(folder: Path) -> None:
    """A report and an incident's extent count what lies in it: its first moment is in, its end is not."""
    clock = FixedClock(1_795_492_800_000_000)
    with AuditLog.open(folder, clock=clock) as log:
        at = []
        for number in range(3):
            clock.advance(3600)
            at.append(clock.now_us())
            found = (("pii", 990_000), ("pii", 10), ("hate", 500_000)) if number == 1 else ()
            log.append(Event(EventType.REQUEST_RECEIVED, "default", f"r{number}", findings=found)).durable.result(10)
        for since, until, count in ((0, 0, 3), (at[1], 0, 2), (at[1], at[2], 1), (at[0], at[1], 1), (at[2] + 1, 0, 0)):
            report = make_report(Kind.AI_ACT, log, Wish(since_us=since, until_us=until))
            assert dict(rows(report, "Events recorded"))["request.received"] == str(count)
            assert breach.extent(log, "default", since, until).records == count
        assert breach.extent(log, "default", 0, 0).categories == (("hate", 1), ("pii", 1))


def test_a_font_of_ones_own_is_embedded_and_what_is_none_is_named(tmp_path: Path) -> None:
    """A PDF that every reader shows the same, without fonts of the reader's own."""
    vera = Path(reportlab.__file__).parent / "fonts/Vera.ttf"
    made = to_pdf(hostile_report("plain"), vera)
    assert b"/FontFile2" in made
    assert b"/FontFile2" not in to_pdf(hostile_report("plain"))
    (tmp_path / "no.ttf").write_bytes(b"no font")
    for wrong in (tmp_path / "no.ttf", tmp_path / "missing.ttf"):
        with pytest.raises(PartMissing, match="cannot be embedded"):
            to_pdf(hostile_report("plain"), wrong)


HOSTILE = (
    "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "<script>alert(1)</script>", '"><img src=x onerror=1>',
    "\x1b[2J\x1b]0;owned\x07", "a\u202etxt.exe", "line\r\nSet: cookie", "\x9b31m", "&lt;b&gt;", "\u2028", "<font size=99>", "</para>",
)  # fmt: skip


class Tags(HTMLParser):
    """Which elements a page has, with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, tuple[str, ...]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, tuple(name for name, _ in attrs)))


def hostile_report(text: str) -> Report:
    table = Table("Logs", ("Log", "Outcome"), ((text, text),))
    return Report("access", "en", "Report: access", 0, (("Log", text),), (table,), ())


def check_harmless(text: str) -> None:
    report, honest = hostile_report(text), hostile_report("x")
    page, fair = Tags(), Tags()
    page.feed(to_html(report))
    fair.feed(to_html(honest))
    assert page.seen == fair.seen
    for row in csv.reader(io.StringIO(to_csv(report), newline="")):
        assert not any(one.startswith(("=", "+", "-", "@", "\t", "\r")) for one in row)
    shown = to_text(report)
    assert len(shown.split("\n")) == len(to_text(honest).split("\n"))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]", shown)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_string_is_shown_and_not_obeyed(text: str) -> None:
    """Neither by a browser, nor a spreadsheet, nor a terminal, nor the PDF maker."""
    check_harmless(text)
    assert to_pdf(hostile_report(text)).startswith(b"%PDF")
    assert not cell(text).startswith(("=", "+", "-", "@"))
    assert "\x1b" not in plain(text)


@given(st.lists(st.sampled_from([*HOSTILE, "김", "x", " "]), min_size=1, max_size=4).map("".join))
def test_mixtures_of_hostile_strings_are_as_harmless(text: str) -> None:
    """Escaping one thing must not free another."""
    check_harmless(text)


def test_every_phrase_is_there_in_every_language() -> None:
    """And a phrase that is not is an error, not English among Korean."""
    texts = tomllib.loads((ROOT / "audit/reports/texts.toml").read_text("utf-8"))
    for phrase, said in texts.items():
        assert {"ko", "zh"} <= said.keys() <= {"en", "ko", "zh"}, phrase
        assert all(said.values())
    with pytest.raises(InvalidReport):
        say("nobody translated this", "ko")
    with pytest.raises(InvalidReport):
        say("Made", "fr")


FORBIDDEN = re.compile(r"\bcompliant\b|\bimmutable\b|tamper-?proof", re.I)
ALLOWED = re.compile(r"do not call|immutable=1")
"""Saying that we do not say it, and a word of SQLite."""


def test_nothing_that_we_cannot_prove_is_promised() -> None:
    """Reports, packs, pages and the officer's document use none of three words, but to say that we do not."""
    places = [*(ROOT / "audit").rglob("*.*"), ROOT / "docs/privacy.md", ROOT / "docs/for-auditors.md"]
    texts = [path for path in places if path.suffix in {".py", ".yaml", ".toml", ".md", ".html"}]
    lines = [(path.name, line) for path in texts for line in path.read_text("utf-8").splitlines()]
    assert [one for one in lines if FORBIDDEN.search(one[1]) and not ALLOWED.search(one[1])] == []


def headers(folder: Path) -> list[dict[str, object]]:
    with AuditLog.open(folder) as log:
        store = log.open_store(read_only=True)
        found = [json.loads(leaf) for name in store.logs() for _, leaf in store.headers(name)]
        store.close()
    return found


def test_ocsf_events_have_what_their_class_requires_and_lose_nothing(busy: Path) -> None:
    """Required attributes of API Activity and of the base event; ids that fit each other; the rest under `unmapped`."""
    for seq, header in enumerate(headers(busy)):
        event = to_ocsf(seq, header)
        for name in (
            "activity_id",
            "category_uid",
            "class_uid",
            "type_uid",
            "time",
            "severity_id",
            "metadata",
            "actor",
            "api",
            "src_endpoint",
        ):
            assert name in event
        assert event["class_uid"] // 1000 == event["category_uid"]
        assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
        assert event["activity_id"] in {0, 1, 2, 3, 4, 99}
        assert (event["activity_id"] == 99) == ("activity_name" in event)
        assert event["severity_id"] in range(7)
        assert {"version", "product"} <= event["metadata"].keys()
        assert event["api"]["operation"]
        mapped = {"id", "log", "req", "sts", "ten", "typ", "w", "wts", "act"}
        assert event["unmapped"] == {name: value for name, value in header.items() if name not in mapped}
        assert isinstance(event["time"], int)
        assert event["time"] < 10**14


def test_otel_log_records_are_otlp_json(busy: Path) -> None:
    """64-bit integers as strings, one value a field, severities of the data model's ranges."""
    for seq, header in enumerate(headers(busy)):
        (resource,) = to_otel(seq, header)["resourceLogs"]
        (scope,) = resource["scopeLogs"]
        (record,) = scope["logRecords"]
        assert record["timeUnixNano"] == f"{header['wts']}000"
        assert 1 <= record["severityNumber"] <= 24
        names = [one["key"] for one in record["attributes"]]
        assert len(names) == len(set(names))
        for one in (*record["attributes"], *resource["resource"]["attributes"]):
            ((kind, value_),) = one["value"].items()
            assert kind in {"stringValue", "intValue", "arrayValue"}
            assert isinstance(value_, dict if kind == "arrayValue" else str)


def test_the_last_month_is_a_whole_one() -> None:
    """Also in January and after a February of 29 days."""
    assert month_before(1_830_297_600_000_000) == (1_827_792_000_000_000 - 86_400_000_000 * 2, 1_830_297_600_000_000)
