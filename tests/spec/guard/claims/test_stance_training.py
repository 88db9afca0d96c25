"""Training the stance model: a stopped run goes on as if it had not, and what is shipped computes what was trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from guard.claims.compare import FEATURES
from guard.claims.stance_package import LOWER_FILE, UPPER_FILE, read_blend, write_blend
from guard.claims.stance_tokens import MARKS, marks
from guard.classifier import load
from guard.classifier.encoder import Embeddings
from guard.training.encoder import Encoder, EncoderShape
from guard.training.errors import TrainingCheckpointUnusable
from guard.training.stance.baseline import baseline
from guard.training.stance.blend import BlendRecipe, Read, fit_blend
from guard.training.stance.export import write_lower, write_upper
from guard.training.stance.fit import Batches, Fit, FitRecipe, Stage
from guard.training.stance.network import upper_of
from guard.training.stance.pairs import REFUTED, SUPPORTED, UNSURE, Pair, Part
from guard.training.stance.readings import Readings
from haechi.base.text import Language

SHAPE = EncoderShape(layers=10, width=32, attention_heads=4, inner=64, vocabulary=64, positions=160, epsilon=1e-12)
PAIRS = [
    Pair(
        f"The town has {n} gates.",
        f"The town has {m} gates and {n} wells.",
        (label,),
        Language.ENGLISH,
        "test",
        Part.FIT,
    )
    for n, m, label in [(i, i + d, d % 3) for i in range(8) for d in range(3)]
]


def vectors(size: int = 60_000) -> Embeddings:
    """Small word vectors for every token id."""
    rng = np.random.default_rng(0)
    nibbles = rng.integers(0, 256, (size, 1, 16), dtype=np.uint8)
    scales = np.full((size, 1), 0.02, dtype=np.float16)
    ones, none = np.ones(32, dtype=np.float32), np.zeros(32, dtype=np.float32)
    positions = rng.normal(size=(160, 32)).astype(np.float32) * 0.02
    return Embeddings(nibbles, scales, positions, ones, none, 1e-12)


def encoder() -> Encoder:
    torch.manual_seed(3)
    return Encoder(SHAPE, 3)


def fit(folder: Path, recipe: FitRecipe) -> Fit:
    """A small run over PAIRS."""
    folder.mkdir(exist_ok=True)
    start = encoder()
    write_lower(folder, start)
    classifier = load()
    assert classifier.encoder is not None
    batches = Batches(PAIRS, classifier.encoder.words.tokenizer, Readings(folder, vectors()), recipe)
    return Fit(upper_of(start), batches, recipe, folder)


RECIPE = FitRecipe(stages=(Stage(64, 2400),), pool=16, warm=16, cool=32, rate=1e-3)


def test_a_run_that_was_stopped_ends_with_the_same_weights(tmp_path: Path) -> None:
    """Killed between two pools, the rest gives what the whole would have given."""
    whole = fit(tmp_path / "whole", RECIPE)
    whole.train()
    first = fit(tmp_path / "parts", RECIPE)
    first.model.train()
    first.one_pool()
    first.save()
    second = fit(tmp_path / "parts", RECIPE)
    second.resume()
    assert second.seen == first.seen > 0
    second.train()
    for name, values in whole.named.items():
        assert torch.equal(values, second.named[name]), name


def test_a_run_is_not_resumed_under_another_recipe(tmp_path: Path) -> None:
    """Otherwise nobody could say how the weights were made."""
    fit(tmp_path, RECIPE).save()
    with pytest.raises(TrainingCheckpointUnusable):
        fit(tmp_path, replace(RECIPE, seed=8)).resume()


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    """The gradient reaches what is trained."""
    run = fit(tmp_path, replace(RECIPE, stages=(Stage(16 * 80, 2400),), rate=3e-3, dropout=0.0))
    run.model.train()
    losses = [float(np.mean(run.one_pool())) for _ in range(80)]
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.1


def test_the_shipped_graphs_compute_what_was_trained(tmp_path: Path) -> None:
    """int8 against float32: the same logits within rounding, and more than rounding between different pairs."""
    run = fit(tmp_path, RECIPE)
    run.train()
    write_upper(tmp_path, run.model.eval(), SHAPE)
    lower, upper = (onnxruntime.InferenceSession(str(tmp_path / n)) for n in (LOWER_FILE, UPPER_FILE))
    for i in (0, 5, 11):
        batch, told = run.batches.batch([i]), run.batches.encoded(i)
        with torch.no_grad():
            ours = run.model(batch.x, batch.marks, batch.mask, batch.claim)[0].numpy()
        read = [lower.run(["y"], {"x": vectors().vectors(list(ids))})[0] for ids in (told.claim, told.evidence)]
        inputs = {
            "x": np.concatenate(read, axis=1),
            "marks": marks(told.claim, told.evidence),
            "claim": np.array([len(told.claim)], dtype=np.int64),
        }
        assert upper.run(["logits"], inputs)[0][0] == pytest.approx(ours, abs=0.08)


def test_marks_tell_what_the_other_side_has() -> None:
    """Absent, there, there with a neighbour; the evidence's kinds follow the claim's."""
    found = marks((0, 10, 11, 12, 2), (0, 10, 11, 40, 2))
    assert found.tolist() == [2, 2, 2, 0, 1, 5, 5, 5, 3, 4]
    assert found.max() < MARKS
    assert marks((0, 10, 11, 2), (0, 11, 10, 2)).tolist() == [1, 1, 1, 1, 4, 4, 4, 4]


def test_the_combination_learns_and_survives_its_file(tmp_path: Path) -> None:
    """Where the encoder is blind, the comparison decides; the file gives the same answers back."""
    rng = np.random.default_rng(0)
    features = rng.random((300, len(FEATURES)))
    labels = [(REFUTED if row[0] > 0.6 else SUPPORTED if row[1] > 0.5 else UNSURE) for row in features]
    pairs = [replace(PAIRS[0], allowed=(label,)) for label in labels]
    read = Read(pairs, rng.normal(size=(300, 3)), features)
    blend = fit_blend(read, BlendRecipe())
    chances = read.chances(blend)
    assert np.mean(chances.argmax(axis=1) == labels) > 0.85
    assert chances.sum(axis=1) == pytest.approx(1.0)
    write_blend(tmp_path, blend)
    again = read_blend((tmp_path / "blend.npz").read_bytes())
    assert read.chances(again) == pytest.approx(chances)


def test_the_baseline_sees_words_and_nothing_else() -> None:
    """It tells apart what shares words, and not what denies them."""
    about = "The old bridge over the river was built by the town in spring."
    near = Pair(about, about, (SUPPORTED,), Language.ENGLISH, "test", Part.FIT)
    far = Pair(about, "Cats like fish.", (UNSURE,), Language.ENGLISH, "test", Part.FIT)
    denied = replace(near, claim=about.replace("was built", "was not built"), allowed=(REFUTED,))
    chances = baseline([near, far, denied] * 20, [near, far, denied])
    assert chances[0, SUPPORTED] > 0.3
    assert chances[1, UNSURE] > 0.9
    assert abs(chances[0, REFUTED] - chances[2, REFUTED]) < 0.25
