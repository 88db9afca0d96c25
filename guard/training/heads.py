"""Draw the heads of stage 2 anew over its frozen layers: what new rows teach in minutes, without hours of fine-tuning.

Rules of this file
1. The pictures of the texts are those of the shipped graph, quantisation included: what is fitted is what runs.
2. The heads are pulled towards those that came with the layers, so that a few thousand rows correct and do not replace.
3. As in fine-tuning, each toxicity source has an offset of its own, which is dropped afterwards.
Shapes: R rows, D width, K heads, S sources.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional as F  # noqa: N812 - the customary name

from guard.classifier.encoder import END, START, WINDOW, SmallEncoder
from guard.classifier.folding import fold
from guard.classifier.package import ENCODER_FILE
from guard.training.fine_tune import source_numbers
from guard.training.rows import HEADS, Row
from guard.training.sampling import label_matrix, sampling_weights

MOST_PUBLIC, MOST_OWN = 25, 40
"""Rows per source and label that are looked at: enough to hold the heads where they were."""
PULL = 3e-2
"""How strongly the heads are drawn back to where they began; chosen by leaving out one source after the other."""
log = logging.getLogger("haechi.guard.training")
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Heads:
    """weight: (K, D). bias: (K,)."""

    weight: Floats
    bias: Floats


def read_heads(graph: onnx.ModelProto) -> Heads:
    """The heads of an exported encoder."""
    found = {c.name: numpy_helper.to_array(c) for c in graph.graph.initializer if c.name in {"head.w", "head.b"}}
    return Heads(found["head.w"].copy(), found["head.b"].copy())


def write_heads(folder: Path, heads: Heads) -> None:
    """Put other heads into the encoder in `folder`; its layers stay as they are."""
    graph = onnx.load(str(folder / ENCODER_FILE))
    for constant in graph.graph.initializer:
        if constant.name in {"head.w", "head.b"}:
            value = heads.weight if constant.name == "head.w" else heads.bias
            constant.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(value), constant.name))
    (folder / ENCODER_FILE).write_bytes(graph.SerializeToString(deterministic=True))


def pictures(folder: Path, encoder: SmallEncoder, rows: Sequence[Row]) -> Floats:
    """The mean of the last layer over each text's first window, (R, D)."""
    graph = onnx.load(str(folder / ENCODER_FILE))
    width = read_heads(graph).weight.shape[1]
    graph.graph.output.append(helper.make_tensor_value_info("pooled", TensorProto.FLOAT, [1, width]))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found = np.zeros((len(rows), width), dtype=np.float32)
    for i, row in enumerate(rows):
        ids = encoder.tokenizer.encode(fold(row.text[:1000]) or " ", add_special_tokens=False).ids[:WINDOW]
        found[i] = session.run(["pooled"], {"x": encoder.embeddings.vectors([START, *ids, END])})[0][0]
        if i % 1000 == 999:
            log.info("stage 2 has read %d of %d rows", i + 1, len(rows))
    return found


def refitted(start: Heads, read: Floats, rows: Sequence[Row], pull: float = PULL) -> Heads:
    """Heads fitted to the rows' labels, near `start`."""
    labels, known = (torch.from_numpy(a).double() for a in label_matrix(rows))
    mass = torch.from_numpy(sampling_weights(rows) * len(rows))[:, None] * known
    x = torch.from_numpy(read).double()
    numbers = source_numbers(rows)
    source = torch.tensor([numbers.get(row.source, 0) for row in rows])
    begin, begin_bias = torch.from_numpy(start.weight).double(), torch.from_numpy(start.bias).double()
    weight, bias = begin.clone().requires_grad_(True), begin_bias.clone().requires_grad_(True)
    offsets = torch.zeros(len(numbers) + 1, len(HEADS), dtype=torch.float64, requires_grad=True)
    belongs = (source > 0).double()[:, None]
    optimiser = torch.optim.LBFGS([weight, bias, offsets], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        logits = x @ weight.T + bias + offsets[source] * belongs
        each = F.binary_cross_entropy_with_logits(logits, labels, reduction="none") * mass
        found: torch.Tensor = each.mean() + pull * ((weight - begin).square().sum() + 0.1 * offsets.square().mean())
        found.backward()
        return found

    optimiser.step(loss)
    return Heads(weight.detach().float().numpy(), bias.detach().float().numpy())
