"""What a glance may settle by itself: bounds of the early exits, per language, on its doubt and on every head.

Rules of this file
1. A row is lost when a glance settles it and both stages together would have flagged it: what stage 2 does not see either is no
   fault of the exit.
2. Of every kind of harm at most LOST_AIM may be lost: toxic rows of sources that the glance never saw, dev rows head by head,
   as they are and in disguise, and harm among calm sentences.
3. Among bounds that keep to it, those are taken that settle most of the ordinary dev text. One bound on the doubt alone must stand
   as low as the kind of harm that looks most ordinary wants it; a bound of its own for each head lets the others stand higher.
4. Half of the rows of sources never seen (`chooses`) draw the bounds, the other half measures them (`guard.training.measure`).
5. A language without enough rows of sources never seen has no early exit.
6. The bounds of the later glance are drawn on what the first one leaves to it, and each of the two may lose LOST_AIM.
Shapes: R rows, J what is bounded: the doubt, and each head that answers in the language.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from guard.classifier.errors import LanguageNotCovered
from guard.classifier.model import EmbeddedClassifier
from guard.classifier.package import Exit
from guard.classifier.scripts import judged_language
from guard.training.among import among
from guard.training.calibrate import LANGUAGES
from guard.training.disguise import disguised
from guard.training.rows import HEADS, Row, bucket, is_calm
from guard.verdict import Category
from haechi.base.text import Language

LOST_AIM = 0.01
"""Share of the rows of a kind of harm, our own in disguise among them, that each of the two early exits may lose: together what is
allowed at most of what is toxic on sources never seen, of which less is lost."""
MOST_DOUBT, HIGHEST = (0.2, 0.3), 0.07
"""No bound of the first and of the later glance is higher on the doubt, and no bound on a head: what is settled keeps the scores that the
glance expects, and they are rough. Higher ones settle more, cost AUROC on sources never trained on, at which was looked when these were
chosen, and settle an insult among calm sentences that the layers would see."""
APART = frozenset({"zh_swsr"})
"""Sources that the glance has not seen, though both stages have: what is lost of them is lost without practice."""
ENOUGH_UNSEEN = 150
"""Toxic rows of sources never seen, below which a language has no early exit."""
MOST = 500
"""Dev rows per source and label."""
AMONG = 500
"""Harmful dev rows of each language that are shown among calm sentences."""
ENOUGH_OF_A_HEAD = 15
"""Dev rows of a head in a language, of which the exit is shown to lose none, or one in a hundred."""
MOST_UNSHOWN = 0.05
"""The highest bound on a head that has fewer."""
TRIES = 300
"""Ways to share out among the bounds what they stop."""
log = logging.getLogger("haechi.guard.training")
Array = npt.NDArray[np.float64]


def chooses(text: str) -> bool:
    """Whether a row of a source that the glance never saw draws the bounds; the others measure them."""
    return bucket(text, 2) == 0


def is_flagged(scores: Mapping[Category, float], classifier: EmbeddedClassifier, language: Language) -> bool:
    """Whether any head reaches its suggested threshold."""
    limits = {head: classifier.limits(head, language) for head in scores}
    return any(score >= limit.controversial for head, score in scores.items() if (limit := limits[head]) is not None)


@dataclass(frozen=True, slots=True)
class Kind:
    """Rows of one kind of harm. looks: (F, J), of those that both stages flag and a glance might settle. rows: of all, R."""

    looks: Array
    rows: int

    def keeps_to(self, bounds: Array, aim: float) -> bool:
        """Whether no more than the share `aim` of the rows is lost by the bounds (J,)."""
        return int((self.looks < bounds).all(axis=1).sum()) <= int(aim * self.rows)


def drawn(calm: Array, kinds: Sequence[Kind], most: Array, seed: int, aim: float = LOST_AIM) -> Array:
    """The bounds (J,) that settle most of the ordinary rows `calm` (R, J) and lose no more than `aim` of any kind.

    most: (J,), what no bound may exceed. Every bound stops a share of the ordinary rows; how they share that is tried out, first the
    doubt alone and all alike, then by chance, and each way is loosened as far as it goes.
    """
    chance = np.random.default_rng((seed, 13))
    ranks = np.sort(calm, axis=0)
    ways = [np.eye(len(most))[0], np.ones(len(most))]
    ways += [chance.random(len(most)) ** 3 * (chance.random(len(most)) < 0.7) for _ in range(TRIES)]
    best, settled = np.zeros(len(most)), -1.0
    for way in ways:
        if not way.any():
            continue
        found = _least(ranks, way / way.max(), kinds, most, aim)
        for j in chance.permutation(len(most)):
            found[j] = _loosened(found, j, ranks[:, j], kinds, most[j], aim)
        share = float((calm < found).all(axis=1).mean())
        if share > settled:
            best, settled = found, share
    return best


def _least(ranks: Array, way: Array, kinds: Sequence[Kind], most: Array, aim: float) -> Array:
    """The loosest bounds on a way that keep to the aim: those that stop the share `way` * x of ordinary rows, with the least x.

    way: (J,), at most 1, which stops everything.
    """

    def at(x: float) -> Array:
        number = np.clip(((1 - way * x) * len(ranks)).astype(int), 0, len(ranks) - 1)
        found: Array = np.where(way > 0, np.minimum(ranks[number, np.arange(len(way))], most), most)
        return found

    low, high = 0.0, 1.0
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (low, middle) if all(kind.keeps_to(at(middle), aim) for kind in kinds) else (middle, high)
    return at(high)


def _loosened(bounds: Array, j: int, ranks: Array, kinds: Sequence[Kind], most: float, aim: float) -> float:
    """Bound j, as high as the aim allows while the others stay. ranks: (R,), what ordinary rows have there, ascending."""
    higher = [float(bound) for bound in (bounds[j], *np.minimum(ranks[ranks > bounds[j]], most), most)]
    low, high = 0, len(higher) - 1
    while low < high:
        middle = (low + high + 1) // 2
        tried = bounds.copy()
        tried[j] = higher[middle]
        low, high = (middle, high) if all(kind.keeps_to(tried, aim) for kind in kinds) else (low, middle - 1)
    return higher[low]


def bounds(
    classifier: EmbeddedClassifier, unseen: Sequence[Row], dev: Sequence[Row], seed: int, number: int
) -> dict[Language, Exit]:
    """The exit of every language with enough rows. unseen: of sources that the glance never saw. dev: of the others.

    number: which glance, from 0. The classifier has the bounds of those before it.
    """
    chance = np.random.default_rng((seed, 10))
    hidden = [replace(row, text=disguised(row.text, chance)) for row in dev if any(row.labels.values())]
    surrounded = among(dev, AMONG, seed)
    found: dict[Language, Exit] = {}
    for language in LANGUAGES:
        strange = [
            r for r in unseen if r.language is language and r.labels.get(Category.TOXICITY) == 1 and chooses(r.text)
        ]
        if len(strange) < ENOUGH_UNSEEN:
            continue
        mine = [[r for r in some if r.language is language] for some in (dev, hidden)]
        heads = tuple(classifier.manifest.curves[language])
        limits = classifier.manifest.limits[language]
        most = np.array([MOST_DOUBT[number], *(min(HIGHEST, limits[head].controversial) for head in heads)])
        shown = [by_head for some in mine for by_head in _by_head(some)]
        unshown = [head not in {head for head, _ in shown} for head in heads]
        most[1:] = np.where(unshown, np.minimum(most[1:], MOST_UNSHOWN), most[1:])
        harm = [strange, [r for r in surrounded if r.language is language], *(rows for _, rows in shown)]
        kinds = [_kind(classifier, rows, language, most, number) for rows in harm]
        ordinary = [r for r in mine[0] if is_calm(r) and not r.source.startswith("own_")]
        calm = np.array([look for r in ordinary if (look := _look(classifier, r.text, language, number)) is not None])
        doubt, *others = (float(f"{bound:.4g}") for bound in drawn(calm, kinds, most, seed))
        found[language] = Exit(doubt, dict(zip(heads, others, strict=True)))
        share = float((calm < [doubt, *others]).all(axis=1).mean())
        log.info("%s: glance %d settles %.1f %% of %d ordinary rows", language, number + 1, 100 * share, len(calm))
    return found


def _kind(classifier: EmbeddedClassifier, rows: Sequence[Row], language: Language, most: Array, number: int) -> Kind:
    """Rows of one kind of harm; the layers are asked about those that some bounds could settle."""
    looks = [(row.text, look) for row in rows if (look := _look(classifier, row.text, language, number)) is not None]
    flagged = [
        look
        for text, look in looks
        if (look < most).all() and is_flagged(classifier.without_exit(text), classifier, judged_language(text))
    ]
    return Kind(np.array(flagged).reshape(-1, len(most)), len(rows))


def _look(classifier: EmbeddedClassifier, text: str, language: Language, number: int) -> Array | None:
    """What a glance leaves open of a text, (J,); None for a text that never gets there or is judged in another language, or not at all."""
    try:
        if number and classifier.depth(text[:4000]) < number:
            return None
        doubt, scores = classifier.glimpse(text[:4000], number)
    except LanguageNotCovered:
        return None
    if scores.keys() != classifier.manifest.curves[language].keys():
        return None
    return np.array([doubt, *(scores[head] for head in classifier.manifest.curves[language])])


def _by_head(rows: Sequence[Row]) -> Iterator[tuple[Category, list[Row]]]:
    """The harmful rows of each head that has enough of them."""
    for head in HEADS:
        mine = [r for r in rows if r.labels.get(head) == 1]
        if len(mine) >= ENOUGH_OF_A_HEAD:
            yield head, mine
