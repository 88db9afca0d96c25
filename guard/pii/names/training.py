"""Train the name taggers: `python -m guard.pii.names.training --data FOLDER [--language ko]`.

The data are JSONL rows `{"text", "spans": [[start, end, type]], "split"}`. A multinomial logistic model over hashed
features is fitted by L-BFGS with a squared penalty, quantised to int8, and its threshold chosen for the best F2 on the
rows that were not fitted. Figures are printed; the model card is docs/pii-names.md.
"""

from __future__ import annotations

import argparse
import gzip
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from guard.pii.names import lists
from guard.pii.names.tagger import UNITS, Tagger
from guard.pii.names.units import BUCKETS, Units
from haechi.base.text import Language

Rng = np.random.Generator
_log = logging.getLogger("haechi.guard.names")
_KINDS = {
    "PERSON": "PERSON", "person": "PERSON", "PS": "PERSON", "PER.NAM": "PERSON",
    "LOCATION": "LOCATION", "location": "LOCATION", "LC": "LOCATION", "LOC.NAM": "LOCATION", "GPE.NAM": "LOCATION",
    "ORGANIZATION": "ORGANIZATION", "group": "ORGANIZATION", "corporation": "ORGANIZATION", "OG": "ORGANIZATION",
    "ORG.NAM": "ORGANIZATION", "ADDRESS": "ADDRESS", "PHONE_NUMBER": "PHONE_NUMBER",
}  # fmt: skip
_FILES = {
    Language.ENGLISH: ("en_presidio_generated", "en_wnut17"),
    Language.KOREAN: ("ko_klue_ner",),
    Language.CHINESE: ("zh_weibo_ner",),
}
_ITERATIONS = {Language.ENGLISH: 40, Language.KOREAN: 90, Language.CHINESE: 90}
# On squared weights, against a loss summed over units.
_PENALTY = {Language.ENGLISH: 0.4, Language.KOREAN: 0.2, Language.CHINESE: 0.2}
_CHUNK = 32_768
_PRECISION = 0.5  # exact matches of range and kind, on rows that were not fitted
_STRICT = 0.9
# Chosen on the rows held out, together with the rules that judge what the taggers find.
_THRESHOLD = {Language.KOREAN: 0.06}
_LEAST: dict[Language, dict[str, float]] = {
    Language.KOREAN: {"PERSON": 0.0},
    Language.ENGLISH: {"ORGANIZATION": 0.6, "LOCATION": 0.7, "ADDRESS": 0.3},
}
_GIVEN_KOREAN = "민서지현수진영준호연우경은성희도윤아혜정태재하원상동선유미나주승용"
_GIVEN_CHINESE = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚建国文华志玉春红小海峰宇欣怡佳晨雨轩梓涵"


@dataclass(frozen=True, slots=True)
class Row:
    """A text and its names. held_out: not for fitting."""

    text: str
    spans: tuple[tuple[int, int, str], ...]
    source: str
    held_out: bool


def read(folder: Path, language: Language) -> list[Row]:
    """The rows of a language; where the data have no development part, every seventh row is held out."""
    rows = []
    for name in _FILES[language]:
        with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            stored = [json.loads(line) for line in lines]
        has_dev = any(row["split"] == "dev" for row in stored)
        for number, row in enumerate(stored):
            spans = tuple((s, e, _KINDS[k]) for s, e, k in row["spans"] if k in _KINDS)
            held_out = row["split"] == "dev" if has_dev else number % 7 == 0
            rows.append(Row(row["text"], spans, name, held_out))
    return rows


def _new_name(old: str, language: Language, rng: Rng) -> str:
    """Another name of about the same form."""

    def one(options: Sequence[str]) -> str:
        return options[int(rng.integers(len(options)))]

    if language is Language.KOREAN:
        if not (2 <= len(old) <= 4 and all("가" <= c <= "힣" for c in old)):
            return old
        return one(sorted(lists.KOREAN_FAMILY)) + one(_GIVEN_KOREAN) + (one(_GIVEN_KOREAN) if len(old) > 2 else "")
    if language is Language.CHINESE:
        if not (2 <= len(old) <= 3 and old[0] in lists.CHINESE_FAMILY):
            return old
        return one(sorted(lists.CHINESE_FAMILY)) + "".join(one(_GIVEN_CHINESE) for _ in old[1:])
    words = old.split()
    made = [
        one(sorted(lists.ENGLISH_GIVEN if at == 0 else lists.ENGLISH_FAMILY)).capitalize() for at in range(len(words))
    ]
    return " ".join(made)


def varied(row: Row, language: Language, rng: Rng) -> Row:
    """The row with other names of persons, and now and then without capitals."""
    text, spans = "", []
    at = 0
    for start, end, kind in sorted(row.spans):
        text += row.text[at:start]
        value = row.text[start:end]
        if kind == "PERSON" and rng.random() < 0.7:
            value = _new_name(value, language, rng)
        spans.append((len(text), len(text) + len(value), kind))
        text += value
        at = end
    text += row.text[at:]
    if language is Language.ENGLISH and rng.random() < 0.25 and len(text.lower()) == len(text):
        text = text.lower()
    return replace(row, text=text, spans=tuple(spans))


def labels(row: Row, units: Units, kinds: Sequence[str]) -> NDArray[np.int64]:
    """The tag of each unit."""
    tags = np.zeros(len(units.starts), dtype=np.int64)
    for start, end, kind in row.spans:
        first = True
        for at, (begin, stop) in enumerate(zip(units.starts, units.ends, strict=True)):
            if begin < end and start < stop:
                tags[at] = 1 + 2 * kinds.index(kind) + (0 if first else 1)
                first = False
    return tags


def fit(rows: Sequence[Row], language: Language, kinds: Sequence[str], seed: int) -> Tagger:
    """Weights for the rows."""
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    make = UNITS[language]
    every = [*rows, *(varied(row, language, rng) for _ in range(1) for row in rows)]
    made = [(make(row.text), row) for row in every]
    features = torch.from_numpy(np.concatenate([u.features for u, _ in made]).astype(np.int64))
    tags = torch.from_numpy(np.concatenate([labels(row, u, kinds) for u, row in made]))
    width = 1 + 2 * len(kinds)
    table = torch.nn.EmbeddingBag(BUCKETS, width, mode="sum")
    torch.nn.init.zeros_(table.weight)
    bias = torch.nn.Parameter(torch.zeros(width))
    optimiser = torch.optim.LBFGS([table.weight, bias], max_iter=_ITERATIONS[language], history_size=6)
    chunks = list(zip(features.split(_CHUNK), tags.split(_CHUNK), strict=True))

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        total = 0.5 * _PENALTY[language] * table.weight.square().sum()
        total.backward()
        for bag, answer in chunks:
            part = torch.nn.functional.cross_entropy(table(bag) + bias, answer, reduction="sum")
            part.backward()
            total = total.detach() + part.detach()
        return total

    optimiser.step(loss)
    _log.info("%s: loss %.4f", language.value, loss().item() / len(tags))
    weights = table.weight.detach().numpy()
    scale = np.abs(weights).max(axis=0) / 127
    small = np.rint(weights / scale).astype(np.int8)
    return Tagger(
        tuple(kinds),
        small,
        scale.astype(np.float32),
        bias.detach().numpy().astype(np.float32),
        0.5,
        (0.0,) * len(kinds),
        make,
    )


@dataclass(frozen=True, slots=True)
class Count:
    """How many were right, found, there."""

    right: int
    found: int
    there: int

    @property
    def f2(self) -> float:
        """F-measure that weighs recall four times as much as precision."""
        return 5 * self.right / (4 * self.there + self.found) if self.there + self.found else 0.0

    def __str__(self) -> str:
        precision = self.right / self.found if self.found else 0.0
        recall = self.right / self.there if self.there else 0.0
        return f"precision {precision:.3f} recall {recall:.3f} F2 {self.f2:.3f} (n={self.there})"


def count(rows: Iterable[Row], tagger: Tagger, kind: str | None) -> Count:
    """Exact matches of range and kind."""
    right = found = there = 0
    for row in rows:
        truth = {(s, e, k) for s, e, k in row.spans if kind in (None, k)}
        seen = {(n.start, n.end, n.kind) for n in tagger.names(row.text) if kind in (None, n.kind)}
        right += len(truth & seen)
        found += len(seen)
        there += len(truth)
    return Count(right, found, there)


def best_threshold(rows: Sequence[Row], tagger: Tagger) -> Tagger:
    """The tagger with the threshold of the best F2 over persons."""
    tries = [replace(tagger, threshold=t / 100) for t in (12, 16, 20, 25, 30, 40, 50)]
    return max(tries, key=lambda t: count(rows, t, None).f2)


def calibrated(rows: Sequence[Row], tagger: Tagger) -> Tagger:
    """The tagger with the score for each kind from which on at least _PRECISION of its names are right."""
    least = []
    for at, kind in enumerate(tagger.kinds):
        best = _STRICT
        for score in (0.85, 0.75, 0.65, 0.55, 0.45, 0.35, 0.25, 0.0):
            tried = replace(tagger, least=tuple(score if n == at else 2.0 for n in range(len(tagger.kinds))))
            seen = count(rows, tried, kind)
            if seen.found and seen.right / seen.found >= _PRECISION:
                best = score
        least.append(best)
    return replace(tagger, least=tuple(least))


def save(tagger: Tagger, path: Path) -> None:
    """Only rows that are not zero."""
    rows = np.flatnonzero(np.any(tagger.weights != 0, axis=1)).astype(np.uint32)
    np.savez_compressed(
        path,
        shape=np.array(tagger.weights.shape),
        rows=rows,
        values=tagger.weights[rows],
        scale=tagger.scale,
        bias=tagger.bias,
        threshold=np.array(tagger.threshold),
        kinds=np.array(tagger.kinds),
        least=np.array(tagger.least),
    )


def _languages(given: str | None) -> Iterator[Language]:
    yield from ([Language(given)] if given else _FILES)


def main() -> int:
    """Train, tell the figures, write the models."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the JSONL files")
    parser.add_argument("--language", choices=[language.value for language in _FILES])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for language in _languages(args.language):
        rows = read(args.data, language)
        kinds = sorted({kind for row in rows for _, _, kind in row.spans})
        held_out = [row for row in rows if row.held_out]
        tagger = fit([row for row in rows if not row.held_out], language, kinds, args.seed)
        tagger = calibrated(held_out, best_threshold(held_out, tagger))
        chosen = _LEAST.get(language, {})
        least = tuple(chosen.get(kind, at) for kind, at in zip(kinds, tagger.least, strict=True))
        tagger = replace(tagger, threshold=_THRESHOLD.get(language, tagger.threshold), least=least)
        _log.info("%s fitted rows: %s", language.value, count(rows[:300], tagger, None))
        for source in _FILES[language]:
            part = [row for row in held_out if row.source == source]
            for kind in (*kinds, None):
                _log.info("%s %s %s: %s", language.value, source, kind or "all", count(part, tagger, kind))
        _log.info("%s threshold %s, least %s", language.value, tagger.threshold, tagger.least)
        save(tagger, args.output / f"{language.value}.npz")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
