"""`haechi check` with a model behind the policy: order, progress, strange input, a model that is not there."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guard.backends.pin import lines as pin_lines
from haechi.cli import _progress
from tests import tiny_judges

ROOT = Path(__file__).resolve().parents[2]
RUN = "import sys; from haechi.cli.main import main; sys.exit(main(sys.argv[1:]))"
POLICY = """
schema: 1
name: tiny
version: 2026-11
detectors: [lexicon, tiny]
both:
  toxicity: {{unsafe: flag, controversial: flag}}
models:
  tiny:
    kind: sequence-classifier
    path: model
    labels: {{toxic: toxicity}}
    ignored: [clean]
{pins}
"""


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy with a tiny model beside it."""
    folder = tmp_path_factory.mktemp("policy")
    tiny_judges.save_sequence(folder / "model", "bert", ["clean", "toxic"])
    file = folder / "tiny.yaml"
    file.write_text(POLICY.format(pins="\n".join(pin_lines([folder / "model"]))), "utf-8")
    return file


def haechi(*args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", RUN, *args],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        env=environment,
    )


@pytest.mark.slow
def test_lines_that_are_judged_at_the_same_time_come_out_in_order(policy: Path) -> None:
    """With their own scores, the same as alone."""
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    texts = [" ".join(words[i % 9 :] + words[: i % 5]) + "." for i in range(60)]
    given = "\n".join(json.dumps({"id": i, "text": text}) for i, text in enumerate(texts))
    done = haechi("check", "--jsonl", "--scores", "--policy", str(policy), stdin=given)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == list(range(60))
    alone = json.loads(haechi("check", "--json", "--scores", "--policy", str(policy), stdin=texts[41]).stdout)
    assert answers[41]["scores"]["toxicity"] == pytest.approx(alone["scores"]["toxicity"], abs=1e-4)
    assert len({answer["scores"]["toxicity"] for answer in answers}) > 10


STRANGE: dict[str, str] = {
    "empty": "",
    "emoji": "😀👨‍👩‍👧‍👦🏳️‍🌈" * 50,
    "controls": "".join(map(chr, range(32))),
    "directions": "abc \u202eשלום\u202c مرحبا \u2067x\u2069",
    "unknown language": "Это предложение на русском языке. これは日本語です。",
    "surrogate": "a\ud800b",
    "megabyte": "All is well. " * 80_000,
}


@pytest.mark.parametrize("named", ["default", pytest.param("model", marks=pytest.mark.slow)])
def test_strange_lines_get_a_clear_answer_each(policy: Path, named: str) -> None:
    """One answer a line, all of it looked at or somebody said to be silent; never a crash."""
    given = "\n".join(json.dumps({"id": name, "text": text}) for name, text in STRANGE.items())
    file = "default" if named == "default" else str(policy)
    done = haechi("check", "--jsonl", "--policy", file, stdin=given)
    answers = {answer["id"]: answer for answer in map(json.loads, done.stdout.splitlines())}
    assert list(answers) == list(STRANGE)
    for name, answer in answers.items():
        assert answer["total"] == len(STRANGE[name])
        assert answer["checked"] == answer["total"] or answer["unavailable"]
    assert done.returncode in {0, 1, 3}
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda folder: (folder / "model" / "model.safetensors").unlink(), "HAE-S502"),
        (lambda folder: (folder / "model" / "config.json").write_text("{}"), "HAE-S503"),
        (lambda folder: (folder / "model" / "extra.json").write_text("{}"), "HAE-S501"),
    ],
    ids=["missing", "altered", "not pinned"],
)
def test_a_model_that_is_not_the_pinned_one_is_an_error_and_no_verdict(
    damage: Callable[[Path], Any], code: str, tmp_path: Path
) -> None:
    """Exit code 3: cannot tell."""
    tiny_judges.save_sequence(tmp_path / "model", "bert", ["clean", "toxic"])
    file = tmp_path / "tiny.yaml"
    file.write_text(POLICY.format(pins="\n".join(pin_lines([tmp_path / "model"]))), "utf-8")
    damage(tmp_path)
    done = haechi("check", "--policy", str(file), stdin="hello")
    assert (done.returncode, done.stdout) == (3, "")
    assert code in done.stderr


def test_a_terminal_shows_a_bar_and_a_file_gets_lines(capfd: pytest.CaptureFixture[str]) -> None:
    """On standard error; a bar with the share of the input where its size is known."""
    code = (
        "import time; from haechi.cli._progress import Progress\n"
        "with Progress('lines checked', 40) as progress:\n"
        "    for _ in range(4):\n"
        "        time.sleep(0.21); progress.step(10)\n"
    )
    parent, child = pty.openpty()
    subprocess.run([sys.executable, "-c", code], stderr=child, check=True, cwd=ROOT)
    shown = os.read(parent, 10_000).decode()
    os.close(parent)
    os.close(child)
    assert "[##############              ]  50%  2 lines checked" in shown
    assert "100%  4 lines checked" in shown
    with _progress.Progress("lines checked") as quick:
        quick.step()
    assert capfd.readouterr().err == ""
