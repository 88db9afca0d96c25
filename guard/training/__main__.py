"""From labelled data to shipped weights with one command.

    python -m guard.training --data DATA --start ENCODER --runs FOLDER [--out guard/classifier/weights]
    python -m guard.training ... --device cuda --workers 14 --step-tokens 16384 --deep 2000000 --taught 2600000

Fine-tunes all twelve layers several times, teaches the first six by all of these, twice, and takes the mean of the two; trains
stage 1, calibrates, writes weights and model card. Every other run has no offsets for the sources: the mean of both kinds knows
what a text says, and how its source would call it. Every step goes on where it was stopped. With the defaults a night on two cores; the second form takes some twenty minutes of a
large GPU and half an hour of one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from guard.classifier.model import FOLDER
from guard.training import fine_tune, train

KEPT_LAYERS = "0,1,2,3,4,5"
"""What the shipped encoder keeps: what one pass may cost allows six; the first six adapt fastest."""
TEACHERS, PUPILS = 4, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run every step in order; answers with the first exit status that is not 0."""
    parser = argparse.ArgumentParser(description="Train the embedded classifier from data to weights.")
    parser.add_argument("--data", type=Path, required=True, help="folder with toxicity/, injection/, safe_text/, ...")
    parser.add_argument("--start", type=Path, required=True, help="folder with the packed encoder and its tokenizer")
    parser.add_argument("--runs", type=Path, required=True, help="folder for what is kept between the steps")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the weights (default: the shipped ones)")
    parser.add_argument("--deep", type=int, default=100_000, help="texts that each teacher sees (default 100000)")
    parser.add_argument("--taught", type=int, default=80_000, help="texts that each pupil sees (default 80000)")
    parser.add_argument("--device", default="cpu", help="where to fine-tune, as torch names it (default cpu)")
    parser.add_argument("--workers", type=int, default=0, help="processes that prepare texts (default 0)")
    parser.add_argument("--step-tokens", type=int, default=fine_tune.STEP_TOKENS, help="padded tokens of a step")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args(argv)
    common = ["--data", str(args.data), "--start", str(args.start)]
    where = ["--device", args.device, "--workers", str(args.workers), "--step-tokens", str(args.step_tokens)]
    teachers = [str(args.runs / f"deep-{i}") for i in range(TEACHERS)]
    pupils = [str(args.runs / f"taught-{i}") for i in range(PUPILS)]
    half = ["--layers", KEPT_LAYERS, "--warm", teachers[0], *_each("--teacher", teachers)]
    for runs, samples, more, seed in ((teachers, args.deep, [], 0), (pupils, args.taught, half, 10)):
        for i, run in enumerate(runs):
            habits = ["--no-offsets"] if i % 2 else []
            settings = ["--out", run, "--samples", str(samples), "--seed", str(args.seed + seed + i)]
            status = fine_tune.main([*common, *where, *settings, *more, *habits])
            if status:
                return status
    return train.main([*common, "--seed", str(args.seed), "--out", str(args.out), *_each("--encoder", pupils)])


def _each(option: str, values: Sequence[str]) -> list[str]:
    """The option once for every value."""
    return [word for value in values for word in (option, value)]


if __name__ == "__main__":
    raise SystemExit(main())
