"""The rows of a run: read, judged, split, counted. What falls out is known by line and reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from alignment.data.demo import demo_rows
from alignment.data.files import Row, read_rows
from alignment.data.fingerprint import manifest_digest, prompt_key, row_hash
from alignment.data.judge import Finding, Weight, judge, prompt_keys
from alignment.data.rows import Demonstration, Pair, Reason, Refusal, read_demonstration
from alignment.data.split import split
from alignment.errors import UnusableData
from alignment.recipe import DataValues

DEMO = "demo"
ItemT = TypeVar("ItemT")
RowT = TypeVar("RowT", Pair, Demonstration)


@dataclass(frozen=True, slots=True)
class RunData(Generic[RowT]):
    """Rows to train on and rows to measure on; no prompt is in both.

    digest: SHA-256 over the hashes of all rows used, in order. hashes: those.
    findings: every row that fell out, and why.
    """

    train: tuple[RowT, ...]
    held_out: tuple[RowT, ...]
    digest: str
    hashes: tuple[str, ...]
    findings: tuple[Finding, ...]


def load_pairs(values: DataValues, *, seed: int) -> RunData[Pair]:
    """Preference pairs of a recipe.

    Raises:
        UnusableData: none is left, or too many fell out.
    """
    held = _rows(values.held_out) if values.held_out else []
    judgement = judge(_rows(values.train), held_out=prompt_keys(held), consent_needed=values.consent)
    _demand(values, judgement.rows, judgement.refused, len(judgement.kept), judgement.findings)
    return _divided(values, judgement.kept, judge(held).kept if held else (), judgement.findings, seed)


def load_demonstrations(values: DataValues, *, seed: int, answer_needed: bool) -> RunData[Demonstration]:
    """Demonstrations (or, without answers, prompts) of a recipe. Preference files are taken too.

    Raises:
        UnusableData: none is left, or too many fell out.
    """
    held, _ = _demonstrations(_rows(values.held_out), answer_needed) if values.held_out else ([], [])
    forbidden = {prompt_key(row.prompt) for row in held}
    kept, findings = _demonstrations(_rows(values.train), answer_needed)
    clean = [row for row in kept if prompt_key(row.prompt) not in forbidden]
    refused = sum(f.weight is Weight.REFUSED for f in findings)
    _demand(values, len(kept) + len(findings), refused, len(clean), findings)
    return _divided(values, tuple(clean), tuple(held), tuple(findings), seed)


def encoded(entries: Iterable[ItemT | Finding], values: DataValues) -> tuple[list[ItemT], list[Finding]]:
    """Part tokenised rows from findings.

    Raises:
        UnusableData: none is left, or too many fell out.
    """
    items: list[ItemT] = []
    findings: list[Finding] = []
    for entry in entries:
        if isinstance(entry, Finding):
            findings.append(entry)
        else:
            items.append(entry)
    _demand(values, len(items) + len(findings), len(findings), len(items), findings)
    return items, findings


def _rows(source: str) -> list[Row]:
    if source == DEMO:
        return [Row(line, row) for line, row in enumerate(demo_rows(), start=1)]
    return list(read_rows(Path(source)))


def _demonstrations(rows: Sequence[Row], answer_needed: bool) -> tuple[list[Demonstration], list[Finding]]:
    kept: list[Demonstration] = []
    findings: list[Finding] = []
    seen: dict[str, int] = {}
    for row in rows:
        read = read_demonstration(row.value, row.line, answer_needed=answer_needed)
        if isinstance(read, Refusal):
            findings.append(Finding(read.line, read.reason, row.problem or read.detail))
            continue
        read = read if answer_needed else Demonstration(read.line, read.prompt, "")
        first = seen.setdefault(row_hash(read), read.line)
        if first == read.line:
            kept.append(read)
        else:
            findings.append(Finding(read.line, Reason.DUPLICATE, "the same row stands earlier", first))
    return kept, findings


def _divided(
    values: DataValues, kept: tuple[RowT, ...], held: tuple[RowT, ...], findings: tuple[Finding, ...], seed: int
) -> RunData[RowT]:
    train = kept
    if not held and values.held_out_share:
        sides = split(kept, share=values.held_out_share, seed=seed)
        train, held = sides.train, sides.held_out
    if not train:
        raise UnusableData("every row is held out", hint="lower data.held_out_share")
    hashes = [row_hash(row) for row in _chain(train, held)]
    return RunData(train, held, manifest_digest(hashes), tuple(hashes), findings)


def _chain(first: Iterable[RowT], second: Iterable[RowT]) -> Iterator[RowT]:
    yield from first
    yield from second


def _demand(values: DataValues, rows: int, refused: int, left: int, findings: Sequence[Finding]) -> None:
    if left and refused <= values.max_refused * rows:
        return
    counts = Counter(str(f.reason) for f in findings if f.weight is Weight.REFUSED)
    reasons = ", ".join(f"{n} {reason}" for reason, n in counts.most_common(4)) or "the file is empty"
    first = next((f for f in findings if f.weight is Weight.REFUSED), None)
    where = f"; first in line {first.line}: {first.detail}" if first else ""
    raise UnusableData(
        f"{values.train}: {refused} of {rows} rows cannot be trained on ({reasons}{where})",
        hint="haechi data validate names each; data.max_refused is the share that is tolerated",
    )
