"""Fine-tune the encoder on labelled rows, every head at once.

    python -m guard.training.fine_tune --data DATA --start ENCODER --out RUN [--samples N] [--hold-out a,b]
    python -m guard.training.fine_tune ... --layers 0,1,2,3,4,5 --warm DEEP --teacher DEEP    # half the depth, taught

Rules of this file
1. A step is a function of seed and step number, so that a run stopped and resumed gives the same weights.
2. An unknown label adds nothing to the loss.
3. Sources disagree on what is toxic: each labelled toxicity source has an offset of its own while training, which is
   dropped afterwards, so that the text has to explain what the source does not.
Arithmetic is bfloat16 with float32 master weights: on a CPU with matrix instructions four times as fast as float32.
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
import numpy.typing as npt
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the customary name

from guard.classifier.folding import fold
from guard.training.corpus import NEVER_TRAINED, corpus
from guard.training.disguise import disguised
from guard.training.distil import LABELS_SHARE, Teacher, teacher_of
from guard.training.encoder import TOKENIZER_FILE, Encoder, load_start
from guard.training.errors import TrainingCheckpointUnusable
from guard.training.rows import EVERYDAY, HEADS, Row
from guard.training.sampling import label_matrix, sampling_weights

log = logging.getLogger("haechi.guard.training")
START, PAD, END, UNKNOWN = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of a run; a run is resumed only under the same ones.

    samples: texts seen in all. tokens_per_step: padded tokens of a batch. longest: tokens kept of a text.
    layers: which layers of the start are kept, from 0. rate: highest learning rate. decay: factor of the rate per
    layer downwards. disguise: share of texts written in a disguise. hold_out: sources that are not trained on.
    taught: whether a teacher's judgement counts beside the labels.
    """

    samples: int
    seed: int = 7
    tokens_per_step: int = 3072
    longest: int = 96
    layers: tuple[int, ...] = tuple(range(12))
    rate: float = 1.2e-4
    decay: float = 0.92
    dropout: float = 0.1
    disguise: float = 0.12
    token_drop: float = 0.03
    hold_out: tuple[str, ...] = ()
    rng_pool: int = 4096
    taught: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """ids, mask: (B, T); labels, known: (B, K); source: (B,) number of the offset to use, 0 for none.

    public: (B,), 1 for rows that a teacher may judge: not of our own making, and of a kind that it has seen.
    """

    ids: Tensor
    mask: Tensor
    labels: Tensor
    known: Tensor
    source: Tensor
    public: Tensor


def source_numbers(rows: Sequence[Row]) -> dict[str, int]:
    """Offsets are for sources with both toxic and other rows; everything else shares number 0, which stays 0."""
    seen: dict[str, set[int]] = {}
    for row in rows:
        if HEADS[0] in row.labels and not row.source.startswith("own_"):
            seen.setdefault(row.source, set()).add(row.labels[HEADS[0]])
    return {name: i + 1 for i, name in enumerate(sorted(name for name, labels in seen.items() if len(labels) == 2))}


class Batches:
    """Draws rows by weight, folds, cuts and pads them; the n-th pool depends on the seed and n alone."""

    def __init__(self, rows: Sequence[Row], tokenizer: Tokenizer, recipe: Recipe) -> None:
        self.rows, self.tokenizer, self.recipe = rows, tokenizer, recipe
        self.weights = np.cumsum(sampling_weights(rows))
        self.labels, self.known = label_matrix(rows)
        self.numbers = source_numbers(rows)

    def pool(self, number: int) -> list[Batch]:
        """One pool of rows in batches of similar length, in random order."""
        rng = np.random.default_rng((self.recipe.seed, number))
        drawn = np.searchsorted(self.weights, rng.random(self.recipe.rng_pool) * self.weights[-1])
        drawn = np.minimum(drawn, len(self.rows) - 1)
        pieces = [self._pieces(self.rows[i].text, rng) for i in drawn]
        order = sorted(range(len(drawn)), key=lambda j: len(pieces[j]))
        batches: list[Batch] = []
        start = 0
        while start < len(order):
            end = start + 1
            while end < len(order) and (end + 1 - start) * len(pieces[order[end]]) <= self.recipe.tokens_per_step:
                end += 1
            batches.append(self._batch([pieces[j] for j in order[start:end]], drawn[order[start:end]]))
            start = end
        return [batches[i] for i in rng.permutation(len(batches))]

    def _pieces(self, text: str, rng: np.random.Generator) -> list[int]:
        if len(text) > 1200:
            at = int(rng.integers(len(text) - 1000)) if rng.random() < 0.5 else 0
            text = text[at : at + 1000]
        if rng.random() < self.recipe.disguise:
            text = disguised(text, rng)
        ids = self.tokenizer.encode(fold(text), add_special_tokens=False).ids
        room = self.recipe.longest - 2
        if len(ids) > room:
            at = int(rng.integers(len(ids) - room + 1)) if rng.random() < 0.3 else 0
            ids = ids[at : at + room]
        dropped = rng.random(len(ids)) < self.recipe.token_drop
        return [START, *(UNKNOWN if gone else i for i, gone in zip(ids, dropped, strict=True)), END]

    def _batch(self, pieces: list[list[int]], rows: npt.NDArray[np.int64]) -> Batch:
        width = max(len(p) for p in pieces)
        ids = torch.tensor([p + [PAD] * (width - len(p)) for p in pieces])
        source = torch.tensor([self.numbers.get(self.rows[i].source, 0) for i in rows])
        labels, known = torch.from_numpy(self.labels[rows]), torch.from_numpy(self.known[rows])
        public = torch.tensor([float(not self.rows[i].source.startswith(("own_", *EVERYDAY))) for i in rows])
        return Batch(ids, (ids != PAD).long(), labels, known, source, public)


class Run:
    """A fine-tuning run: bfloat16 model, float32 master weights, optimiser, place in the data."""

    def __init__(
        self, start: Encoder, batches: Batches, recipe: Recipe, out: Path, teacher: Teacher | None = None
    ) -> None:
        self.recipe, self.batches, self.out, self.teacher = recipe, batches, out, teacher
        self.model = start.to(torch.bfloat16)
        self.model.head.float()
        self.model.words.requires_grad_(False)
        self.model.positions.requires_grad_(False)
        self.model.norm_embedding.requires_grad_(False)
        self.offsets = torch.zeros(len(batches.numbers) + 1, len(HEADS), requires_grad=True)
        self.live = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        self.live["offsets"] = self.offsets
        self.master = {n: p.detach().float().clone().requires_grad_(True) for n, p in self.live.items()}
        self.optimiser = torch.optim.AdamW(
            [{"params": [m], "lr": self._rate(n), "base": self._rate(n)} for n, m in self.master.items()],
            betas=(0.9, 0.98),
            weight_decay=0.01,
            fused=True,
        )
        self.seen, self.pool = 0, 0

    def _rate(self, name: str) -> float:
        if name.startswith("layers."):
            above = len(self.model.layers) - 1 - int(name.split(".")[1])
            return self.recipe.rate * self.recipe.decay**above
        return self.recipe.rate * (20.0 if name == "offsets" else 5.0)

    def train(self) -> None:
        """Until `samples` texts are seen; saves after each pool."""
        self.model.train()
        began, first = time.process_time(), self.seen
        while self.seen < self.recipe.samples:
            losses = self.one_pool()
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
        pooled = self.model.pooled(batch.ids, batch.mask)
        logits = self.model.head(F.dropout(pooled, self.recipe.dropout))
        loss = self.loss(logits + self.offsets[batch.source], batch)
        if self.teacher is not None:
            loss = loss + self.teacher.loss(batch.ids, batch.mask, batch.public, pooled, logits)
        (loss + 1e-3 * self.offsets.square().sum()).backward()
        self.offsets.grad[0] = 0.0
        for name, parameter in self.live.items():
            self.master[name].grad = None if parameter.grad is None else parameter.grad.float()
            parameter.grad = None
        torch.nn.utils.clip_grad_norm_(list(self.master.values()), 1.0)
        factor = self._schedule()
        for group in self.optimiser.param_groups:
            group["lr"] = group["base"] * factor
        self.optimiser.step()
        with torch.no_grad():
            for name, parameter in self.live.items():
                parameter.copy_(self.master[name])
        self.seen += len(batch.ids)
        return float(loss.detach())

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Cross entropy over the known labels, each text counting once."""
        each = F.binary_cross_entropy_with_logits(logits, batch.labels, reduction="none") * batch.known
        share = 1.0 if self.teacher is None else 1.0 - (1.0 - LABELS_SHARE) * batch.public
        return (share * each.sum(1) / batch.known.sum(1).clamp(min=1).sqrt()).mean()

    def _schedule(self) -> float:
        """Warm-up over 4 % of the texts, then a straight line down to 2 %."""
        done = self.seen / self.recipe.samples
        return min(done / 0.04 + 0.02, 1.0) * max(1.0 - done, 0.02)

    def save(self) -> None:
        """Everything that is needed to go on, written whole or not at all."""
        state = {f"master.{n}": p.detach() for n, p in self.master.items()}
        for (name, parameter), values in zip(self.master.items(), self._moments(), strict=True):
            del parameter
            state.update({f"optimiser.{name}.{k}": v for k, v in values.items()})
        place = {"seen": self.seen, "pool": self.pool, "recipe": json.dumps(asdict(self.recipe))}
        part = self.out / "state.part"
        save_file(state, part, metadata={k: str(v) for k, v in place.items()})
        part.replace(self.out / "state.safetensors")

    def _moments(self) -> Iterator[dict[str, Tensor]]:
        for parameter in self.master.values():
            yield {k: torch.as_tensor(v) for k, v in self.optimiser.state.get(parameter, {}).items()}

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
            for name, parameter in self.master.items():
                parameter.copy_(state[f"master.{name}"])
                self.live[name].copy_(parameter)
                moments = {k: state[f"optimiser.{name}.{k}"] for k in ("step", "exp_avg", "exp_avg_sq")}
                self.optimiser.state[parameter] = moments


def main(argv: Sequence[str] | None = None) -> int:
    """Run or resume a fine-tuning run."""
    parser = argparse.ArgumentParser(description="Fine-tune the encoder of the embedded classifier.")
    parser.add_argument("--data", type=Path, required=True, help="folder with toxicity/, injection/, ...")
    parser.add_argument("--start", type=Path, required=True, help="folder with the packed encoder and its tokenizer")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--samples", type=int, default=200_000, help="texts to see (default 200000)")
    parser.add_argument("--layers", default="0,1,2,3,4,5,6,7,8,9,10,11", help="layers of the start to keep")
    parser.add_argument("--hold-out", default=",".join(NEVER_TRAINED), help="sources to leave out, comma-separated")
    parser.add_argument("--warm", type=Path, help="a finished run whose weights are the start")
    parser.add_argument("--teacher", type=Path, help="a finished run of all layers whose judgement is learnt too")
    parser.add_argument("--rate", type=float, default=1.2e-4, help="highest learning rate (default 0.00012)")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    layers = tuple(int(i) for i in args.layers.split(","))
    hold_out = tuple(name for name in args.hold_out.split(",") if name)
    recipe = Recipe(
        args.samples,
        seed=args.seed,
        layers=layers,
        hold_out=hold_out,
        rate=args.rate,
        taught=args.teacher is not None,
    )
    args.out.mkdir(parents=True, exist_ok=True)
    rows = [row for row in corpus(args.data, args.seed, hold_out)[0] if not row.dev]
    batches = Batches(rows, Tokenizer.from_file(str(args.start / TOKENIZER_FILE)), recipe)
    encoder = load_start(args.start, len(HEADS))
    if args.warm is not None:
        load_run(encoder, args.warm)
    encoder.layers = torch.nn.ModuleList(encoder.layers[i] for i in layers)
    run = Run(encoder, batches, recipe, args.out, _teacher(args.start, args.teacher))
    run.resume()
    log.info("%d rows, %d texts to go", len(rows), recipe.samples - run.seen)
    run.train()
    return 0


def _teacher(start: Path, run: Path | None) -> Teacher | None:
    """The encoder of a finished run as a teacher."""
    if run is None:
        return None
    encoder, heads = finished(start, run)
    return teacher_of(encoder, heads)


def finished(start: Path, run: Path) -> tuple[Encoder, int]:
    """The encoder that a run made, with as many layers as it trained, and how many heads the run had."""
    encoder = load_start(start, len(HEADS))
    heads = load_run(encoder, run)
    with safe_open(run / "state.safetensors", "pt") as saved:
        kept = len(json.loads(saved.metadata()["recipe"])["layers"])
    encoder.layers = encoder.layers[:kept]
    return encoder, heads


def load_run(encoder: Encoder, run: Path) -> int:
    """Put the master weights of a run into an encoder of the same depth; heads that it did not have start fresh.

    Returns: how many heads the run had.

    Raises:
        TrainingCheckpointUnusable: when the run has other layers.
    """
    state = load_file(run / "state.safetensors")
    ours = {n.removeprefix("master."): t for n, t in state.items() if n.startswith("master.")}
    ours.pop("offsets", None)
    heads = len(ours["head.bias"])
    for name, fresh in (("head.weight", encoder.head.weight), ("head.bias", encoder.head.bias)):
        wider = fresh.detach().clone()
        wider[: len(ours[name])] = ours[name]
        ours[name] = wider
    missing = encoder.load_state_dict(ours, strict=False)
    if missing.unexpected_keys:
        raise TrainingCheckpointUnusable(f"{run} has other layers than the encoder", hint="use the run's own --layers")
    return heads


if __name__ == "__main__":
    raise SystemExit(main())
