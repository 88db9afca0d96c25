"""A deeper encoder teaches a shallower one: the shallow one learns its judgement and its picture of a text.

Rules of this file
1. The teacher does not learn and sees the same tokens as its pupil.
2. Rows of our own are not taught: the teacher may never have seen their kind, and their labels are certain.
Shapes: B texts, D width, K heads.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the customary name

from guard.training.encoder import Encoder

LABELS_SHARE = 0.3
"""How much the labels of a taught row still count; by labels alone the pupil learns the habits of the sources."""
PICTURE_SHARE = 3.0
"""Weight of the distance between the two pictures of a text."""


@dataclass(frozen=True, slots=True)
class Teacher:
    """An encoder that was trained before, in bfloat16; heads that it does not have teach nothing."""

    encoder: Encoder
    heads: int

    def loss(self, ids: Tensor, mask: Tensor, taught: Tensor, pooled: Tensor, logits: Tensor) -> Tensor:
        """How far the pupil's `pooled` (B, D) and `logits` (B, K) are from the teacher's; taught: (B,), 1 where it counts."""
        with torch.no_grad():
            picture = self.encoder.pooled(ids, mask)
            judged = torch.sigmoid(self.encoder.head(picture)[:, : self.heads])
        apart = 1 - F.cosine_similarity(pooled, picture, dim=-1)
        each = F.binary_cross_entropy_with_logits(logits[:, : self.heads], judged, reduction="none").sum(1)
        found: Tensor = ((each / self.heads**0.5 + PICTURE_SHARE * apart) * taught).mean()
        return found


def teacher_of(encoder: Encoder, heads: int) -> Teacher:
    """A finished encoder as a teacher of its first `heads` heads."""
    frozen = encoder.to(torch.bfloat16).eval().requires_grad_(False)
    frozen.head.float()
    return Teacher(frozen, heads)
