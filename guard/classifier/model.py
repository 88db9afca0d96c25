"""The embedded classifier: fold the text, ask stage 1, ask stage 2 where a glance cannot settle it, calibrate.

Rules of this file
1. The same text gets the same score, whatever stands before it or is judged with it.
2. A head that has no data in the text's language is absent from the answer; it is never 0.
3. A text of nothing but blanks and invisible characters holds nothing: every head says 0.
4. Text in an unknown script is refused by an exception, which the guard turns into "unavailable".
5. Sexual content about children is found by a rule (`minors.py`), in every language, beside the heads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from guard.classifier.against import is_against_discrimination
from guard.classifier.aimless import is_aimless, is_exaggeration
from guard.classifier.encoder import SmallEncoder, read_encoder
from guard.classifier.errors import LanguageNotCovered
from guard.classifier.folding import fold
from guard.classifier.glance import Floats, Glance, read_glance
from guard.classifier.linear import LinearHeads, Scores
from guard.classifier.minors import FOUND, makes_children_sexual
from guard.classifier.package import (
    GLANCE_FILES,
    UPPER_FILE,
    Curve,
    Limits,
    Manifest,
    read_linear,
    read_manifest,
    verified,
)
from guard.classifier.scant import is_scant
from guard.classifier.scripts import judged_language
from guard.classifier.wrapped import readings
from guard.verdict import Category
from haechi.base.text import Language

FOLDER = Path(__file__).parent / "weights"
CURSES = frozenset({Category.TOXICITY, Category.HARASSMENT})
"""Heads that a curse raises, wherever it stands."""
DEATHS = CURSES | {Category.HATE, Category.SEXUAL}
"""Heads that talk of death raises where nobody means it; whether somebody means it, other heads say."""
ABUSE = CURSES | {Category.HATE, Category.VIOLENCE}
"""Heads that speech against discrimination raises."""
NEVER = 1.1
"""A threshold that no probability reaches."""
ODDS_AMONG = 1 / math.e
"""A sentence taken out of a longer text looks worse than it is. On 2,080 English texts of sources never trained on the worst
sentence has an AUROC of 0.881, the whole text 0.890, both with this factor 0.885 (Korean dev rows 0.799, 0.869, 0.869; Chinese
0.916, 0.934, 0.929). By the whole alone a threat between four polite sentences goes unseen."""


@dataclass(frozen=True, slots=True)
class EmbeddedClassifier:
    """The classifier that ships with Haechi; reads Korean, Chinese and English. See docs/classifier.md."""

    manifest: Manifest
    linear: LinearHeads
    encoder: SmallEncoder | None = None
    glances: tuple[Glance, ...] = ()
    name: str = "classifier"
    odds_among: float = ODDS_AMONG

    @property
    def categories(self) -> frozenset[Category]:
        """Every head that answers in at least one language, and what the rule finds."""
        return frozenset(head for heads in self.manifest.curves.values() for head in heads) | {Category.SEXUAL_MINORS}

    @property
    def version(self) -> str:
        """Which weights these are."""
        return self.manifest.version

    def score(self, text: str, context: str = "") -> Mapping[Category, float]:
        """Calibrated probability in [0, 1] per head that its category holds for `text`; `sexual_minors` is 0 or `FOUND`.

        context: accepted for the contract; this classifier judges the text by itself.

        Raises:
            LanguageNotCovered: when the text is mostly in a script that the classifier does not know.
        """
        first, *more = readings(text)
        scores = self._judged(first)
        for reading in more:
            scores = _worse(scores, self._judged(reading))
        return scores

    def _judged(self, text: str) -> dict[Category, float]:
        """The scores of one reading of a text."""
        language = judged_language(text)
        folded = fold(text)
        rule = {Category.SEXUAL_MINORS: FOUND if makes_children_sexual(folded) else 0.0}
        return self._heads(language, text, folded) | rule

    def _heads(self, language: Language, text: str, folded: str) -> dict[Category, float]:
        """The scores of what has been learnt."""
        if not folded:
            return dict.fromkeys(self.manifest.curves[language], 0.0)
        linear = self.linear.logits(folded)
        if self.encoder is None:
            return self.answer(language, linear, None)
        seen = [self._asked(language, window, linear) for window in self.encoder.words.windows(folded)]
        return self.answer(language, linear, np.max([logits for logits, _ in seen], axis=0))

    def _asked(self, language: Language, window: Floats, linear: Scores) -> tuple[Scores, int]:
        """The logits of stage 2 for a window, about where a glance settles it, and how many glances did not."""
        assert self.encoder is not None  # noqa: S101  # nobody asks without stage 2
        if (settled := self._glanced(0, language, window, linear)) is not None:
            return settled, 0
        states = self.encoder.lower.states(window)
        if (settled := self._glanced(1, language, states, linear)) is not None:
            return settled, 1
        logits: Scores = self.encoder.upper.logits(states)[0]
        return logits, 2

    def _glanced(self, number: int, language: Language, vectors: Floats, linear: Scores) -> Scores | None:
        """The logits of stage 2, about, where a glance settles a window; None where the layers are to be asked.

        number: which glance, from 0. vectors: (1, T, D), what it looks at.
        """
        leaves = self.manifest.settled[number].get(language) if number < len(self.glances) else None
        if leaves is None:
            return None
        doubt, logits = self.glances[number].look(vectors, linear)
        if doubt >= leaves.doubt:
            return None
        scores = self.answer(language, linear, logits)
        return logits if all(score < leaves.heads[head] for head, score in scores.items()) else None

    def depth(self, text: str) -> int:
        """How far into stage 2 a text gets: 0 where a glance settles all of it, 1 where the first layers are asked, 2 where all are.

        Raises:
            LanguageNotCovered: when the text is mostly in a script that the classifier does not know.
        """
        language, folded = judged_language(text), fold(text) or " "
        if self.encoder is None:
            return 0
        linear = self.linear.logits(folded)
        return max(self._asked(language, window, linear)[1] for window in self.encoder.words.windows(folded))

    def glimpse(self, text: str, number: int) -> tuple[float, Mapping[Category, float]]:
        """What a glance leaves open of a text, the most that any of its windows does.

        number: which glance, from 0.

        Returns: the probability that both stages would flag it, as far as a glance can tell, and the scores that it expects.

        Raises:
            LanguageNotCovered: when the text is mostly in a script that the classifier does not know.
        """
        assert self.encoder is not None  # noqa: S101  # only weights with stage 2 have glances
        language, folded = judged_language(text), fold(text) or " "
        linear = self.linear.logits(folded)
        windows = self.encoder.words.windows(folded)
        seen = windows if number == 0 else map(self.encoder.lower.states, windows)
        looks = [self.glances[number].look(vectors, linear) for vectors in seen]
        scores = [self.answer(language, linear, logits) for _, logits in looks]
        return max(doubt for doubt, _ in looks), {head: max(s[head] for s in scores) for head in scores[0]}

    def without_exit(self, text: str) -> Mapping[Category, float]:
        """The scores with both stages, whatever a glance says: what the early exits are measured against."""
        return replace(self, glances=()).score(text)

    def score_many(self, texts: Sequence[str]) -> list[Mapping[Category, float]]:
        """The scores of several texts, each exactly what `score` gives it alone."""
        return [self.score(text) for text in texts]

    def limits(self, category: Category, language: Language) -> Limits | None:
        """Suggested thresholds of a head in a language; None where the head does not answer."""
        return self.manifest.limits.get(language, {}).get(category)

    def own_limits(self, category: Category, text: str) -> tuple[float, float] | None:
        """The suggested thresholds for a text's language; None where the head does not answer, or nobody can.

        What is wrapped counts in the language of what it says. A text of a word reaches no threshold (`scant.py`), nor does speech against
        discrimination (`against.py`). Curses that are aimed at nobody (`what the fuck`), and feelings that kill nobody
        (`배고파 죽겠다`), are never unsafe.
        """
        found = [limits for reading in readings(text) if (limits := self._limits_of(category, reading)) is not None]
        if not found:
            return None
        return min(limits.controversial for limits in found), min(limits.unsafe for limits in found)

    def _limits_of(self, category: Category, reading: str) -> Limits | None:
        try:
            language = judged_language(reading)
        except LanguageNotCovered:
            return None
        found = self.limits(category, language)
        if found is None:
            return None
        if is_scant(reading, language) or (category in ABUSE and is_against_discrimination(reading)):
            return Limits(NEVER, NEVER)
        harmless = (category in CURSES and is_aimless(reading)) or (category in DEATHS and is_exaggeration(reading))
        return Limits(found.controversial, NEVER) if harmless else found

    def least_limit(self, category: Category) -> float:
        """The lowest suggested controversial threshold over the languages; 1 for a head that never answers."""
        return min(
            (heads[category].controversial for heads in self.manifest.limits.values() if category in heads), default=1.0
        )

    def answer(self, language: Language, linear: Scores, encoder: Scores | None) -> dict[Category, float]:
        """The probabilities that logits of stage 1 and stage 2 stand for, (K,) each; None where there is no stage 2."""
        curves = (self.manifest.alone if encoder is None else self.manifest.curves)[language]
        return {
            head: _probability(curves[head], float(linear[i]), 0.0 if encoder is None else float(encoder[i]))
            for i, head in enumerate(self.manifest.heads)
            if head in curves
        }


def _worse(one: Mapping[Category, float], other: Mapping[Category, float]) -> dict[Category, float]:
    """The higher score of every head that answers in either."""
    return {head: max(one.get(head, 0.0), other.get(head, 0.0)) for head in one.keys() | other.keys()}


def _probability(curve: Curve, linear: float, encoder: float) -> float:
    """A point on the curve, away from 0 and 1 where a float would end."""
    logit = min(max(curve.linear * linear + curve.encoder * encoder + curve.offset, -30.0), 30.0)
    return 1.0 / (1.0 + math.exp(-logit))


def load(folder: Path = FOLDER) -> EmbeddedClassifier:
    """The shipped classifier, or the one in `folder`.

    Raises:
        MissingExtra: when the packages of `haechi[guard]` are not installed.
        WeightsMissing, WeightsAltered, WeightsUnreadable: what is wrong with its files.
    """
    manifest = read_manifest(folder)
    encoder = read_encoder(folder, manifest) if UPPER_FILE in manifest.files else None
    names = GLANCE_FILES[: len(manifest.settled)]
    glances = [read_glance(folder, verified(folder, manifest, name), heads=len(manifest.heads)) for name in names]
    return EmbeddedClassifier(manifest, read_linear(folder, manifest), encoder, tuple(glances))


def classifiers() -> tuple[EmbeddedClassifier, ...]:
    """What the detector registry asks for."""
    return (load(),)
