"""The pair encoder: lower layers read each text by itself, upper layers read claim and evidence together.

Rules of this file
1. The lower layers stay as they came (guard/training/encoder.py) and see one text at a time, so that what they make of
   a text can be kept; only what is here learns.
2. Each token is told on which side it stands and whether the other side has it too: what was changed is visible at once.
Shapes: B pairs, T tokens (claim first), D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the customary name

from guard.claims.stance_tokens import MARKS
from guard.training.encoder import Encoder, Layer

LOWER = (0, 1, 2, 3, 4, 5)
UPPER = (6, 7, 8, 9)
"""Layers of the pretrained encoder. The last two were made for whole-text similarity and are left out."""


class PairEncoder(nn.Module):  # type: ignore[misc]  # torch is not read by the type checker
    """What the lower layers made of both texts, to three logits."""

    def __init__(self, layers: nn.ModuleList, width: int) -> None:
        super().__init__()
        self.layers = layers
        self.marks = nn.Embedding(MARKS, width)
        self.head = nn.Linear(3 * width, 3)
        nn.init.normal_(self.marks.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        nn.init.normal_(self.head.weight, std=0.02)

    def forward(self, x: Tensor, marks: Tensor, mask: Tensor, claim: Tensor, dropout: float = 0.0) -> Tensor:
        """x: (B, T, D); marks: (B, T) kinds of token; mask: (B, T), 1 for tokens; claim: (B, T), 1 for the claim's.

        Returns logits, (B, 3).
        """
        x = F.dropout(x + self.marks(marks), dropout, self.training)
        bias = torch.zeros(mask.shape, dtype=x.dtype).masked_fill(mask == 0, -30000.0)[:, None, None, :]
        *layers, last = self.layers
        for layer in layers:
            x = layer(x, bias)
        longest = int(claim.sum(1).max())
        x, claim = last(x, bias, kept=longest), claim[:, :longest, None]
        mine = claim.to(x.dtype)
        mean = (x * mine).sum(1) / mine.sum(1)
        highest = x.masked_fill(claim == 0, -30000.0).amax(1)
        pooled = torch.cat([x[:, 0], mean, highest], dim=1)
        logits: Tensor = self.head(F.dropout(pooled, dropout, self.training))
        return logits


def upper_of(encoder: Encoder) -> PairEncoder:
    """A fresh pair encoder over the upper layers of the pretrained one."""
    layers: list[Layer] = [encoder.layers[i] for i in UPPER]
    return PairEncoder(nn.ModuleList(layers), encoder.shape.width)
