"""Write the name tagger's model card, docs/pii-names.md, with figures measured now.

    python -m guard.training.names.card --data DATA [--output FILE]

Persons, organisations and places are counted as `haechi eval pii` does: exact range and kind, through the Scrubber, on
rows that were neither trained on nor used to choose limits. Intervals are bootstrapped over rows. Findings in ordinary
text that touch no name are counted on rows that were marked by hand.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from guard.pii.kinds import NAME_KINDS
from guard.pii.names.tagger import FOLDER, GRAPH_FILE, load
from guard.scrub import Entity, Scrubber
from guard.training.names.card_text import ABOUT, AGAIN, FALSE, NOT_FOR
from guard.training.names.ordinary import SECOND, Marked, marked
from guard.training.names.rows import FILES, Part, Row, read
from haechi.base.text import Language

_RESAMPLES = 1000
_MINUTES = 10  # what the run took, from its log
_LEAST_PERSONS = 20  # in a part, for a figure
_NAMED = {
    "en_presidio_generated": "English, generated; other templates than those trained on",
    "en_wnut17": "English, tweets and comments (WNUT-17)",
    "ko_klue_ner": "Korean, news and reviews (KLUE)",
    "zh_weibo_ner": "Chinese, Weibo posts",
}
_MARKED = {
    ("safe_text/zh_news", Language.CHINESE): "Chinese, news",
    ("safe_text/zh_ud_extra", Language.CHINESE): "Chinese, subtitles and essays *",
    ("safety_prompts/zh_jade", Language.CHINESE): "Chinese, requests to an assistant",
    ("safe_text/ko_chat", Language.KOREAN): "Korean, chat *",
    ("safe_text/ko_3i4k", Language.KOREAN): "Korean, speech *",
    ("safe_text/ko_parakqc", Language.KOREAN): "Korean, requests to an assistant *",
    ("safe_text/ko_nsmc_reviews", Language.KOREAN): "Korean, film reviews *",
    ("safe_text/multi_ud", Language.KOREAN): "Korean, web and reference *",
    ("safety_prompts/ko_square_questions", Language.KOREAN): "Korean, questions on politics and society *",
    ("safe_text/multi_ud", Language.ENGLISH): "English, web, mail and reviews *",
    ("safety_prompts/en_jade", Language.ENGLISH): "English, requests to an assistant",
    ("safe_text/en_gsm8k_questions", Language.ENGLISH): "English, school sums",
}
_SIZE = "characters"
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


Found = Sequence[Sequence[Entity]]
"""What the scrubber found in each row."""


def counted(rows: Sequence[Row], found: Found) -> dict[str, NDArray[np.int64]]:
    """By kind, for each row: right, found, there."""
    counts: dict[str, list[tuple[int, int, int]]] = {kind: [] for kind in NAME_KINDS}
    for row, entities in zip(rows, found, strict=True):
        every = {(e.start, e.end, e.type) for e in entities}
        for kind, made in counts.items():
            seen = {span for span in every if span[2] == kind}
            there = {span for span in row.spans if span[2] == kind}
            made.append((len(seen & there), len(seen), len(there)))
    return {kind: np.array(made, dtype=np.int64) for kind, made in counts.items()}


def false_findings(part: Marked, found: Found) -> dict[str, int]:
    """By kind, how many findings touch no name at all. part: with every name marked."""
    counts = dict.fromkeys(NAME_KINDS, 0)
    for row, entities in zip(part.rows, found, strict=True):
        for entity in entities:
            if entity.type in counts and not any(s < entity.end and entity.start < e for s, e, _ in row.spans):
                counts[entity.type] += 1
    return counts


def _false_lines(parts: Sequence[Marked], found: Sequence[Found]) -> Iterator[str]:
    """A table of what is found where nothing is, in 1,000 characters; at its end each language as a whole."""
    yield "| text | characters | persons | organisations | places | together |"
    yield "|---|---|---|---|---|---|"
    whole: dict[Language, Counter[str]] = defaultdict(Counter)
    for part, seen in zip(parts, found, strict=True):
        if part.everything:
            counts = _false_counts(part, seen)
            whole[part.language] += counts
            yield _false_line(_MARKED[part.source, part.language], counts)
    for language, counts in whole.items():
        yield _false_line(f"**{language.name.title()}, all**", counts)


def _false_counts(part: Marked, found: Found) -> Counter[str]:
    """By kind what is found where nothing is, and the characters read."""
    return Counter(false_findings(part, found) | {_SIZE: sum(len(row.text) for row in part.rows)})


def _false_line(name: str, counts: Counter[str]) -> str:
    shares = [1000 * counts[kind] / counts[_SIZE] for kind in NAME_KINDS]
    return f"| {name} | {counts[_SIZE]:,} | " + " | ".join(f"{value:.2f}" for value in (*shares, sum(shares))) + " |"


def _second_sample(data: Path, scrubber: Scrubber, first: Counter[str]) -> Iterator[str]:
    """The same table on Korean rows marked later, and how many of their names are found. first: of the first sample in Korean."""
    parts = marked(data, SECOND)
    found = [_found(part.rows, scrubber) for part in parts]
    every = [counted(part.rows, seen) for part, seen in zip(parts, found, strict=True)]
    kinds = "; ".join(f"{_SHORT[kind]}: {_said(np.concatenate([one[kind] for one in every]))}" for kind in NAME_KINDS)
    yield AGAIN
    yield from _false_lines(parts, found)
    yield _false_line("**Korean, both samples**", sum(map(_false_counts, parts, found), first))
    yield from ("", f"Names in it: {kinds}.")


def _said(counts: NDArray[np.int64]) -> str:
    made = figure(counts)
    return f"F2 {made.f2:.2f} ({made.low:.2f} to {made.high:.2f}; n {made.n:,})"


def _found(rows: Sequence[Row], scrubber: Scrubber) -> Found:
    return [scrubber.find(row.text) for row in rows]


def card(data: Path) -> str:
    """The card."""
    scrubber = Scrubber()
    tagger = load()
    rows = [row for row in read(data / "pii") if row.part is Part.DEV]
    lines = [
        ABOUT.format(version=tagger.manifest.version, size=(FOLDER / GRAPH_FILE).stat().st_size / 1e6, minutes=_MINUTES)
    ]
    lines += ["| rows | of | precision | recall | F2 (95 % interval) | n |", "|---|---|---|---|---|---|"]
    for source in FILES:
        mine = [row for row in rows if row.source == source]
        counts = counted(mine, _found(mine, scrubber))
        for kind in NAME_KINDS:
            lines.append(f"| {_NAMED[source]} | {_SHORT[kind]} | {figure(counts[kind])} |")
    parts = marked(data)
    found = [_found(part.rows, scrubber) for part in parts]
    for part, seen in zip(parts, found, strict=True):
        persons = counted(part.rows, seen)["PERSON"]
        if persons[:, 2].sum() >= _LEAST_PERSONS:
            lines.append(f"| {_MARKED[part.source, part.language]} | persons | {figure(persons)} |")
    lines += ["", FALSE, *_false_lines(parts, found), ""]
    korean = [
        _false_counts(part, seen)
        for part, seen in zip(parts, found, strict=True)
        if part.everything and part.language is Language.KOREAN
    ]
    lines += _second_sample(data, scrubber, sum(korean, Counter()))
    limits = tagger.manifest.limits
    lines += ["", "Least probability at which a name counts: " + "; ".join(
        f"{language.value} " + ", ".join(f"{kind} {least[kind]:g}" for kind in NAME_KINDS) for language, least in limits.items()
    ) + "."]  # fmt: skip
    return "\n".join([*lines, "", NOT_FOR, ""])


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description="Write the name tagger's model card.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the shared data")
    parser.add_argument("--output", type=Path, default=Path("docs/pii-names.md"))
    args = parser.parse_args(argv)
    args.output.write_text(card(args.data), "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
