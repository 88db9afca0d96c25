"""The gate refuses what it cannot show, signs what passed, and the signature covers every byte."""

from __future__ import annotations

import argparse
import base64
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from alignment.data.lineage import mark_tainted
from alignment.errors import NotReleased, TaintedRun, UnusableReleaseKey, UnusableSuite
from alignment.gate import compare
from alignment.manifest import obtain_key, public_line, public_path, sign_release, trusted_keys, verify_release
from alignment.measure import Measured
from alignment.models import Shape, new_policy, new_tokenizer
from alignment.recipe import load_recipe
from alignment.release import release
from alignment.suite import Metric, MetricKind, Suite, items_of, load_suite
from alignment.train import train
from haechi.base.errors import UnknownSetting
from haechi.cli.release import register


def command(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    args = parser.parse_args(["release", *argv])
    return int(args.run(args))


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release") / "run"
    settings = [f"run.output={folder}", "run.device=cpu", "model.hidden=32", "model.heads=2", "optim.steps=2"]
    return train(load_recipe("sft", "tiny-cpu", settings)).run.path


def small_suite(folder: Path, rows: int = 80) -> Suite:
    """A suite of two quick metrics."""
    texts = folder / "texts.jsonl"
    texts.write_text(
        "".join(json.dumps({"id": f"t{i}", "text": f"the number {i} is here"}) + "\n" for i in range(rows))
    )
    asked = folder / "asked.jsonl"
    row = {"question": "Which?", "choices": ["this", "that"], "answer": 0, "lang": "en"}
    asked.write_text("".join(json.dumps({"id": f"q{i}", **row, "question": f"Which {i}?"}) + "\n" for i in range(rows)))
    file = folder / "suite.toml"
    file.write_text(
        'name = "small"\npolicy = "default"\nanswer_tokens = 4\n'
        '[metric.language]\nkind = "nats_per_token"\ndata = "texts.jsonl"\nmargin = 0.1\nlimit = 99.0\n'
        '[metric.capability]\nkind = "wrong_choice"\ndata = "asked.jsonl"\nmargin = 0.05\nlimit = 1.0\n'
    )
    return load_suite(str(file))


def measured(bad: int, n: int, *, margin: float = 0.05, limit: float = 1.0) -> Measured:
    metric = Metric("safety", MetricKind.UNSAFE_ANSWERS, Path("x"), margin, limit)
    return Measured(metric, tuple([1.0] * bad + [0.0] * (n - bad)), tuple(range(n)))


def test_a_gate_passes_what_it_can_show_and_refuses_the_rest() -> None:
    """Equal on 72 items passes, equal on 20 cannot be shown, six points worse is refused, too bad at all is refused."""
    (equal,) = compare([measured(3, 72)], [measured(3, 72)])
    assert equal.passed
    (few,) = compare([measured(1, 20)], [measured(1, 20)])
    assert not few.passed
    assert "more items" in few.words
    (worse,) = compare([measured(9, 72)], [measured(3, 72)])
    assert not worse.passed
    assert "it is worse" in worse.words
    (bad,) = compare([measured(30, 72, limit=0.2)], [measured(30, 72)])
    assert not bad.passed
    assert "limit" in bad.words


def test_a_run_is_released_signed_and_proved(small_run: Path, tmp_path: Path) -> None:
    """Against itself a model is no worse; every altered, added or missing byte of the folder is named and refused."""
    run = tmp_path / "run"
    shutil.copytree(small_run, run)
    key = obtain_key(tmp_path / "k")
    assert (tmp_path / "k").stat().st_mode & 0o777 == 0o600
    trusted = trusted_keys(str(public_path(tmp_path / "k")))
    found = release(run, str(small_run), small_suite(tmp_path), key)
    assert found.passed
    proof = verify_release(run / "model", trusted)
    assert proof.manifest["run"]["data"].startswith("sha256:")
    assert proof.manifest["guard"]["digest"].startswith("sha256:")
    assert {line["metric"] for line in proof.manifest["metrics"]} == {"language", "capability"}
    card = (run / "model" / "README.md").read_text("utf-8")
    assert proof.manifest["guard"]["digest"] in card
    for name in sorted(path.name for path in (run / "model").iterdir()):
        copy = tmp_path / f"copy-{name}"
        shutil.copytree(run / "model", copy)
        data = bytearray((copy / name).read_bytes())
        data[len(data) // 2] ^= 1
        (copy / name).write_bytes(bytes(data))
        with pytest.raises(NotReleased, match=r"release.json" if name == "release.json" else name):
            verify_release(copy, trusted)
    (run / "model" / "extra.py").write_text("")
    with pytest.raises(NotReleased, match=r"extra\.py was added"):
        verify_release(run / "model", trusted)
    (run / "model" / "extra.py").unlink()
    (run / "model" / "model.safetensors").unlink()
    with pytest.raises(NotReleased, match=r"model\.safetensors is missing"):
        verify_release(run / "model", trusted)


def test_only_trusted_keys_count_and_the_key_in_the_file_does_not(tmp_path: Path) -> None:
    """A release by somebody else, and a manifest moved to another folder, prove nothing."""
    folder, other = tmp_path / "a", tmp_path / "b"
    for place in (folder, other):
        place.mkdir()
    (folder / "w").write_text("one")
    (other / "w").write_text("two")
    ours, theirs = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    sign_release(folder, {"name": "x"}, theirs)
    with pytest.raises(NotReleased, match="trusted"):
        verify_release(folder, [public_line(ours.public_key())])
    sign_release(folder, {"name": "x"}, ours)
    shutil.copy(folder / "release.json", other)
    with pytest.raises(NotReleased, match="w was changed"):
        verify_release(other, [public_line(ours.public_key())])
    (other / "l").symlink_to(other / "w")
    with pytest.raises(NotReleased, match="not a plain file"):
        verify_release(other, [public_line(ours.public_key())])
    with pytest.raises(UnusableReleaseKey):
        verify_release(folder, ["haechi-release-public-1:" + base64.b64encode(b"short").decode()])
    with pytest.raises(UnusableReleaseKey):
        obtain_key(folder / "w")


def test_a_worse_model_is_refused_and_its_old_release_withdrawn(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model of other random weights is worse in the baseline's words; exit code 1 names the metric."""
    run = tmp_path / "run"
    shutil.copytree(small_run, run)
    suite = small_suite(tmp_path)
    key = tmp_path / "k"
    argv = [
        str(run),
        "--baseline",
        str(small_run),
        "--suite",
        str(tmp_path / "suite.toml"),
        "--key",
        str(key),
        "--json",
    ]
    assert command(*argv) == 0
    assert json.loads(capsys.readouterr().out)["released"] is True
    assert command(str(run), "--verify", "--key", str(key)) == 0
    capsys.readouterr()
    tokenizer = new_tokenizer(["unused words"], vocab=300)
    spoilt = new_policy(Shape(hidden=32, heads=2, vocab=300), tokenizer, seed=5)
    spoilt.lm_head.weight.data.mul_(40)
    spoilt.save_pretrained(run / "model")
    tokenizer.save_pretrained(run / "model")
    assert command(*argv) == 1
    assert "language" in json.loads(capsys.readouterr().out)["regressions"]
    with pytest.raises(NotReleased, match="no release"):
        verify_release(run / "model", trusted_keys(str(public_path(key))))
    assert suite.name == "small"


def test_a_run_that_learned_from_an_erased_person_is_not_released(small_run: Path, tmp_path: Path) -> None:
    """The mark stops the gate, and going on with the run."""
    run = tmp_path / "run"
    shutil.copytree(small_run, run)
    mark_tainted(run, 3, "2026-11-24")
    with pytest.raises(TaintedRun):
        release(run, str(small_run), small_suite(tmp_path), Ed25519PrivateKey.generate())


@pytest.mark.parametrize("name", ["safety", "over_refusal"])
def test_the_shipped_suite_releases_no_model_only_because_the_one_before_was_as_bad(name: str) -> None:
    """Three in four answers unsafe, or harmless requests refused, before and after: nothing got worse, nothing passes."""
    metric = next(metric for metric in load_suite().metrics if metric.name == name)
    (bad,) = compare([measured(54, 72, limit=metric.limit)], [measured(54, 72)])
    (good,) = compare([measured(1, 72, limit=metric.limit)], [measured(1, 72)])
    assert (bad.passed, good.passed) == (False, True)


def test_the_shipped_suite_is_whole_and_its_digest_covers_the_items(tmp_path: Path) -> None:
    """Every metric has items in three languages; another item file is another digest; mistakes are named."""
    suite = load_suite()
    assert {metric.name for metric in suite.metrics} >= {"safety", "over_refusal", "fairness", "capability"}
    for metric in suite.metrics:
        assert {item["lang"] for item in items_of(metric, ())} == {"en", "ko", "zh"}
    own = tmp_path / "own.jsonl"
    own.write_text('{"prompt": "x"}\n')
    assert load_suite("default", {"safety": own}).digest != suite.digest
    with pytest.raises(UnknownSetting):
        load_suite("default", {"safty": own})
    own.write_text("")
    with pytest.raises(UnusableSuite, match="no item"):
        items_of(replace(suite.metrics[0], data=own), ("prompt",))
    broken = tmp_path / "s.toml"
    broken.write_text('name = "x"\npolicy = "default"\nanswer_tokens = 4\n[metric.a]\nkind = "nothing"\ndata = "d"\n')
    with pytest.raises(UnusableSuite):
        load_suite(str(broken))
