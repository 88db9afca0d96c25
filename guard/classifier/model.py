"""The embedded classifier: fold the text, ask stage 1, ask stage 2 where stage 1 cannot settle it, calibrate.

Rules of this file
1. The same text gets the same score, whatever stands before it or is judged with it.
2. A head that has no data in the text's language is absent from the answer; it is never 0.
3. A text of nothing but blanks and invisible characters holds nothing: every head says 0.
4. Text in an unknown script is refused by an exception, which the guard turns into "unavailable".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from guard.classifier.folding import fold
from guard.classifier.linear import LinearHeads, Scores
from guard.classifier.package import Curve, Limits, Manifest, read_linear, read_manifest
from guard.classifier.scripts import judged_language
from guard.verdict import Category
from haechi.base.text import Language

FOLDER = Path(__file__).parent / "weights"


@dataclass(frozen=True, slots=True)
class EmbeddedClassifier:
    """The classifier that ships with Haechi; reads Korean, Chinese and English. See docs/classifier.md."""

    manifest: Manifest
    linear: LinearHeads
    name: str = "classifier"

    @property
    def categories(self) -> frozenset[Category]:
        """Every head that answers in at least one language."""
        return frozenset(head for heads in self.manifest.curves.values() for head in heads)

    @property
    def version(self) -> str:
        """Which weights these are."""
        return self.manifest.version

    def score(self, text: str, context: str = "") -> Mapping[Category, float]:
        """Calibrated probability in [0, 1] per head that its category holds for `text`.

        context: accepted for the contract; this classifier judges the text by itself.

        Raises:
            LanguageNotCovered: when the text is mostly in a script that the classifier does not know.
        """
        language = judged_language(text)
        folded = fold(text)
        if not folded:
            return dict.fromkeys(self.manifest.curves[language], 0.0)
        return self._answer(language, self.linear.logits(folded))

    def score_many(self, texts: Sequence[str]) -> list[Mapping[Category, float]]:
        """The scores of several texts, each exactly what `score` gives it alone."""
        return [self.score(text) for text in texts]

    def limits(self, category: Category, language: Language) -> Limits | None:
        """Suggested thresholds of a head in a language; None where the head does not answer."""
        return self.manifest.limits.get(language, {}).get(category)

    def _answer(self, language: Language, logits: Scores) -> dict[Category, float]:
        curves = self.manifest.curves[language]
        return {
            head: _probability(curves[head], float(logits[i]))
            for i, head in enumerate(self.manifest.heads)
            if head in curves
        }


def _probability(curve: Curve, linear: float) -> float:
    """A point on the curve, away from 0 and 1 where a float would end."""
    logit = min(max(curve.linear * linear + curve.offset, -30.0), 30.0)
    return 1.0 / (1.0 + math.exp(-logit))


def load(folder: Path = FOLDER) -> EmbeddedClassifier:
    """The shipped classifier, or the one in `folder`.

    Raises:
        WeightsMissing, WeightsAltered, WeightsUnreadable: what is wrong with its files.
    """
    manifest = read_manifest(folder)
    return EmbeddedClassifier(manifest, read_linear(folder, manifest))


def classifiers() -> tuple[EmbeddedClassifier, ...]:
    """What the detector registry asks for."""
    return (load(),)
