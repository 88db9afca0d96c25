"""States of many texts, one after the other, as a training step reads some of them.

Shapes: T tokens of all texts, D width, R texts, B texts of a step, L tokens of the longest of these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch


@dataclass(frozen=True, slots=True)
class States:
    """What a frozen part of a model made of every token. values: (T, D) float16. ends: (R + 1,), where each text begins and ends."""

    values: npt.NDArray[np.float16]
    ends: npt.NDArray[np.int64]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each text, (R,)."""
        return np.diff(self.ends)

    def padded(self, rows: npt.NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        """States of some texts (B, L, D), zero behind their ends, and which of them are tokens (B, L)."""
        lengths = self.lengths[rows]
        states = np.zeros((len(rows), int(lengths.max()), self.values.shape[1]), dtype=np.float32)
        real = np.zeros(states.shape[:2], dtype=np.float32)
        for i, row in enumerate(rows):
            states[i, : lengths[i]] = self.values[self.ends[row] : self.ends[row + 1]]
            real[i, : lengths[i]] = 1
        return torch.from_numpy(states), torch.from_numpy(real)
