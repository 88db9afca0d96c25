"""Train, calibrate and write the embedded classifier, from labelled data to shipped files.

    python -m guard.training.train --data DATA --out FOLDER [--encoder RUN --encoder RUN --start ENCODER]

`--data` is the folder with toxicity/, injection/, safe_text/ and so on; `--encoder` a finished run of
`guard.training.fine_tune`, or several, whose mean is taken, and `--start` the encoder that they started from. Stage 1 takes some minutes on one core.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer

from guard.classifier.encoder import END, START, WINDOW, SmallEncoder, read_encoder
from guard.classifier.folding import fold
from guard.classifier.linear import LinearHeads
from guard.classifier.model import ODDS_AMONG
from guard.classifier.package import (
    TOKENIZER_FILE,
    UPPER_FILE,
    Manifest,
    read_linear,
    read_manifest,
    write_linear,
    write_manifest,
)
from guard.classifier.scant import is_scant
from guard.sentences import segments
from guard.training import calibrate
from guard.training.calibrate import Array, Scored
from guard.training.card import write_card
from guard.training.corpus import corpus
from guard.training.disguise import disguised
from guard.training.glance import give_glances
from guard.training.linear import LinearRecipe, LinearTraining
from guard.training.rows import EVERYDAY, HEADS, VERSION, Row, is_calm
from guard.training.sampling import sampling_weights, thinned

MOST_DEV_ROWS = 500
"""Dev rows per source and label that stage 2 is asked about; more would add minutes and no precision."""
LOOK_ALIKES = frozenset(
    {
        "own_look_alike",
        "own_attack_look_alike",
        "own_harm_talk",
        "own_self_directed",
        "own_counter_claim",
        "own_denied",
        "own_dark_request",
        "own_role_request",
        "own_instruction_mention",
        "own_password_mention",
        "own_prompt_mention",
        "own_plain_order",
        "own_daily_order",
        "own_daily_talk",
        "own_attack_mention",
        "own_daily_people",
        "own_everyday_order",
        "own_hyperbole",
        "own_chat_initials",
        "own_written_harmless",
        "en_benign_cyber",
        *EVERYDAY,
    }
)
"""Harmless texts with dangerous words in them: requests that sound like others, quotations, denials."""
LONGEST_PIECE = 600
"""Code points of the longest piece that the guard shows to a classifier."""
SHOWN = 400
"""Training rows that the layers are shown before they are written in eight bits."""
log = logging.getLogger("haechi.guard.training")


def score(heads: LinearHeads, encoder: SmallEncoder | None, rows: Sequence[Row]) -> Scored:
    """Logits of both stages as the product computes them; long texts are cut to what a check sees at once."""
    folded = [fold(row.text[:2000]) or " " for row in rows]
    linear = np.array([heads.logits(text) for text in folded], dtype=np.float64).reshape(-1, len(HEADS))
    if encoder is None:
        return Scored(rows, linear)
    return Scored(rows, linear, np.array([encoder.logits(text) for text in folded], dtype=np.float64))


@dataclass(frozen=True, slots=True)
class Pieces:
    """The sentences of long ordinary rows, as the guard shows them to a classifier. owner: number of each one's row."""

    scored: Scored
    owner: npt.NDArray[np.int64]


def pieces(heads: LinearHeads, encoder: SmallEncoder | None, rows: Sequence[Row]) -> Pieces:
    """Every sentence of the ordinary rows that have several: each is judged, so each can be judged wrongly."""
    cut: list[Row] = []
    owner: list[int] = []
    for i, row in enumerate(rows):
        text = row.text[:2000]
        spans = list(segments(text, LONGEST_PIECE)) if is_ordinary(row) else []
        if len(spans) > 1:
            cut += [replace(row, text=text[span.start : span.end]) for span in spans]
            owner += [i] * len(spans)
    return Pieces(score(heads, encoder, cut), np.array(owner, dtype=np.int64))


def is_ordinary(row: Row) -> bool:
    """Whether nobody should be disturbed by the row: ordinary text and our own harmless sentences."""
    return is_calm(row) and row.source not in LOOK_ALIKES


def disguised_copies(rows: Sequence[Row], seed: int) -> list[Row]:
    """A seventh of the training rows, in a disguise."""
    rng = np.random.default_rng((seed, 2))
    return [replace(r, text=disguised(r.text, rng)) for r in rows if not r.dev and rng.random() < 1 / 7]


def write_stage_one(out: Path, rows: Sequence[Row], seed: int) -> None:
    """Train stage 1 on everything outside dev and write it."""
    learnt = [r for r in rows if not r.dev] + disguised_copies(rows, seed)
    log.info("stage 1 learns from %d rows", len(learnt))
    write_linear(out, LinearTraining(learnt, LinearRecipe(seed=seed)).fit(np.arange(len(learnt))))


def write_stage_two(out: Path, runs: Sequence[Path], start: Path, rows: Sequence[Row], seed: int) -> None:
    """Export the mean of the encoders of some runs beside stage 1; `rows` show how far the inputs of its layers reach."""
    from guard.training.export import write_embeddings, write_encoder
    from guard.training.fine_tune import mean_of

    encoder = mean_of(start, runs)
    tokenizer = Tokenizer.from_file(str(start / TOKENIZER_FILE))
    drawn = np.random.default_rng((seed, 15)).choice(len(rows), SHOWN, p=sampling_weights(rows))
    folded = [fold(rows[i].text[:500]) or " " for i in drawn]
    texts = [[START, *tokenizer.encode(text, add_special_tokens=False).ids[:WINDOW], END] for text in folded]
    write_encoder(out, encoder.eval(), texts)
    write_embeddings(out, start, encoder)
    shutil.copyfile(start / TOKENIZER_FILE, out / TOKENIZER_FILE)


def main(argv: Sequence[str] | None = None) -> int:
    """Train stage 1, export stage 2, calibrate, write weights, manifest and model card."""
    parser = argparse.ArgumentParser(description="Train the embedded classifier.")
    parser.add_argument("--data", type=Path, required=True, help="folder with toxicity/, injection/, safe_text/, ...")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights, manifest and model card")
    parser.add_argument(
        "--encoder",
        type=Path,
        action="append",
        default=[],
        help="a finished run of guard.training.fine_tune; repeat it",
    )
    parser.add_argument("--start", type=Path, help="the encoder that the runs started from")
    parser.add_argument(
        "--recalibrate", action="store_true", help="keep the weights in --out, draw curves and thresholds anew"
    )
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args(argv)
    if bool(args.encoder) is not (args.start is not None):
        parser.error("--encoder and --start go together")
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    rows, data = corpus(args.data, args.seed)
    manifest = Manifest(VERSION, HEADS, {}, {}, (), {}, calibrate.own_only(rows), {})
    if not args.recalibrate:
        write_stage_one(args.out, rows, args.seed)
        if args.encoder:
            write_stage_two(args.out, args.encoder, args.start, [r for r in rows if not r.dev], args.seed)
    write_manifest(args.out, manifest)
    sealed = read_manifest(args.out)
    heads = read_linear(args.out, sealed)
    encoder = read_encoder(args.out, sealed) if UPPER_FILE in sealed.files else None
    dev = score(heads, encoder, thinned([r for r in rows if r.dev], MOST_DEV_ROWS, args.seed))
    manifest, chances, ordinary = calibrated(manifest, rows, dev, pieces(heads, encoder, dev.rows))
    write_manifest(args.out, manifest)
    if encoder is not None:
        give_glances(args.out, args.data, rows, args.seed)
    write_card(args.out, manifest, data, dev, chances, ordinary)
    return 0


def calibrated(
    manifest: Manifest, rows: Sequence[Row], dev: Scored, sentences: Pieces
) -> tuple[Manifest, Array, npt.NDArray[np.bool_]]:
    """The manifest with curves and thresholds; the dev rows' probabilities; which of them are ordinary.

    Single words are not among these: no threshold holds for them.
    """
    answering = calibrate.covered(rows)
    alone = calibrate.curves(Scored(dev.rows, dev.linear), answering)
    curves = calibrate.curves(dev, answering)
    chances = calibrate.probabilities(dev, curves)
    ordinary = np.array([is_ordinary(r) and not is_scant(r.text, r.language) for r in dev.rows])
    look_alikes = np.array([r.source in LOOK_ALIKES for r in dev.rows])
    worst = chances.copy()
    among = calibrate.probabilities(sentences.scored, curves)
    np.maximum.at(worst, sentences.owner, among * ODDS_AMONG / (1 - among + among * ODDS_AMONG))
    limits = calibrate.limits(dev, worst, ordinary, look_alikes, manifest.own_data_only)
    return replace(manifest, curves=curves, alone=alone, limits=limits), chances, ordinary


if __name__ == "__main__":
    raise SystemExit(main())
