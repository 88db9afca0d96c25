"""From labelled data to shipped weights with one command.

    python -m guard.training --data DATA --start ENCODER --runs FOLDER [--out guard/classifier/weights] [--deep N] [--taught N]

Fine-tunes all twelve layers, teaches the first six by them, trains stage 1, calibrates, writes weights and model card.
Every step goes on where it was stopped. On one core about five hours with the defaults.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from guard.classifier.model import FOLDER
from guard.training import fine_tune, train

KEPT_LAYERS = "0,1,2,3,4,5"
"""What the shipped encoder keeps: what one pass may cost allows six; the first six adapt fastest."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run every step in order; answers with the first exit status that is not 0."""
    parser = argparse.ArgumentParser(description="Train the embedded classifier from data to weights.")
    parser.add_argument("--data", type=Path, required=True, help="folder with toxicity/, injection/, safe_text/, ...")
    parser.add_argument("--start", type=Path, required=True, help="folder with the packed encoder and its tokenizer")
    parser.add_argument("--runs", type=Path, required=True, help="folder for what is kept between the steps")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the weights (default: the shipped ones)")
    parser.add_argument("--deep", type=int, default=160_000, help="texts that the twelve layers see (default 160000)")
    parser.add_argument("--taught", type=int, default=130_000, help="texts that the six layers see (default 130000)")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args(argv)
    deep, taught = str(args.runs / "deep"), str(args.runs / "taught")
    common = ["--data", str(args.data), "--start", str(args.start), "--seed", str(args.seed)]
    half = ["--layers", KEPT_LAYERS, "--warm", deep, "--teacher", deep]
    return (
        fine_tune.main([*common, "--out", deep, "--samples", str(args.deep)])
        or fine_tune.main([*common, "--out", taught, "--samples", str(args.taught), *half])
        or train.main([*common, "--out", str(args.out), "--encoder", taught])
    )


if __name__ == "__main__":
    raise SystemExit(main())
