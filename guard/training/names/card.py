"""Write the name tagger's model card, docs/pii-names.md, with figures measured now.

    python -m guard.training.names.card --data DATA [--output FILE]

Persons, organisations and places are counted as `haechi eval pii` does: exact range and kind, through the Scrubber, on
rows that were neither trained on nor used to choose limits. Intervals are bootstrapped over rows.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from guard.pii.kinds import NAME_KINDS
from guard.pii.names.tagger import FOLDER, GRAPH_FILE, load
from guard.scrub import Scrubber
from guard.training.names.card_text import ABOUT, NOT_FOR
from guard.training.names.rows import FILES, Part, Row, read

_RESAMPLES = 1000
_MINUTES = 16  # what the run took, from its log
_ORDINARY = 150  # rows of a language
_NAMED = {
    "en_presidio_generated": "English, generated; other templates than those trained on",
    "en_wnut17": "English, tweets and comments (WNUT-17)",
    "ko_klue_ner": "Korean, news and reviews (KLUE)",
    "zh_weibo_ner": "Chinese, Weibo posts",
}
_SHORT = {"PERSON": "persons", "ORGANIZATION": "organisations", "LOCATION": "places"}


@dataclass(frozen=True, slots=True)
class Figure:
    """Precision, recall and F2 in [0, 1] with the ends of the 95 % interval of F2. n: names that are there."""

    precision: float
    recall: float
    f2: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return (
            f"{self.precision:.2f} | {self.recall:.2f} | {self.f2:.2f} ({self.low:.2f} to {self.high:.2f}) | {self.n:,}"
        )


def figure(counts: NDArray[np.int64]) -> Figure:
    """counts: shape (rows, 3): right, found, there."""
    right, found, there = (int(total) for total in counts.sum(axis=0))
    rng = np.random.default_rng(7)
    drawn = counts[rng.integers(0, len(counts), (_RESAMPLES, len(counts)))].sum(axis=1)
    low, high = np.quantile(_f2(drawn), (0.025, 0.975))
    return Figure(
        right / found if found else 0.0,
        right / there if there else 0.0,
        float(_f2(np.array([[right, found, there]]))[0]),
        float(low),
        float(high),
        there,
    )


def _f2(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = 5 * counts[:, 0] / np.maximum(4 * counts[:, 2] + counts[:, 1], 1)
    return values


def counted(rows: Sequence[Row], scrubber: Scrubber) -> dict[str, NDArray[np.int64]]:
    """By kind, for each row: right, found, there."""
    counts: dict[str, list[tuple[int, int, int]]] = {kind: [] for kind in NAME_KINDS}
    for row in rows:
        seen = {(e.start, e.end, e.type) for e in scrubber.find(row.text)}
        for kind, made in counts.items():
            found = {span for span in seen if span[2] == kind}
            there = {span for span in row.spans if span[2] == kind}
            made.append((len(found & there), len(found), len(there)))
    return {kind: np.array(made, dtype=np.int64) for kind, made in counts.items()}


def _ordinary(folder: Path, language: str) -> list[str]:
    """Ordinary texts of a language, the first of each file."""
    texts: list[str] = []
    for path in sorted(folder.glob(f"{language}_*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            texts += [json.loads(line)["text"] for _, line in zip(range(_ORDINARY), lines, strict=False)]
    return texts[:_ORDINARY]


def _found_per_thousand(texts: Iterable[str], scrubber: Scrubber) -> float:
    size = found = 0
    for text in texts:
        size += len(text)
        found += sum(entity.type in NAME_KINDS for entity in scrubber.find(text))
    return 1000 * found / max(size, 1)


def card(data: Path) -> str:
    """The card."""
    scrubber = Scrubber()
    tagger = load()
    rows = [row for row in read(data / "pii") if row.part is Part.DEV]
    lines = [
        ABOUT.format(version=tagger.manifest.version, minutes=_MINUTES, size=(FOLDER / GRAPH_FILE).stat().st_size / 1e6)
    ]
    lines += ["| rows | of | precision | recall | F2 (95 % interval) | n |", "|---|---|---|---|---|---|"]
    for source in FILES:
        counts = counted([row for row in rows if row.source == source], scrubber)
        for kind in NAME_KINDS:
            lines.append(f"| {_NAMED[source]} | {_SHORT[kind]} | {figure(counts[kind])} |")
    ordinary = {name: _found_per_thousand(_ordinary(data / "safe_text", name), scrubber) for name in ("ko", "zh", "en")}
    said = ", ".join(f"{name} {value:.1f}" for name, value in ordinary.items())
    lines += [
        "",
        f"Names found in 1,000 characters of ordinary text, most of them true ones, of public persons and places: {said}.",
    ]
    limits = tagger.manifest.limits
    lines += ["", "Least probability at which a name counts: " + "; ".join(
        f"{language.value} " + ", ".join(f"{kind} {least[kind]:g}" for kind in NAME_KINDS) for language, least in limits.items()
    ) + "."]  # fmt: skip
    return "\n".join([*lines, "", NOT_FOR, ""])


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description="Write the name tagger's model card.")
    parser.add_argument("--data", type=Path, required=True, help="folder with pii/ and safe_text/")
    parser.add_argument("--output", type=Path, default=Path("docs/pii-names.md"))
    args = parser.parse_args(argv)
    args.output.write_text(card(args.data), "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
