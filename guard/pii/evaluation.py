"""How well personal data is found in labelled text: precision, recall and F2 for each kind and language.

Two ways of counting. `exact`: range and kind are those of the label. `characters`: of the code points of labelled
values, how many were found under any kind, and of the code points found, how many were labelled; what matters when the
aim is that nothing is left to read.
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from guard.pii.errors import BadRow
from guard.scrub import Scrubber
from haechi.base.errors import UnreadableInput

SAME_KIND: dict[str, str] = {
    "PS": "PERSON", "LC": "LOCATION", "OG": "ORGANIZATION", "PER.NAM": "PERSON", "LOC.NAM": "LOCATION", "GPE.NAM": "LOCATION",
    "ORG.NAM": "ORGANIZATION", "person": "PERSON", "location": "LOCATION", "group": "ORGANIZATION", "corporation": "ORGANIZATION",
    "GPE": "LOCATION", "STREET_ADDRESS": "ADDRESS", "IBAN": "IBAN_CODE",
}  # fmt: skip
"""Other data sets' words for our kinds."""
ANY_NUMBER = "ALL"


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text and what is in it: start, end, kind."""

    text: str
    language: str
    spans: frozenset[tuple[int, int, str]]


@dataclass
class Tally:
    """How many labels, how many findings, how many of both."""

    labels: int = 0
    found: int = 0
    right: int = 0

    @property
    def precision(self) -> float:
        """Share of findings that are right; 0.0 without findings."""
        return self.right / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Share of labels that were found; 0.0 without labels."""
        return self.right / self.labels if self.labels else 0.0

    @property
    def f2(self) -> float:
        """F-measure that weighs recall over precision."""
        total = 4 * self.labels + self.found
        return 5 * self.right / total if total else 0.0


@dataclass
class Report:
    """exact: by language and kind. characters: by language. rows, length: what was read, in rows and code points."""

    exact: dict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    characters: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    rows: int = 0
    length: int = 0


def read(path: Path, split: str = "") -> Iterator[Labelled]:
    """Rows of a JSONL file, plain or gzip: `text`, `spans` or `entities`, perhaps `lang` and `split`.

    Raises:
        UnreadableInput: when the file cannot be read.
        BadRow: with the number of a line that has no labels.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                row = _labelled(line, number, split)
                if row is not None:
                    yield row
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise UnreadableInput(f"{path}: {error}", hint="JSONL in UTF-8, plain or .gz") from error


def _labelled(line: str, number: int, split: str) -> Labelled | None:
    try:
        row = json.loads(line)
        if split and row.get("split", split) != split:
            return None
        stored = row["spans"] if "spans" in row else [(e["start"], e["end"], e["type"]) for e in row["entities"]]
        spans = frozenset((int(s), int(e), SAME_KIND.get(k, k)) for s, e, k in stored)
        return Labelled(str(row["text"]), str(row.get("lang", "")), spans)
    except (json.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRow(
            f"line {number}: no text with labels", hint='{"text": "...", "spans": [[start, end, "KIND"]]}'
        ) from error


def evaluate(rows: Iterable[Labelled], scrubber: Scrubber) -> Report:
    """Compare what the scrubber finds with the labels. Kinds that no row is labelled with count as `characters` only."""
    every = list(rows)
    labelled = {kind for row in every for _, _, kind in row.spans}
    report = Report()
    for row in every:
        found = {(e.start, e.end, e.type) for e in scrubber.find(row.text)}
        report.rows += 1
        report.length += len(row.text)
        for kind in labelled:
            wanted = {span for span in row.spans if span[2] == kind}
            seen = {span for span in found if span[2] == kind}
            for name in (kind, ANY_NUMBER):
                tally = report.exact[row.language, name]
                tally.labels += len(wanted)
                tally.found += len(seen)
                tally.right += len(wanted & seen)
        covered = _points(found)
        truth = _points(row.spans)
        characters = report.characters[row.language]
        characters.labels += len(truth)
        characters.found += len(covered)
        characters.right += len(truth & covered)
    return report


def _points(spans: Iterable[tuple[int, int, str]]) -> set[int]:
    return {at for start, end, _ in spans for at in range(start, end)}


def as_rows(report: Report) -> list[Mapping[str, object]]:
    """The figures in order, for tables and JSON."""
    rows: list[Mapping[str, object]] = []
    for (language, kind), tally in sorted(report.exact.items()):
        if tally.labels or tally.found:
            rows.append(_figures(language, kind, "exact", tally))
    rows += [
        _figures(language, ANY_NUMBER, "characters", tally) for language, tally in sorted(report.characters.items())
    ]
    return rows


def _figures(language: str, kind: str, counted: str, tally: Tally) -> Mapping[str, object]:
    return {
        "language": language,
        "kind": kind,
        "counted": counted,
        "n": tally.labels,
        "precision": round(tally.precision, 4),
        "recall": round(tally.recall, 4),
        "f2": round(tally.f2, 4),
    }
