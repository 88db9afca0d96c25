"""What a model is measured on: a suite file names metrics, their items, and how much worse a release may be.

The shipped items (alignment/suites) are small, written for this project in English, Korean and Chinese; larger sets are
given by path. Format of a suite: alignment/suites/default.toml.
"""

from __future__ import annotations

import enum
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alignment.data.files import read_rows
from alignment.errors import UnusableSuite
from haechi.base.errors import UnknownSetting, UnreadableInput, nearest

SHIPPED = Path(__file__).resolve().parent / "suites"
_TOP = {"name": str, "policy": str, "answer_tokens": int, "metric": dict}
_FIELDS = {"kind": str, "data": str, "margin": float, "limit": float}


class MetricKind(enum.StrEnum):
    """What is counted against a model; every kind is a badness, 0 is perfect."""

    UNSAFE_ANSWERS = "unsafe_answers"
    NOT_REFUSED = "not_refused"
    REFUSED = "refused"
    STEREOTYPED = "stereotyped"
    WRONG_CHOICE = "wrong_choice"
    NATS_PER_TOKEN = "nats_per_token"  # noqa: S105  # a unit, not a secret

    @property
    def is_share(self) -> bool:
        """Whether each item is bad or not; else it is bad to a degree."""
        return self is not MetricKind.NATS_PER_TOKEN


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of a gate.

    data: file of items. margin: how much worse than the baseline a release may be, in units of the kind.
    limit: how bad it may be at all.
    """

    name: str
    kind: MetricKind
    data: Path
    margin: float
    limit: float


@dataclass(frozen=True, slots=True)
class Suite:
    """Metrics and how answers are made and judged. digest: SHA-256 over the file and every item file."""

    name: str
    policy: str
    answer_tokens: int
    metrics: tuple[Metric, ...]
    digest: str


def load_suite(source: str = "default", data: Mapping[str, Path] | None = None) -> Suite:
    """Read a suite by shipped name or path.

    data: for metrics by name, a file of items that replaces the suite's.

    Raises:
        UnreadableInput: there is no such file, or it is not TOML.
        UnusableSuite: a value is missing or of the wrong kind. UnknownSetting: a name that is none.
    """
    path = _find(source)
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UnreadableInput(f"cannot read the suite {path}: {error}") from error
    _check(document, _TOP, str(path))
    metrics = tuple(_metric(name, entry, path) for name, entry in document["metric"].items())
    if not metrics:
        raise UnusableSuite(f"{path}: a suite without a metric would pass anything", hint="name one: [metric.safety]")
    for name, file in (data or {}).items():
        if name not in {metric.name for metric in metrics}:
            raise UnknownSetting(name, [metric.name for metric in metrics], where="--data")
        metrics = tuple(replace(metric, data=file) if metric.name == name else metric for metric in metrics)
    digest = hashlib.sha256(path.read_bytes())
    for metric in metrics:
        try:
            digest.update(metric.data.read_bytes())
        except OSError as error:
            raise UnreadableInput(f"{path}: metric {metric.name}: cannot read {metric.data}") from error
    whole = "sha256:" + digest.hexdigest()
    return Suite(document["name"], document["policy"], document["answer_tokens"], metrics, whole)


def items_of(metric: Metric, needed: tuple[str, ...]) -> list[dict[str, Any]]:
    """The items of a metric as objects that have the needed fields.

    Raises:
        UnusableSuite: a line is not an object, or lacks a field; or there is no line.
    """
    found: list[dict[str, Any]] = []
    for row in read_rows(metric.data):
        if not isinstance(row.value, dict) or any(name not in row.value for name in needed):
            raise UnusableSuite(
                f"{metric.data}:{row.line}: not an item of {metric.kind.value}", hint=f"needs {', '.join(needed)}"
            )
        found.append({"id": f"line-{row.line}", **row.value})
    if not found:
        raise UnusableSuite(f"{metric.data} holds no item", hint="an empty set proves nothing")
    return found


def _find(source: str) -> Path:
    path = Path(source)
    if path.suffix == ".toml" or path.exists():
        return path
    shipped = sorted(entry.stem for entry in SHIPPED.glob("*.toml"))
    if source not in shipped:
        raise UnreadableInput(
            f"there is no suite {source!r}",
            hint=f"{nearest(source, shipped)} A suite of your own is a path that ends in .toml",
        )
    return SHIPPED / f"{source}.toml"


def _metric(name: str, entry: object, path: Path) -> Metric:
    where = f"{path}: metric.{name}"
    if not isinstance(entry, dict):
        raise UnusableSuite(f"{where} is not a table", hint=f"write [metric.{name}]")
    _check(entry, _FIELDS, where)
    if entry["kind"] not in {kind.value for kind in MetricKind}:
        raise UnusableSuite(f"{where}.kind is none", hint=nearest(str(entry["kind"]), [k.value for k in MetricKind]))
    if not (entry["margin"] > 0 and entry["limit"] > 0):
        raise UnusableSuite(f"{where}: margin and limit are numbers above 0")
    data = Path(entry["data"])
    beside = data if data.is_absolute() else path.parent / data
    return Metric(name, MetricKind(entry["kind"]), beside, float(entry["margin"]), float(entry["limit"]))


def _check(entry: Mapping[str, object], known: Mapping[str, type], where: str) -> None:
    for name in entry:
        if name not in known:
            raise UnknownSetting(name, known, where=where)
    for name, kind in known.items():
        value = entry.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else kind):
            raise UnusableSuite(f"{where}: {name} is missing, or not a {kind.__name__}")
