"""Fit the small combination of encoder and explicit comparison, on pairs that did not teach the encoder.

Rules of this file
1. Only pairs of the part BLEND; labelled and planted ones, and the languages, weigh the same.
2. Full batch, seeded: the same pairs give the same numbers.
3. Inputs of the correction are dropped at random while it is fitted: on few pairs it would otherwise learn to mistrust an
   encoder that is right.
Shapes: R pairs, I inputs (3 logits, the comparison's floats, one for each language).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the customary name

from guard.claims.compare import FEATURES
from guard.claims.stance import PairReader
from guard.claims.stance_package import LANGUAGES, Blend, nearness
from guard.training.stance.pairs import Pair
from guard.training.stance.written import WRITTEN
from haechi.base.text import Language

Array = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
REWORDED: Final[Mapping[Language, float]] = {Language.KOREAN: 3.0}
"""By how much more a planted rewording counts in a language where too many looked like edits."""


_RARE: Final = 0.02
"""Spread of an input that hardly any pair has: it would teach nothing, count for much where it is there, and is not listened to."""
_DEAF: Final = 1e6


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
    found = [reader.read(p.claim, p.evidence, p.language) for p in pairs]
    logits, features = np.array([one for one, _ in found], dtype=np.float64), np.array([one for _, one in found])
    return Read(pairs, logits.reshape(-1, 3), features.reshape(-1, len(FEATURES)))


@dataclass(frozen=True, slots=True)
class BlendRecipe:
    """Settings. hidden: width of the hidden layer. decay: weight decay. steps: of the full batch.

    dropout: share of the correction's inputs that are dropped in each step. fits: combinations, from as many seeds, whose mean is
    taken: of one alone, which few rewordings look like edits is half a matter of chance.
    """

    fits: int = 5
    hidden: int = 16
    dropout: float = 0.2
    decay: float = 1.0
    steps: int = 400
    rate: float = 0.01
    seed: int = 7


class _Combination(nn.Module):  # type: ignore[misc]  # torch is not read by the type checker
    """The arithmetic of Blend, on many pairs."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(1)), nn.Parameter(torch.zeros(3))
        self.hidden, self.out = nn.Linear(inputs, hidden), nn.Linear(hidden, 3, bias=False)
        self.straight = nn.Linear(inputs, 3)
        with torch.no_grad():
            self.out.weight.mul_(0.3)
            self.straight.weight.zero_()
            self.straight.bias.zero_()

    def forward(self, logits: torch.Tensor, x: torch.Tensor, near: torch.Tensor) -> torch.Tensor:
        """logits: (R, 3); x: (R, I) standardised inputs; near: (R,). Returns log-probabilities, (R, 3)."""
        correction = self.out(torch.tanh(self.hidden(x))) + self.straight(x)
        said: torch.Tensor = torch.log_softmax(self.scale * logits + self.shift + near[:, None] * correction, 1)
        return said


def fit_blend(read: Read, recipe: BlendRecipe) -> Blend:
    """The combination that makes the allowed stances of the pairs most likely: the mean of several, as one with a wider hidden layer."""
    inputs = read.inputs()
    closeness = np.array([nearness(row, pair.language) for row, pair in zip(read.features, read.pairs, strict=True)])
    mean, spread = inputs.mean(axis=0), inputs.std(axis=0) + 1e-2
    spread[spread < _RARE + 1e-2] = _DEAF
    x, logits, near, weights = (
        torch.from_numpy(np.asarray(v, dtype=np.float32))
        for v in ((inputs - mean) / spread, read.logits, closeness, _weights(read.pairs, closeness))
    )
    banned = torch.tensor([[k not in p.allowed for k in range(3)] for p in read.pairs])

    def likelihood(model: _Combination) -> torch.Tensor:
        likely = model(logits, F.dropout(x, recipe.dropout), near).masked_fill(banned, -30.0).logsumexp(1)
        return (likely * weights).sum()

    fits = [_fitted(recipe, inputs.shape[1], likelihood, recipe.seed + k) for k in range(recipe.fits)]

    def together(name: str) -> Floats:
        return np.concatenate([one[name] for one in fits])

    def averaged(name: str) -> Floats:
        return np.asarray(np.mean([one[name] for one in fits], axis=0), dtype=np.float32)

    return Blend(
        scale=averaged("scale"),
        shift=averaged("shift"),
        mean=mean.astype(np.float32),
        spread=spread.astype(np.float32),
        hidden=together("hidden.weight"),
        hidden_bias=together("hidden.bias"),
        out=np.concatenate([one["out.weight"] / np.float32(recipe.fits) for one in fits], axis=1),
        straight=averaged("straight.weight"),
        straight_bias=averaged("straight.bias"),
    )


def _fitted(
    recipe: BlendRecipe, inputs: int, likelihood: Callable[[_Combination], torch.Tensor], seed: int
) -> dict[str, Floats]:
    """One combination from one seed: its arrays by name."""
    torch.manual_seed(seed)
    model = _Combination(inputs, recipe.hidden)
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    for step in range(recipe.steps):
        optimiser.param_groups[0]["lr"] = recipe.rate * (1 - step / recipe.steps)
        loss = -likelihood(model)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return {name: value.detach().numpy() for name, value in model.named_parameters()}


def _weights(pairs: Sequence[Pair], closeness: Array) -> Array:
    """Weight of each pair, summing to 1: first by group (language, planted or not), then by label within it.

    Planted pairs teach the correction: far from their evidence they count a tenth. See REWORDED.
    """
    planted = [p.kind not in {"", WRITTEN} for p in pairs]
    keys = [(p.language, own) for p, own in zip(pairs, planted, strict=True)]
    groups = Counter(keys)
    labels = Counter((key, p.allowed) for key, p in zip(keys, pairs, strict=True))
    mass = np.array([groups[k] ** -0.5 * labels[k, p.allowed] ** -0.5 for k, p in zip(keys, pairs, strict=True)])
    mass *= np.where(planted, np.maximum(closeness, 0.1), 1.0)
    mass *= np.array([REWORDED.get(p.language, 1.0) if p.kind == "reworded" else 1.0 for p in pairs])
    return np.asarray(mass / mass.sum())
