"""Fit the small combination of encoder and explicit comparison, on pairs that did not teach the encoder.

Rules of this file
1. Only pairs of the part BLEND; labelled and planted ones, and the languages, weigh the same.
2. Full batch, seeded: the same pairs give the same numbers.
Shapes: R pairs, I inputs (3 logits, the comparison's floats, one for each language).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from guard.claims.compare import FEATURES, compare
from guard.claims.stance import PairReader
from guard.claims.stance_package import LANGUAGES, Blend
from guard.training.stance.pairs import Pair
from guard.training.stance.written import WRITTEN

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Read:
    """Pairs as the product reads them. logits: (R, 3) of the encoder. features: (R, len(FEATURES))."""

    pairs: Sequence[Pair]
    logits: Array
    features: Array

    def inputs(self) -> Array:
        """What the combination is given, (R, I)."""
        here = np.array([[float(p.language is one) for one in LANGUAGES] for p in self.pairs]).reshape(
            -1, len(LANGUAGES)
        )
        return np.concatenate([self.logits, self.features, here], axis=1)

    def chances(self, blend: Blend) -> Array:
        """The product's probabilities, (R, 3)."""
        return np.array(
            [
                blend.chances(logits, features, pair.language)
                for logits, features, pair in zip(self.logits, self.features, self.pairs, strict=True)
            ]
        ).reshape(-1, 3)


def read_all(reader: PairReader, pairs: Sequence[Pair]) -> Read:
    """Every pair through the graphs and the comparison, as the product does it."""
    logits = [reader.logits(p.claim, [p.evidence])[0] for p in pairs]
    features = [compare(p.claim, p.evidence, p.language).vector() for p in pairs]
    shape = (-1, len(FEATURES))
    return Read(pairs, np.array(logits, dtype=np.float64).reshape(-1, 3), np.array(features).reshape(shape))


@dataclass(frozen=True, slots=True)
class BlendRecipe:
    """Settings. hidden: width of the hidden layer. decay: weight decay. steps: of the full batch."""

    hidden: int = 24
    decay: float = 0.03
    steps: int = 400
    rate: float = 0.01
    seed: int = 7


def fit_blend(read: Read, recipe: BlendRecipe) -> Blend:
    """The combination that makes the allowed stances of the pairs most likely."""
    torch.manual_seed(recipe.seed)
    inputs = read.inputs()
    mean, spread = inputs.mean(axis=0), inputs.std(axis=0) + 1e-3
    x = torch.from_numpy(((inputs - mean) / spread).astype(np.float32))
    allowed = torch.tensor([[float(k in p.allowed) for k in range(3)] for p in read.pairs])
    weights = torch.from_numpy(_weights(read.pairs).astype(np.float32))
    hidden, out = nn.Linear(x.shape[1], recipe.hidden), nn.Linear(recipe.hidden, 3, bias=False)
    straight = nn.Linear(x.shape[1], 3)
    with torch.no_grad():
        out.weight.mul_(0.3)
        straight.weight.mul_(0.0)
        straight.weight[:, :3] = torch.diag(torch.from_numpy(spread[:3]).float())
    parts = nn.ModuleList([hidden, out, straight])
    optimiser = torch.optim.AdamW(parts.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    for step in range(recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * (1 - step / recipe.steps)
        said = out(torch.tanh(hidden(x))) + straight(x)
        loss = -((torch.softmax(said, 1) * allowed).sum(1).clamp(min=1e-6).log() * weights).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    values = (hidden.weight, hidden.bias, out.weight, straight.weight, straight.bias)
    hw, hb, ow, sw, sb = (v.detach().numpy() for v in values)
    return Blend(mean.astype(np.float32), spread.astype(np.float32), hw, hb, ow, sw, sb)


def _weights(pairs: Sequence[Pair]) -> Array:
    """Weight of each pair, summing to 1: first by group (language, labelled or planted), then by label within it."""
    keys = [(p.language, p.kind not in {"", WRITTEN}) for p in pairs]
    groups = Counter(keys)
    labels = Counter((key, p.allowed) for key, p in zip(keys, pairs, strict=True))
    mass = np.array([groups[k] ** -0.5 * labels[k, p.allowed] ** -0.5 for k, p in zip(keys, pairs, strict=True)])
    return np.asarray(mass / mass.sum())
