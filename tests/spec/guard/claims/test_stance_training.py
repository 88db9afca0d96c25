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
from guard.claims.stance_tokens import MARKS, claim_tokens, marks
from guard.classifier import load
from guard.classifier.encoder import Embeddings
from guard.training.encoder import Encoder, EncoderShape
from guard.training.errors import TrainingCheckpointUnusable
from guard.training.stance.baseline import baseline
from guard.training.stance.blend import BlendRecipe, Read, fit_blend
from guard.training.stance.centres import centres_of
from guard.training.stance.export import write_lower, write_upper
from guard.training.stance.fit import EARLY_FILE, STATE_FILE, Batches, Fit, FitRecipe, Stage, load_mean
from guard.training.stance.network import upper_of
from guard.training.stance.pairs import REFUTED, SUPPORTED, UNSURE, Pair, Part
from guard.training.stance.readings import Readings
from guard.training.stance.written import WRITTEN
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


def test_a_stage_of_labelled_pairs_takes_the_same_steps_whatever_else_teaches(tmp_path: Path) -> None:
    """Lines written later, and stages behind it, change nothing of it."""
    one = fit(tmp_path / "one", RECIPE)
    stages = (Stage(32, 2400), Stage(64, 2400, (("written", 0.5),)))
    other = fit(tmp_path / "other", replace(RECIPE, stages=stages, cool=64))
    written = [replace(p, kind=WRITTEN, language=Language.CHINESE, source="own") for p in PAIRS]
    other.batches = Batches([*PAIRS, *written], one.batches.tokenizer, one.batches.readings, other.recipe)
    for run in (one, other):
        run.model.train()
        run.one_pool()
        run.one_pool()
    for name, values in one.named.items():
        assert torch.equal(values, other.named[name]), name


def test_what_is_shipped_keeps_a_share_of_what_was_known_before_the_last_stage(tmp_path: Path) -> None:
    """Between the weights before the last stage and those at the end, also when the run was stopped in between."""
    recipe = replace(RECIPE, stages=(Stage(32, 2400), Stage(32, 2400)))
    whole = fit(tmp_path / "whole", recipe)
    whole.train()
    first = fit(tmp_path / "parts", recipe)
    first.model.train()
    first.one_pool()
    first.one_pool()
    first.save()
    before = {name: values.detach().clone() for name, values in first.named.items()}
    second = fit(tmp_path / "parts", recipe)
    second.resume()
    second.train()
    for folder, run in (("whole", whole), ("parts", second)):
        shipped = upper_of(encoder())
        load_mean(shipped, tmp_path / folder, {STATE_FILE: 0.75, EARLY_FILE: 0.25})
        for name, values in shipped.named_parameters():
            assert torch.allclose(values, 0.25 * before[name] + 0.75 * run.named[name], atol=1e-6), name


def test_the_centre_of_a_language_is_the_mean_of_its_tokens(tmp_path: Path) -> None:
    """Of labelled and written pairs; planted ones, which repeat each other, do not count."""
    run = fit(tmp_path, RECIPE)
    korean = replace(
        PAIRS[0], claim="이 마을에는 문이 있다.", evidence="이 마을에는 문이 있다.", language=Language.KOREAN
    )
    planted = replace(korean, claim="전혀 다른 말이다.", kind="number")
    tokenizer, readings = run.batches.tokenizer, run.batches.readings
    centres = centres_of([*PAIRS, korean, planted], tokenizer, readings)
    assert set(centres) == {Language.ENGLISH, Language.KOREAN}
    tokens = readings.of(claim_tokens(tokenizer, korean.claim))[1:-1].astype(np.float32)
    assert centres[Language.KOREAN] == pytest.approx(tokens.mean(axis=0), abs=1e-5)


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
    write_upper(tmp_path / UPPER_FILE, run.model.eval(), SHAPE)
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


def test_a_pair_is_read_the_same_beside_longer_ones(tmp_path: Path) -> None:
    """Padding, and the last layer's leaving out of what stands behind the longest claim, change no answer."""
    run = fit(tmp_path, RECIPE)
    run.model.eval()
    short = replace(PAIRS[0], claim="The town has gates.")
    long = replace(PAIRS[1], claim="It is said that the old town by the river has many more gates than that.")
    run.batches.pairs = [short, long, PAIRS[2]]
    with torch.no_grad():
        for i in range(3):
            alone, among = run.batches.batch([i]), run.batches.batch([0, 1, 2])
            one, many = (run.model(b.x, b.marks, b.mask, b.claim) for b in (alone, among))
            assert torch.allclose(one[0], many[i], atol=1e-5)


def test_marks_tell_what_the_other_side_has() -> None:
    """Absent, there, there with a neighbour; the evidence's kinds follow the claim's."""
    found = marks((0, 10, 11, 12, 2), (0, 10, 11, 40, 2))
    assert found.tolist() == [2, 2, 2, 0, 1, 5, 5, 5, 3, 4]
    assert found.max() < MARKS
    assert marks((0, 10, 11, 2), (0, 11, 10, 2)).tolist() == [1, 1, 1, 1, 4, 4, 4, 4]


def test_a_pair_that_agrees_in_all_but_an_amount_is_not_left_open() -> None:
    """Whatever the encoder says: what is not supported then is refuted."""
    rng = np.random.default_rng(0)
    features = rng.random((60, len(FEATURES))) * 0.9
    read = Read([PAIRS[0]] * 60, rng.normal(size=(60, 3)), features)
    blend = fit_blend(read, BlendRecipe(steps=5))
    only = features.copy()
    only[:, FEATURES.index("amount_only")] = 1.0
    chances = Read(read.pairs, read.logits, only).chances(blend)
    assert np.all(read.chances(blend)[:, UNSURE] > 0)
    assert np.all(chances[:, UNSURE] == 0)
    assert np.allclose(chances.sum(axis=1), 1)


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


def test_an_input_that_no_pair_has_is_not_listened_to() -> None:
    """It would count for whatever chance made of it."""
    rng = np.random.default_rng(0)
    features = rng.random((60, len(FEATURES)))
    at = FEATURES.index("same_language")
    features[:, at] = 1.0
    read = Read([PAIRS[0]] * 60, rng.normal(size=(60, 3)), features)
    other = features.copy()
    other[:, at] = 0.0
    blend = fit_blend(read, BlendRecipe(fits=2, steps=5))
    assert Read(read.pairs, read.logits, other).chances(blend) == pytest.approx(read.chances(blend), abs=1e-4)


def test_the_combination_is_the_mean_of_its_fits() -> None:
    """Of their log-odds, as one with a wider hidden layer."""
    rng = np.random.default_rng(0)
    read = Read([PAIRS[0]] * 40, rng.normal(size=(40, 3)), rng.random((40, len(FEATURES))) * 0.9)
    both, *single = (
        np.log(read.chances(fit_blend(read, BlendRecipe(fits=n, steps=20, seed=seed))))
        for n, seed in ((2, 7), (1, 7), (1, 8))
    )
    odds = [said - said[:, :1] for said in (both, *single)]
    assert odds[0] == pytest.approx((odds[1] + odds[2]) / 2, abs=1e-4)


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
