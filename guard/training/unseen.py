"""Leave one source out: train stage 1 without a source, score that source, for every labelled source.

    python -m guard.training.unseen --data DATA

One source per language is left out at a time (n-grams of different languages hardly meet), so eleven trainings
measure every source. Rows of zh_hedcold are edited rows of zh_cold: the two are left out together.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np
import torch

from guard.classifier.folding import fold
from guard.training.calibrate import LANGUAGES
from guard.training.corpus import corpus
from guard.training.linear import LinearRecipe, LinearTraining
from guard.training.metrics import auroc, auroc_interval
from guard.training.rows import HEADS, Row
from haechi.base.text import Language

TOGETHER = {"zh_cold": ("zh_cold", "zh_hedcold"), "zh_hedcold": ("zh_cold", "zh_hedcold")}
MOST = 2000


def two_sided(rows: Sequence[Row], language: Language) -> list[str]:
    """Public sources of a language that hold both toxic and other rows."""
    seen: dict[str, set[int]] = {}
    for row in rows:
        if row.language is language and HEADS[0] in row.labels and not row.source.startswith("own_"):
            seen.setdefault(row.source, set()).add(row.labels[HEADS[0]])
    return sorted(name for name, labels in seen.items() if len(labels) == 2)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the AUROC of toxicity on every source left out, and the mean per language."""
    parser = argparse.ArgumentParser(description="Stage 1 on sources it did not learn from.")
    parser.add_argument("--data", type=Path, required=True, help="folder with toxicity/, injection/, safe_text/, ...")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    torch.set_num_threads(1)
    rows, _ = corpus(args.data, args.seed, hold_out=())
    training = LinearTraining(rows, LinearRecipe(seed=args.seed))
    rng = np.random.default_rng(args.seed)
    found: dict[Language, list[float]] = {language: [] for language in LANGUAGES}
    for names in zip_longest(*(two_sided(rows, language) for language in LANGUAGES)):
        out = {n for name in names if name is not None for n in TOGETHER.get(name, (name,))}
        heads = training.fit(np.array([i for i, r in enumerate(rows) if not r.dev and r.source not in out]))
        for language, name in zip(LANGUAGES, names, strict=True):
            if name is None:
                continue
            mine = [r for r in rows if r.source == name and HEADS[0] in r.labels]
            if len(mine) > MOST:
                mine = [mine[i] for i in rng.choice(len(mine), MOST, replace=False)]
            labels = [r.labels[HEADS[0]] for r in mine]
            scores = [heads.logits(fold(r.text))[0] for r in mine]
            found[language].append(auroc(scores, labels))
            spread = auroc_interval(scores, labels)
            sys.stdout.write(f"{language} {name}: {found[language][-1]:.3f} ± {spread:.3f} (n = {len(mine)})\n")
            sys.stdout.flush()
    for language, values in found.items():
        sys.stdout.write(f"{language} mean over {len(values)} sources: {np.mean(values):.3f}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
