"""TRL as a back-end of the same recipe; what is not installed or not done says so before anything is trained."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from alignment.errors import UnusableBackend
from alignment.recipe import load_recipe
from alignment.train import Outcome, train

CONFIGS = Path(__file__).parents[3] / "alignment/configs"
SMALL = ["run.device=cpu", "model.hidden=32", "model.heads=2", "optim.steps=4", "optim.batch=8", "optim.micro_batch=8"]


def run(kind: str, folder: Path, *settings: str) -> Outcome:
    return train(load_recipe(kind, "tiny-cpu", [f"run.output={folder}", *SMALL, *settings]))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["sft", "reward", "dpo"])
def test_trl_trains_the_same_recipe_into_the_same_folder(kind: str, tmp_path: Path) -> None:
    """Metrics under our names, a model that both back-ends can start from, and learning that goes the same way."""
    settings = ["optim.learning_rate=3e-3", "optim.steps=12"]
    theirs = run(kind, tmp_path / "trl", "run.backend=trl", *settings)
    ours = run(kind, tmp_path / "own", *settings)
    assert len(theirs.run.history()) == 12
    assert set(theirs.run.history()[0]) >= {"step", "loss"}
    assert (theirs.run.model / "model.safetensors").is_file()
    assert not (theirs.run.path / ".trl").exists()
    first, last = theirs.run.history()[0]["loss"], theirs.run.history()[-1]["loss"]
    assert last < first
    assert theirs.held_out["loss"] == pytest.approx(ours.held_out["loss"], abs=0.25)
    if kind == "reward":
        assert theirs.held_out["accuracy"] > 0.7


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_train_one_model(tmp_path: Path) -> None:
    """As accelerate launches them: one writes the folder; both saw the data, and the model is whole."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", str(free_port()), "-m", "haechi",
        "train", "dpo", "tiny-cpu", "--set", f"run.output={tmp_path / 'run'}", "--set", "run.backend=trl",
        "--set", "optim.steps=3",
    ]  # fmt: skip
    for setting in SMALL[:3]:
        command += ["--set", setting]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    weights = load_file(tmp_path / "run/model/model.safetensors")
    assert weights
    assert all(bool(torch.isfinite(weight).all()) for weight in weights.values())
    assert (tmp_path / "run/result.json").is_file()


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("ppo", ["run.backend=trl"], "TRL removed it"),
        ("dpo", ["run.backend=trl", "dpo.loss=simpo"], "simpo"),
        ("dpo", ["run.backend=trl", "dpo.sft=1"], "dpo.sft"),
        ("reward", ["run.backend=trl", "reward.heads=reward,cost"], "reward.heads"),
        ("sft", ["lora.bits=5", "lora.rank=4"], "4 or 8"),
        ("sft", ["lora.bits=4"], "adapter"),
    ],
)
def test_what_a_back_end_does_not_do_is_said_before_anything_is_made(
    kind: str, settings: list[str], said: str, tmp_path: Path
) -> None:
    """With the value that stands in the way."""
    with pytest.raises(UnusableBackend, match=said):
        run(kind, tmp_path / "run", *settings)
    assert not (tmp_path / "run").exists()


def test_qlora_without_bitsandbytes_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error with a hint, and no half-made run."""
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)  # how Python marks a module that cannot be imported
    with pytest.raises(UnusableBackend, match="bitsandbytes"):
        run("sft", tmp_path / "run", "lora.bits=4", "lora.rank=4", f"model.path={tmp_path}")
    assert not (tmp_path / "run").exists()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "bits"), [("reward", 4), ("dpo", 8), ("ppo", 4)])
def test_qlora_trains_an_adapter_and_writes_a_model_that_is_not_quantised(kind: str, bits: int, tmp_path: Path) -> None:
    """The frozen weights have 4 or 8 bits while training; what is written is the whole base with the adapter in it."""
    base = run("sft", tmp_path / "base")
    scored = run("reward", tmp_path / "scored", f"model.path={base.run.path}") if kind == "ppo" else base
    done = run(
        kind, tmp_path / "run", f"lora.bits={bits}", "lora.rank=4", f"model.path={base.run.path}", "ppo.answer_tokens=6",
        f"ppo.reward={scored.run.path}",
    )  # fmt: skip
    before, after = (load_file(each.run.model / "model.safetensors") for each in (base, done))
    assert "quantization_config" not in json.loads((done.run.model / "config.json").read_text("utf-8"))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all(after[name].dtype == before[name].dtype for name in before)
    # An adapter of rank 4 changes a matrix by one of rank 4; rounding the base to few bits changes every direction.
    for name in moved:
        assert int(torch.linalg.matrix_rank(after[name] - before[name], rtol=1e-3)) <= 4, name


def test_shipped_configurations_are_what_accelerate_reads() -> None:
    """Each file fills accelerate's own configuration without a key it does not know, and keeps its kind."""
    from accelerate.commands.config.config_args import ClusterConfig, load_config_from_file
    from accelerate.commands.launch import launch_command_parser

    kinds = {"ddp.yaml": "MULTI_GPU", "fsdp.yaml": "FSDP", "deepspeed.yaml": "DEEPSPEED"}
    assert {path.name for path in CONFIGS.glob("*.yaml")} == set(kinds)
    for name, kind in kinds.items():
        loaded = load_config_from_file(str(CONFIGS / name))
        assert isinstance(loaded, ClusterConfig)
        assert str(loaded.distributed_type).rsplit(".", 1)[-1] == kind
        assert loaded.mixed_precision == "bf16"
        options = vars(launch_command_parser().parse_args(["script.py"]))
        own = {**(loaded.fsdp_config or {}), **(loaded.deepspeed_config or {})}
        assert set(own) <= set(options), set(own) - set(options)
