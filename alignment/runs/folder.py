"""The folder of a run.

run.json       recipe, its digest, data manifest, versions: written first, never changed
metrics.jsonl  one object per step, in order; `--resume` cuts it back to the checkpoint
checkpoints/   see alignment.runs.checkpoint
model/         the trained model with its tokenizer, ready to be loaded; exists only when the run is finished
adapter/       the adapter alone, when one was trained
"""

from __future__ import annotations

import contextlib
import json
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from alignment.data.lineage import ROWS
from alignment.errors import NoRun, RunConflict
from alignment.recipe import Recipe, recipe_of
from alignment.runs import checkpoint
from haechi.base.errors import UnwritableOutput

_DESCRIPTION = "run.json"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run on disk. Open one with `create` or `resume`."""

    path: Path

    @property
    def metrics(self) -> Path:
        """One JSON object per step."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints are."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """The finished model."""
        return self.path / "model"

    @property
    def adapter(self) -> Path:
        """The finished adapter."""
        return self.path / "adapter"

    @classmethod
    def create(cls, recipe: Recipe, *, data: str, guard: Mapping[str, str] | None = None) -> RunFolder:
        """Start a run in an empty or missing folder. data: digest of the rows. guard: digests of policies that judge.

        Raises:
            RunConflict: the folder is taken.
            UnwritableOutput: it cannot be made.
        """
        run = cls(recipe.output)
        if run.exists():
            raise RunConflict(
                f"{run.path} already holds a run", hint="--resume continues it; --set run.output=DIR starts another"
            )
        try:
            run.path.mkdir(parents=True, exist_ok=True)
            _write_json(run.path / _DESCRIPTION, _description(recipe, data, guard or {}))
        except OSError as error:
            raise UnwritableOutput(f"cannot write to {run.path}: {error.strerror}") from error
        return run

    @classmethod
    def resume(cls, recipe: Recipe, *, data: str, guard: Mapping[str, str] | None = None) -> RunFolder:
        """Open the run of this recipe to continue it; start it when there is none.

        Raises:
            RunConflict: the folder holds a run of other values or other data, or a policy that judges has changed.
        """
        run = cls(recipe.output)
        if not run.exists():
            return cls.create(recipe, data=data, guard=guard)
        begun = run.description()
        if begun["kind"] != recipe.kind:
            raise RunConflict(f"{run.path} holds a {begun['kind']} run", hint="choose another folder with run.output")
        if begun["digest"] != recipe.digest():
            now = recipe.values()
            changed = sorted(name for name, value in begun["recipe"].items() if now.get(name) != value)
            raise RunConflict(
                f"{run.path} was begun with other values of: {', '.join(changed)}", hint="give the same values"
            )
        if begun["data"] != data:
            raise RunConflict(
                f"{run.path} was begun with other rows", hint="restore the data file, or start another run"
            )
        if begun.get("guard", {}) != dict(guard or {}):
            raise RunConflict(
                f"a policy that judges answers in {run.path} has changed since", hint="restore it, or start another run"
            )
        return run

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open an existing run to look at it.

        Raises:
            NoRun: the folder is none.
        """
        if not (path / _DESCRIPTION).is_file():
            raise NoRun(f"{path} is not the folder of a run", hint="runs are written where run.output says")
        return cls(path)

    def exists(self) -> bool:
        """Whether a run was begun here."""
        return (self.path / _DESCRIPTION).exists()

    def withdraw(self) -> None:
        """Forget a run that has not done a step, so that the folder is free for one of other values."""
        if self.history() or checkpoint.finished(self.checkpoints):
            return
        for name in ("reference", "checkpoints"):
            shutil.rmtree(self.path / name, ignore_errors=True)
        for name in (_DESCRIPTION, ROWS, self.metrics.name):
            (self.path / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # what else lies there, states or a log, stays
            self.path.rmdir()

    def description(self) -> dict[str, Any]:
        """What run.json says."""
        described: dict[str, Any] = json.loads((self.path / _DESCRIPTION).read_text("utf-8"))
        return described

    def recipe(self) -> Recipe:
        """The recipe the run was begun with."""
        begun = self.description()
        return recipe_of(begun["kind"], begun["name"], begun["recipe"])

    def latest(self) -> checkpoint.State | None:
        """The newest finished checkpoint, checked; None when there is none."""
        done = checkpoint.finished(self.checkpoints)
        return checkpoint.load(done[-1]) if done else None

    def history(self) -> list[dict[str, float]]:
        """Every step's metrics; a line cut off by a kill is left out."""
        if not self.metrics.exists():
            return []
        lines = self.metrics.read_text("utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def log_from(self, step: int) -> IO[str]:
        """Open the metrics to append, cut back to the lines of steps up to `step`."""
        kept = [entry for entry in self.history() if entry["step"] <= step]
        beside = self.metrics.with_suffix(".partial")
        beside.write_text("".join(line_of(entry) for entry in kept), "utf-8")
        beside.replace(self.metrics)
        return self.metrics.open("a", encoding="utf-8")


def line_of(entry: Mapping[str, float]) -> str:
    """A line of metrics.jsonl."""
    return json.dumps(entry) + "\n"


def _description(recipe: Recipe, data: str, guard: Mapping[str, str]) -> dict[str, object]:
    packages = ("haechi", "torch", "transformers", "peft", "safetensors")
    return {
        "format": 1,
        "kind": recipe.kind,
        "name": recipe.name,
        "digest": recipe.digest(),
        "data": data,
        "guard": dict(guard),
        "recipe": recipe.values(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
    }


def _write_json(path: Path, content: object) -> None:
    beside = path.with_suffix(".partial")
    beside.write_text(json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False), "utf-8")
    checkpoint.sync(beside)
    beside.replace(path)
