"""The small multilingual encoder that is fine-tuned: twelve or fewer BERT layers, mean pooling, one row of logits.

Rules of this file
1. The arithmetic is that of BERT (post-norm, erf GELU); attention is written out because the fused kernel's backward
   pass is slow on a CPU.
2. The word embeddings stay as they came: they are most of the file and small data would only disturb them.
Shapes: B texts, T tokens, D width, H attention heads, K classifier heads.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the customary name

from guard.training.errors import TrainingDataMissing

START_FILE = "e5-small-kozhen-q4.safetensors"
TOKENIZER_FILE = "tokenizer.json"


@dataclass(frozen=True, slots=True)
class EncoderShape:
    """Sizes of the encoder.

    layers: transformer layers. width: D. attention_heads: H. inner: width of the feed-forward layer.
    vocabulary: word pieces. positions: longest text in tokens. epsilon: of the layer norms.
    """

    layers: int
    width: int
    attention_heads: int
    inner: int
    vocabulary: int
    positions: int
    epsilon: float


class Layer(nn.Module):  # type: ignore[misc]  # torch is not read by the type checker
    """One transformer layer, (B, T, D) -> (B, T, D)."""

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.heads = shape.attention_heads
        self.qkv = nn.Linear(shape.width, 3 * shape.width)
        self.out = nn.Linear(shape.width, shape.width)
        self.norm_attention = nn.LayerNorm(shape.width, shape.epsilon)
        self.widen = nn.Linear(shape.width, shape.inner)
        self.narrow = nn.Linear(shape.inner, shape.width)
        self.norm_output = nn.LayerNorm(shape.width, shape.epsilon)

    def forward(self, x: Tensor, bias: Tensor, kept: int | None = None) -> Tensor:
        """x: (B, T, D); bias: (B, 1, 1, T), 0 for tokens and very negative for padding.

        kept: when given, only the first so many tokens are wanted, (B, kept, D).
        """
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        q, x = q[:, :, :kept], x[:, :kept]
        weights = torch.softmax((q @ k.transpose(-1, -2)) * (width // self.heads) ** -0.5 + bias, dim=-1)
        mixed = (weights @ v).transpose(1, 2).reshape(batch, x.shape[1], width)
        x = self.norm_attention(x + self.out(mixed))
        normed: Tensor = self.norm_output(x + self.narrow(F.gelu(self.widen(x))))
        return normed


class Encoder(nn.Module):  # type: ignore[misc]  # as above
    """Token ids to logits, one per classifier head."""

    def __init__(self, shape: EncoderShape, outputs: int) -> None:
        super().__init__()
        self.shape = shape
        self.words = nn.Embedding(shape.vocabulary, shape.width)
        self.positions = nn.Embedding(shape.positions, shape.width)
        self.norm_embedding = nn.LayerNorm(shape.width, shape.epsilon)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.head = nn.Linear(shape.width, outputs)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """ids, mask: (B, T) integers, mask 1 for tokens. Returns logits, (B, K) float32."""
        logits: Tensor = self.head(self.pooled(ids, mask))
        return logits

    def pooled(self, ids: Tensor, mask: Tensor) -> Tensor:
        """The mean of the last layer over the tokens, (B, D) float32."""
        x = self.hidden(ids, mask)
        weight = mask[..., None].to(x.dtype)
        return (x * weight).float().sum(1) / mask.sum(1, keepdim=True)

    def hidden(self, ids: Tensor, mask: Tensor) -> Tensor:
        """The last layer, (B, T, D)."""
        with torch.no_grad():
            x = self.norm_embedding(self.words(ids) + self.positions.weight[: ids.shape[1]])
        bias = torch.zeros(mask.shape, dtype=x.dtype, device=x.device).masked_fill(mask == 0, -30000.0)[
            :, None, None, :
        ]
        for layer in self.layers:
            x = layer(x, bias)
        return x


def load_start(folder: Path, outputs: int) -> Encoder:
    """The pretrained encoder with a fresh head, float32.

    Raises:
        TrainingDataMissing: when the folder does not hold the packed encoder.
    """
    path = folder / START_FILE
    if not path.is_file():
        raise TrainingDataMissing(f"{path} does not exist", hint="--start names the folder with the packed encoder")
    with safe_open(path, "np") as packed:
        meta = packed.metadata()
        names = list(packed.keys())
        tensors = {name: packed.get_tensor(name) for name in names}
    values = {n.removesuffix(".scale"): _unpacked(tensors, n) for n in names if not n.endswith(".nibbles")}
    hidden = int(meta["hidden"])
    shape = EncoderShape(
        layers=int(meta["layers"]),
        width=hidden,
        attention_heads=int(meta["heads"]),
        inner=int(meta["ff"]),
        vocabulary=int(meta["vocab"]),
        positions=512,
        epsilon=float(meta["eps"]),
    )
    encoder = Encoder(shape, outputs)
    encoder.load_state_dict(_named(values, shape), strict=False)
    return encoder


def _unpacked(tensors: dict[str, npt.NDArray[np.uint8]], name: str) -> Tensor:
    """Blocks of 32 four-bit weights (low nibbles first) times their scale, or the tensor as it is."""
    if not name.endswith(".scale"):
        return torch.from_numpy(np.ascontiguousarray(tensors[name]).astype(np.float32))
    nibbles = tensors[name.removesuffix(".scale") + ".nibbles"]
    quants = np.concatenate([nibbles & 15, nibbles >> 4], axis=-1).astype(np.float32) - 8
    values = quants * tensors[name].astype(np.float32)[..., None]
    return torch.from_numpy(np.ascontiguousarray(values.reshape(nibbles.shape[0], -1)))


def _named(values: dict[str, Tensor], shape: EncoderShape) -> dict[str, Tensor]:
    """Our parameter names for the packed file's; token type 0 is added to the positions, as every text has it."""
    state = {
        "words.weight": values["emb.word"].reshape(-1, shape.width),
        "positions.weight": values["emb.pos"].reshape(-1, shape.width)
        + values["emb.type"].reshape(-1, shape.width)[:1],
        "norm_embedding.weight": values["emb.ln.w"],
        "norm_embedding.bias": values["emb.ln.b"],
    }
    parts = {"out": "ao", "norm_attention": "aln", "widen": "fi", "narrow": "fo", "norm_output": "oln"}
    for i in range(shape.layers):
        for kind, theirs in (("weight", "w"), ("bias", "b")):
            state[f"layers.{i}.qkv.{kind}"] = torch.cat([values[f"l{i}.{p}.{theirs}"] for p in "qkv"])
            for ours, part in parts.items():
                state[f"layers.{i}.{ours}.{kind}"] = values[f"l{i}.{part}.{theirs}"]
    return state
