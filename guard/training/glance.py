"""Teach the glances what both stages say, and draw the bounds of the early exits over them.

    python -m guard.training.glance --data DATA [--out FOLDER]

`guard.training.train` does it at its end; by itself the command gives glances to weights that are there. Some fifteen minutes on one
core, half of which both stages need to say what they think of the rows.

Rules of this file
1. The rows' own labels play no part: the glance learns what both stages say, the quantised layers included.
2. Which rows it reads is said in `glance_rows.py`.
Shapes: R rows, T tokens, D width, K heads.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the customary name

from guard.classifier.folding import fold
from guard.classifier.glance import Glance, write_glance
from guard.classifier.model import FOLDER, EmbeddedClassifier, load
from guard.classifier.package import GLANCE_FILES, Exit, read_manifest, write_manifest
from guard.classifier.scripts import judged_language
from guard.training.card import restate
from guard.training.corpus import NEVER_TRAINED, corpus
from guard.training.exits import APART, MOST, bounds, is_flagged
from guard.training.glance_rows import learnt_from
from guard.training.rows import VERSION, Row, is_calm, read_rows
from guard.training.sampling import thinned
from guard.training.states import States
from haechi.base.text import Language

MOST_ROWS = 350
"""Rows read per source and label, beside those that the heads are fitted to."""
DISGUISED = 1 / 5
"""Share of the rows that are read a second time, in disguise."""
NARROW, FEATURES, HIDDEN = 96, 128, 96
DROPPED = 0.3
"""Share of features and of hidden units that each step does without; without it the glance knows its rows by heart."""
CALM_WEIGHT = 2.0
"""How much a row that nobody should be disturbed by counts beside the others."""
LOGITS_WEIGHT = 0.5
"""How much the logits of stage 2 count beside the question whether the window would be flagged."""
EPOCHS, BATCH, RATE = 10, 128, 2e-3
log = logging.getLogger("haechi.guard.training")
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Lessons:
    """What a glance learns from.

    vectors: what it looks at, of every token. linear, logits: (R, K), of stages 1 and 2. flagged: (R,), whether both
    would flag the row. weight: (R,).
    """

    vectors: States
    linear: Floats
    logits: Floats
    flagged: Floats
    weight: Floats

    def batches(self, chance: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
        """All rows once, those of about one length together."""
        lengths = self.vectors.lengths
        order = np.argsort(lengths // 8 + chance.random(len(lengths)) * 1.5, kind="stable")
        for i in chance.permutation(-(-len(order) // BATCH)):
            yield order[i * BATCH : (i + 1) * BATCH]


class Pupil(nn.Module):  # type: ignore[misc]  # torch is not read by the type checker
    """The glance while it learns; see `guard.classifier.glance`."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.narrow = nn.Linear(width, NARROW)
        self.taps = nn.Conv1d(NARROW, FEATURES, 3, padding=1)
        self.inner = nn.Linear(2 * FEATURES + heads, HIDDEN)
        self.outer = nn.Linear(HIDDEN, 1 + heads)

    def forward(self, vectors: torch.Tensor, real: torch.Tensor, linear: torch.Tensor) -> torch.Tensor:
        """(B, T, D), (B, T) and (B, K) to (B, 1 + K)."""
        mask = real[:, None]
        tokens = torch.relu(self.narrow(vectors)).transpose(1, 2) * mask
        seen = torch.relu(self.taps(tokens)) * mask
        features = torch.cat([seen.sum(2) / mask.sum(2), seen.max(2).values, linear], dim=1)
        hidden = torch.relu(self.inner(F.dropout(features, DROPPED, self.training)))
        said: torch.Tensor = self.outer(F.dropout(hidden, DROPPED, self.training))
        return said


def lessons(classifier: EmbeddedClassifier, rows: Sequence[Row]) -> tuple[Lessons, Lessons]:
    """What both stages say of the rows, their first window each: for the first glance, and for the later one."""
    encoder = classifier.encoder
    assert encoder is not None  # noqa: S101  # asked of weights that have both stages
    vectors, states, linear, logits, flagged = [], [], [], [], []
    for i, row in enumerate(rows):
        folded = fold(row.text[:1000]) or " "
        window = next(encoder.words.windows(folded))
        below = encoder.lower.states(window)
        first, second = classifier.linear.logits(folded), encoder.upper.logits(below)[0]
        language = judged_language(row.text)
        flagged.append(is_flagged(classifier.answer(language, first, second), classifier, language))
        vectors.append(window[0].astype(np.float16))
        states.append(below[0].astype(np.float16))
        linear.append(first)
        logits.append(second)
        if i % 5000 == 4999:
            log.info("both stages have read %d of %d rows for the glances", i + 1, len(rows))
    ends = np.cumsum([0, *map(len, vectors)])
    calm = np.array([is_calm(row) for row in rows])
    weight = np.where(calm, CALM_WEIGHT, 1.0).astype(np.float32)
    said = np.array(flagged, dtype=np.float32)
    early = Lessons(States(np.concatenate(vectors), ends), np.array(linear), np.array(logits), said, weight)
    return early, replace(early, vectors=States(np.concatenate(states), ends))


def taught(read: Lessons, seed: int) -> Glance:
    """A glance that has learnt."""
    torch.manual_seed(seed)
    chance = np.random.default_rng((seed, 9))
    middle, spread = read.linear.mean(0), read.linear.std(0) + 1e-6
    linear = torch.from_numpy((read.linear - middle) / spread)
    pupil = Pupil(read.vectors.values.shape[1], read.linear.shape[1])
    optimiser = torch.optim.AdamW(pupil.parameters(), RATE, weight_decay=1e-2)
    steps = EPOCHS * -(-len(read.weight) // BATCH)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    flagged, logits, weight = (torch.from_numpy(a) for a in (read.flagged, read.logits, read.weight))
    for epoch in range(EPOCHS):
        losses = []
        for rows in read.batches(chance):
            optimiser.zero_grad()
            said = pupil(*read.vectors.padded(rows), linear[rows])
            doubt = F.binary_cross_entropy_with_logits(said[:, 0], flagged[rows], weight[rows])
            loss = doubt + LOGITS_WEIGHT * F.smooth_l1_loss(said[:, 1:], logits[rows])
            loss.backward()
            optimiser.step()
            pace.step()
            losses.append(loss.item())
        log.info("the glance, epoch %d of %d: loss %.3f", epoch + 1, EPOCHS, float(np.mean(losses)))
    return as_glance(pupil, middle, spread)


def as_glance(pupil: Pupil, middle: Floats, spread: Floats) -> Glance:
    """The weights as the product holds them, over logits of stage 1 as they are."""
    arrays = {name: value.detach().numpy() for name, value in pupil.named_parameters()}
    inner, inner_bias = arrays["inner.weight"].copy(), arrays["inner.bias"].copy()
    inner[:, 2 * FEATURES :] /= spread
    inner_bias -= inner[:, 2 * FEATURES :] @ middle
    taps = np.concatenate([arrays["taps.weight"][:, :, at].T for at in range(3)], axis=1)
    return Glance(
        arrays["narrow.weight"].T.copy(),
        arrays["narrow.bias"],
        taps,
        arrays["taps.bias"],
        inner,
        inner_bias,
        arrays["outer.weight"],
        arrays["outer.bias"],
    )


def give_glances(out: Path, data: Path, rows: Sequence[Row], seed: int) -> None:
    """Teach the glances for the weights in `out`, which have curves and thresholds, and draw their bounds."""
    write_manifest(out, replace(read_manifest(out), settled=()))
    some = learnt_from(rows, seed)
    log.info("the glances learn from %d rows", len(some))
    for name, read in zip(GLANCE_FILES, lessons(load(out), some), strict=True):
        write_glance(out / name, taught(read, seed))
    write_bounds(out, data, rows, seed)


def write_bounds(out: Path, data: Path, rows: Sequence[Row], seed: int) -> None:
    """Draw the bounds of the early exits of the weights in `out` anew."""
    dev = thinned([r for r in rows if r.dev and r.source not in APART], MOST, seed)
    strange = [r for r in read_rows(data)[0] if r.source in NEVER_TRAINED] + [r for r in rows if r.source in APART]
    settled: tuple[Mapping[Language, Exit], ...] = ()
    for number in range(len(GLANCE_FILES)):
        write_manifest(out, replace(read_manifest(out), settled=(*settled, {})))
        settled = (*settled, bounds(load(out), strange, dev, seed, number))
    write_manifest(out, replace(read_manifest(out), settled=settled))


def main(argv: Sequence[str] | None = None) -> int:
    """Give glances to weights that are there, or draw their bounds alone."""
    parser = argparse.ArgumentParser(description="Teach the glances what both stages say, and draw their bounds.")
    parser.add_argument("--data", type=Path, required=True, help="folder with toxicity/, injection/, safe_text/, ...")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the weights (default: the shipped ones)")
    parser.add_argument("--bounds", action="store_true", help="keep the glances, draw their bounds alone")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    rows, _ = corpus(args.data, args.seed)
    write_manifest(args.out, replace(read_manifest(args.out), version=VERSION))
    (write_bounds if args.bounds else give_glances)(args.out, args.data, rows, args.seed)
    restate(args.out, read_manifest(args.out))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
