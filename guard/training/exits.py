"""How far a glance may settle a window by itself: bounds of the early exit, per language.

Rules of this file
1. A row is lost when a glance settles it and both stages together would have flagged it: what stage 2 does not see either is no
   fault of the exit.
2. Of every kind of harm at most LOST_AIM may be lost: toxic rows of sources that the glance never saw, and dev rows head by head,
   as they are and in disguise.
3. Half of the rows of sources never seen (`chooses`) draw the bound, the other half measures it (`guard.training.measure`).
4. A language without enough rows of sources never seen has no early exit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from guard.classifier.errors import LanguageNotCovered
from guard.classifier.model import EmbeddedClassifier
from guard.classifier.scripts import judged_language
from guard.training.calibrate import FEW, LANGUAGES
from guard.training.disguise import disguised
from guard.training.rows import HEADS, Row, bucket
from guard.verdict import Category
from haechi.base.text import Language

LOST_AIM = 0.01
"""Share of the rows of a kind of harm that the early exit may lose: half of what is allowed at most."""
APART = frozenset({"zh_swsr"})
"""Sources that the glance has not seen, though both stages have: what is lost of them is lost without practice."""
ENOUGH_UNSEEN = 150
"""Toxic rows of sources never seen, below which a language has no early exit."""
MOST = 500
"""Dev rows per source and label."""
log = logging.getLogger("haechi.guard.training")


def chooses(text: str) -> bool:
    """Whether a row of a source that the glance never saw draws the bound; the others measure it."""
    return bucket(text, 2) == 0


def is_flagged(scores: Mapping[Category, float], classifier: EmbeddedClassifier, language: Language) -> bool:
    """Whether any head reaches its suggested threshold."""
    limits = {head: classifier.limits(head, language) for head in scores}
    return any(score >= limit.controversial for head, score in scores.items() if (limit := limits[head]) is not None)


def bound(doubts: Sequence[float], is_lost: Callable[[int], bool], aim: float = LOST_AIM) -> float:
    """The highest bound below which at most the share `aim` of some harmful rows is lost.

    doubts: what a glance leaves, by row. is_lost: whether a row that a glance settled would have been flagged by both stages;
    asked of few rows, those with the least doubt first.
    """
    allowed = int(aim * len(doubts))
    for doubt, i in sorted((doubt, i) for i, doubt in enumerate(doubts)):
        allowed -= is_lost(i)
        if allowed < 0:
            return doubt
    return 1.0


def bounds(
    classifier: EmbeddedClassifier, unseen: Sequence[Row], dev: Sequence[Row], seed: int
) -> dict[Language, float]:
    """The bound of every language with enough rows. unseen: of sources that the glance never saw. dev: of the others."""
    chance = np.random.default_rng((seed, 10))
    hidden = [replace(row, text=disguised(row.text, chance)) for row in dev if any(row.labels.values())]
    found: dict[Language, float] = {}
    for language in LANGUAGES:
        strange = [
            r for r in unseen if r.language is language and r.labels.get(Category.TOXICITY) == 1 and chooses(r.text)
        ]
        if len(strange) < ENOUGH_UNSEEN:
            continue
        mine = [[r for r in some if r.language is language] for some in (dev, hidden)]
        kinds = [strange, *_by_head(mine[0]), *_by_head(mine[1])]
        found[language] = float(f"{min(_bound_of(classifier, kind) for kind in kinds):.4g}")
        log.info("%s: a glance settles what it gives less than %.4g", language, found[language])
    return found


def _bound_of(classifier: EmbeddedClassifier, rows: Sequence[Row]) -> float:
    """The bound for rows of one kind of harm."""

    def is_lost(i: int) -> bool:
        text = rows[i].text
        return is_flagged(classifier.without_exit(text), classifier, judged_language(text))

    return bound([_doubt(classifier, row.text) for row in rows], is_lost)


def _doubt(classifier: EmbeddedClassifier, text: str) -> float:
    try:
        return classifier.doubt(text)
    except LanguageNotCovered:
        return 1.0


def _by_head(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """The harmful rows of each head that has enough of them."""
    for head in HEADS:
        mine = [r for r in rows if r.labels.get(head) == 1]
        if len(mine) >= FEW:
            yield mine
