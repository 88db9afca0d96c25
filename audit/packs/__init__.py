"""Jurisdiction packs: what laws ask for, as data.

Each statement names its article, its source, the day on which somebody looked at it, and how sure it is; `haechi audit packs lint` and a test refuse a pack that lacks one of these or is older than a year.

A pack is no legal advice and proves nothing about the law; it makes clocks and reports say where they come from.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from audit.rights.clock import Calendar, Period, zone_of
from audit.rights.errors import InvalidPack

FOLDER = Path(__file__).parent
STALE_AFTER = timedelta(days=365)


class Status(enum.StrEnum):
    """How sure a statement is. PRIMARY: compared with the text at its source. SECONDARY: read about. GENERAL: general knowledge."""

    PRIMARY = "primary"
    SECONDARY = "secondary"
    GENERAL = "general"


class RightKind(enum.StrEnum):
    """What a person may ask for."""

    ACCESS = "access"
    PORTABILITY = "portability"
    ERASURE = "erasure"
    RECTIFICATION = "rectification"
    RESTRICTION = "restriction"
    OBJECTION = "objection"
    EXPLANATION = "explanation"
    OPT_OUT = "opt-out"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that a law says. text: in our words."""

    id: str
    article: str
    text: str
    source: str
    checked: date
    status: Status


@dataclass(frozen=True, slots=True)
class Rule:
    """One right. identity: the least level of the identity check (0 none to 3 strong). statement: where its clock comes from."""

    kind: RightKind
    answer: Period
    statement: Statement
    extension: Period | None = None
    acknowledge: Period | None = None
    identity: int = 2


@dataclass(frozen=True, slots=True)
class Pack:
    """One jurisdiction. pauses: whether the clock stands still while proof of identity is awaited."""

    name: str
    title: Mapping[str, str]
    law: str
    calendar: Calendar
    pauses: bool
    statements: Mapping[str, Statement]
    rights: Mapping[RightKind, Rule]
    report: tuple[str, ...]

    def rule(self, kind: RightKind) -> Rule:
        """The rule of a right.

        Raises:
            InvalidPack: this jurisdiction has no such right here.
        """
        if kind not in self.rights:
            known = ", ".join(sorted(self.rights)) or "none"
            raise InvalidPack(f"pack {self.name!r} has no right {kind.value!r}", hint=f"it has: {known}")
        return self.rights[kind]


def names() -> list[str]:
    """Every pack."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def load(name: str) -> Pack:
    """A pack by its name.

    Raises:
        InvalidPack: there is none, or it is not in its form.
    """
    if name not in names():
        raise InvalidPack(f"there is no pack {name[:40]!r}", hint=f"packs: {', '.join(names())}")
    return read(name, (FOLDER / f"{name}.yaml").read_text("utf-8"))


def read(name: str, text: str) -> Pack:
    """A pack from its file.

    Raises:
        InvalidPack: a field is missing, unknown, or not in its form; the message names it.
    """
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidPack(f"pack {name}: not YAML") from error
    fields = {
        "pack",
        "title",
        "law",
        "zone",
        "weekend",
        "rolls",
        "pauses_for_identity",
        "holidays",
        "statements",
        "rights",
    }
    top = _fields(name, data, fields, optional=frozenset({"report"}))
    if top["pack"] != name:
        raise InvalidPack(f"pack {name}: calls itself {top['pack']!r}")
    statements = {one.id: one for one in (_statement(name, given) for given in _list(name, top["statements"]))}
    if len(statements) != len(top["statements"]) or not statements:
        raise InvalidPack(f"pack {name}: a statement's id stands twice, or there is none")
    rights = {}
    for word, given in (top["rights"] or {}).items():
        rule = _rule(name, word, given, statements)
        rights[rule.kind] = rule
    title = _fields(name, top["title"], {"en", "ko", "zh"})
    report = tuple(map(str, top.get("report") or ()))
    if not set(report) <= statements.keys():
        raise InvalidPack(f"pack {name}: `report` names a statement that does not exist")
    return Pack(
        name, title, str(top["law"]), _calendar(name, top), bool(top["pauses_for_identity"]), statements, rights, report
    )


def lint(pack: Pack, today: date) -> list[str]:
    """What is wrong with a pack that has its form: stale or future dates, sources that are none, empty texts."""
    found = []
    for one in pack.statements.values():
        if one.checked + STALE_AFTER < today:
            found.append(f"{pack.name}: {one.id} was checked on {one.checked}, more than a year ago")
        if one.checked > today:
            found.append(f"{pack.name}: {one.id} was checked in the future")
        if not one.source.startswith("https://"):
            found.append(f"{pack.name}: {one.id} has a source that is no https address")
        if len(one.text) < 20 or not one.article.strip():
            found.append(f"{pack.name}: {one.id} says nothing")
    if today.year not in pack.calendar.years and pack.rights:
        found.append(f"{pack.name}: the holidays of {today.year} are not listed")
    return found


def _calendar(name: str, top: Mapping[str, Any]) -> Calendar:
    days = _fields(name, top["holidays"], {"source", "every_year", "years"}, optional=frozenset({"worked"}))
    listed = days["years"] or {}
    try:
        every = frozenset(_month_day(text) for text in days["every_year"] or ())
        dates, worked = _dates(listed), _dates(days.get("worked") or {})
    except ValueError as error:
        raise InvalidPack(f"pack {name}: a holiday is not MM-DD") from error
    weekend = frozenset(("mon", "tue", "wed", "thu", "fri", "sat", "sun").index(day) for day in top["weekend"])
    return Calendar(
        zone_of(str(top["zone"])), weekend, every, dates, frozenset(map(int, listed)), bool(top["rolls"]), worked
    )


def _dates(years: Mapping[Any, list[str]]) -> frozenset[date]:
    return frozenset(date(int(year), *_month_day(text)) for year, texts in years.items() for text in texts)


def _month_day(text: str) -> tuple[int, int]:
    month, day = map(int, text.split("-"))
    return month, day


def _statement(name: str, given: Any) -> Statement:
    one = _fields(name, given, {"id", "article", "text", "source", "checked", "status"})
    if not isinstance(one["checked"], date):
        raise InvalidPack(f"pack {name}: {one['id']}: `checked` is no date")
    try:
        status = Status(one["status"])
    except ValueError as error:
        raise InvalidPack(f"pack {name}: {one['id']}: `status` is primary, secondary or general") from error
    return Statement(
        str(one["id"]),
        str(one["article"]),
        " ".join(str(one["text"]).split()),
        str(one["source"]),
        one["checked"],
        status,
    )


def _rule(name: str, word: str, given: Any, statements: Mapping[str, Statement]) -> Rule:
    one = _fields(name, given, {"answer", "statement", "identity"}, optional=frozenset({"extension", "acknowledge"}))
    try:
        kind, statement = RightKind(word), statements[one["statement"]]
    except (ValueError, KeyError) as error:
        raise InvalidPack(f"pack {name}: right {word!r} is unknown, or names no statement") from error
    answer = Period.parse(str(one["answer"]))
    extension = Period.parse(str(one["extension"])) if one.get("extension") else None
    if extension is not None:
        answer.plus(extension)
    acknowledge = Period.parse(str(one["acknowledge"])) if one.get("acknowledge") else None
    return Rule(kind, answer, statement, extension, acknowledge, int(one["identity"]))


def _fields(name: str, given: Any, required: set[str], optional: frozenset[str] = frozenset()) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise InvalidPack(f"pack {name}: a mapping is missing")
    wrong = sorted((required - given.keys()) | (given.keys() - required - optional))
    if wrong:
        raise InvalidPack(f"pack {name}: missing or unknown fields: {', '.join(map(str, wrong))}")
    empty = sorted(
        field for field in required if given[field] is None and field not in {"rights", "years", "every_year"}
    )
    if empty:
        raise InvalidPack(f"pack {name}: empty fields: {', '.join(empty)}")
    return given


def _list(name: str, given: Any) -> list[Any]:
    if not isinstance(given, list):
        raise InvalidPack(f"pack {name}: a list is missing")
    return given
