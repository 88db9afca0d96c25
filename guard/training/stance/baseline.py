"""What words alone tell: the lexical-overlap baseline that the stance model is printed beside.

The share of the claim's terms that the evidence has, and the same of the evidence's terms, through a multinomial
logistic curve with squares, fitted per language on the pairs that teach.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from guard.claims.facts import plain, shared, words_of
from guard.training.stance.pairs import Pair

Array = npt.NDArray[np.float64]


def overlaps(pairs: Sequence[Pair]) -> Array:
    """Shares of terms in both directions with their squares and a constant, (R, 5)."""
    rows = []
    for pair in pairs:
        mine, theirs = words_of(plain(pair.claim)), words_of(plain(pair.evidence))
        a, b = shared(mine, theirs), shared(theirs, mine)
        rows.append((a, b, a * a, b * b, 1.0))
    return np.array(rows).reshape(-1, 5)


def baseline(taught: Sequence[Pair], asked: Sequence[Pair]) -> Array:
    """Probabilities of the three stances for the pairs asked about, (R, 3), from the pairs that teach."""
    x = torch.from_numpy(overlaps(taught).astype(np.float32))
    allowed = torch.tensor([[float(k in p.allowed) for k in range(3)] for p in taught])
    weights = torch.zeros(3, x.shape[1], requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=100)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        chances = (torch.softmax(x @ weights.T, 1) * allowed).sum(1)
        loss = -chances.clamp(min=1e-6).log().mean() + 1e-4 * weights.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    said = torch.softmax(torch.from_numpy(overlaps(asked).astype(np.float32)) @ weights.detach().T, 1)
    return np.asarray(said.numpy(), dtype=np.float64)
