"""A run can be followed in a tracker, which tells what metrics.jsonl tells."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from alignment.errors import UnusableBackend
from alignment.recipe import Recipe, load_recipe
from alignment.runs.tracking import following
from alignment.train import train

SMALL = ["run.device=cpu", "run.threads=1", "model.hidden=32", "model.heads=2", "optim.steps=4", "optim.batch=8"]


def recipe(folder: Path, *settings: str) -> Recipe:
    return load_recipe("sft", "tiny-cpu", [f"run.output={folder}", *SMALL, *settings])


def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Every curve as TensorBoard's own reader finds it."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {name: [(e.step, e.value) for e in events.Scalars(name)] for name in events.Tags()["scalars"]}


@pytest.mark.filterwarnings("ignore")
def test_tensorboard_shows_every_figure_of_every_step(tmp_path: Path) -> None:
    """The same steps and values, to float32."""
    done = train(recipe(tmp_path / "run", "run.track=tensorboard"))
    shown = read(tmp_path / "run/tensorboard")
    for name, curve in shown.items():
        assert [step for step, _ in curve] == [1, 2, 3, 4]
        assert [value for _, value in curve] == pytest.approx([entry[name] for entry in done.run.history()], rel=1e-5)
    assert {"loss", "grad_norm", "learning_rate"} <= set(shown)


@pytest.mark.filterwarnings("ignore")
def test_steps_that_a_resumed_run_repeats_are_shown_once(tmp_path: Path) -> None:
    """A killed run has told steps that come after its checkpoint; the second telling counts."""
    made = recipe(tmp_path, "run.track=tensorboard")
    with following(tmp_path, made, 0) as tell:
        for step in (1, 2, 3):
            tell(step, {"loss": 9.0})
    with following(tmp_path, made, 1) as tell:
        for step in (2, 3, 4):
            tell(step, {"loss": 1.0})
    assert read(tmp_path / "tensorboard")["loss"] == [(1, 9.0), (2, 1.0), (3, 1.0), (4, 1.0)]


@pytest.mark.parametrize("tracker", ["tensorboard", "trackio", "wandb"])
def test_a_tracker_that_is_not_installed_is_named_before_anything_is_made(
    tracker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to install, and what does without."""
    monkeypatch.setitem(sys.modules, tracker, None)  # how Python marks a module that cannot be imported
    with pytest.raises(UnusableBackend, match=f"needs the package {tracker}") as caught:
        train(recipe(tmp_path / "run", f"run.track={tracker}"))
    assert "metrics.jsonl" in str(caught.value.hint)
    assert not (tmp_path / "run").exists()
