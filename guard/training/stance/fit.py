"""Fine-tune the upper layers on pairs.

Rules of this file
1. A step is a function of seed and step number: a run stopped and resumed gives the same weights.
2. A label may allow two stances: the loss is that of their sum.
Shapes: B pairs, T tokens, D width.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from guard.claims.stance_tokens import claim_tokens, evidence_tokens, marks
from guard.training.errors import TrainingCheckpointUnusable
from guard.training.stance.derived import DENIED, TURNED
from guard.training.stance.network import PairEncoder
from guard.training.stance.pairs import Pair
from guard.training.stance.planted.generate import WIDENED
from guard.training.stance.readings import Readings
from guard.training.stance.written import SHORT, WRITTEN
from haechi.base.text import Language

log = logging.getLogger("haechi.guard.training")
STATE_FILE: Final = "state.safetensors"
EARLY_FILE: Final = "early.safetensors"
"""In the folder of a run: where it stands, and where it stood before its last stage."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of a run. pairs: how many are seen. tokens: padded tokens of a batch.

    shares: of the draws that go to a group (see `GROUPS`); the rest goes to the labelled pairs.
    """

    pairs: int
    tokens: int
    shares: tuple[tuple[str, float], ...] = ()


GROUPS: Final[Mapping[str, Callable[[Pair], bool]]] = {
    "labelled": lambda pair: not pair.kind,
    "planted": lambda pair: pair.kind not in {"", WRITTEN, DENIED, TURNED} and not pair.source.startswith(WIDENED),
    "widened": lambda pair: pair.source.startswith(WIDENED),
    "words": lambda pair: pair.kind in {"reworded", "antonym"} and pair.source.startswith(WIDENED),
    "korean": lambda pair: not pair.kind and pair.language is Language.KOREAN,
    "written": lambda pair: pair.kind == WRITTEN,
    "denied": lambda pair: pair.kind == DENIED,
    "turned": lambda pair: pair.kind == TURNED,
    "short": lambda pair: pair.source in SHORT,
    "klue": lambda pair: pair.source == "ko_klue_nli" and not pair.kind,
}
"""Groups of pairs that draws go to."""
COOL: Final = 83968
STAGES: Final = (
    Stage(6144, 2400),
    Stage(36864, 1200),
    Stage(
        COOL,
        1200,
        (("planted", 0.10), ("widened", 0.12), ("words", 0.08), ("korean", 0.10), ("written", 0.18)),
    ),
)
"""First what people wrote about whatever: it teaches what meaning is. Then, while the steps grow smaller, too what was
planted: where to look; what was written by hand, and more of the language with few pairs. `words` puts one word for
another: a synonym, which changes nothing, or its opposite."""


@dataclass(frozen=True, slots=True)
class FitRecipe:
    """Settings of a run; a run is resumed only under the same ones.

    pool: pairs drawn at a time. rate: learning rate between the first `warm` pairs, over which it rises, and the last
    `cool` ones, over which it falls to nothing. claim, evidence: tokens of each side that are read while training.
    """

    stages: tuple[Stage, ...] = STAGES
    seed: int = 7
    pool: int = 2048
    rate: float = 1.6e-4
    warm: int = 1024
    cool: int = COOL
    dropout: float = 0.1
    claim: int = 62
    evidence: int = 94

    @property
    def total(self) -> int:
        """Pairs seen in all."""
        return sum(stage.pairs for stage in self.stages)

    @property
    def early(self) -> int:
        """Pairs seen before the last stage."""
        return self.total - self.stages[-1].pairs

    def stage(self, seen: int) -> Stage:
        """The stage after so many pairs."""
        for stage in self.stages:
            if seen < stage.pairs:
                return stage
            seen -= stage.pairs
        return self.stages[-1]


@dataclass(frozen=True, slots=True)
class Batch:
    """x: (B, T, D); marks, mask, claim: (B, T); allowed: (B, 3), 1 for the stances that the label allows."""

    x: Tensor
    marks: Tensor
    mask: Tensor
    claim: Tensor
    allowed: Tensor


@dataclass(frozen=True, slots=True)
class Encoded:
    """A pair's tokens."""

    claim: tuple[int, ...]
    evidence: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.claim) + len(self.evidence)


class Batches:
    """Pairs as batches; the n-th pool depends on the seed and n alone."""

    def __init__(self, pairs: Sequence[Pair], tokenizer: Tokenizer, readings: Readings, recipe: FitRecipe) -> None:
        self.pairs, self.recipe, self.readings, self.tokenizer = pairs, recipe, readings, tokenizer
        self.weights = {name: _weights(pairs, has) for name, has in GROUPS.items()}
        self._encoded: dict[int, Encoded] = {}

    def encoded(self, i: int) -> Encoded:
        """The tokens of the i-th pair."""
        found = self._encoded.get(i)
        if found is None:
            pair = self.pairs[i]
            mine = claim_tokens(self.tokenizer, pair.claim, self.recipe.claim)
            theirs = evidence_tokens(self.tokenizer, pair.claim, pair.evidence, self.recipe.evidence)
            found = self._encoded[i] = Encoded(mine, theirs)
        return found

    def pool(self, number: int, stage: Stage) -> list[Batch]:
        """One pool of pairs in batches of similar length, in random order."""
        rng = np.random.default_rng((self.recipe.seed, number))
        which, where = rng.random(self.recipe.pool), rng.random(self.recipe.pool)
        drawn = [_drawn(self.weights[_group(stage, float(g))], float(w)) for g, w in zip(which, where, strict=True)]
        order = sorted(drawn, key=lambda i: (len(self.encoded(i)), i))
        batches, start = [], 0
        while start < len(order):
            end = start + 1
            while end < len(order) and (end + 1 - start) * len(self.encoded(order[end])) <= stage.tokens:
                end += 1
            batches.append(order[start:end])
            start = end
        return [self.batch(batches[i]) for i in rng.permutation(len(batches))]

    def batch(self, chosen: Sequence[int]) -> Batch:
        """Some pairs, padded."""
        encoded = [self.encoded(i) for i in chosen]
        longest = max(len(e) for e in encoded)
        width = self.readings.of(encoded[0].claim).shape[1]
        x = np.zeros((len(chosen), longest, width), dtype=np.float32)
        kinds = np.zeros((len(chosen), longest), dtype=np.int64)
        mask, claim = np.zeros_like(kinds), np.zeros_like(kinds)
        allowed = np.zeros((len(chosen), 3), dtype=np.float32)
        for row, (i, e) in enumerate(zip(chosen, encoded, strict=True)):
            n, whole = len(e.claim), len(e)
            x[row, :n], x[row, n:whole] = self.readings.of(e.claim), self.readings.of(e.evidence)
            kinds[row, :whole] = marks(e.claim, e.evidence)
            mask[row, :whole], claim[row, :n] = 1, 1
            allowed[row, list(self.pairs[i].allowed)] = 1.0
        return Batch(*(torch.from_numpy(v) for v in (x, kinds, mask, claim, allowed)))


def _group(stage: Stage, where: float) -> str:
    for name, share in stage.shares:
        if where < share:
            return name
        where -= share
    return "labelled"


def _weights(pairs: Sequence[Pair], has: Callable[[Pair], bool]) -> npt.NDArray[np.float64]:
    """Cumulated weights of the pairs of a group, (R,); others have none.

    Pairs of one language, source and kind or label share a mass, their number to the power 0.6. Languages of planted
    pairs weigh the same.
    """
    keys = [(p.language, p.source, p.kind or str(p.allowed)) for p in pairs]
    sizes = Counter(keys)
    mass = np.array([sizes[k] ** -0.4 if has(p) else 0.0 for k, p in zip(keys, pairs, strict=True)])
    if any(has(p) and p.kind for p in pairs):
        totals = {lang: sum(m for m, p in zip(mass, pairs, strict=True) if p.language is lang) for lang, _, _ in sizes}
        mass /= np.array([totals[p.language] or 1.0 for p in pairs])
    return np.cumsum(mass)


def _drawn(cumulated: npt.NDArray[np.float64], where: float) -> int:
    return min(int(np.searchsorted(cumulated, where * cumulated[-1], side="right")), len(cumulated) - 1)


class Fit:
    """A run: model, optimiser, place in the data."""

    def __init__(self, model: PairEncoder, batches: Batches, recipe: FitRecipe, out: Path) -> None:
        self.model, self.batches, self.recipe, self.out = model, batches, recipe, out
        self.named = dict(model.named_parameters())
        groups = [{"params": [p], "lr": self._rate(n), "base": self._rate(n)} for n, p in self.named.items()]
        self.optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
        self.seen, self.pool = 0, 0

    def _rate(self, name: str) -> float:
        return self.recipe.rate * (1.0 if name.startswith("layers.") else 5.0)

    def train(self) -> None:
        """Until all stages are done; saves after each pool."""
        self.model.train()
        began, first = time.process_time(), self.seen
        while self.seen < self.recipe.total:
            if self.recipe.early <= self.seen < self.recipe.early + self.recipe.pool:
                self.save()
                shutil.copyfile(self.out / STATE_FILE, self.out / EARLY_FILE)
            losses = self.one_pool()
            self.save()
            speed = (self.seen - first) / (time.process_time() - began)
            log.info("%d pairs, loss %.4f, %.0f pairs per CPU second", self.seen, np.mean(losses), speed)

    def one_pool(self) -> list[float]:
        """Every step of the next pool; its dropout, too, depends on nothing but the seed and the pool's number."""
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.pool)
        batches = self.batches.pool(self.pool, self.recipe.stage(self.seen))
        losses = [self.step(batch) for batch in batches]
        self.pool += 1
        return losses

    def step(self, batch: Batch) -> float:
        """One step on one batch; returns its loss."""
        logits = self.model(batch.x, batch.marks, batch.mask, batch.claim, self.recipe.dropout)
        chances = (torch.softmax(logits, dim=1) * batch.allowed).sum(1)
        loss = -chances.clamp(min=1e-6).log().mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        warmed = self.seen / self.recipe.warm + 0.02
        left = (self.recipe.total - self.seen) / self.recipe.cool
        for group in self.optimiser.param_groups:
            group["lr"] = group["base"] * min(warmed, left, 1.0) if left > 0.02 else group["base"] * 0.02
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.seen += len(batch.x)
        return float(loss.detach())

    def save(self) -> None:
        """Everything that is needed to go on, written whole or not at all."""
        state = {f"model.{n}": p.detach() for n, p in self.named.items()}
        for name, moments in self._moments():
            state.update({f"optimiser.{name}.{k}": torch.as_tensor(v) for k, v in moments.items()})
        place = {"seen": str(self.seen), "pool": str(self.pool), "recipe": json.dumps(asdict(self.recipe))}
        part = self.out / "state.part"
        save_file(state, part, metadata=place)
        part.replace(self.out / STATE_FILE)

    def _moments(self) -> Iterator[tuple[str, dict[str, Tensor]]]:
        for name, parameter in self.named.items():
            yield name, self.optimiser.state.get(parameter, {})

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
                f"{path} belongs to another recipe", hint="give another --run or remove it"
            )
        state = load_file(path)
        self.seen, self.pool = int(place["seen"]), int(place["pool"])
        with torch.no_grad():
            for name, parameter in self.named.items():
                parameter.copy_(state[f"model.{name}"])
                self.optimiser.state[parameter] = {
                    k: state[f"optimiser.{name}.{k}"] for k in ("step", "exp_avg", "exp_avg_sq")
                }


def load_mean(model: PairEncoder, run: Path, shares: Mapping[str, float]) -> None:
    """A mean of saved weights into a model of the same shape. shares: of each file below the folder `run`, summing to 1.

    What a model knew before it was taught the few pairs of a language makes it less sure of what it learnt by heart.
    """
    saved = [(load_file(run / name), share) for name, share in shares.items()]
    names = [n for n in saved[0][0] if n.startswith("model.")]
    mean = {n.removeprefix("model."): torch.stack([w[n] * share for w, share in saved]).sum(0) for n in names}
    model.load_state_dict(mean)
