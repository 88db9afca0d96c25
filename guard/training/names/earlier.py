"""Begin where an earlier tagger ended: its int8 graph read back into the model."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from guard.pii.names.tagger import GRAPH_FILE
from guard.training.encoder import Encoder
from guard.training.errors import TrainingDataMissing


def digest(folder: Path) -> str:
    """SHA-256 of the earlier tagger's graph.

    Raises:
        TrainingDataMissing: when it is not there.
    """
    path = folder / GRAPH_FILE
    if not path.is_file():
        raise TrainingDataMissing(f"{path} does not exist", hint="--earlier names a folder with a tagger's weights")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load_earlier(model: Encoder, folder: Path, frozen: int) -> None:
    """Put the earlier tagger's layers, but for the frozen ones, and its head into a model of the same shape."""
    stored = {c.name: np.array(numpy_helper.to_array(c)) for c in onnx.load(str(folder / GRAPH_FILE)).graph.initializer}
    with torch.no_grad():
        for number, layer in enumerate(model.layers):
            if number >= frozen:
                for name, linear in (
                    ("qkv", layer.qkv),
                    ("o", layer.out),
                    ("wide", layer.widen),
                    ("narrow", layer.narrow),
                ):
                    _put(linear, _weight(stored, f"l{number}.{name}"), stored[f"l{number}.{name}.b"])
                for name, norm in (("n1", layer.norm_attention), ("n2", layer.norm_output)):
                    _put(norm, stored[f"l{number}.{name}.w"], stored[f"l{number}.{name}.b"])
        _put(model.head, _weight(stored, "head"), stored["head.b"])


def _weight(stored: dict[str, NDArray[np.generic]], name: str) -> NDArray[np.float32]:
    """Shape (out, in)."""
    whole: NDArray[np.float32] = stored[f"{name}.w"].T.astype(np.float32)
    scale: NDArray[np.float32] = stored[f"{name}.s"].astype(np.float32)
    return whole * scale[:, None]


def _put(part: nn.Module, weight: NDArray[np.generic], bias: NDArray[np.generic]) -> None:
    part.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight)))
    part.bias.copy_(torch.from_numpy(np.ascontiguousarray(bias)))
