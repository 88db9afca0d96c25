"""Write the trained name tagger: an int8 ONNX graph, and a manifest with its limits and hash.

    python -m guard.training.names.export --data DATA --start ENCODER --run RUN [RUN ...] --version VERSION [--output FOLDER]

Of several runs the average of their weights is written; a run may also be the folder of weights written before. The limits
are chosen on rows set aside for that, see `choose`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from onnx import TensorProto

from guard.classifier.model import FOLDER as WORDS_FOLDER
from guard.pii.names.decode import Limits
from guard.pii.names.tagger import FOLDER, FORMAT, GRAPH_FILE, MANIFEST, read_tagger
from guard.training.encoder import Encoder
from guard.training.export import Graph, add_layer, array
from guard.training.names.choose import chosen, count, judged
from guard.training.names.earlier import load_earlier
from guard.training.names.fine_tune import OUTPUTS, Recipe, finished, tagger
from guard.training.names.mixture import every_row
from guard.training.names.rows import KINDS, Part
from haechi.base.text import Language

log = logging.getLogger("haechi.guard.training")


def average(models: Sequence[Encoder]) -> Encoder:
    """The first model with the mean of all their weights: what one alone learned by chance weighs less.

    models: of one shape, and begun from one start, so that their weights mean the same.
    """
    others = [dict(model.named_parameters()) for model in models[1:]]
    with torch.no_grad():
        for name, parameter in models[0].named_parameters():
            parameter.copy_(torch.stack([parameter, *(other[name] for other in others)]).mean(0))
    return models[0]


def _trained(start: Path, folder: Path) -> Encoder:
    """The tagger that a run made, or whose graph lies in the folder."""
    if not (folder / GRAPH_FILE).is_file():
        return finished(start, folder)
    recipe = Recipe(0)
    model = tagger(start, recipe.layers)
    load_earlier(model, folder, recipe.frozen)
    model.eval()
    return model


def write_graph(path: Path, model: Encoder) -> None:
    """Input `x` (1, T, D) float32, output `logits` (1, T, K) float32."""
    graph, shape = Graph(), model.shape
    graph.shapes(shape)
    x = "x"
    for i, layer in enumerate(model.layers):
        x = add_layer(graph, x, f"l{i}", layer, shape.epsilon)
    out = graph.linear(x, "head", array(model.head.weight), array(model.head.bias))
    graph.node("Identity", [out], "logits")
    inputs: dict[str, tuple[int, list[int | str]]] = {"x": (TensorProto.FLOAT, [1, "T", shape.width])}
    path.write_bytes(graph.model("haechi-names", inputs, {"logits": [1, "T", OUTPUTS]}))


def write_manifest(folder: Path, version: str, limits: Mapping[Language, Limits]) -> None:
    """The manifest of the graph that is in the folder now."""
    content = (folder / GRAPH_FILE).read_bytes()
    said = {
        "format": FORMAT,
        "version": version,
        "kinds": list(KINDS),
        "limits": {language.value: dict(limits[language]) for language in limits},
        "files": {GRAPH_FILE: hashlib.sha256(content).hexdigest()},
    }
    (folder / MANIFEST).write_text(json.dumps(said, indent=1, sort_keys=True) + "\n", "utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Export a finished run, choose its limits with the exported graph, write the manifest."""
    parser = argparse.ArgumentParser(description="Write the name tagger that ships.")
    parser.add_argument("--data", type=Path, required=True, help="folder with pii/")
    parser.add_argument("--start", type=Path, required=True, help="folder with the packed encoder and its tokenizer")
    parser.add_argument("--run", type=Path, required=True, nargs="+", help="folders of the runs")
    parser.add_argument("--version", required=True, help="name of these weights")
    parser.add_argument("--output", type=Path, default=FOLDER)
    args = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")
    args.output.mkdir(parents=True, exist_ok=True)
    model = average([_trained(args.start, folder) for folder in args.run])
    write_graph(args.output / GRAPH_FILE, model)
    write_manifest(args.output, args.version, {})
    shipped = read_tagger(args.output, WORDS_FOLDER)
    rows = judged((row for row in every_row(args.data) if row.part is Part.CHOOSE), shipped)
    limits = chosen(rows)
    write_manifest(args.output, args.version, limits)
    for language, least in limits.items():
        own = [judgement for judgement in rows if judgement.row.language is language]
        for kind in KINDS:
            log.info("%s %s from %.2f: %s", language.value, kind, least[kind], count(own, kind, limits))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
