"""`haechi train` from the outside."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from alignment.errors import RunConflict
from haechi.base.errors import InvalidSetting, UnknownSetting
from haechi.cli.train import register


def command(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    args = parser.parse_args(["train", *argv])
    return int(args.run(args))


def test_a_run_goes_from_recipe_to_curves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Train, refuse to train over it, go on with nothing left to do, draw."""
    folder = tmp_path / "run"
    argv = [
        "dpo",
        "tiny-cpu",
        "--set",
        f"run.output={folder}",
        "--set",
        "optim.steps=2",
        "--set",
        "model.hidden=32",
        "--json",
    ]
    assert command(*argv) == 0
    said = json.loads(capsys.readouterr().out)
    assert Path(said["model"], "model.safetensors").is_file()
    assert 0 <= said["held_out"]["accuracy"] <= 1
    with pytest.raises(RunConflict):
        command(*argv)
    assert command(*argv, "--resume") == 0
    assert json.loads(capsys.readouterr().out)["held_out"] == said["held_out"]
    assert command("plot", str(folder)) == 0
    assert (folder / "curves.svg").is_file()
    with pytest.raises(InvalidSetting):
        command("plot", str(folder), "--output", str(folder / "curves.bmp"))


def test_recipes_and_values_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """For people and for machines."""
    assert command("recipes") == 0
    shown = capsys.readouterr().out
    assert "tiny-cpu" in shown
    assert "optim.learning_rate" in shown
    assert command("recipes", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert "moe" in listed["recipes"]
    assert all(value["help"] for value in listed["values"])


def test_a_typing_error_costs_nothing(tmp_path: Path) -> None:
    """It is found before a model is loaded or a folder made."""
    with pytest.raises(UnknownSetting) as caught:
        command("sft", "tiny-cpu", "--set", f"run.output={tmp_path / 'r'}", "--set", "optim.learning_rat=1")
    assert "optim.learning_rate" in caught.value.hint
    assert not (tmp_path / "r").exists()
