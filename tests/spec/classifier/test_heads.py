"""Heads that are drawn anew over frozen layers, and the file that holds them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from guard.classifier import load
from guard.classifier.encoder import Heads, read_words
from guard.classifier.errors import WeightsAltered, WeightsUnreadable
from guard.classifier.model import FOLDER
from guard.classifier.package import HEADS_FILE, read_manifest, write_manifest
from guard.training.heads import heads_of, pictures, plain, refitted, with_hidden_units, write_heads
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
    start = plain(np.full((len(HEADS), WIDTH), 0.1, np.float32), np.zeros(len(HEADS), np.float32))
    found = refitted(start, read, rows, 1e-3)
    right = (read @ found.weight[0] + found.bias[0] > 0) == (read[:, 0] > 0)
    assert right.mean() > 0.95
    assert np.allclose(found.weight[1:], start.weight[1:])
    assert np.allclose(found.bias[1:], start.bias[1:])


def test_a_strong_pull_leaves_the_weights_where_they_were() -> None:
    """Few rows correct; they do not replace."""
    rows, read = rows_and_pictures()
    start = plain(np.full((len(HEADS), WIDTH), 0.1, np.float32), np.zeros(len(HEADS), np.float32))
    assert np.abs(refitted(start, read, rows, 1e6).weight - start.weight).max() < 1e-4


def test_hidden_units_tell_attacks_that_no_line_tells() -> None:
    """Two signs that are an attack together, and apart, are none; the other heads stay as they were."""
    rng = np.random.default_rng(3)
    read = rng.normal(size=(600, WIDTH)).astype(np.float32)
    attacks = read[:, 0] * read[:, 1] > 0
    rows = [
        Row(f"text {i}", Language.ENGLISH, {Category.PROMPT_ATTACK: int(a)}, "own_attack_ways", False)
        for i, a in enumerate(attacks)
    ]
    start = plain(np.full((len(HEADS), WIDTH), 0.1, np.float32), np.zeros(len(HEADS), np.float32))
    line = refitted(start, read, rows, 1e-3)
    found = with_hidden_units(line, read, rows, seed=7)
    column = HEADS.index(Category.PROMPT_ATTACK)
    right_by_line = ((line.logits(read)[:, column] > 0) == attacks).mean()
    assert right_by_line < 0.7 < 0.95 < ((found.logits(read)[:, column] > 0) == attacks).mean()
    assert np.array_equal(np.delete(found.logits(read), column, 1), np.delete(line.logits(read), column, 1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped weights, with other heads beside the encoder."""
    copy = tmp_path / "weights"
    shutil.copytree(FOLDER, copy)
    heads = heads_of(copy)
    write_heads(copy, plain(np.zeros_like(heads.weight), np.arange(len(heads.bias), dtype=np.float32)))
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
    assert (folder / "stage2-upper.onnx").read_bytes() == (FOLDER / "stage2-upper.onnx").read_bytes()


def test_hidden_units_add_to_the_heads_what_they_say(folder: Path) -> None:
    """What the training computed is what runs: units that a text does not wake add nothing."""
    count, width = heads_of(folder).weight.shape
    outer = np.zeros((count, 3), dtype=np.float32)
    outer[2] = (1.0, 10.0, 100.0)
    wakes = np.array([2.0, -5.0, 0.5], dtype=np.float32)
    blank = np.zeros((count, width), dtype=np.float32)
    heads = Heads(blank, np.ones(count, dtype=np.float32), np.zeros((3, width), np.float32), wakes, outer)
    write_heads(folder, heads)
    write_manifest(folder, read_manifest(folder))
    encoder = load(folder).encoder
    assert encoder is not None
    expected = [1.0, 1.0, 1.0 + 2.0 + 50.0, *[1.0] * (count - 3)]
    assert encoder.logits("any text").tolist() == expected
    assert heads.logits(np.zeros((1, width), np.float32)).tolist() == [expected]


def test_units_that_do_not_fit_the_heads_are_refused(folder: Path) -> None:
    """A file of other shapes is no file of heads."""
    heads = heads_of(folder)
    write_heads(folder, Heads(heads.weight, heads.bias, heads.inner, heads.inner_bias, np.ones((1, 2), np.float32)))
    write_manifest(folder, read_manifest(folder))
    with pytest.raises(WeightsUnreadable):
        load(folder)


def test_heads_that_were_altered_or_are_damaged_are_refused(folder: Path) -> None:
    """As every other file of the weights."""
    (folder / HEADS_FILE).write_bytes(b"no archive")
    with pytest.raises(WeightsAltered):
        load(folder)
    write_manifest(folder, read_manifest(folder))
    with pytest.raises(WeightsUnreadable):
        load(folder)
    assert HEADS_FILE in json.loads((folder / "manifest.json").read_text("utf-8"))["files"]


def test_heads_can_read_the_layer_before_the_last(folder: Path) -> None:
    """What the training read there is what the head sees; the heads that came with the layers read the last one alone."""
    count, read = heads_of(FOLDER).weight.shape
    assert heads_of(FOLDER).weight[:, : read // 2].any()
    assert not heads_of(FOLDER).weight[:, read // 2 :].any()
    weight = np.zeros((count, read), dtype=np.float32)
    weight[0, read // 2] = 1.0
    write_heads(folder, plain(weight, np.zeros(count, np.float32)))
    write_manifest(folder, read_manifest(folder))
    encoder = load(folder).encoder
    assert encoder is not None
    seen = pictures(
        folder, read_words(folder, read_manifest(folder)), [Row("any text", Language.ENGLISH, {}, "own", False)]
    )
    assert encoder.logits("any text")[0] == pytest.approx(seen[0, read // 2], abs=1e-5)
    assert seen[0, read // 2] != 0.0
