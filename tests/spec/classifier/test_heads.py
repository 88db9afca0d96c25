"""Heads that are drawn anew over frozen layers, and the file that holds them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from guard.classifier import load
from guard.classifier.errors import WeightsAltered, WeightsUnreadable
from guard.classifier.model import FOLDER
from guard.classifier.package import HEADS_FILE, read_manifest, write_manifest
from guard.training.heads import Heads, by_head, heads_of, refitted, write_heads
from guard.training.rows import HEADS, Row
from guard.verdict import Category
from haechi.base.text import Language

WIDTH = 12


def rows_and_pictures() -> tuple[list[Row], np.ndarray[tuple[int, int], np.dtype[np.float32]]]:
    """Texts whose first coordinate says whether they are toxic; nothing is known of other heads."""
    rng = np.random.default_rng(3)
    read = rng.normal(size=(400, WIDTH)).astype(np.float32)
    labels = [{Category.TOXICITY: int(x[0] > 0)} for x in read]
    return [Row(f"text {i}", Language.ENGLISH, said, "own_insult", False) for i, said in enumerate(labels)], read


def test_the_labels_move_the_heads_they_know_and_no_other() -> None:
    """A head that no row says anything about stays where it was."""
    rows, read = rows_and_pictures()
    start = Heads(np.full((len(HEADS), WIDTH), 0.1, np.float32), np.zeros(len(HEADS), np.float32))
    found = refitted(start, read, rows, by_head(1e-3, 1e-3))
    right = (read @ found.weight[0] + found.bias[0] > 0) == (read[:, 0] > 0)
    assert right.mean() > 0.95
    assert np.allclose(found.weight[1:], start.weight[1:])
    assert np.allclose(found.bias[1:], start.bias[1:])


def test_a_strong_pull_leaves_the_weights_where_they_were() -> None:
    """Few rows correct; they do not replace."""
    rows, read = rows_and_pictures()
    start = Heads(np.full((len(HEADS), WIDTH), 0.1, np.float32), np.zeros(len(HEADS), np.float32))
    assert np.abs(refitted(start, read, rows, by_head(1e6, 1e6)).weight - start.weight).max() < 1e-4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped weights, with other heads beside the encoder."""
    copy = tmp_path / "weights"
    shutil.copytree(FOLDER, copy)
    heads = heads_of(copy)
    write_heads(copy, Heads(np.zeros_like(heads.weight), np.arange(len(heads.bias), dtype=np.float32)))
    write_manifest(copy, read_manifest(copy))
    return copy


def test_fitting_begins_with_the_heads_of_the_graph(folder: Path) -> None:
    """Whatever was fitted before, so that fitting twice gives what fitting once gives."""
    came_with_the_layers = heads_of(FOLDER)
    assert np.array_equal(heads_of(folder).weight, came_with_the_layers.weight)
    assert heads_of(folder).weight.any()


def test_heads_beside_the_encoder_take_the_place_of_its_own(folder: Path) -> None:
    """The graph is not touched."""
    encoder = load(folder).encoder
    assert encoder is not None
    assert encoder.logits("any text").tolist() == list(range(len(HEADS)))
    assert (folder / "stage2.onnx").read_bytes() == (FOLDER / "stage2.onnx").read_bytes()


def test_heads_that_were_altered_or_are_damaged_are_refused(folder: Path) -> None:
    """As every other file of the weights."""
    (folder / HEADS_FILE).write_bytes(b"no archive")
    with pytest.raises(WeightsAltered):
        load(folder)
    write_manifest(folder, read_manifest(folder))
    with pytest.raises(WeightsUnreadable):
        load(folder)
    assert HEADS_FILE in json.loads((folder / "manifest.json").read_text("utf-8"))["files"]
