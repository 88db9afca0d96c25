"""Teaching a shallower encoder: it learns what deeper ones say of a text and how they picture it, beside the labels.

Rules of this file
1. The teachers do not learn and see the same tokens as their pupil.
2. Several teachers say together what each would: the mean of their logits, and of their pictures. They began at the same weights,
   so that their pictures lie side by side.
3. A run that goes on from a finished one may have it as a teacher of public rows alone: what is new it learns from labels, and keeps
   what it knew.
Shapes: B texts, D width, K heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the customary name

from guard.training.encoder import Encoder

LABELS_SHARE = 0.3
"""How much the labels of a public row still count; by labels alone the pupil learns the habits of the sources."""
PICTURE_SHARE = 3.0
"""Weight of the distance between the pupil's picture of a text and the teachers'."""


@dataclass(frozen=True, slots=True)
class Teacher:
    """Encoders that were trained before, in bfloat16. public_only: whether they teach public rows alone."""

    encoders: tuple[Encoder, ...]
    public_only: bool = False

    def loss(self, ids: Tensor, mask: Tensor, public: Tensor, pooled: Tensor, logits: Tensor) -> Tensor:
        """How far the pupil's `pooled` (B, D) and `logits` (B, K) are from the teachers'. public: (B,), 1 for public rows."""
        with torch.no_grad():
            pictures = [encoder.pooled(ids, mask) for encoder in self.encoders]
            said = [encoder.head(seen) for encoder, seen in zip(self.encoders, pictures, strict=True)]
            judged = torch.sigmoid(torch.stack(said).mean(0))
            picture = torch.stack(pictures).mean(0)
        apart = 1 - F.cosine_similarity(pooled, picture, dim=-1)
        each = F.binary_cross_entropy_with_logits(logits, judged, reduction="none").sum(1)
        off = each / logits.shape[1] ** 0.5 + PICTURE_SHARE * apart
        found: Tensor = (off * public if self.public_only else off).mean()
        return found


def teacher_of(encoders: Sequence[Encoder], device: str = "cpu", *, public_only: bool = False) -> Teacher:
    """Finished encoders as a teacher, of public rows alone or of all."""
    frozen = [encoder.to(device, torch.bfloat16).eval().requires_grad_(False) for encoder in encoders]
    for encoder in frozen:
        encoder.head.float()
    return Teacher(tuple(frozen), public_only)
