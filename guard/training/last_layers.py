"""Fine-tune the last layers of the shipped encoder over its frozen lower ones: what new rows teach in an hour of one core.

    python -m guard.training.last_layers --data DATA [--out FOLDER] [--rows N] [--passes N] [--seed S]

Heads alone cannot tell apart what the layers make alike, and training all of them takes hours. `guard.training.train` does this
after a new encoder; by itself the command goes on from weights that are there. Heads, curves, thresholds and glance are drawn
anew afterwards: `guard.training.train --recalibrate`.

Rules of this file
1. The lower layers are those of the shipped graph, quantisation included; what they make of a text is computed once.
2. The last layers begin as shipped, read back from eight bits, and are drawn towards what they said of public rows before, so that
   they learn what is new and keep what travels to platforms never seen.
3. As in fine-tuning, each toxicity source has an offset of its own, which is dropped afterwards.
Shapes: B texts, T tokens, D width, K heads, R rows.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the customary name

from guard.classifier.encoder import END, START, Words, open_session, read_words
from guard.classifier.folding import fold
from guard.classifier.model import FOLDER
from guard.classifier.package import LOWER_FILE, UPPER_FILE, read_manifest, write_manifest
from guard.training.corpus import corpus
from guard.training.disguise import disguised
from guard.training.encoder import EncoderShape, Layer
from guard.training.export import array, quantised
from guard.training.fine_tune import source_numbers
from guard.training.rows import EVERYDAY, HEADS, VERSION, Row
from guard.training.sampling import label_matrix, sampling_weights
from guard.training.states import States

LAST = (3, 4, 5)
"""Layers that are trained, from 0."""
ROWS, PASSES = 80_000, 2
"""Texts of a pass, each seen once, and passes: every pass draws its own."""
LONGEST = 94
"""Tokens kept of a text, without the two marks."""
DISGUISED = 0.12
TOKENS_PER_STEP = 3072
RATE, DROPOUT = 1e-4, 0.1
JUDGEMENT_SHARE, PICTURE_SHARE = 0.5, 1.0
"""Weights of the distance from what was said of a public row before, and from how it was pictured, beside its labels."""
log = logging.getLogger("haechi.guard.training")
Floats = npt.NDArray[np.float32]


class Top(nn.Module):  # type: ignore[misc]  # torch is not read by the type checker
    """The last layers and their heads: (B, T, D) of the layer below to the mean of the last layer (B, D)."""

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(shape) for _ in LAST)
        self.head = nn.Linear(shape.width, len(HEADS))

    def forward(self, x: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """x: (B, T, D). real: (B, T), 1 for tokens."""
        bias = torch.zeros(real.shape).masked_fill(real == 0, -30000.0)[:, None, None, :]
        for layer in self.layers:
            x = layer(x, bias)
        mean: torch.Tensor = (x * real[..., None]).sum(1) / real.sum(1, keepdim=True)
        return mean


@dataclass(frozen=True, slots=True)
class Lessons:
    """What the last layers read and are told.

    below: what the layer below made of every token. picture: (R, D) float16, the mean of the last layer as shipped. labels,
    known: (R, K). source: (R,), the number of the row's offset. public: (R,), 1 for rows that are not of our own making.
    """

    below: States
    picture: npt.NDArray[np.float16]
    labels: Floats
    known: Floats
    source: npt.NDArray[np.int64]
    public: Floats

    def batches(self, chance: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
        """All rows once, those of about one length together."""
        lengths = self.below.lengths
        order = np.argsort(lengths + chance.random(len(lengths)) * 4, kind="stable")
        cuts, start = [], 0
        while start < len(order):
            end = start + max(1, TOKENS_PER_STEP // int(lengths[order[start]] + 4))
            cuts.append(order[start:end])
            start = end
        for i in chance.permutation(len(cuts)):
            yield cuts[i]


def drawn(rows: Sequence[Row], count: int, seed: int) -> list[Row]:
    """Some training rows, balanced as in fine-tuning, a share of them in disguise; long texts are cut somewhere."""
    chance = np.random.default_rng((seed, 11))
    weights = np.cumsum(sampling_weights(rows))
    picked = np.minimum(np.searchsorted(weights, chance.random(count) * weights[-1]), len(rows) - 1)
    found = []
    for i in picked:
        text = rows[i].text
        if len(text) > 600:
            at = int(chance.integers(len(text) - 500)) if chance.random() < 0.5 else 0
            text = text[at : at + 500]
        found.append(replace(rows[i], text=disguised(text, chance) if chance.random() < DISGUISED else text))
    return found


def lessons(folder: Path, words: Words, rows: Sequence[Row], kept: Path) -> Lessons:
    """What the lower layers make of the rows, and the last ones as shipped. kept: file for the states of all tokens."""
    graph = onnx.load(str(folder / UPPER_FILE))
    below = f"l{LAST[0] - 1}.n2.out"
    last = f"l{LAST[-1]}.n2.out.mean"
    for name in (below, last):
        graph.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    first = open_session((folder / LOWER_FILE).read_bytes(), folder / LOWER_FILE)
    pictures, lengths = [], [0]
    with kept.open("wb") as states:
        for i, row in enumerate(rows):
            ids = words.tokenizer.encode(fold(row.text) or " ", add_special_tokens=False).ids[:LONGEST]
            seen, mean = session.run([below, last], {"x": first.states(words.embeddings.vectors([START, *ids, END]))})
            states.write(seen[0].astype(np.float16).tobytes())
            pictures.append(mean[0].astype(np.float16))
            lengths.append(len(ids) + 2)
            if i % 10_000 == 9_999:
                log.info("the lower layers have read %d of %d rows", i + 1, len(rows))
    ends = np.cumsum(lengths)
    labels, known = label_matrix(rows)
    numbers = source_numbers(rows)
    source = np.array([numbers.get(row.source, 0) for row in rows])
    public = np.array([not row.source.startswith(("own_", *EVERYDAY)) for row in rows], dtype=np.float32)
    held = np.memmap(kept, np.float16, "r", shape=(int(ends[-1]), len(pictures[0])))
    return Lessons(States(held, ends), np.array(pictures), labels, known, source, public)


def read_top(folder: Path) -> Top:
    """The last layers and the heads that came with them, from the eight bits of the graph."""
    graph = onnx.load(str(folder / UPPER_FILE)).graph
    held = {c.name: numpy_helper.to_array(c) for c in graph.initializer}
    width, inner = held[f"l{LAST[0]}.wide.w"].shape
    attention_heads = int(held["heads"][2])
    epsilon = next(
        a.f for n in graph.node if n.op_type == "LayerNormalization" for a in n.attribute if a.name == "epsilon"
    )
    top = Top(EncoderShape(len(LAST), width, attention_heads, inner, 0, 0, epsilon))
    with torch.no_grad():
        for number, layer in zip(LAST, top.layers, strict=True):
            for name, module in _parts(layer):
                at = f"l{number}.{name}"
                weight = held[f"{at}.w"].astype(np.float32)
                if f"{at}.s" in held:
                    weight = weight.T * held[f"{at}.s"][:, None]
                module.weight.copy_(torch.from_numpy(weight.copy()))
                module.bias.copy_(torch.from_numpy(held[f"{at}.b"].copy()))
        top.head.weight.copy_(torch.from_numpy(held["head.w"][:, :width].copy()))
        top.head.bias.copy_(torch.from_numpy(held["head.b"].copy()))
    return top


def write_top(folder: Path, top: Top) -> None:
    """Put last layers and heads into the graph in `folder`."""
    model = onnx.load(str(folder / UPPER_FILE))
    new: dict[str, npt.NDArray[np.generic]] = {"head.b": array(top.head.bias)}
    for number, layer in zip(LAST, top.layers, strict=True):
        for name, module in _parts(layer):
            at = f"l{number}.{name}"
            new[f"{at}.b"] = array(module.bias)
            if isinstance(module, nn.Linear):
                whole, new[f"{at}.s"] = quantised(array(module.weight))
                new[f"{at}.w"] = whole.T
            else:
                new[f"{at}.w"] = array(module.weight)
    for constant in model.graph.initializer:
        if constant.name == "head.w":
            lines = numpy_helper.to_array(constant).copy()
            lines[:, : top.head.in_features] = array(top.head.weight)
            new["head.w"] = lines
        if constant.name in new:
            constant.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(new[constant.name]), constant.name))
    (folder / UPPER_FILE).write_bytes(model.SerializeToString(deterministic=True))


def _parts(layer: Layer) -> tuple[tuple[str, nn.Module], ...]:
    """The modules of a layer by the names they have in the graph."""
    return (
        ("qkv", layer.qkv),
        ("o", layer.out),
        ("n1", layer.norm_attention),
        ("wide", layer.widen),
        ("narrow", layer.narrow),
        ("n2", layer.norm_output),
    )


def train(top: Top, read: Lessons, seed: int) -> None:
    """Show all rows once to `top`, which is trained in place."""
    torch.manual_seed(seed)
    chance = np.random.default_rng((seed, 12))
    offsets = torch.zeros(int(read.source.max()) + 1, len(HEADS), requires_grad=True)
    groups = [
        {"params": list(top.layers.parameters()), "lr": RATE},
        {"params": list(top.head.parameters()), "lr": 5 * RATE},
    ]
    optimiser = torch.optim.AdamW(
        [*groups, {"params": [offsets], "lr": 20 * RATE}], betas=(0.9, 0.98), weight_decay=0.01
    )
    plan = list(read.batches(chance))
    rates = [group["lr"] for group in groups] + [20 * RATE]
    pace = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rates, total_steps=len(plan), pct_start=0.04, cycle_momentum=False
    )
    before = [p.detach().clone() for p in (top.head.weight, top.head.bias)]
    losses: list[float] = []
    for step, rows in enumerate(plan):
        mean = top(*read.below.padded(rows))
        logits = top.head(F.dropout(mean, DROPOUT))
        loss = _labels_loss(logits + offsets[torch.from_numpy(read.source[rows])], read, rows)
        loss = loss + _memory_loss(mean, logits, read, rows, before) + 1e-3 * offsets.square().sum()
        optimiser.zero_grad()
        loss.backward()
        offsets.grad[0] = 0.0
        torch.nn.utils.clip_grad_norm_([*top.parameters(), offsets], 1.0)
        optimiser.step()
        pace.step()
        losses.append(loss.item())
        if step % 200 == 199:
            log.info("the last layers: step %d of %d, loss %.4f", step + 1, len(plan), float(np.mean(losses[-200:])))


def _labels_loss(logits: torch.Tensor, read: Lessons, rows: npt.NDArray[np.int64]) -> torch.Tensor:
    """Cross entropy over the known labels, each text counting once."""
    labels, known = torch.from_numpy(read.labels[rows]), torch.from_numpy(read.known[rows])
    each = F.binary_cross_entropy_with_logits(logits, labels, reduction="none") * known
    found: torch.Tensor = (each.sum(1) / known.sum(1).clamp(min=1).sqrt()).mean()
    return found


def _memory_loss(
    mean: torch.Tensor, logits: torch.Tensor, read: Lessons, rows: npt.NDArray[np.int64], before: Sequence[torch.Tensor]
) -> torch.Tensor:
    """How far public rows have moved from where they were."""
    picture, public = torch.from_numpy(read.picture[rows].astype(np.float32)), torch.from_numpy(read.public[rows])
    judged = torch.sigmoid(picture @ before[0].T + before[1])
    each = F.binary_cross_entropy_with_logits(logits, judged, reduction="none").sum(1) / len(HEADS) ** 0.5
    apart = 1 - F.cosine_similarity(mean, picture, dim=-1)
    found: torch.Tensor = ((JUDGEMENT_SHARE * each + PICTURE_SHARE * apart) * public).mean()
    return found


def go_on(out: Path, words: Words, rows: Sequence[Row], seed: int, count: int = ROWS, passes: int = PASSES) -> None:
    """Train the last layers of the encoder in `out` and write them there, pass by pass; the second has the next seed, and so on."""
    learnt = [row for row in rows if not row.dev]
    for turn in range(seed, seed + passes):
        top = read_top(out)
        with tempfile.TemporaryDirectory() as folder:
            train(top, lessons(out, words, drawn(learnt, count, turn), Path(folder) / "states"), turn)
        write_top(out, top)


def main(argv: Sequence[str] | None = None) -> int:
    """Go on from weights that are there."""
    parser = argparse.ArgumentParser(description="Fine-tune the last layers of the encoder over its lower ones.")
    parser.add_argument("--data", type=Path, required=True, help="folder with toxicity/, injection/, safe_text/, ...")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the weights (default: the shipped ones)")
    parser.add_argument("--rows", type=int, default=ROWS, help=f"texts of a pass (default {ROWS})")
    parser.add_argument("--passes", type=int, default=PASSES, help=f"passes, each over other texts (default {PASSES})")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    manifest = read_manifest(args.out)
    words = read_words(args.out, manifest)
    go_on(args.out, words, corpus(args.data, args.seed)[0], args.seed, args.rows, args.passes)
    write_manifest(args.out, replace(manifest, version=VERSION))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
