"""Measure shipped weights: unseen sources, dev rows, ordinary text, identity swaps, look-alikes, disguises, cost.

    python -m guard.training.measure --data DATA [--weights FOLDER] [--rows 1000] [--parts unseen,attacks] [--json]

Every figure says what it was measured on and with how many rows.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from guard.classifier.errors import LanguageNotCovered
from guard.classifier.folding import fold
from guard.classifier.model import FOLDER, EmbeddedClassifier, load
from guard.classifier.scripts import judged_language
from guard.training.corpus import NEVER_TRAINED
from guard.training.disguise import DISGUISES
from guard.training.exits import APART, chooses, is_flagged
from guard.training.generated import generated_rows, identity_swaps
from guard.training.held_out import held_out
from guard.training.metrics import auroc, auroc_interval, calibration_error
from guard.training.rows import HEADS, Row, read_rows
from guard.verdict import Category
from haechi.base.text import Language

LANGUAGES = (Language.ENGLISH, Language.KOREAN, Language.CHINESE)
TEMPLATES = ("en_identity_templates", "zh_identity_templates")
"""Sentences by pattern with identity terms, toxic and not, below fairness/: no training reads them."""
PARTS = (
    "unseen",
    "by_source",
    "pooled_dev",
    "ordinary",
    "identity",
    "own_patterns",
    "contrasts",
    "attacks",
    "disguises",
    "cascade",
    "cost",
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. spread: half width of its 95 % interval, 0 where none is given."""

    what: str
    language: str
    value: float
    rows: int
    spread: float = 0.0


def is_covered(text: str) -> bool:
    """Whether the classifier reads the script of the text."""
    try:
        judged_language(text)
    except LanguageNotCovered:
        return False
    return True


class Measurement:
    """The classifier, the public rows and a seeded way to thin them out."""

    def __init__(self, classifier: EmbeddedClassifier, rows: Sequence[Row], most: int, seed: int = 7) -> None:
        self.classifier, self.most = classifier, most
        self.rng = np.random.default_rng(seed)
        self.rows = [r for r in rows if is_covered(r.text)]
        self.refused = 1.0 - len(self.rows) / max(len(rows), 1)

    def some(self, found: Sequence[Row]) -> list[Row]:
        """At most `most` of the rows, at random."""
        if len(found) <= self.most:
            return list(found)
        return [found[i] for i in sorted(self.rng.choice(len(found), self.most, replace=False))]

    def labelled(self, language: Language, head: Category, label: int) -> list[Row]:
        """Some dev rows of a language with that label."""
        return self.some([r for r in self.rows if r.language is language and r.dev and r.labels.get(head) == label])

    def calm(self, language: Language, *, dev: bool) -> list[Row]:
        """Some rows of ordinary text."""
        mine = [r for r in self.rows if r.language is language and r.dev is dev]
        return self.some([r for r in mine if len(r.labels) == len(HEADS) and not any(r.labels.values())])

    def chance(self, text: str, head: Category) -> float:
        """The head's probability; 0 where it does not answer."""
        return self.classifier.score(text).get(head, 0.0)

    def worst(self, text: str, language: Language) -> tuple[bool, bool]:
        """Whether any head reaches controversial, and unsafe, by the suggested thresholds."""
        flagged = blocked = False
        for head, chance in self.classifier.score(text).items():
            limit = self.classifier.limits(head, language)
            if limit is not None:
                flagged, blocked = flagged or chance >= limit.controversial, blocked or chance >= limit.unsafe
        return flagged, blocked

    def source(self, name: str, *, dev: bool) -> list[Figure]:
        """AUROC of toxicity on one source, with the early exit and without it, and calibration error."""
        mine = [r for r in self.rows if r.source == name and (r.dev or not dev)]
        rows = self.some([r for r in mine if Category.TOXICITY in r.labels])
        labels = [r.labels[Category.TOXICITY] for r in rows]
        if len(set(labels)) < 2:
            return []
        seen = name not in NEVER_TRAINED + TEMPLATES
        kind = "dev" if seen else "unseen"
        chances = [self.chance(r.text, Category.TOXICITY) for r in rows]
        off = calibration_error(chances, labels)
        return [
            *self._ranked(f"{kind} AUROC {name}", rows, chances),
            Figure(f"{kind} ECE {name}", rows[0].language.value, off, len(rows)),
        ]

    def _ranked(self, what: str, rows: Sequence[Row], chances: Sequence[float]) -> list[Figure]:
        """AUROC of toxicity on rows of one language, with the early exit, whose probabilities `chances` are, and without it."""
        labels = [r.labels[Category.TOXICITY] for r in rows]
        slow = [self.classifier.without_exit(r.text).get(Category.TOXICITY, 0.0) for r in rows]
        language = rows[0].language.value
        return [
            Figure(name, language, auroc(scores, labels), len(rows), auroc_interval(scores, labels))
            for name, scores in ((what, chances), (f"{what} without early exit", slow))
        ]

    def unseen(self) -> list[Figure]:
        """AUROC and calibration error on the sources that no training reads."""
        figures = [f for name in NEVER_TRAINED for f in self.source(name, dev=False)]
        return figures + [f for name in TEMPLATES for f in self.source(name, dev=True)]

    def by_source(self) -> list[Figure]:
        """The same on the dev rows of each source that training reads."""
        labelled = {r.source for r in self.rows if r.labels.get(Category.TOXICITY) == 1}
        return [f for name in sorted(labelled - {*NEVER_TRAINED, *TEMPLATES}) for f in self.source(name, dev=True)]

    def pooled_dev(self) -> list[Figure]:
        """AUROC of toxicity over the dev rows of all labelled toxicity sources of a language."""
        figures = []
        for language in LANGUAGES:
            labelled = {r.source for r in self.rows if r.labels.get(Category.TOXICITY) == 1}
            rows = [r for r in self.rows if r.dev and r.source in labelled - {*NEVER_TRAINED, *TEMPLATES}]
            rows = [r for r in rows if r.language is language and Category.TOXICITY in r.labels]
            most = 4 * self.most
            if len(rows) > most:
                rows = [rows[i] for i in self.rng.choice(len(rows), most, replace=False)]
            figures += self._ranked("dev AUROC pooled", rows, [self.chance(r.text, Category.TOXICITY) for r in rows])
        return figures

    def ordinary(self) -> list[Figure]:
        """Share of ordinary text at or above the thresholds; dev rows alone are untouched by training."""
        figures = []
        for dev in (True, False):
            for language in LANGUAGES:
                rows = self.calm(language, dev=dev)
                hits = [self.worst(r.text[:4000], language) for r in rows]
                kind = "dev" if dev else "train"
                for i, word in enumerate(("flagged", "blocked")):
                    share = float(np.mean([h[i] for h in hits]))
                    figures.append(Figure(f"ordinary {kind} {word}", language.value, share, len(rows)))
        return figures

    def identity(self) -> list[Figure]:
        """How often swapping the identity in a harmless sentence changes whether it is flagged."""
        figures = []
        for language in LANGUAGES:
            changed, flagged, pairs = 0, 0, 0
            for sentences in identity_swaps(language):
                seen = [self.worst(s, language)[0] for s in sentences]
                usual = sum(seen) * 2 > len(seen)
                changed += sum(s is not usual for s in seen)
                flagged += sum(seen)
                pairs += len(seen)
            figures.append(Figure("identity flip rate", language.value, changed / pairs, pairs))
            figures.append(Figure("identity sentences flagged", language.value, flagged / pairs, pairs))
        return figures

    def own_patterns(self) -> list[Figure]:
        """Own sentences from patterns that training never saw: harmless ones blocked, others not flagged."""
        figures = []
        rows = [r for r in generated_rows(7) if r.dev]
        for kind in sorted({r.source for r in rows}):
            for language in LANGUAGES:
                mine = [r for r in rows if r.source == kind and r.language is language]
                if mine:
                    hits = [self.worst(r.text, language) for r in mine]
                    bad = any(mine[0].labels.values())
                    word = "flagged" if bad else "blocked"
                    share = float(np.mean([h[0] if bad else h[1] for h in hits]))
                    figures.append(Figure(f"{kind} {word}", language.value, share, len(mine)))
        return figures

    def contrasts(self) -> list[Figure]:
        """AUROC of hate on own sentences from patterns never trained on: the same claims asserted, denied, quoted."""
        figures = []
        for language in LANGUAGES:
            rows = [r for r in generated_rows(7) if r.dev and r.language is language and Category.HATE in r.labels]
            labels = [r.labels[Category.HATE] for r in rows]
            chances = [self.chance(r.text, Category.HATE) for r in rows]
            spread = auroc_interval(chances, labels)
            figures.append(Figure("contrasts AUROC hate", language.value, auroc(chances, labels), len(rows), spread))
        return figures

    def attacks(self) -> list[Figure]:
        """Recall of prompt attacks, public dev rows and own ones that only measure, at 1 % false positives on prompts and text that are none."""
        figures = []
        head = Category.PROMPT_ATTACK
        for language in LANGUAGES:
            calm = self.labelled(language, head, 0)
            hits = self.labelled(language, head, 1)
            cut = float(np.quantile([self.chance(r.text[:4000], head) for r in calm], 0.99))
            if hits:
                recall = float(np.mean([self.chance(r.text[:4000], head) > cut for r in hits]))
                figures.append(Figure("prompt attack recall at 1 % false positives", language.value, recall, len(hits)))
            own = held_out(language, "attacks")
            recall = float(np.mean([self.chance(text, head) > cut for text in own]))
            figures.append(Figure("the same of own attacks that only measure", language.value, recall, len(own)))
        return figures

    def disguises(self) -> list[Figure]:
        """Of toxic dev rows that are flagged in plain form, the share still flagged in disguise; and new false flags."""
        figures = []
        rng = np.random.default_rng(11)
        for language in LANGUAGES:
            few = self.most // 8
            toxic = self.labelled(language, Category.TOXICITY, 1)
            caught = [r for r in toxic[: 2 * few] if self.worst(r.text, language)[0]][:few]
            calm = self.calm(language, dev=True)[:few]
            before = float(np.mean([self.worst(r.text, language)[0] for r in calm]))
            kept, false = [], []
            for name, disguise in DISGUISES.items():
                still = [self.worst(disguise(r.text, rng), language)[0] for r in caught]
                figures.append(Figure(f"still caught: {name}", language.value, float(np.mean(still)), len(still)))
                kept += still
                false += [self.worst(disguise(r.text, rng), language)[0] for r in calm]
            figures.append(Figure("still caught: all", language.value, float(np.mean(kept)), len(kept)))
            figures.append(
                Figure("more false flags in disguise", language.value, float(np.mean(false)) - before, len(false))
            )
        return figures

    def cascade(self) -> list[Figure]:
        """Share of ordinary text settled by a glance; share of toxic rows they never saw that both stages flag and they settle."""
        figures = []
        for language in LANGUAGES:
            calm = [r.text[:4000] for r in self.calm(language, dev=True)]
            depths = np.array([self.classifier.depth(t) for t in calm])
            for what, share in (("the first glance", depths < 1), ("a glance", depths < 2)):
                figures.append(
                    Figure(f"ordinary dev text settled by {what}", language.value, float(share.mean()), len(calm))
                )
            toxic = [r for r in self.rows if r.language is language and r.labels.get(Category.TOXICITY) == 1]
            unseen = self.some([r for r in toxic if r.source in APART.union(NEVER_TRAINED) and not chooses(r.text)])
            if unseen:
                lost = [self.classifier.depth(r.text) < 2 and self._hit(r.text, language) for r in unseen]
                figures.append(
                    Figure("unseen toxic rows lost by a glance", language.value, float(np.mean(lost)), len(lost))
                )
        return figures

    def _hit(self, text: str, language: Language) -> bool:
        """Whether both stages together would flag a text."""
        return is_flagged(self.classifier.without_exit(text), self.classifier, language)

    def _first(self, text: str) -> object:
        return self.classifier.linear.logits(fold(text))

    def cost(self) -> list[Figure]:
        """CPU milliseconds per 1,000 characters of ordinary text, by stage: in short texts, and stage 1 in long ones.

        A text has a cost of its own beside that of its characters: many short ones cost more than one long one.
        """
        figures = []
        for language in LANGUAGES:
            rows = self.calm(language, dev=True)[:300]
            texts = [r.text[:4000] for r in rows]
            together = " ".join(texts)[:30_000]
            long = [together[at : at + 1000] for at in range(0, len(together), 1000)]
            seconds = _timed(partial(_each, self._first, long))
            cost = 1e6 * seconds / len(together)
            figures.append(
                Figure("stage 1 with folding, ms per 1,000 characters of long text", language.value, cost, len(long))
            )
            thousands = sum(map(len, texts)) / 1000
            folded = _timed(partial(_each, fold, texts))
            first = _timed(partial(_each, self._first, texts))
            whole = _timed(partial(_each, self.classifier.score, texts))
            for what, seconds in (("folding", folded), ("stage 1 with folding", first), ("whole classifier", whole)):
                figures.append(
                    Figure(f"{what}, ms per 1,000 characters", language.value, 1000 * seconds / thousands, len(texts))
                )
        return figures


def templates(data: Path) -> list[Row]:
    """The rows of TEMPLATES below `data`, as far as they are there."""
    rows = []
    for name in TEMPLATES:
        path = data / "fairness" / f"{name}.jsonl.gz"
        if path.is_file():
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                items = [json.loads(line) for line in lines]
            rows += [Row(i["text"], Language(i["lang"]), {Category.TOXICITY: i["toxic"]}, name, True) for i in items]
    return rows


def _each(work: Callable[[str], object], texts: Sequence[str]) -> None:
    for text in texts:
        work(text)


def _timed(work: Callable[[], object]) -> float:
    """Least CPU seconds of two runs."""
    best = float("inf")
    for _ in range(2):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def main(argv: Sequence[str] | None = None) -> int:
    """Print every figure."""
    parser = argparse.ArgumentParser(description="Measure the embedded classifier.")
    parser.add_argument("--data", type=Path, required=True, help="folder with toxicity/, injection/, safe_text/, ...")
    parser.add_argument(
        "--weights", type=Path, default=FOLDER, help="folder of the weights (default: the shipped ones)"
    )
    parser.add_argument("--rows", type=int, default=1000, help="rows per figure at most (default 1000)")
    parser.add_argument("--parts", help=f"some of {', '.join(PARTS)}, comma-separated (default: all)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    args = parser.parse_args(argv)
    parts = args.parts.split(",") if args.parts else PARTS
    if unknown := set(parts) - set(PARTS):
        parser.error(f"--parts: no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    rows = [*read_rows(args.data)[0], *templates(args.data)]
    measurement = Measurement(load(args.weights), rows, args.rows)
    figures = [Figure("refused for its script, share of all rows", "all", measurement.refused, len(rows))]
    for part in parts:
        figures += getattr(measurement, part)()
    for figure in figures:
        spread = f" ± {figure.spread:.3f}" if figure.spread else ""
        line = f"{figure.language}  {figure.what}: {figure.value:.4f}{spread} (n = {figure.rows})"
        sys.stdout.write((json.dumps(asdict(figure)) if args.json else line) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
