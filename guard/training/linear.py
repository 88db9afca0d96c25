"""Train stage 1: logistic regression of every head over hashed character n-grams.

Rules of this file
1. Rows weigh by the balance of language, source and label (`sampling.py`), not by how many a source has.
2. Updates are AdaGrad in a seeded order on one thread: the same data and seed give the same weights.
Shapes: R rows, K heads, N n-grams of all rows.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from guard.classifier.folding import fold
from guard.classifier.hashing import codes_of, slots_of
from guard.classifier.linear import LinearHeads
from guard.training.rows import HEADS, Row
from guard.training.sampling import Floats, label_matrix, sampling_weights

log = logging.getLogger("haechi.guard.training")


@dataclass(frozen=True, slots=True)
class LinearRecipe:
    """Settings of stage 1.

    bits: log2 of the table's rows.
    epochs, batch, rate: of the optimiser. pull: L2 penalty per update. seen_at_least: documents an n-gram needs.
    heaviest: highest weight of a row, in units of the mean. cut: code points kept of a row.
    """

    bits: int = 20
    epochs: int = 5
    batch: int = 256
    rate: float = 0.1
    pull: float = 1e-5
    seen_at_least: int = 3
    heaviest: float = 2.0
    cut: int = 400
    seed: int = 7


@dataclass(frozen=True, slots=True)
class NGrams:
    """Table rows of the n-grams of every text, one after another; text i owns [starts[i], starts[i + 1])."""

    slots: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]

    def of(self, texts: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """N-grams of some texts and how many each has."""
        parts = [self.slots[self.starts[i] : self.starts[i + 1]] for i in texts]
        return np.concatenate(parts), np.array([p.size for p in parts])


def n_grams(texts: Sequence[str], recipe: LinearRecipe) -> NGrams:
    """Fold and hash every text."""
    parts = [
        np.concatenate(slots_of(codes_of(fold(t[: recipe.cut])), recipe.bits)).astype(np.int32, copy=False)
        for t in texts
    ]
    starts = np.zeros(len(parts) + 1, dtype=np.int64)
    np.cumsum([p.size for p in parts], out=starts[1:])
    return NGrams(np.concatenate(parts), starts)


def rarities(grams: NGrams, chosen: npt.NDArray[np.int64], recipe: LinearRecipe) -> npt.NDArray[np.uint8]:
    """Squared inverse document frequency in 1/16, shape (2**bits,); 0 for what hardly occurs in the chosen texts."""
    seen = np.zeros(1 << recipe.bits, dtype=np.int32)
    for i in chosen:
        seen[np.unique(grams.slots[grams.starts[i] : grams.starts[i + 1]])] += 1
    idf = np.log((chosen.size + 1) / (seen + 1)) / 5.0
    squares = np.rint(np.square(idf) * 16)
    squares[seen < recipe.seen_at_least] = 0
    whole: npt.NDArray[np.uint8] = np.clip(squares, 0, 255).astype(np.uint8)
    return whole


class LinearTraining:
    """Rows, their n-grams and labels; `fit` may be called for several selections of rows."""

    def __init__(self, rows: Sequence[Row], recipe: LinearRecipe) -> None:
        self.rows, self.recipe = rows, recipe
        self.grams = n_grams([row.text for row in rows], recipe)
        self.labels, self.known = label_matrix(rows)

    def fit(self, chosen: npt.NDArray[np.int64]) -> LinearHeads:
        """Weights learnt from the chosen rows."""
        recipe = self.recipe
        rng = np.random.default_rng(recipe.seed)
        rarity = rarities(self.grams, chosen, recipe)
        idf = np.sqrt(rarity.astype(np.float32) / 16)
        weights = torch.zeros(1 << recipe.bits, len(HEADS))
        history = torch.full_like(weights, 1e-3)
        offsets = torch.zeros(len(HEADS))
        mass = sampling_weights([self.rows[i] for i in chosen])
        mass = np.minimum(mass / mass.mean(), recipe.heaviest).astype(np.float32)
        for epoch in range(recipe.epochs):
            order = rng.permutation(chosen.size)
            for at in range(0, chosen.size, recipe.batch):
                batch = order[at : at + recipe.batch]
                residual = self._update(chosen[batch], mass[batch], idf, weights, history, offsets)
                offsets -= 0.05 / (1 + epoch) * residual
            log.info("stage 1: pass %d of %d", epoch + 1, recipe.epochs)
        return quantised(weights.numpy(), rarity, offsets.numpy(), recipe.bits)

    def _update(
        self,
        texts: npt.NDArray[np.int64],
        mass: Floats,
        idf: Floats,
        weights: torch.Tensor,
        history: torch.Tensor,
        offsets: torch.Tensor,
    ) -> torch.Tensor:
        """One AdaGrad step on a batch, in place; returns the mean residual per head, shape (K,)."""
        slots, sizes = self.grams.of(texts)
        owner = np.repeat(np.arange(texts.size), sizes)
        values = idf[slots]
        norms = np.sqrt(np.bincount(owner, weights=values * values, minlength=texts.size) + 1e-6)
        values = torch.from_numpy((values / norms[owner]).astype(np.float32))
        index, text_of = torch.from_numpy(slots).long(), torch.from_numpy(owner)
        begins = torch.from_numpy(np.cumsum(sizes) - sizes)
        logits = offsets + torch.nn.functional.embedding_bag(
            index, weights, begins, mode="sum", per_sample_weights=values
        )
        labels, known = torch.from_numpy(self.labels[texts]), torch.from_numpy(self.known[texts])
        residual = (torch.sigmoid(logits) - labels) * known * torch.from_numpy(mass)[:, None]
        gradient = residual[text_of] * values[:, None] + self.recipe.pull * weights[index]
        history.index_add_(0, index, gradient * gradient)
        weights.index_add_(0, index, -self.recipe.rate * gradient / history[index].sqrt())
        return residual.mean(0)


def quantised(weights: Floats, rarity: npt.NDArray[np.uint8], offsets: Floats, bits: int) -> LinearHeads:
    """Weights times idf as int8, one unit per head; the largest 1 in 10,000 are clipped so that the rest keep digits."""
    products = weights * np.sqrt(rarity.astype(np.float32) / 16)[:, None]
    live = np.abs(products[rarity > 0])
    units = (np.quantile(live, 0.9999, axis=0) / 127 + 1e-12).astype(np.float32)
    whole = np.clip(np.rint(products / units), -127, 127).astype(np.int8)
    return LinearHeads(bits, whole, rarity, units, offsets.astype(np.float32).copy())
