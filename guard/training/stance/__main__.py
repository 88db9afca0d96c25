"""From labelled data to the shipped stance model with one command.

    python -m guard.training.stance --data DATA --start ENCODER --run FOLDER [--out guard/claims/weights]

Reads the labelled pairs, makes the planted ones, fine-tunes the upper layers in several runs (goes on where it was stopped), writes the
graphs, fits the combination, measures, and writes manifest and model card. `--recalibrate` keeps the graphs in --out.
On one core about three hours.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from tokenizers import Tokenizer

from guard.claims.compare import FEATURES
from guard.claims.stance import FOLDER, EmbeddedStance, read_pair_reader
from guard.claims.stance_package import (
    BLEND_FILE,
    FREE_FILE,
    KOREAN_FILE,
    LOWER_FILE,
    MANIFEST,
    MOVES_FILE,
    OWN,
    UPPER_FILE,
    Manifest,
    write_blend,
    write_manifest,
    write_moves,
)
from guard.classifier.encoder import read_embeddings
from guard.classifier.model import FOLDER as CLASSIFIER
from guard.classifier.package import EMBEDDING_FILE, TOKENIZER_FILE
from guard.training.encoder import load_start
from guard.training.stance.blend import BlendRecipe, fit_blend, read_all
from guard.training.stance.card import write_card
from guard.training.stance.centres import centres_of
from guard.training.stance.export import write_lower, write_upper
from guard.training.stance.fit import Batches, Fit, load_mean
from guard.training.stance.measure import measure
from guard.training.stance.network import upper_of
from guard.training.stance.pairs import Pair, Part, read_pairs
from guard.training.stance.planted.generate import planted_pairs
from guard.training.stance.planted.tables import Half
from guard.training.stance.readings import Readings
from guard.training.stance.runs import FREE, KOREAN, NEAR, TOWARDS, runs
from guard.training.stance.written import WRITTEN, written_pairs
from haechi.base.text import Language

VERSION = "2026.11-6"
BLENDED = 900
"""Pairs that the combination is fitted on, of labelled and of planted ones each and by language at most."""
BLENDED_MORE: Final = {(Language.KOREAN, True): 4000}
"""The same for planted Korean ones: of few of them a rewording is told from an edit less well."""
log = logging.getLogger("haechi.guard.training")


def fitted(args: argparse.Namespace, pairs: Sequence[Pair]) -> None:
    """Fine-tune on the pairs of the part FIT and write the graphs into --out."""
    encoder = load_start(args.start, 3)
    write_lower(args.out, encoder)
    vectors = read_embeddings(CLASSIFIER, (CLASSIFIER / EMBEDDING_FILE).read_bytes())
    tokenizer = Tokenizer.from_file(str(CLASSIFIER / TOKENIZER_FILE))
    readings = Readings(args.out, vectors)
    torch.manual_seed(args.seed)
    model = upper_of(encoder)

    for run in runs(args.seed):
        folder = args.run / run.name
        folder.mkdir(exist_ok=True)
        if run.start:
            load_mean(model, args.run, run.start)
        teaching = run.teaching(pairs)
        fit = Fit(model, Batches(teaching, tokenizer, readings, run.recipe), run.recipe, folder)
        fit.resume()
        log.info("%s: %d pairs teach, %d of %d seen", run.name, len(teaching), fit.seen, run.recipe.total)
        fit.train()
    for name, shares in ((UPPER_FILE, NEAR), (FREE_FILE, FREE), (KOREAN_FILE, KOREAN)):
        load_mean(model, args.run, shares)
        write_upper(args.out / name, model.eval(), encoder.shape)
    centres = centres_of([p for p in pairs if p.part is Part.FIT], tokenizer, readings)
    write_moves(
        args.out, {one: share * centres[to] - (share - OWN) * centres[one] for one, (to, share) in TOWARDS.items()}
    )


def sealed(out: Path, manifest: Manifest) -> Manifest:
    """The manifest with the hashes of what is in the folder now, written there."""

    def digest(path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()

    ours = [n for n in (LOWER_FILE, UPPER_FILE, FREE_FILE, KOREAN_FILE, MOVES_FILE, BLEND_FILE) if (out / n).is_file()]
    found = replace(
        manifest,
        files={n: digest(out / n) for n in ours},
        shared={n: digest(CLASSIFIER / n) for n in (EMBEDDING_FILE, TOKENIZER_FILE)},
    )
    write_manifest(out, found)
    return found


def thinned(pairs: Sequence[Pair], seed: int) -> list[Pair]:
    """At most BLENDED labelled and as many planted pairs of each language (or BLENDED_MORE), at random."""
    kept: list[Pair] = []
    keys = [(p.language, p.kind not in {"", WRITTEN}) for p in pairs]
    for group in sorted(set(keys)):
        mine = [p for key, p in zip(keys, pairs, strict=True) if key == group]
        most = BLENDED_MORE.get(group, BLENDED)
        kept += [mine[i] for i in sorted(np.random.default_rng((seed, 5)).permutation(len(mine))[:most])]
    return kept


def main(argv: Sequence[str] | None = None) -> int:
    """Train, combine, measure, write."""
    parser = argparse.ArgumentParser(description="Train the embedded stance model from data to weights.")
    parser.add_argument("--data", type=Path, required=True, help="folder with facts/ and safe_text/")
    parser.add_argument("--start", type=Path, required=True, help="folder with the packed encoder")
    parser.add_argument("--run", type=Path, required=True, help="folder for what is kept of an unfinished run")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the weights (default: the shipped ones)")
    parser.add_argument(
        "--recalibrate", action="store_true", help=f"keep the graphs, make {BLEND_FILE} and {MANIFEST} anew"
    )
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    for folder in (args.run, args.out):
        folder.mkdir(parents=True, exist_ok=True)
    labelled, sources = read_pairs(args.data)
    planted = [p for half in (Half.TAUGHT, Half.WIDENED) for p in planted_pairs(args.data, args.seed, half)]
    pairs = [*labelled, *planted, *written_pairs(measured=False)]
    if not args.recalibrate:
        fitted(args, pairs)
    manifest = sealed(args.out, Manifest(VERSION, (), {}, {}, FEATURES))
    reader = read_pair_reader(args.out, manifest)
    read = read_all(reader, thinned([p for p in pairs if p.part is Part.BLEND], args.seed))
    log.info("%d pairs for the combination", len(read.pairs))
    blend = fit_blend(read, BlendRecipe(seed=args.seed))
    write_blend(args.out, blend)
    figures = measure(EmbeddedStance(manifest, reader, blend), args.data, args.seed)
    manifest = sealed(args.out, replace(manifest, languages=figures.languages()))
    write_card(args.out, manifest, figures, sources, pairs)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
