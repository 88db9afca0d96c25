"""Train, calibrate and write the embedded classifier, from labelled data to shipped files.

    python -m guard.training.train --data DATA --out FOLDER [--encoder RUN]

`--data` is the folder with toxicity/, injection/, safe_text/ and so on. Stage 1 takes some minutes on one core.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from guard.classifier.folding import fold
from guard.classifier.linear import LinearHeads
from guard.classifier.package import Manifest, write_linear, write_manifest
from guard.training import calibrate
from guard.training.calibrate import Scored
from guard.training.card import write_card
from guard.training.disguise import disguised
from guard.training.generated import attacked_documents, generated_rows, wordless_rows
from guard.training.lexicons import lexicon_rows
from guard.training.linear import LinearRecipe, LinearTraining
from guard.training.rows import HEADS, Row, read_rows
from guard.training.rows import Manifest as DataManifest
from haechi.base.text import Language

VERSION = "2026.11-1"
log = logging.getLogger("haechi.guard.training")


def all_rows(data: Path, seed: int) -> tuple[list[Row], DataManifest]:
    """Public rows, rows of our own, and copies of a seventh of the training rows in a disguise."""
    rows, manifest = read_rows(data)
    rows += attacked_documents(rows, seed) + generated_rows(seed) + wordless_rows(seed) + lexicon_rows(data)
    rows = [r for r in rows if r.language is not Language.OTHER]
    rng = np.random.default_rng((seed, 2))
    copies = [replace(r, text=disguised(r.text, rng)) for r in rows if not r.dev and rng.random() < 1 / 7]
    return rows + copies, manifest


def dev_rows(rows: Sequence[Row]) -> list[Row]:
    """The rows kept for calibration, once each."""
    return [r for r in rows if r.dev]


def score_linear(heads: LinearHeads, rows: Sequence[Row]) -> calibrate.Array:
    """Logits of stage 1 as the product computes them, shape (rows, heads)."""
    return np.array([heads.logits(fold(row.text)) for row in rows], dtype=np.float64).reshape(-1, len(HEADS))


def is_ordinary(row: Row) -> bool:
    """Whether nobody should be disturbed by the row: ordinary text, and our harmless look-alikes."""
    return len(row.labels) == len(HEADS) and not any(row.labels.values())


def main(argv: Sequence[str] | None = None) -> int:
    """Train stage 1, calibrate, write weights, manifest and model card."""
    parser = argparse.ArgumentParser(description="Train the embedded classifier.")
    parser.add_argument("--data", type=Path, required=True, help="folder with toxicity/, injection/, safe_text/, ...")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights, manifest and model card")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    rows, data = all_rows(args.data, args.seed)
    log.info("%d rows", len(rows))
    training = LinearTraining(rows, LinearRecipe(seed=args.seed))
    heads = training.fit(np.array([i for i, r in enumerate(rows) if not r.dev]))
    write_linear(args.out, heads)
    dev = dev_rows(rows)
    scored = Scored(dev, score_linear(heads, dev))
    answering = calibrate.covered(rows)
    curves = calibrate.curves(scored, answering)
    chances = calibrate.probabilities(scored, curves)
    ordinary = np.array([is_ordinary(r) for r in dev])
    limits = calibrate.limits(scored, chances, ordinary)
    manifest = Manifest(
        version=VERSION,
        heads=HEADS,
        curves=curves,
        alone=curves,
        settled={},
        limits=limits,
        own_data_only=calibrate.own_only(rows),
        files={},
    )
    write_manifest(args.out, manifest)
    write_card(args.out, manifest, data, scored, chances, ordinary)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
