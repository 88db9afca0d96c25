"""How well personal data is found in labelled text: precision, recall and F2 for each kind and language.

Four ways of counting
1. `exact`: range and kind are those of the label.
2. `joined`: the same after parts of one address have been put together, in labels and findings alike: neighbours of kind
   ADDRESS or LOCATION with nothing but signs and spaces between them are one LOCATION. Some data sets label each line.
3. `tokens`: of the words and signs that begin inside a label, how many begin inside a finding of any kind, and the other
   way round. So count the figures that are published for Presidio: the token evaluator of presidio-research (notebooks 4
   and 5, run of November 2024, overall "PII": F2 0.60 as installed, 0.88 at best). Theirs forgives errors in some 400
   small words (`street`, `the`) and leaves out kinds that were not asked for; here only signs are left out.
4. `characters`: the same of code points; what matters when the aim is that nothing is left to read.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guard.pii.errors import BadRow
from guard.scrub import Scrubber
from haechi.base import jsonl

SAME_KIND: dict[str, str] = {
    "PS": "PERSON", "LC": "LOCATION", "OG": "ORGANIZATION", "PER.NAM": "PERSON", "LOC.NAM": "LOCATION", "GPE.NAM": "LOCATION",
    "ORG.NAM": "ORGANIZATION", "person": "PERSON", "location": "LOCATION", "group": "ORGANIZATION", "corporation": "ORGANIZATION",
    "GPE": "LOCATION", "STREET_ADDRESS": "ADDRESS", "IBAN": "IBAN_CODE",
}  # fmt: skip
"""Other data sets' words for our kinds."""
ANY_NUMBER = "ALL"
_SHAPE = '{"text": "...", "spans": [[start, end, "KIND"]]}'
_PLACES = frozenset(("ADDRESS", "LOCATION"))
_TOKEN = re.compile("[^\\W_]+|[^\\w\\s]|_")

Span = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text and what is in it: start, end, kind."""

    text: str
    language: str
    spans: frozenset[Span]


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
    """exact, joined: by language and kind. tokens, characters: by language. rows, length: how many, in code points."""

    exact: dict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    joined: dict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    tokens: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    characters: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    rows: int = 0
    length: int = 0


def read(path: Path, split: str = "") -> Iterator[Labelled]:
    """Rows of a JSONL file, plain or gzip: `text`, `spans` or `entities`, perhaps `lang` and `split`.

    split: only rows that name it; "" is all rows.

    Raises:
        UnreadableInput: when the file cannot be read.
        BadRow: with the place of a line that has no labels, or labels outside its text.
    """
    for place, row in jsonl.rows(path, _SHAPE):
        if not split or row.get("split") == split:
            yield _labelled(row, place)


def _labelled(row: Mapping[str, Any], place: str) -> Labelled:
    try:
        stored = row["spans"] if "spans" in row else [(e["start"], e["end"], e["type"]) for e in row["entities"]]
        spans = frozenset((int(s), int(e), SAME_KIND.get(k, k)) for s, e, k in stored)
        text = row["text"]
    except (KeyError, TypeError, ValueError) as error:
        raise BadRow(f"{place}: no text with labels", hint=f"a line is {_SHAPE}") from error
    if not isinstance(text, str):
        raise BadRow(f"{place}: no text with labels", hint=f"a line is {_SHAPE}")
    if not all(0 <= start < end <= len(text) for start, end, _ in spans):
        raise BadRow(
            f"{place}: a label lies outside the text", hint="count code points of the text, from 0, start before end"
        )
    return Labelled(text, str(row.get("lang", "")), spans)


def evaluate(rows: Iterable[Labelled], scrubber: Scrubber) -> Report:
    """Compare what the scrubber finds with the labels; kinds that no row is labelled with only as tokens and characters."""
    every = list(rows)
    return compare(every, [{(e.start, e.end, e.type) for e in scrubber.find(row.text)} for row in every])


def compare(rows: Sequence[Labelled], findings: Sequence[Set[Span]]) -> Report:
    """The same for what anything else found. findings: of each row, in our words for kinds."""
    labelled = {kind for row in rows for _, _, kind in row.spans}
    report = Report()
    for row, found in zip(rows, findings, strict=True):
        report.rows += 1
        report.length += len(row.text)
        _count_kinds(report.exact, row.language, labelled, row.spans, found)
        whole = joined(row.text, (span for span in found if span[2] in labelled or span[2] in _PLACES))
        kinds = {"LOCATION" if kind in _PLACES else kind for kind in labelled}
        _count_kinds(report.joined, row.language, kinds, joined(row.text, row.spans), whole)
        truth, covered = _points(row.spans), _points(found)
        _count(report.characters[row.language], truth, covered)
        words = {token.start() for token in _TOKEN.finditer(row.text) if token[0].isalnum()}
        _count(report.tokens[row.language], truth & words, covered & words)
    return report


def joined(text: str, spans: Iterable[Span]) -> set[Span]:
    """The spans, the parts of an address as one LOCATION."""
    made: list[Span] = []
    for start, end, kind in sorted(spans):
        if kind in _PLACES:
            kind = "LOCATION"
            if made and made[-1][2] == kind and not any(map(str.isalnum, text[made[-1][1] : start])):
                begin, before, _ = made.pop()
                start, end = begin, max(before, end)
        made.append((start, end, kind))
    return set(made)


def _count_kinds(
    tallies: dict[tuple[str, str], Tally], language: str, kinds: Set[str], labels: Set[Span], found: Set[Span]
) -> None:
    for kind in kinds:
        wanted = {span for span in labels if span[2] == kind}
        seen = {span for span in found if span[2] == kind}
        for name in (kind, ANY_NUMBER):
            _count(tallies[language, name], wanted, seen)


def _count(tally: Tally, labels: Set[object], found: Set[object]) -> None:
    tally.labels += len(labels)
    tally.found += len(found)
    tally.right += len(labels & found)


def _points(spans: Iterable[Span]) -> set[int]:
    return {at for start, end, _ in spans for at in range(start, end)}


def as_rows(report: Report) -> list[Mapping[str, object]]:
    """The figures in order, for tables and JSON."""
    rows: list[Mapping[str, object]] = []
    for (language, kind), tally in sorted(report.exact.items()):
        if tally.labels or tally.found:
            rows.append(_figures(language, kind, "exact", tally))
    for language, tally in sorted(report.tokens.items()):
        rows.append(_figures(language, ANY_NUMBER, "joined", report.joined[language, ANY_NUMBER]))
        rows.append(_figures(language, ANY_NUMBER, "tokens", tally))
        rows.append(_figures(language, ANY_NUMBER, "characters", report.characters[language]))
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
