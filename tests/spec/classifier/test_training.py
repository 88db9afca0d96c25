"""Training: labels are not invented, the same seed gives the same weights, a stopped run goes on as if it had not."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from guard.classifier.folding import fold
from guard.training import fine_tune
from guard.training.corpus import NEVER_TRAINED, corpus
from guard.training.disguise import DISGUISES
from guard.training.encoder import Encoder, EncoderShape
from guard.training.errors import TrainingCheckpointUnusable, TrainingDataMissing
from guard.training.generated import FOLDER, generated_rows, identity_swaps, wordless_rows
from guard.training.linear import LinearRecipe, LinearTraining
from guard.training.metrics import auroc
from guard.training.rows import HELD_BACK, LICENCES, Row, read_rows
from guard.training.sampling import label_matrix, sampling_weights
from guard.verdict import Category
from haechi.base.text import Language


def write(folder: Path, name: str, rows: list[dict[str, object]]) -> None:
    path = folder / f"{name}.jsonl.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as out:
        out.writelines(json.dumps(r) + "\n" for r in rows)


def toxic(text: str, label: int, categories: str = "") -> dict[str, object]:
    return {"text": text, "lang": "en", "toxic": label, "categories": categories, "split": "train"}


def test_a_toxic_row_without_a_category_says_nothing_about_hate(tmp_path: Path) -> None:
    """Unknown is not 0."""
    write(tmp_path, "toxicity/en_paradetox", [toxic("you fool", 1), toxic("dear friend", 0)])
    rows, manifest = read_rows(tmp_path)
    assert rows[0].labels[Category.TOXICITY] == 1
    assert not {Category.HATE, Category.HARASSMENT, Category.SEXUAL, Category.VIOLENCE} & rows[0].labels.keys()
    assert rows[1].labels[Category.HATE] == 0
    assert manifest.files[0][0] == "toxicity/en_paradetox.jsonl.gz"
    labels, known = label_matrix(rows)
    assert labels[0, 0] == known[0, 0] == 1.0
    assert known[0, 1:3].sum() == 0.0


def test_sets_kept_for_outside_judgement_are_not_read(tmp_path: Path) -> None:
    """A folder that holds them is read as if it did not; each has no licence entry to be read under either."""
    write(tmp_path, "toxicity/en_paradetox", [toxic("dear friend", 0)])
    for name in HELD_BACK:
        write(tmp_path, f"safety_prompts/{name}", [{"prompt": "p", "lang": "en", "unsafe": 1, "category": ""}])
    rows, manifest = read_rows(tmp_path)
    assert {r.source for r in rows} == {"en_paradetox"}
    assert len(manifest.files) == 1
    assert not HELD_BACK & LICENCES.keys()


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    """Training on nothing would still write weights."""
    with pytest.raises(TrainingDataMissing):
        read_rows(tmp_path)


def test_the_never_trained_sources_are_left_out_of_the_corpus(tmp_path: Path) -> None:
    """What is measured as unseen is unseen."""
    ordinary = {"text": "an ordinary sentence about the weather " * 5, "split": "train"}
    languages = {"en": "en_c4_pages", "ko": "ko_chat", "zh": "zh_news"}
    for language, name in languages.items():
        write(tmp_path, f"safe_text/{name}", [ordinary | {"lang": language}] * 3)
    for name in NEVER_TRAINED:
        write(tmp_path, f"toxicity/{name}", [toxic("you fool", 1)])
    rows, _ = corpus(tmp_path, seed=1)
    assert not {r.source for r in rows} & set(NEVER_TRAINED)


def test_our_own_rows_are_the_same_for_the_same_seed_and_their_dev_patterns_are_apart() -> None:
    """Dev rows come from patterns that training rows do not come from, so no text is in both."""
    rows = generated_rows(3)
    assert rows == generated_rows(3)
    train = {r.text for r in rows if not r.dev}
    assert not train & {r.text for r in rows if r.dev}
    assert {r.language for r in rows} == {Language.ENGLISH, Language.KOREAN, Language.CHINESE}
    assert not [r.text for r in rows if re.search(r"\{\w+\}|[가-힣]/[가-힣]", r.text)]
    assert wordless_rows(1) == wordless_rows(1)


def test_a_korean_stem_loses_its_last_sound_where_it_is_not_said() -> None:
    """No `만들는`, which is said `만드는`."""
    korean = [row.text for row in generated_rows(3) if row.language is Language.KOREAN]
    assert any("만드는" in text for text in korean)
    for text in korean:
        for found in re.finditer("([가-힣])는", text):
            assert (ord(found[1]) - ord("가")) % 28 != 8, text


def test_identity_terms_stand_in_harmless_and_in_hateful_sentences() -> None:
    """Otherwise the term itself would become the evidence."""
    for language, term in ((Language.ENGLISH, "immigrants"), (Language.KOREAN, "조선족"), (Language.CHINESE, "黑人")):
        rows = [r for r in generated_rows(3, per_pattern=200) if r.language is language and term in r.text.lower()]
        assert {r.labels.get(Category.HATE) for r in rows} >= {0, 1}
        assert all(len(set(swap)) == len(swap) for swap in identity_swaps(language))


@pytest.mark.parametrize("name", ["zero_width", "full_width", "homoglyphs", "spaced", "signs_inside", "decomposed"])
def test_folding_undoes_the_disguise(name: str) -> None:
    """The disguises that keep every letter give back the same folded text."""
    rng = np.random.default_rng(0)
    for text in ("shutup idiot", "개새끼야", "你这个傻逼"):
        hidden = DISGUISES[name](text, rng)
        assert fold(hidden).replace(" ", "") == fold(text).replace(" ", "")


def test_sampling_balances_languages_and_tames_large_sources() -> None:
    """Each language has the same mass; a source with 100 times the rows has 10 times the mass."""
    known = {Category.TOXICITY: 1}
    rows = [Row("a", Language.ENGLISH, known, "large", dev=False)] * 400
    rows += [Row("b", Language.ENGLISH, known, "small", dev=False)] * 4
    rows += [Row("c", Language.KOREAN, known, "other", dev=False)] * 7
    weights = sampling_weights(rows)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[:404].sum() == pytest.approx(0.5)
    assert weights[:400].sum() / weights[400:404].sum() == pytest.approx(10.0)


BAD = [
    "stupid",
    "idiot",
    "moron",
    "filthy",
    "pathetic",
    "loser",
    "coward",
    "disgusting",
    "clown",
    "liar",
    "creep",
    "worthless",
]
GOOD = [
    "lovely",
    "garden",
    "picnic",
    "friend",
    "breakfast",
    "sunshine",
    "library",
    "concert",
    "journey",
    "recipe",
    "kitten",
    "museum",
]


def small_rows() -> list[Row]:
    """Sixty rows of insults and sixty of kind words, three different words each."""
    rows = []
    for words, labels in ((BAD, {Category.TOXICITY: 1}), (GOOD, {Category.TOXICITY: 0, Category.HATE: 0})):
        texts = [" ".join(words[(i * step) % 12] for step in (1, 5, 7)) + f" {i}" for i in range(60)]
        rows += [Row(text, Language.ENGLISH, labels, "s", dev=False) for text in texts]
    return rows


def test_stage_one_learns_and_gives_the_same_weights_for_the_same_seed() -> None:
    """Two trainings agree to the bit, and tell the classes apart."""
    training = LinearTraining(small_rows(), LinearRecipe(bits=14, epochs=3, rate=0.3, batch=16))
    one, two = training.fit(np.arange(120)), training.fit(np.arange(120))
    assert np.array_equal(one.weights, two.weights)
    assert one.logits(fold("a filthy idiot"))[0] > one.logits(fold("a lovely garden"))[0] + 1.0


class Words:
    """A tokenizer of whole words, with the one method that batches need."""

    class Encoded:
        """Ids of one text."""

        def __init__(self, ids: list[int]) -> None:
            self.ids = ids

    def encode(self, text: str, *, add_special_tokens: bool) -> Words.Encoded:
        return Words.Encoded([4 + sum(map(ord, word)) % 90 for word in text.split()])


SHAPE = EncoderShape(layers=2, width=32, attention_heads=4, inner=64, vocabulary=100, positions=64, epsilon=1e-12)


def run_of(folder: Path, samples: int) -> fine_tune.Run:
    import torch

    torch.manual_seed(0)
    recipe = fine_tune.Recipe(samples, tokens_per_step=256, longest=16, layers=(0, 1), rng_pool=64, rate=1e-3)
    folder.mkdir(exist_ok=True)
    return fine_tune.Run(Encoder(SHAPE, 8), fine_tune.Batches(small_rows(), Words(), recipe), recipe, folder)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_weights_of_one_that_was_never_stopped(tmp_path: Path) -> None:
    """A step is a function of seed and place; stopping loses nothing."""
    import torch

    whole = run_of(tmp_path / "whole", samples=192)
    whole.train()
    first = run_of(tmp_path / "parts", samples=192)
    first.model.train()
    first.one_pool(first.batches[0])
    first.save()
    second = run_of(tmp_path / "parts", samples=192)
    second.resume()
    assert second.seen == 64
    second.train()
    assert second.seen == whole.seen
    assert all(torch.equal(a, whole.master[n]) for n, a in second.master.items())


def test_a_run_is_not_resumed_under_another_recipe(tmp_path: Path) -> None:
    """Mixed settings are refused: HAE-T902."""
    run = run_of(tmp_path, samples=64)
    run.train()
    with pytest.raises(TrainingCheckpointUnusable):
        run_of(tmp_path, samples=128).resume()


@pytest.mark.slow
def test_fine_tuning_tells_two_kinds_of_sentences_apart(tmp_path: Path) -> None:
    """Two small layers rank insults above kind words after some hundred sentences."""
    run = run_of(tmp_path, samples=1280)
    losses = [run.one_pool(run.batches[number]) for number in range(20)]
    assert losses[-1] < losses[0]
    scores, labels = [], []
    for arrays in run.batches[99]:
        batch = fine_tune.Batch.on(run.device, arrays)
        scores += run.model(batch.ids, batch.mask)[:, 0].tolist()
        labels += batch.labels[:, 0].tolist()
    assert auroc(scores, labels) > 0.9


def test_a_pupil_that_judges_like_its_teachers_has_less_to_learn() -> None:
    """The teaching loss is lowest for what the teachers say on the average, and moves the pupil only."""
    import torch

    from guard.training.distil import teacher_of

    torch.manual_seed(1)
    teacher = teacher_of([Encoder(SHAPE, 8), Encoder(SHAPE, 8)])
    ids = torch.randint(4, 90, (5, 7))
    mask, public = torch.ones_like(ids), torch.zeros(5)
    with torch.no_grad():
        pictures = [encoder.pooled(ids, mask) for encoder in teacher.encoders]
        logits = sum(e.head(seen) for e, seen in zip(teacher.encoders, pictures, strict=True)) / 2
    same = teacher.loss(ids, mask, public, sum(pictures) / 2, logits)
    other = (pictures[0] + torch.randn_like(pictures[0])).requires_grad_(True)
    apart = teacher.loss(ids, mask, public, other, logits + 1)
    assert apart > same
    assert teacher.loss(ids, mask, public, pictures[0], logits - 1) > same
    apart.backward()
    assert other.grad is not None
    assert all(p.grad is None for encoder in teacher.encoders for p in encoder.parameters())


def test_a_run_that_remembers_is_held_by_public_rows_alone() -> None:
    """What is new it may learn from labels: sentences of our own draw it nowhere."""
    import torch

    from guard.training.distil import teacher_of

    torch.manual_seed(1)
    teacher = teacher_of([Encoder(SHAPE, 8)], public_only=True)
    ids = torch.randint(4, 90, (4, 7))
    seen, said = torch.randn(4, 32, requires_grad=True), torch.randn(4, 8, requires_grad=True)
    teacher.loss(ids, torch.ones_like(ids), torch.tensor([1.0, 0.0, 0.0, 1.0]), seen, said).backward()
    assert seen.grad is not None
    assert said.grad is not None
    for gradient in (seen.grad, said.grad):
        assert [bool(row.any()) for row in gradient] == [True, False, False, True]


def test_the_mean_of_two_runs_lies_between_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every weight of the encoder that is shipped is the mean of the runs' weights."""
    import torch

    monkeypatch.setattr(fine_tune, "load_start", lambda folder, outputs: Encoder(SHAPE, outputs))
    runs = [run_of(tmp_path / name, samples=64) for name in ("one", "two")]
    with torch.no_grad():
        for master in runs[1].master.values():
            master.add_(1.0)
    for run in runs:
        run.save()
    found = dict(fine_tune.mean_of(tmp_path, [run.out for run in runs]).named_parameters())
    for name, low in runs[0].master.items():
        if name != "offsets":
            assert torch.allclose(found[name], low + 0.5, atol=1e-5)


def test_batches_are_the_same_whoever_prepares_them() -> None:
    """Pools made by other processes come in order and are those that are made here."""
    recipe = fine_tune.Recipe(192, tokens_per_step=256, longest=16, layers=(0, 1), rng_pool=64)
    batches = fine_tune.Batches(small_rows(), Words(), recipe)  # type: ignore[arg-type]
    here, there = (list(batches.pools(0, 3, workers)) for workers in (0, 2))
    assert len(here) == 3
    for mine, theirs in zip(here, there, strict=True):
        for one, other in zip(mine, theirs, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_without_offsets_a_run_has_none_to_learn(tmp_path: Path) -> None:
    """What a source calls toxic is then explained by the text alone."""
    recipe = fine_tune.Recipe(64, tokens_per_step=256, longest=16, layers=(0, 1), rng_pool=64, offsets=False)
    batches = fine_tune.Batches(small_rows(), Words(), recipe)  # type: ignore[arg-type]
    run = fine_tune.Run(Encoder(SHAPE, 8), batches, recipe, tmp_path)
    run.train()
    assert run.seen == 64
    assert "offsets" not in run.master
    assert not run.offsets.any()


def test_a_slot_is_filled_by_one_list_of_its_language() -> None:
    """A name used twice would give the sentences of one file the words of another."""
    for language in ("en", "ko", "zh"):
        names = [
            name
            for path in sorted(FOLDER.glob(f"{language}[-.]*yaml"))
            for name in yaml.safe_load(path.read_text("utf-8"))["slots"]
        ]
        assert sorted(names) == sorted(set(names))
