"""Follow a run in a tracker: TensorBoard, trackio or Weights & Biases. metrics.jsonl is written either way.

Everything is written into the run's folder and nothing leaves the machine: W&B runs offline unless WANDB_MODE says
otherwise (`wandb sync RUN/wandb/...` uploads later), trackio keeps its own database file.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from alignment.errors import UnusableBackend
from alignment.recipe import Recipe

Tell = Callable[[int, Mapping[str, float]], None]
"""Takes a step's number, from 1, and its figures."""
_PACKAGE = {"tensorboard": "tensorboard", "trackio": "trackio", "wandb": "wandb"}


def check_tracker(recipe: Recipe) -> None:
    """Refuse a tracker that is not installed, before anything is made.

    Raises:
        UnusableBackend: names the package.
    """
    package = _PACKAGE.get(recipe.run.track)
    if package is not None and find_spec(package) is None:
        raise UnusableBackend(
            f"run.track={recipe.run.track} needs the package {package}",
            hint=f"pip install {package}, or run.track=none: metrics.jsonl and `haechi train plot` need nothing",
        )


@contextlib.contextmanager
def following(folder: Path, recipe: Recipe, start: int) -> Iterator[Tell]:
    """Open the recipe's tracker for a run in `folder` that goes on after step `start`; close it at the end."""
    match recipe.run.track:
        case "none":
            yield _nobody
        case "tensorboard":
            with _tensorboard(folder / "tensorboard", start) as tell:
                yield tell
        case "trackio":
            os.environ.setdefault("TRACKIO_DIR", str(folder / "trackio"))
            import trackio

            with _like_wandb(trackio, folder, recipe) as tell:
                yield tell
        case _:
            os.environ.setdefault("WANDB_MODE", "offline")
            os.environ.setdefault("WANDB_SILENT", "true")
            os.environ.setdefault("WANDB_DIR", str(folder))
            import wandb

            with _like_wandb(wandb, folder, recipe) as tell:
                yield tell


def _nobody(step: int, metrics: Mapping[str, float]) -> None:
    pass


@contextlib.contextmanager
def _tensorboard(folder: Path, start: int) -> Iterator[Tell]:
    from torch.utils.tensorboard import SummaryWriter

    # What a killed run wrote after its checkpoint is computed again: purge_step hides it.
    with SummaryWriter(folder, purge_step=start + 1) as writer:

        def tell(step: int, metrics: Mapping[str, float]) -> None:
            for name, value in metrics.items():
                writer.add_scalar(name, value, step)

        yield tell


@contextlib.contextmanager
def _like_wandb(tracker: Any, folder: Path, recipe: Recipe) -> Iterator[Tell]:
    """Trackio has wandb's interface."""
    tracker.init(project="haechi", name=folder.name, config=recipe.values())
    try:
        yield lambda step, metrics: tracker.log(dict(metrics), step=step)
    finally:
        tracker.finish()
