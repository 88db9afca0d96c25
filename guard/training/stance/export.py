"""Write the pair encoder as int8 ONNX graphs: the lower layers for one text, two sets of upper ones for both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto

from guard.claims.stance_package import LOWER_FILE
from guard.training.encoder import Encoder, EncoderShape
from guard.training.export import Graph, add_layer, array
from guard.training.stance.network import LOWER, PairEncoder


def write_lower(folder: Path, encoder: Encoder) -> None:
    """The lower layers: `x` (1, T, D) float32 to `y` (1, T, D)."""
    graph, shape = Graph(), encoder.shape
    graph.shapes(shape)
    x = "x"
    for i in LOWER:
        x = add_layer(graph, x, f"l{i}", encoder.layers[i], shape.epsilon)
    graph.node("Identity", [x], "y")
    sides: list[int | str] = [1, "T", shape.width]
    content = graph.model("haechi-stance-lower", {"x": (TensorProto.FLOAT, sides)}, {"y": sides})
    (folder / LOWER_FILE).write_bytes(content)


def write_upper(path: Path, model: PairEncoder, shape: EncoderShape) -> None:
    """The upper layers: `x` (1, T, D) float32, `marks` (T,) int64, `claim` (1,) int64 tokens of it, to `logits` (1, 3)."""
    graph = Graph()
    graph.shapes(shape)
    seen = graph.node("Gather", [graph.constant("marks.w", array(model.marks.weight)), "marks"], "seen", axis=0)
    x = graph.node("Add", ["x", seen], "marked")
    first, axis = (graph.constant(n, np.array([v], dtype=np.int64)) for n, v in (("first", 0), ("axis", 1)))
    last = len(model.layers) - 1
    for i, layer in enumerate(model.layers):
        # Only the claim's tokens are pooled: the last layer is not asked about the others.
        x = add_layer(graph, x, f"u{i}", layer, shape.epsilon, kept=(first, "claim", axis) if i == last else ())
    start = graph.node("Squeeze", [graph.node("Gather", [x, first], "start", axis=1), axis], "begin")
    mean = graph.node("ReduceMean", [x, axis], "mean", keepdims=0)
    highest = graph.node("ReduceMax", [x, axis], "highest", keepdims=0)
    pooled = graph.node("Concat", [start, mean, highest], "pooled", axis=1)
    head = [
        pooled,
        graph.constant("head.w", array(model.head.weight)),
        graph.constant("head.b", array(model.head.bias)),
    ]
    graph.node("Gemm", head, "logits", transB=1)
    inputs: dict[str, tuple[int, list[int | str]]] = {
        "x": (TensorProto.FLOAT, [1, "T", shape.width]),
        "marks": (TensorProto.INT64, ["T"]),
        "claim": (TensorProto.INT64, [1]),
    }
    path.write_bytes(graph.model("haechi-stance-upper", inputs, {"logits": [1, 3]}))
