"""Fine-tune the first layers of the pretrained encoder to tag names.

    python -m guard.training.names.fine_tune --data DATA --start ENCODER --out RUN [--earlier FOLDER] [--seed N]

With an earlier tagger's weights a run goes on from them; without, it begins afresh.

Rules of this file
1. A step is a function of seed and step number, so that a run stopped and resumed gives the same weights.
2. Word embeddings and the lowest layers stay as they came: small data would only disturb them, and half the backward
   pass is saved.
Arithmetic is float32.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the customary name

from guard.pii.names.pieces import pieces
from guard.training.encoder import TOKENIZER_FILE, Encoder, load_start
from guard.training.errors import TrainingCheckpointUnusable
from guard.training.names.earlier import digest, load_earlier
from guard.training.names.mixture import Mixture, every_row
from guard.training.names.rows import KINDS, Part, Row

log = logging.getLogger("haechi.guard.training")
START, PAD, END, UNKNOWN = 0, 1, 2, 3
OUTPUTS = 1 + 2 * len(KINDS)
_NO_TAG = -100  # what the loss leaves out
_SEED = 7


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of a run; a run is resumed only under the same ones.

    samples: texts seen in all. generated: share of them that are made up. layers: of the start, from below.
    frozen: how many of them stay as they came. tokens_per_step: padded tokens of a batch. longest: tokens of a text.
    rate: learning rate, which falls over the last `cooldown` texts. decay: factor of the rate per layer downwards. pool: texts drawn at once.
    earlier: SHA-256 of the tagger that the run goes on from.
    """

    samples: int
    generated: float = 0.3
    seed: int = _SEED
    layers: int = 6
    frozen: int = 2
    tokens_per_step: int = 1024
    longest: int = 96
    rate: float = 1.2e-4
    cooldown: int = 8_000
    decay: float = 0.9
    dropout: float = 0.1
    token_drop: float = 0.03
    pool: int = 512
    earlier: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """ids, mask, tags: (B, T); tags are _NO_TAG where nothing is to be said."""

    ids: Tensor
    mask: Tensor
    tags: Tensor


def tagged(row: Row, tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Ids of the pieces of a row, and the tag of each: 0 outside, then begin and inside of each kind."""
    made = pieces(tokenizer, row.text)
    tags = [0] * len(made.ids)
    at = 0
    for start, end, kind in row.spans:
        while at < len(tags) and made.ends[at] <= start:
            at += 1
        first = True
        while at < len(tags) and made.starts[at] < end:
            tags[at] = 1 + 2 * KINDS.index(kind) + (0 if first else 1)
            first = False
            at += 1
    return made.ids, tags


class Batches:
    """Draws rows, cuts and pads them; the n-th pool depends on the seed and n alone."""

    def __init__(self, mixture: Mixture, tokenizer: Tokenizer, recipe: Recipe) -> None:
        self.mixture, self.tokenizer, self.recipe = mixture, tokenizer, recipe

    def pool(self, number: int) -> list[Batch]:
        """One pool of rows in batches of similar length, in random order."""
        rng = np.random.default_rng((self.recipe.seed, number))
        drawn = [self.mixture.draw(rng, self.recipe.generated) for _ in range(self.recipe.pool)]
        made = sorted((self._cut(row, rng) for row in drawn), key=lambda pair: len(pair[0]))
        batches: list[Batch] = []
        start = 0
        while start < len(made):
            end = start + 1
            while end < len(made) and (end + 1 - start) * len(made[end][0]) <= self.recipe.tokens_per_step:
                end += 1
            batches.append(_batch(made[start:end]))
            start = end
        return [batches[i] for i in rng.permutation(len(batches))]

    def _cut(self, row: Row, rng: np.random.Generator) -> tuple[list[int], list[int]]:
        ids, tags = tagged(row, self.tokenizer)
        room = self.recipe.longest - 2
        if len(ids) > room:
            at = int(rng.integers(len(ids) - room + 1))
            ids, tags = ids[at : at + room], tags[at : at + room]
        dropped = rng.random(len(ids)) < self.recipe.token_drop
        ids = [UNKNOWN if gone else i for i, gone in zip(ids, dropped, strict=True)]
        return [START, *ids, END], [_NO_TAG, *tags, _NO_TAG]


def _batch(made: Sequence[tuple[list[int], list[int]]]) -> Batch:
    width = max(len(ids) for ids, _ in made)
    ids = torch.tensor([ids + [PAD] * (width - len(ids)) for ids, _ in made])
    tags = torch.tensor([tags + [_NO_TAG] * (width - len(tags)) for _, tags in made])
    return Batch(ids, (ids != PAD).long(), tags)


class Run:
    """A fine-tuning run: model, optimiser, place in the data."""

    def __init__(self, model: Encoder, batches: Batches, recipe: Recipe, out: Path) -> None:
        self.model, self.batches, self.recipe, self.out = model, batches, recipe, out
        for part in (model.words, model.positions, model.norm_embedding, *model.layers[: recipe.frozen]):
            part.requires_grad_(False)
        self.live = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.optimiser = torch.optim.AdamW(
            [{"params": [p], "lr": self._rate(n), "base": self._rate(n)} for n, p in self.live.items()],
            betas=(0.9, 0.98),
            weight_decay=0.01,
            fused=True,
        )
        self.seen, self.pool = 0, 0

    def _rate(self, name: str) -> float:
        if name.startswith("layers."):
            above = self.recipe.layers - 1 - int(name.split(".")[1])
            return self.recipe.rate * self.recipe.decay**above
        return self.recipe.rate * 5.0

    def train(self) -> None:
        """Until `samples` texts are seen; saves after every second pool and at the end."""
        self.model.train()
        began, first = time.process_time(), self.seen
        while self.seen < self.recipe.samples:
            losses = self.one_pool()
            if self.pool % 2 == 0 or self.seen >= self.recipe.samples:
                self.save()
            speed = (self.seen - first) / (time.process_time() - began)
            log.info("%d texts, loss %.4f, %.0f texts per CPU second", self.seen, np.mean(losses), speed)

    def one_pool(self) -> list[float]:
        """Every step of the next pool; its dropout, too, depends on nothing but the seed and the pool's number."""
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.pool)
        losses = [self.step(batch) for batch in self.batches.pool(self.pool)]
        self.pool += 1
        return losses

    def step(self, batch: Batch) -> float:
        """One step on one batch; returns its loss."""
        hidden = F.dropout(self.model.hidden(batch.ids, batch.mask), self.recipe.dropout)
        logits = self.model.head(hidden)
        loss = F.cross_entropy(logits.flatten(0, 1), batch.tags.flatten(), ignore_index=_NO_TAG)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(self.live.values()), 1.0)
        factor = self._schedule()
        for group in self.optimiser.param_groups:
            group["lr"] = group["base"] * factor
        self.optimiser.step()
        self.seen += len(batch.ids)
        return float(loss.detach())

    def _schedule(self) -> float:
        """Warm-up over the first thousand texts; over the last `cooldown` a straight line down to 2 %."""
        left = (self.recipe.samples - self.seen) / self.recipe.cooldown
        return min(self.seen / 1000 + 0.02, 1.0, max(left, 0.02))

    def save(self) -> None:
        """Everything that is needed to go on, written whole or not at all."""
        state = {f"live.{n}": p.detach() for n, p in self.live.items()}
        for name, values in self._moments():
            state.update({f"optimiser.{name}.{k}": v for k, v in values.items()})
        place = {"seen": self.seen, "pool": self.pool, "recipe": json.dumps(asdict(self.recipe))}
        part = self.out / "state.part"
        save_file(state, part, metadata={k: str(v) for k, v in place.items()})
        part.replace(self.out / "state.safetensors")

    def _moments(self) -> Iterator[tuple[str, dict[str, Tensor]]]:
        for name, parameter in self.live.items():
            yield name, {k: torch.as_tensor(v) for k, v in self.optimiser.state.get(parameter, {}).items()}

    def resume(self) -> None:
        """Go on from the saved state when there is one.

        Raises:
            TrainingCheckpointUnusable: when it was made under another recipe.
        """
        path = self.out / "state.safetensors"
        if not path.is_file():
            return
        with safe_open(path, "pt") as saved:
            place = saved.metadata()
        if json.loads(place["recipe"]) != json.loads(json.dumps(asdict(self.recipe))):
            raise TrainingCheckpointUnusable(
                f"{path} belongs to another recipe", hint="give another --out or remove it"
            )
        state = load_file(path)
        self.seen, self.pool = int(place["seen"]), int(place["pool"])
        with torch.no_grad():
            for name, parameter in self.live.items():
                parameter.copy_(state[f"live.{name}"])
                moments = {k: state[f"optimiser.{name}.{k}"] for k in ("step", "exp_avg", "exp_avg_sq")}
                self.optimiser.state[parameter] = moments


def tagger(start: Path, layers: int) -> Encoder:
    """The first layers of the pretrained encoder with a fresh head for tags."""
    model = load_start(start, OUTPUTS)
    model.layers = model.layers[:layers]
    return model


def finished(start: Path, run: Path) -> Encoder:
    """The tagger that a run made."""
    path = run / "state.safetensors"
    with safe_open(path, "pt") as saved:
        recipe = json.loads(saved.metadata()["recipe"])
    model = tagger(start, recipe["layers"])
    state = {n.removeprefix("live."): t for n, t in load_file(path).items() if n.startswith("live.")}
    model.load_state_dict(state, strict=False)
    model.eval()
    return model


def _recipe(samples: int | None, earlier: Path | None, seed: int) -> Recipe:
    if earlier is None:
        return Recipe(samples or 44_000, seed=seed)
    return Recipe(samples or 48_000, seed=seed, rate=1e-4, cooldown=16_000, earlier=digest(earlier))


def main(argv: Sequence[str] | None = None) -> int:
    """Run or resume a fine-tuning run."""
    parser = argparse.ArgumentParser(description="Fine-tune the encoder to tag names.")
    parser.add_argument("--data", type=Path, required=True, help="folder with pii/")
    parser.add_argument("--start", type=Path, required=True, help="folder with the packed encoder and its tokenizer")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--earlier", type=Path, help="folder with the weights of a tagger to go on from")
    parser.add_argument("--samples", type=int, help="texts to see (default 44000, with --earlier 48000)")
    parser.add_argument("--seed", type=int, default=_SEED, help="of the rows drawn, a fresh head and dropout")
    args = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    recipe = _recipe(args.samples, args.earlier, args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    mixture = Mixture([row for row in every_row(args.data) if row.part is Part.TRAIN])
    tokenizer = Tokenizer.from_file(str(args.start / TOKENIZER_FILE))
    torch.manual_seed(recipe.seed)  # of the fresh head
    model = tagger(args.start, recipe.layers)
    if args.earlier is not None:
        load_earlier(model, args.earlier, recipe.frozen)
    run = Run(model, Batches(mixture, tokenizer, recipe), recipe, args.out)
    run.resume()
    log.info("%d labelled rows, %d texts to go", len(mixture.rows), recipe.samples - run.seen)
    run.train()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
