"""Fine-tune the encoder on labelled rows, every head at once.

    python -m guard.training.fine_tune --data DATA --start ENCODER --out RUN [--samples N] [--hold-out a,b]
    python -m guard.training.fine_tune ... --layers 0,1,2,3,4,5 --warm DEEP --teacher DEEP    # half the depth, taught
    python -m guard.training.fine_tune ... --warm RUN --warm RUN --remember    # new sentences for finished runs
    python -m guard.training.fine_tune ... --device cuda --step-tokens 16384 --workers 14    # on a GPU

Rules of this file
1. A step is a function of seed and step number, so that a run stopped and resumed gives the same weights.
2. An unknown label adds nothing to the loss.
3. Sources disagree on what is toxic: each labelled toxicity source has an offset of its own while training, which is
   dropped afterwards, so that the text has to explain what the source does not. `--no-offsets` learns the habits of the
   sources too: better where they are met again, worse elsewhere. A pupil of both kinds keeps most of either.
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
from torch.utils.data import DataLoader, Dataset

from guard.classifier.folding import fold
from guard.sentences import segments
from guard.training.corpus import NEVER_TRAINED, corpus
from guard.training.disguise import disguised
from guard.training.distil import LABELS_SHARE, Teacher, teacher_of
from guard.training.encoder import TOKENIZER_FILE, Encoder, load_start
from guard.training.errors import TrainingCheckpointUnusable
from guard.training.rows import EVERYDAY, HEADS, Row, is_calm
from guard.training.sampling import label_matrix, sampling_weights

log = logging.getLogger("haechi.guard.training")
STATE_FILE = "state.safetensors"
STEP_TOKENS = 3072
RATE = 1.2e-4
"""Highest learning rate for steps of STEP_TOKENS; it grows with the root of the tokens of a step."""
SAVE_EVERY = 60.0
"""Seconds between two states that a run can go on from."""
Arrays = tuple[npt.NDArray[np.generic], ...]
START, PAD, END, UNKNOWN = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of a run; a run is resumed only under the same ones.

    samples: texts seen in all. tokens_per_step: padded tokens of a batch. longest: tokens kept of a text.
    layers: which layers of the start are kept, from 0. rate: highest learning rate. decay: factor of the rate per
    layer downwards. disguise: share of texts written in a disguise. sentence: share of long ordinary texts of which one
    sentence is read, as the guard shows them. hold_out: sources that are not trained on. offsets: whether each toxicity
    source has an offset of its own. taught: how many teachers' judgement counts beside the labels. remembers: whether what it
    goes on from is one, of public rows alone.
    """

    samples: int
    seed: int = 7
    tokens_per_step: int = STEP_TOKENS
    longest: int = 128
    layers: tuple[int, ...] = tuple(range(12))
    rate: float = RATE
    decay: float = 0.92
    dropout: float = 0.1
    disguise: float = 0.12
    token_drop: float = 0.03
    sentence: float = 0.4
    hold_out: tuple[str, ...] = ()
    rng_pool: int = 4096
    offsets: bool = True
    taught: int = 0
    remembers: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """ids: (B, T); labels, known: (B, K); source: (B,) number of the offset to use, 0 for none.

    public: (B,), 1 for rows that are not of our own making, whose labels a teacher may know better.
    """

    ids: Tensor
    labels: Tensor
    known: Tensor
    source: Tensor
    public: Tensor

    @property
    def mask(self) -> Tensor:
        """(B, T), 1 for tokens."""
        return (self.ids != PAD).long()

    @staticmethod
    def on(device: torch.device, arrays: Arrays) -> Batch:
        """The batch of these arrays, in the order of its fields, on a device."""
        return Batch(*(torch.from_numpy(a).to(device, non_blocking=True) for a in arrays))


def source_numbers(rows: Sequence[Row]) -> dict[str, int]:
    """Offsets are for sources with both toxic and other rows; everything else shares number 0, which stays 0."""
    seen: dict[str, set[int]] = {}
    for row in rows:
        if HEADS[0] in row.labels and not row.source.startswith("own_"):
            seen.setdefault(row.source, set()).add(row.labels[HEADS[0]])
    return {name: i + 1 for i, name in enumerate(sorted(name for name, labels in seen.items() if len(labels) == 2))}


class Batches(Dataset[list[Arrays]]):  # type: ignore[misc]  # torch is not read by the type checker
    """Draws rows by weight, folds, cuts and pads them; the n-th pool depends on the seed and n alone."""

    def __init__(self, rows: Sequence[Row], tokenizer: Tokenizer, recipe: Recipe) -> None:
        self.rows, self.tokenizer, self.recipe = rows, tokenizer, recipe
        self.weights = np.cumsum(sampling_weights(rows))
        self.labels, self.known = label_matrix(rows)
        self.numbers = source_numbers(rows)
        self.source = np.array([self.numbers.get(row.source, 0) for row in rows])
        self.public = np.array([not row.source.startswith(("own_", *EVERYDAY)) for row in rows], dtype=np.float32)

    def __getitem__(self, number: int) -> list[Arrays]:
        """One pool of rows in batches of similar length, in random order; each as the arrays of a `Batch`."""
        rng = np.random.default_rng((self.recipe.seed, number))
        drawn = np.searchsorted(self.weights, rng.random(self.recipe.rng_pool) * self.weights[-1])
        drawn = np.minimum(drawn, len(self.rows) - 1)
        pieces = [self._pieces(self.rows[i], rng) for i in drawn]
        order = sorted(range(len(drawn)), key=lambda j: len(pieces[j]))
        batches: list[Arrays] = []
        start = 0
        while start < len(order):
            end = start + 1
            while end < len(order) and (end + 1 - start) * len(pieces[order[end]]) <= self.recipe.tokens_per_step:
                end += 1
            batches.append(self._batch([pieces[j] for j in order[start:end]], drawn[order[start:end]]))
            start = end
        return [batches[i] for i in rng.permutation(len(batches))]

    def pools(self, first: int, last: int, workers: int) -> Iterator[list[Arrays]]:
        """The pools of these numbers in order, made by so many processes; 0 makes them here."""
        ahead = {"prefetch_factor": 4, "multiprocessing_context": "fork"} if workers else {}
        yield from DataLoader(
            self, None, sampler=range(first, last), num_workers=workers, collate_fn=_as_it_is, **ahead
        )

    def _pieces(self, row: Row, rng: np.random.Generator) -> list[int]:
        text = row.text
        if len(text) > 1200:
            at = int(rng.integers(len(text) - 1000)) if rng.random() < 0.5 else 0
            text = text[at : at + 1000]
        if len(text) > 120 and is_calm(row) and rng.random() < self.recipe.sentence:
            sentences = list(segments(text, 500))
            one = sentences[int(rng.integers(len(sentences)))]
            text = text[one.start : one.end]
        if rng.random() < self.recipe.disguise:
            text = disguised(text, rng)
        ids = self.tokenizer.encode(fold(text), add_special_tokens=False).ids
        room = self.recipe.longest - 2
        if len(ids) > room:
            at = int(rng.integers(len(ids) - room + 1)) if rng.random() < 0.3 else 0
            ids = ids[at : at + room]
        dropped = rng.random(len(ids)) < self.recipe.token_drop
        return [START, *(UNKNOWN if gone else i for i, gone in zip(ids, dropped, strict=True)), END]

    def _batch(self, pieces: list[list[int]], rows: npt.NDArray[np.int64]) -> Arrays:
        ids = np.full((len(pieces), max(len(p) for p in pieces)), PAD, dtype=np.int64)
        for line, piece in zip(ids, pieces, strict=True):
            line[: len(piece)] = piece
        return ids, self.labels[rows], self.known[rows], self.source[rows], self.public[rows]


def _as_it_is(pool: list[Arrays]) -> list[Arrays]:
    return pool


class Run:
    """A fine-tuning run: bfloat16 model, float32 master weights, optimiser, place in the data."""

    def __init__(
        self,
        start: Encoder,
        batches: Batches,
        recipe: Recipe,
        out: Path,
        teacher: Teacher | None = None,
        device: str = "cpu",
    ) -> None:
        self.recipe, self.batches, self.out, self.teacher = recipe, batches, out, teacher
        self.device = torch.device(device)
        self.model = start.to(self.device, torch.bfloat16)
        self.model.head.float()
        self.model.words.requires_grad_(False)
        self.model.positions.requires_grad_(False)
        self.model.norm_embedding.requires_grad_(False)
        self.offsets = torch.zeros(len(batches.numbers) + 1, len(HEADS), device=self.device, requires_grad=True)
        self.live = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        if recipe.offsets:
            self.live["offsets"] = self.offsets
        self.master = {n: p.detach().float().clone().requires_grad_(True) for n, p in self.live.items()}
        by_rate: dict[float, list[Tensor]] = {}
        for name, parameter in self.master.items():
            by_rate.setdefault(self._rate(name), []).append(parameter)
        groups = [{"params": parameters, "lr": rate, "base": rate} for rate, parameters in by_rate.items()]
        self.optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
        self.seen, self.pool = 0, 0

    def _rate(self, name: str) -> float:
        if name.startswith("layers."):
            above = len(self.model.layers) - 1 - int(name.split(".")[1])
            return self.recipe.rate * self.recipe.decay**above
        return self.recipe.rate * (20.0 if name == "offsets" else 5.0)

    def train(self, workers: int = 0) -> None:
        """Until `samples` texts are seen; saves every minute. workers: processes that prepare texts."""
        self.model.train()
        began, first, saved = time.monotonic(), self.seen, time.monotonic()
        end = self.pool + -(-(self.recipe.samples - self.seen) // self.recipe.rng_pool)
        for batches in self.batches.pools(self.pool, end, workers):
            loss = self.one_pool(batches)
            if time.monotonic() - saved > SAVE_EVERY or self.pool == end:
                self.save()
                saved = time.monotonic()
                speed = (self.seen - first) / (saved - began)
                log.info("%d texts, loss %.4f, %.0f texts a second", self.seen, loss, speed)

    def one_pool(self, batches: Sequence[Arrays]) -> float:
        """Every step of the next pool; returns the mean loss. Dropout, too, depends on nothing but seed and pool."""
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.pool)
        losses = [self.step(Batch.on(self.device, arrays)) for arrays in batches]
        self.pool += 1
        return float(torch.stack(losses).mean())

    def step(self, batch: Batch) -> Tensor:
        """One step on one batch; returns its loss."""
        pooled = self.model.pooled(batch.ids, batch.mask)
        logits = self.model.head(F.dropout(pooled, self.recipe.dropout))
        loss = self.loss(logits + self.offsets[batch.source] * (batch.source > 0)[:, None], batch)
        if self.teacher is not None:
            loss = loss + self.teacher.loss(batch.ids, batch.mask, batch.public, pooled, logits)
        (loss + 1e-3 * self.offsets.square().sum()).backward()
        for name, parameter in self.live.items():
            self.master[name].grad = None if parameter.grad is None else parameter.grad.float()
            parameter.grad = None
        torch.nn.utils.clip_grad_norm_(list(self.master.values()), 1.0)
        factor = self._schedule()
        for group in self.optimiser.param_groups:
            group["lr"] = group["base"] * factor
        self.optimiser.step()
        with torch.no_grad():
            torch._foreach_copy_(list(self.live.values()), list(self.master.values()))
        self.seen += len(batch.ids)
        return loss.detach()

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
        state = {f"master.{n}": p.detach().cpu() for n, p in self.master.items()}
        for (name, parameter), values in zip(self.master.items(), self._moments(), strict=True):
            del parameter
            state.update({f"optimiser.{name}.{k}": v for k, v in values.items()})
        place = {"seen": self.seen, "pool": self.pool, "recipe": json.dumps(asdict(self.recipe))}
        part = self.out / "state.part"
        save_file(state, part, metadata={k: str(v) for k, v in place.items()})
        part.replace(self.out / STATE_FILE)

    def _moments(self) -> Iterator[dict[str, Tensor]]:
        for parameter in self.master.values():
            yield {k: torch.as_tensor(v).cpu() for k, v in self.optimiser.state.get(parameter, {}).items()}

    def resume(self) -> None:
        """Go on from the saved state when there is one.

        Raises:
            TrainingCheckpointUnusable: when it was made under another recipe.
        """
        path = self.out / STATE_FILE
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
                self.optimiser.state[parameter] = {k: v.to(self.device) for k, v in moments.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run or resume a fine-tuning run."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.remember and (not args.warm or args.teacher):
        parser.error("--remember needs --warm and no --teacher")
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    encoder = mean_of(args.start, args.warm) if args.warm else load_start(args.start, len(HEADS))
    layers = tuple(int(i) for i in args.layers.split(",")) if args.layers else tuple(range(len(encoder.layers)))
    hold_out = tuple(name for name in args.hold_out.split(",") if name)
    recipe = Recipe(
        args.samples,
        seed=args.seed,
        layers=layers,
        hold_out=hold_out,
        rate=args.rate or RATE * (args.step_tokens / STEP_TOKENS) ** 0.5,
        tokens_per_step=args.step_tokens,
        offsets=args.offsets,
        taught=len(args.teacher),
        remembers=args.remember,
    )
    args.out.mkdir(parents=True, exist_ok=True)
    rows = [row for row in corpus(args.data, args.seed, hold_out)[0] if not row.dev]
    batches = Batches(rows, Tokenizer.from_file(str(args.start / TOKENIZER_FILE)), recipe)
    encoder.layers = torch.nn.ModuleList(encoder.layers[i] for i in layers)
    before = [mean_of(args.start, args.warm)] if args.remember else [finished(args.start, run) for run in args.teacher]
    teacher = teacher_of(before, args.device, public_only=args.remember) if before else None
    run = Run(encoder, batches, recipe, args.out, teacher, args.device)
    run.resume()
    log.info("%d rows, %d texts to go", len(rows), recipe.samples - run.seen)
    run.train(args.workers)
    return 0


def _parser() -> argparse.ArgumentParser:
    """What a run is told on the command line."""
    parser = argparse.ArgumentParser(description="Fine-tune the encoder of the embedded classifier.")
    parser.add_argument("--data", type=Path, required=True, help="folder with toxicity/, injection/, ...")
    parser.add_argument("--start", type=Path, required=True, help="folder with the packed encoder and its tokenizer")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--samples", type=int, default=200_000, help="texts to see (default 200000)")
    parser.add_argument("--layers", help="layers of the start to keep, as in 0,1,2 (default: all)")
    parser.add_argument("--hold-out", default=",".join(NEVER_TRAINED), help="sources to leave out, comma-separated")
    parser.add_argument(
        "--warm",
        type=Path,
        action="append",
        default=[],
        help="a finished run whose weights are the start; repeat it for the mean of several",
    )
    parser.add_argument(
        "--teacher",
        type=Path,
        action="append",
        default=[],
        help="a finished run whose judgement is learnt too; repeat it",
    )
    parser.add_argument(
        "--remember", action="store_true", help="stay near what those of --warm say of public rows; no --teacher then"
    )
    parser.add_argument("--no-offsets", dest="offsets", action="store_false", help="learn the habits of sources too")
    parser.add_argument("--rate", type=float, help=f"highest learning rate (default {RATE} for {STEP_TOKENS} tokens)")
    parser.add_argument(
        "--step-tokens", type=int, default=STEP_TOKENS, help=f"padded tokens of a step (default {STEP_TOKENS})"
    )
    parser.add_argument("--device", default="cpu", help="where to train, as torch names it (default cpu)")
    parser.add_argument(
        "--workers", type=int, default=0, help="processes that prepare texts (default 0: this one does)"
    )
    parser.add_argument("--seed", type=int, default=7)
    return parser


def finished(start: Path, run: Path) -> Encoder:
    """The encoder that a run made, with as many layers as it trained."""
    encoder = load_start(start, len(HEADS))
    load_run(encoder, run)
    with safe_open(run / STATE_FILE, "pt") as saved:
        kept = len(json.loads(saved.metadata()["recipe"])["layers"])
    encoder.layers = encoder.layers[:kept]
    return encoder


def mean_of(start: Path, runs: Sequence[Path]) -> Encoder:
    """An encoder whose weights are the mean of those of finished runs, which began at the same weights.

    Wortsman et al., Model soups (2022).
    """
    encoders = [finished(start, run) for run in runs]
    with torch.no_grad():
        for mine, *others in zip(*(encoder.parameters() for encoder in encoders), strict=True):
            mine.copy_(torch.stack([mine, *others]).mean(0))
    return encoders[0]


def load_run(encoder: Encoder, run: Path) -> None:
    """Put the master weights of a run into an encoder of the same depth.

    Raises:
        TrainingCheckpointUnusable: when the run has other layers.
    """
    state = load_file(run / STATE_FILE)
    ours = {n.removeprefix("master."): t for n, t in state.items() if n.startswith("master.")}
    ours.pop("offsets", None)
    if encoder.load_state_dict(ours, strict=False).unexpected_keys:
        raise TrainingCheckpointUnusable(f"{run} has other layers than the encoder", hint="use the run's own --layers")


if __name__ == "__main__":
    raise SystemExit(main())
