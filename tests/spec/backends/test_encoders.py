"""Detoxify and other sequence classifiers: the real loading code on tiny checkpoints of the true architectures."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from detoxify import Detoxify

from guard import Category, Policy, SafetyChecker
from guard.backends import detoxify, sequence
from guard.backends.document import Activation, ModelDocument, ModelKind, Variant
from guard.backends.errors import (
    LabelsUnknown,
    ModelFileAltered,
    ModelFileMissing,
    ModelNotPinned,
    ModelUnreadable,
    NotCovered,
)
from guard.backends.text_model import TextModel
from guard.policy_file import parse
from haechi.base.text import Language
from tests import tiny_judges

TEXTS = (
    "Hello, world. The weather is fine today.",
    "one two three four five six seven",
    "The capital of France is Paris. Tell me about refunds.",
    "!!!",
    "",
)


def entry(checkpoint: Path, parts: Path, variant: str, **more: object) -> ModelDocument:
    return ModelDocument(
        ModelKind.DETOXIFY,
        path=str(checkpoint),
        tokenizer=str(parts),
        sha256=tiny_judges.pins(checkpoint, parts),
        variant=Variant(variant),
        **more,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module", params=sorted(tiny_judges.VARIANTS))
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, TextModel, Detoxify]:
    """Ours and the package's own, from the same checkpoint."""
    variant = request.param
    checkpoint, parts = tiny_judges.save_detoxify(tmp_path_factory.mktemp(variant), variant)
    ours = detoxify.load("detox", entry(checkpoint, parts, variant), Path())
    return variant, ours, Detoxify(variant, checkpoint=str(checkpoint))


@pytest.mark.parametrize("text", TEXTS)
def test_scores_are_those_of_the_package_detoxify(both: tuple[str, TextModel, Detoxify], text: str) -> None:
    """For a text that it reads whole, label by label."""
    _, ours, theirs = both
    wanted = theirs.predict(text)
    assert ours.label_scores(text) == pytest.approx(wanted, abs=1e-5)
    assert set(wanted) == set(ours.labels)


def test_the_end_of_a_long_text_counts(both: tuple[str, TextModel, Detoxify]) -> None:
    """The package cuts at 512 tokens, so a text's end means nothing to it; here it does."""
    _, ours, theirs = both
    head = "The weather is fine today. " * 300
    ends = [head + word for word in ("Paris", "refunds refunds", "one two three four", "Hello")]
    assert len({json.dumps(theirs.predict(text)) for text in ends}) == 1
    assert len({json.dumps(ours.label_scores(text)) for text in ends}) > 1
    assert all(
        ours.label_scores(text)[label] >= theirs.predict(text)[label] - 1e-5 for text in ends for label in ours.labels
    )


def test_labels_become_our_categories(both: tuple[str, TextModel, Detoxify]) -> None:
    """A category has the score of its worst label."""
    variant, ours, _ = both
    labels, scores = ours.label_scores(TEXTS[0]), ours.score(TEXTS[0])
    assert scores[Category.HATE] == labels["identity_attack"]
    assert scores[Category.TOXICITY] == max(labels[n] for n in ("toxicity", "severe_toxicity", "obscene", "insult"))
    assert (Category.SEXUAL in scores) is (variant != "original")


def test_a_text_in_another_language_has_no_score(both: tuple[str, TextModel, Detoxify]) -> None:
    """Detoxify did not learn Korean or Chinese, whatever number comes out of it; numbers and emoji are no language."""
    _, ours, _ = both
    for text in ("안녕하세요", "你好世界"):
        with pytest.raises(NotCovered):
            ours.score(text)
    assert ours.score("123 😀")


def test_the_policy_may_say_otherwise(tmp_path: Path) -> None:
    """A checkpoint that was trained further may read other languages."""
    checkpoint, parts = tiny_judges.save_detoxify(tmp_path, "multilingual")
    document = entry(checkpoint, parts, "multilingual", languages=(Language.KOREAN,))
    assert detoxify.load("detox", document, Path()).score("안녕하세요")


def test_a_changed_checkpoint_is_refused(tmp_path: Path) -> None:
    """One byte is enough, in the weights or beside them."""
    checkpoint, parts = tiny_judges.save_detoxify(tmp_path, "original")
    document = entry(checkpoint, parts, "original")
    for victim in (checkpoint, parts / "tokenizer.json"):
        content = victim.read_bytes()
        victim.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(ModelFileAltered, match=re.escape(victim.name)):
            detoxify.load("detox", document, Path())
        victim.write_bytes(content)


def test_a_file_that_nobody_pinned_is_refused(tmp_path: Path) -> None:
    """It could be read; prose may lie there."""
    checkpoint, parts = tiny_judges.save_detoxify(tmp_path, "original")
    document = entry(checkpoint, parts, "original")
    (parts / "README.md").write_text("read me")
    detoxify.load("detox", document, Path())
    (parts / "added_tokens.json").write_text("{}")
    with pytest.raises(ModelNotPinned, match="added_tokens"):
        detoxify.load("detox", document, Path())


class Bomb:
    """What unpickling would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("boom",)


@pytest.mark.parametrize(
    "damage", ["code", "cut", "text", "no description", "other class", "missing tensor", "missing"]
)
def test_a_broken_checkpoint_is_an_error_and_nothing_of_it_runs(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is wrong with the file, it is said when the policy is loaded."""
    checkpoint, parts = tiny_judges.save_detoxify(tmp_path, "original")
    content = torch.load(checkpoint, weights_only=True)
    match damage:
        case "code":
            torch.save(content | {"extra": Bomb()}, checkpoint)
        case "cut":
            checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
        case "text":
            checkpoint.write_text("not a checkpoint")
        case "no description":
            torch.save({"state_dict": content["state_dict"]}, checkpoint)
        case "other class":
            content["config"]["arch"]["args"]["model_name"] = "AlbertForSequenceClassification"
            torch.save(content, checkpoint)
        case "missing tensor":
            del content["state_dict"]["classifier.weight"]
            torch.save(content, checkpoint)
    document = entry(checkpoint, parts, "original")
    if damage == "missing":
        checkpoint.unlink()
    with pytest.raises(ModelFileMissing if damage == "missing" else ModelUnreadable):
        detoxify.load("detox", document, Path())
    assert capsys.readouterr().out == ""


def labelled(folder: Path, **more: object) -> ModelDocument:
    return ModelDocument(
        ModelKind.SEQUENCE,
        path=str(folder),
        sha256=tiny_judges.pins(folder),
        labels={"toxic": Category.TOXICITY, "hate": Category.HATE},
        ignored=("clean",),
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("kind", ["bert", "roberta", "xlm-roberta"])
def test_any_sequence_classifier_is_judged_as_transformers_would(kind: str, tmp_path: Path) -> None:
    """Softmax for one label of several, sigmoid where the configuration says multi-label or the policy says so."""
    made, words = tiny_judges.save_sequence(tmp_path, kind, ["clean", "toxic", "hate"])
    logits = made(**words(TEXTS[0], return_tensors="pt")).logits[0]
    one = sequence.load("one", labelled(tmp_path), Path()).score(TEXTS[0])
    assert one == pytest.approx(
        dict(zip((Category.HATE, Category.TOXICITY), logits.softmax(-1)[[2, 1]].tolist(), strict=True)), abs=1e-5
    )
    several = sequence.load("several", labelled(tmp_path, activation=Activation.SIGMOID), Path()).score(TEXTS[0])
    assert several[Category.TOXICITY] == pytest.approx(logits.sigmoid()[1].item(), abs=1e-5)


def test_a_label_without_a_meaning_is_an_error(tmp_path: Path) -> None:
    """Nothing that a model says is lost without a word."""
    tiny_judges.save_sequence(tmp_path, "bert", ["clean", "toxic", "hate", "spam"])
    with pytest.raises(LabelsUnknown, match="spam"):
        sequence.load("one", labelled(tmp_path), Path())


def test_a_head_that_the_checkpoint_lacks_is_not_made_up(tmp_path: Path) -> None:
    """Transformers would fill it with random numbers and go on."""
    made, _ = tiny_judges.save_sequence(tmp_path, "bert", ["clean", "toxic", "hate"])
    made.bert.save_pretrained(tmp_path)
    described = json.loads((tmp_path / "config.json").read_text("utf-8"))
    described["architectures"] = ["BertForSequenceClassification"]
    (tmp_path / "config.json").write_text(json.dumps(described), "utf-8")
    with pytest.raises(ModelUnreadable, match="classifier"):
        sequence.load("one", labelled(tmp_path), Path())


def test_pickled_weights_are_not_read(tmp_path: Path) -> None:
    """Only safetensors."""
    made, _ = tiny_judges.save_sequence(tmp_path, "bert", ["clean", "toxic", "hate"])
    (tmp_path / "model.safetensors").unlink()
    torch.save(made.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelUnreadable):
        sequence.load("one", labelled(tmp_path), Path())


def test_a_revision_that_is_not_in_the_cache_is_not_fetched() -> None:
    """Nothing is downloaded when a guard starts."""
    document = ModelDocument(ModelKind.SEQUENCE, hub="nobody/nothing", revision="0" * 40, labels={"x": Category.HATE})
    with pytest.raises(ModelFileMissing, match="cache"):
        sequence.load("one", document, Path())


POLICY = """
schema: 1
name: detox
version: 2026-11
detectors: [lexicon, detox]
both:
  toxicity: {{unsafe: block}}
models:
  detox:
    kind: detoxify
    variant: original
    path: original.ckpt
    tokenizer: parts
{pins}
"""


def test_a_policy_file_names_its_model_and_pins_it(tmp_path: Path) -> None:
    """What `guard.backends.pin` prints is what the file takes; paths begin at the file; the digest covers the pins."""
    checkpoint, parts = tiny_judges.save_detoxify(tmp_path, "original")
    pin = [sys.executable, "-m", "guard.backends.pin", str(checkpoint), str(parts)]
    lines = subprocess.run(pin, capture_output=True, text=True, check=True).stdout
    file = tmp_path / "detox.yaml"
    file.write_text(POLICY.format(pins=lines), "utf-8")
    verdict = SafetyChecker.load(file).check("The weather is fine today.")
    assert verdict.unavailable == ()
    assert verdict.scores[Category.TOXICITY] > 0
    changed = parse(file.read_text("utf-8").replace("kind: detoxify", "kind: detoxify\n    precision: bf16"), "p")
    assert Policy(changed).digest != Policy.load(file).digest


def test_many_threads_get_the_scores_of_one(both: tuple[str, TextModel, Detoxify]) -> None:
    """A tokenizer that is asked by several at once gives each its own pieces."""
    _, ours, _ = both
    texts = [f"{'one two three four five ' * (i * 40)}six" for i in range(6)]
    alone = [ours.score(text) for text in texts]
    wrong: list[int] = []

    def ask(i: int) -> None:
        if ours.score(texts[i]) != pytest.approx(alone[i], abs=1e-6):
            wrong.append(i)

    threads = [threading.Thread(target=ask, args=(i % 6,)) for i in range(18)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.slow
def test_a_revision_in_the_cache_is_the_one_that_is_read(tmp_path: Path) -> None:
    """By its commit, from where the hub's client keeps it; another commit is not taken instead."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = tmp_path / "hub/models--some--judge/snapshots" / commit
    tiny_judges.save_sequence(snapshot, "bert", ["clean", "toxic", "hate"])
    code = (
        "from pathlib import Path; from guard.backends import sequence; from guard.backends.document import *;"
        "from guard.verdict import Category;"
        "labels = {'toxic': Category.TOXICITY, 'hate': Category.HATE};"
        "document = ModelDocument(ModelKind.SEQUENCE, hub='some/judge', revision=REVISION, labels=labels, ignored=('clean',));"
        "print(len(sequence.load('one', document, Path()).score('hello')))"
    )
    for asked, found in ((commit, "2"), (commit[::-1], "")):
        done = subprocess.run(
            [sys.executable, "-c", code.replace("REVISION", repr(asked))],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
        )
        assert done.stdout.strip() == found
        assert bool(found) or "HAE-S502" in done.stderr
