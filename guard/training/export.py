"""Write the fine-tuned encoder as an int8 ONNX graph and its word embeddings in the four bits they came in.

Rules of this file
1. Weights are int8 with one scale per output column, in seven bits, so that processors without VNNI do not saturate.
2. Activations are quantised per call; the product judges one text per call, so a score has no neighbours to depend on.
3. A few inputs of the wide half of a layer are ten times as large as the others, and eight bits that reach that far see little of
   these. Such inputs are divided by what their weights are multiplied by: Xiao et al., SmoothQuant (2023). It halved the error of eight bits on dev rows.
4. The graph is written node by node: what runs in production is what stands here.
Shapes: T tokens, D width, H attention heads, K classifier heads; the batch is always 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors import safe_open

from guard.classifier.package import EMBEDDING_FILE, LOWER_FILE, UPPER_FILE
from guard.training.encoder import START_FILE, Encoder, EncoderShape, Layer

OPSET = 20
_SEVEN_BITS = 63
LOWER = 2
"""Layers of LOWER_FILE: the later glance looks at what they made of a text. After one alone it tells little more in Korean than the first."""
SMOOTHING = 0.8
"""How much of the spread of the inputs goes to the weights, from 0 to 1: less left more error on dev rows. What attention reads needs
none of it."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The largest absolute value of each input of a layer's two wide products: widen (D,), narrow (width inside,)."""

    widen: npt.NDArray[np.float32]
    narrow: npt.NDArray[np.float32]


def reaches(encoder: Encoder, texts: Sequence[Sequence[int]]) -> list[Reach]:
    """The reach of every layer over some texts, each as token ids with their marks."""
    largest = [
        {name: torch.zeros(getattr(layer, name).in_features) for name in ("widen", "narrow")}
        for layer in encoder.layers
    ]
    hooks = []
    for seen, layer in zip(largest, encoder.layers, strict=True):
        for name in seen:

            def look(
                _: object, inputs: tuple[torch.Tensor], seen: dict[str, torch.Tensor] = seen, name: str = name
            ) -> None:
                seen[name] = torch.maximum(seen[name], inputs[0].abs().flatten(0, 1).amax(0))

            hooks.append(getattr(layer, name).register_forward_pre_hook(look))
    with torch.no_grad():
        for text in texts:
            ids = torch.tensor([list(text)])
            encoder.hidden(ids, torch.ones_like(ids))
    for hook in hooks:
        hook.remove()
    return [Reach(array(seen["widen"]), array(seen["narrow"])) for seen in largest]


class Graph:
    """Nodes and constants of a graph that is being written."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: npt.NDArray[np.generic]) -> str:
        """A constant; returns its name."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(
        self, kind: str, inputs: list[str], name: str, outputs: int = 1, **attributes: int | float | list[int]
    ) -> str:
        """A node; returns the name of its first output, which is `name`."""
        names = [name] + [f"{name}.{i}" for i in range(1, outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, None, None, None, None, **attributes))
        return name

    def model(
        self, name: str, inputs: Mapping[str, tuple[int, list[int | str]]], outputs: Mapping[str, list[int | str]]
    ) -> bytes:
        """The file's content. inputs: type and shape by name; outputs: shapes of float32 by name."""
        model = helper.make_model(
            helper.make_graph(
                self.nodes,
                name,
                [helper.make_tensor_value_info(n, kind, shape) for n, (kind, shape) in inputs.items()],
                [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in outputs.items()],
                self.constants,
            ),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=10,
            producer_name="haechi",
        )
        onnx.checker.check_model(model)
        content: bytes = model.SerializeToString(deterministic=True)
        return content

    def shapes(self, shape: EncoderShape) -> None:
        """The constants that every layer uses."""
        head = shape.width // shape.attention_heads
        self.constant("split", np.array([shape.width] * 3, dtype=np.int64))
        self.constant("heads", np.array([1, -1, shape.attention_heads, head], dtype=np.int64))
        self.constant("joined", np.array([1, -1, shape.width], dtype=np.int64))
        self.constant("root", np.array(head**-0.5, dtype=np.float32))

    def linear(
        self,
        x: str,
        name: str,
        weight: npt.NDArray[np.float32],
        bias: npt.NDArray[np.float32],
        reach: npt.NDArray[np.float32] | None = None,
    ) -> str:
        """X @ weight.T + bias with int8 weights; weight: (out, in). reach: how far each input reaches, (in,), to be evened out."""
        if reach is not None:
            even = evening(weight, reach)
            x = self.node("Mul", [x, self.constant(f"{name}.even", 1 / even)], f"{name}.evened")
            weight = weight * even
        whole, scale = quantised(weight)
        self.node("DynamicQuantizeLinear", [x], f"{name}.q", outputs=3)
        inputs = [f"{name}.q", self.constant(f"{name}.w", whole.T), f"{name}.q.2"]
        sums = self.node("MatMulInteger", inputs, f"{name}.sums")
        as_float = self.node("Cast", [sums], f"{name}.float", to=TensorProto.FLOAT)
        scales = self.node("Mul", [f"{name}.q.1", self.constant(f"{name}.s", scale)], f"{name}.scales")
        scaled = self.node("Mul", [as_float, scales], f"{name}.scaled")
        return self.node("Add", [scaled, self.constant(f"{name}.b", bias)], f"{name}.out")

    def norm(
        self, x: str, name: str, weight: npt.NDArray[np.float32], bias: npt.NDArray[np.float32], eps: float
    ) -> str:
        """Layer norm over the last axis."""
        inputs = [x, self.constant(f"{name}.w", weight), self.constant(f"{name}.b", bias)]
        return self.node("LayerNormalization", inputs, f"{name}.out", axis=-1, epsilon=eps)


def quantised(weight: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Weights (out, in) as whole numbers of seven bits, and the scale of each output (out,)."""
    scale = (np.abs(weight).max(axis=1) / _SEVEN_BITS + 1e-12).astype(np.float32)
    return np.clip(np.rint(weight / scale[:, None]), -_SEVEN_BITS, _SEVEN_BITS).astype(np.int8), scale


def evening(weight: npt.NDArray[np.float32], reach: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What each input is divided by and its weights (out, in) multiplied by, (in,), for inputs that reach so far (in,)."""
    least = np.float32(1e-5)
    size = np.maximum(np.abs(weight).max(axis=0), least)
    found = np.maximum(reach, least) ** SMOOTHING / size ** (1 - SMOOTHING)
    even: npt.NDArray[np.float32] = (found / found.mean()).astype(np.float32)
    return even


def write_encoder(folder: Path, encoder: Encoder, texts: Sequence[Sequence[int]]) -> None:
    """The layers and heads as LOWER_FILE, `x` (1, T, D) to `states` (1, T, D), and UPPER_FILE, which takes these as `x`, to `logits` (1, K).

    texts: some that training read, as token ids with their marks, to see how far the inputs of the layers reach.
    """
    reach = reaches(encoder, texts)
    lower, graph, shape = Graph(), Graph(), encoder.shape
    inputs: dict[str, tuple[int, list[int | str]]] = {"x": (TensorProto.FLOAT, [1, "T", shape.width])}
    lower.shapes(shape)
    below = "x"
    for i, layer in enumerate(encoder.layers[:LOWER]):
        below = add_layer(lower, below, f"l{i}", layer, shape.epsilon, reach=reach[i])
    lower.node("Identity", [below], "states")
    states = lower.model("haechi-classifier-lower", inputs, {"states": [1, "T", shape.width]})
    (folder / LOWER_FILE).write_bytes(states)
    graph.shapes(shape)
    graph.constant("tokens", np.array([1], dtype=np.int64))
    top = "x"
    for i, layer in enumerate(encoder.layers[LOWER:], start=LOWER):
        top = add_layer(graph, top, f"l{i}", layer, shape.epsilon, reach=reach[i])
    pooled = graph.node("ReduceMean", [top, "tokens"], "pooled", keepdims=0)
    weight = graph.constant("head.w", array(encoder.head.weight))
    graph.node("Gemm", [pooled, weight, graph.constant("head.b", array(encoder.head.bias))], "logits", transB=1)
    logits: dict[str, list[int | str]] = {"logits": [1, encoder.head.out_features]}
    (folder / UPPER_FILE).write_bytes(graph.model("haechi-classifier-upper", inputs, logits))


def add_layer(
    graph: Graph, x: str, name: str, layer: Layer, eps: float, kept: Sequence[str] = (), reach: Reach | None = None
) -> str:
    """One transformer layer over `x`; returns the name of its output.

    kept: constants with start, end and axis of the tokens whose output is wanted; all of them when empty. reach: how far the
    inputs of its wide half reach, to be evened out; None leaves them as they are.
    """
    wide_reach, narrow_reach = (reach.widen, reach.narrow) if reach else (None, None)
    mixed = graph.linear(x, f"{name}.qkv", array(layer.qkv.weight), array(layer.qkv.bias))
    query = graph.node("Split", [mixed, "split"], f"{name}.parts", outputs=3, axis=-1)
    if kept:
        query = graph.node("Slice", [query, *kept], f"{name}.query")
        x = graph.node("Slice", [x, *kept], f"{name}.kept")
    turned = []
    for part, order in (
        (query, [0, 2, 1, 3]),
        (f"{name}.parts.1", [0, 2, 3, 1]),
        (f"{name}.parts.2", [0, 2, 1, 3]),
    ):
        split = graph.node("Reshape", [part, "heads"], f"{part}.split")
        turned.append(graph.node("Transpose", [split], f"{part}.turned", perm=order))
    scores = graph.node("MatMul", turned[:2], f"{name}.scores")
    scaled = graph.node("Mul", [scores, "root"], f"{name}.scaled")
    weights = graph.node("Softmax", [scaled], f"{name}.weights", axis=-1)
    read = graph.node("MatMul", [weights, turned[2]], f"{name}.read")
    back = graph.node("Transpose", [read], f"{name}.back", perm=[0, 2, 1, 3])
    joined = graph.node("Reshape", [back, "joined"], f"{name}.joined")
    attended = graph.linear(joined, f"{name}.o", array(layer.out.weight), array(layer.out.bias))
    summed = graph.node("Add", [x, attended], f"{name}.sum1")
    norm = layer.norm_attention
    x = graph.norm(summed, f"{name}.n1", array(norm.weight), array(norm.bias), eps)
    wide = graph.linear(x, f"{name}.wide", array(layer.widen.weight), array(layer.widen.bias), wide_reach)
    active = graph.node("Gelu", [wide], f"{name}.gelu")
    narrow = graph.linear(active, f"{name}.narrow", array(layer.narrow.weight), array(layer.narrow.bias), narrow_reach)
    summed = graph.node("Add", [x, narrow], f"{name}.sum2")
    norm = layer.norm_output
    return graph.norm(summed, f"{name}.n2", array(norm.weight), array(norm.bias), eps)


def write_embeddings(folder: Path, start: Path, encoder: Encoder) -> None:
    """Word embeddings as they came (4-bit blocks and their scales), positions and the embedding's layer norm."""
    with safe_open(start / START_FILE, "np") as packed:
        nibbles, scales = packed.get_tensor("emb.word.nibbles"), packed.get_tensor("emb.word.scale")
    np.savez_compressed(
        folder / EMBEDDING_FILE,
        nibbles=nibbles,
        scales=scales.astype(np.float16),
        positions=array(encoder.positions.weight)[:POSITIONS].astype(np.float16),
        norm_weight=array(encoder.norm_embedding.weight),
        norm_bias=array(encoder.norm_embedding.bias),
        epsilon=np.float32(encoder.shape.epsilon),
    )


POSITIONS = 160
"""Positions kept: more than the longest window of the product."""


def array(parameter: object) -> npt.NDArray[np.float32]:
    """The values of a parameter."""
    values: npt.NDArray[np.float32] = parameter.detach().float().numpy()  # type: ignore[attr-defined]
    return values
