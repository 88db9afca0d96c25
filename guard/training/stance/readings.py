"""What the lower layers make of each text, computed once with the shipped graph and kept in half precision.

Shapes: T tokens of a text, D width.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from guard.claims.stance_package import LOWER_FILE
from guard.classifier.encoder import Embeddings

Half = npt.NDArray[np.float16]


class Readings:
    """The lower layers' output by text (its token ids), computed when first asked for."""

    def __init__(self, folder: Path, embeddings: Embeddings) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        self._session = onnxruntime.InferenceSession(
            str(folder / LOWER_FILE), options, providers=["CPUExecutionProvider"]
        )
        self._embeddings = embeddings
        self._kept: dict[tuple[int, ...], Half] = {}

    def of(self, ids: tuple[int, ...]) -> Half:
        """The reading of one text, (T, D)."""
        found = self._kept.get(ids)
        if found is None:
            output = self._session.run(["y"], {"x": self._embeddings.vectors(list(ids))})[0]
            found = self._kept[ids] = np.asarray(output[0], dtype=np.float16)
        return found
