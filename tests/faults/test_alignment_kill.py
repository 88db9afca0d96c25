"""kill -9 at any moment, also in the middle of a save: the resumed run ends with the weights of one never stopped."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from alignment.errors import CorruptCheckpoint
from alignment.recipe import load_recipe
from alignment.runs import checkpoint
from alignment.runs.folder import RunFolder

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from alignment.recipe import load_recipe
from alignment.train import train
train(load_recipe(sys.argv[1], "tiny-cpu", sys.argv[2:]), resume=True)
"""
SMALL = ["run.device=cpu", "model.hidden=32", "model.heads=2", "optim.batch=8", "optim.steps=24", "run.save_every=1"]
PPO = ["ppo.answer_tokens=6", "ppo.kl_target=2"]


def start(kind: str, *settings: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, kind, *settings], cwd=ROOT, env=environment)


def finish(kind: str, *settings: str) -> None:
    assert start(kind, *settings).wait(900) == 0


def model_hash(folder: Path) -> str:
    return hashlib.sha256((folder / "model/model.safetensors").read_bytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.timeout(1800)  # five starts of Python; generous, because a busy machine must not look like a broken resume
@pytest.mark.parametrize("kind", ["reward", "dpo", "ppo"])
def test_a_run_killed_again_and_again_ends_with_the_same_weights(kind: str, tmp_path: Path) -> None:
    """With a save in every step most kills fall into or next to one. Adaptive coefficients come back too."""
    settings = list(SMALL)
    if kind == "ppo":
        finish("reward", *SMALL, f"run.output={tmp_path / 'rm'}")
        settings += [*PPO, f"ppo.reward={tmp_path / 'rm'}"]
    finish(kind, *settings, f"run.output={tmp_path / 'whole'}")
    broken = tmp_path / "broken"
    kills = 0
    for after in (1, 9, 17):
        run = start(kind, *settings, f"run.output={broken}")
        metrics = broken / "metrics.jsonl"
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline and run.poll() is None:
            if metrics.exists() and len(metrics.read_bytes().splitlines()) >= after:
                break
            time.sleep(0.003)
        if run.poll() is None:
            run.send_signal(signal.SIGKILL)
            kills += run.wait() == -signal.SIGKILL
        assert not (broken / "model").exists()
    assert kills == 3
    finish(kind, *settings, f"run.output={broken}")
    assert model_hash(broken) == model_hash(tmp_path / "whole")
    assert (broken / "metrics.jsonl").read_bytes() == (tmp_path / "whole/metrics.jsonl").read_bytes()


def state(step: int) -> checkpoint.State:
    return checkpoint.State(step, {"w": torch.full((3,), float(step))}, {"price": 0.1 * step})


class Crash(BaseException):
    """The process died here."""


class DyingAt:
    """An audit hook that dies at the n-th change of the file system below a folder, as a kill would."""

    EVENTS = frozenset({"open", "os.rename", "os.mkdir", "os.rmdir", "os.remove", "shutil.rmtree"})

    def __init__(self, folder: Path) -> None:
        self.folder, self.left, self.seen = str(folder), -1, 0
        sys.addaudithook(self)

    def __call__(self, event: str, args: tuple[object, ...]) -> None:
        if self.left < 0 or event not in self.EVENTS or self.folder not in str(args[0]):
            return
        if event == "open" and isinstance(args[1], str) and args[1].startswith("r"):
            return
        self.seen += 1
        self.left -= 1
        if self.left == 0:
            self.left = -1
            raise Crash


def test_a_save_broken_off_at_any_write_leaves_the_old_state_or_the_new_one(tmp_path: Path) -> None:
    """Every change a save makes on disk is a place to die; what is found after is whole."""
    dying = DyingAt(tmp_path)
    places = 0
    for place in range(1, 60):
        folder = tmp_path / str(place)
        checkpoint.save(folder, state(1), keep=1)
        dying.left = place
        try:
            checkpoint.save(folder, state(2), keep=1)
        except Crash:
            places += 1
        else:
            dying.left = -1
            break
        found = checkpoint.load(checkpoint.finished(folder)[-1])
        assert float(found.tensors["w"][0]) == found.step
        checkpoint.save(folder, state(2), keep=1)
        assert checkpoint.load(checkpoint.finished(folder)[-1]).step == 2
    assert places >= 5


def test_every_flipped_byte_of_a_checkpoint_is_noticed(tmp_path: Path) -> None:
    """Weights, numbers and manifest alike; a missing file too."""
    done = checkpoint.save(tmp_path, state(3), keep=1)
    for path in sorted(done.iterdir()):
        whole = path.read_bytes()
        for at in range(0, len(whole), 7):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
            try:
                again = checkpoint.load(done)
            except CorruptCheckpoint:
                continue
            assert path.name == "manifest.json"  # a flip in its white space or format number changes no content
            assert float(again.tensors["w"][0]) == 3
        path.unlink()
        with pytest.raises(CorruptCheckpoint):
            checkpoint.load(done)
        path.write_bytes(whole)
    assert checkpoint.load(done).numbers == {"price": 0.1 * 3}


def test_a_line_of_metrics_cut_off_by_a_kill_is_dropped(tmp_path: Path) -> None:
    """And lines beyond the checkpoint are taken back."""
    recipe = load_recipe("sft", "tiny-cpu", [f"run.output={tmp_path / 'r'}"])
    run = RunFolder.create(recipe, data="sha256:0")
    run.metrics.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')
    assert [entry["step"] for entry in run.history()] == [1, 2, 3]
    with run.log_from(2) as log:
        log.write('{"step": 3, "again": 1}\n')
    assert run.history() == [{"step": 1}, {"step": 2}, {"step": 3, "again": 1}]
