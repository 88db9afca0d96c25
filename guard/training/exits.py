"""How far stage 1 may settle a text by itself: bounds of the early exit, per language, drawn anew over weights that are there.

    python -m guard.training.exits --data DATA [--out FOLDER]

Rules of this file
1. A row is lost when stage 1 settles it and both stages together would have flagged it: what stage 2 does not see either is no
   fault of the exit.
2. Of every kind of harm at most LOST_AIM may be lost: toxic rows of sources never trained on, and dev rows head by head.
3. Half of the rows of sources never trained on (`chooses`) draw the bound, the other half measures it (`guard.training.measure`).
4. A language without enough rows of sources never trained on has no early exit.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from guard.classifier.errors import LanguageNotCovered
from guard.classifier.model import FOLDER, EmbeddedClassifier, load
from guard.classifier.package import read_manifest, write_manifest
from guard.classifier.scripts import judged_language
from guard.training.calibrate import FEW, LANGUAGES
from guard.training.corpus import NEVER_TRAINED, corpus
from guard.training.rows import HEADS, Row, bucket, read_rows
from guard.training.sampling import thinned
from guard.verdict import Category
from haechi.base.text import Language

LOST_AIM = 0.01
"""Share of the rows of a kind of harm that the early exit may lose: half of what is allowed at most."""
ENOUGH_UNSEEN = 150
"""Toxic rows of sources never trained on, below which a language has no early exit."""
MOST = 500
"""Dev rows per source and label."""
log = logging.getLogger("haechi.guard.training")


def chooses(text: str) -> bool:
    """Whether a row of a source never trained on draws the bound; the others measure it."""
    return bucket(text, 2) == 0


def is_flagged(scores: Mapping[Category, float], classifier: EmbeddedClassifier, language: Language) -> bool:
    """Whether any head reaches its suggested threshold."""
    limits = {head: classifier.limits(head, language) for head in scores}
    return any(score >= limit.controversial for head, score in scores.items() if (limit := limits[head]) is not None)


def bound(doubts: Sequence[float | None], is_lost: Callable[[int], bool], aim: float = LOST_AIM) -> float:
    """The highest bound below which at most the share `aim` of some harmful rows is lost.

    doubts: stage 1's highest probability by row, None where it may not settle. is_lost: whether a row that stage 1 settled
    would have been flagged by both stages; asked of few rows, those with the least doubt first.
    """
    allowed = int(aim * len(doubts))
    for doubt, i in sorted((doubt, i) for i, doubt in enumerate(doubts) if doubt is not None):
        allowed -= is_lost(i)
        if allowed < 0:
            return doubt
    return 1.0


def bounds(classifier: EmbeddedClassifier, unseen: Sequence[Row], dev: Sequence[Row]) -> dict[Language, float]:
    """The bound of every language with enough rows. unseen: of sources never trained on. dev: of the others."""
    found: dict[Language, float] = {}
    for language in LANGUAGES:
        strange = [
            r for r in unseen if r.language is language and r.labels.get(Category.TOXICITY) == 1 and chooses(r.text)
        ]
        if len(strange) < ENOUGH_UNSEEN:
            continue
        kinds = [strange, *_by_head([r for r in dev if r.language is language])]
        found[language] = round(min(_bound_of(classifier, kind) for kind in kinds), 4)
        log.info("%s: stage 1 settles what it gives less than %.4f", language, found[language])
    return found


def _bound_of(classifier: EmbeddedClassifier, rows: Sequence[Row]) -> float:
    """The bound for rows of one kind of harm."""

    def is_lost(i: int) -> bool:
        text = rows[i].text
        return is_flagged(classifier.without_exit(text), classifier, judged_language(text))

    return bound([_doubt(classifier, row.text) for row in rows], is_lost)


def _doubt(classifier: EmbeddedClassifier, text: str) -> float | None:
    try:
        return classifier.doubt(text)
    except LanguageNotCovered:
        return None


def _by_head(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """The harmful rows of each head that has enough of them."""
    for head in HEADS:
        mine = [r for r in rows if r.labels.get(head) == 1]
        if len(mine) >= FEW:
            yield mine


def main(argv: Sequence[str] | None = None) -> int:
    """Draw the bounds and write them into the manifest."""
    parser = argparse.ArgumentParser(description="Draw the bounds of the early exit anew.")
    parser.add_argument("--data", type=Path, required=True, help="folder with toxicity/, injection/, safe_text/, ...")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the weights (default: the shipped ones)")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    rows, _ = corpus(args.data, args.seed)
    dev = thinned([r for r in rows if r.dev], MOST, args.seed)
    unseen = [r for r in read_rows(args.data)[0] if r.source in NEVER_TRAINED]
    write_manifest(args.out, replace(read_manifest(args.out), settled=bounds(load(args.out), unseen, dev)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
