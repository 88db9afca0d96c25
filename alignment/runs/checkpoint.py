"""Checkpoints: all or nothing on disk, checked before they are believed, safetensors and JSON only.

Protocol: write into a hidden folder, sync every file, write the manifest of SHA-256 digests last, sync, rename, sync the
parent. A kill at any point leaves either the old set of checkpoints or the new one. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignment.errors import CorruptCheckpoint

_MANIFEST = "manifest.json"
_PREFIX = "step-"


@dataclass(frozen=True, slots=True)
class State:
    """What a run needs to go on as if nothing had happened.

    step: steps done.
    tensors: every trained weight and every optimiser moment, by name.
    numbers: the rest (adaptive coefficients, running statistics); JSON keeps floats exactly.
    """

    step: int
    tensors: Mapping[str, Any]
    numbers: Mapping[str, float]


def save(folder: Path, state: State, *, keep: int) -> Path:
    """Write a checkpoint and forget the oldest ones beyond `keep`."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    done = folder / f"{_PREFIX}{state.step:08d}"
    if (done / _MANIFEST).exists():
        return done  # a step's state is a function of the run, so this is the same one
    partial = folder / f".{done.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    save_file({name: t.detach().contiguous().cpu() for name, t in state.tensors.items()}, partial / "state.safetensors")
    _write(partial / "state.json", {"step": state.step, "numbers": dict(state.numbers)})
    digests = {path.name: _digest(path) for path in sorted(partial.iterdir())}
    for path in partial.iterdir():
        sync(path)
    _write(partial / _MANIFEST, {"format": 1, "files": digests})
    sync(partial / _MANIFEST)
    sync(partial)
    shutil.rmtree(done, ignore_errors=True)
    partial.replace(done)
    sync(folder)
    for old in finished(folder)[:-keep]:
        shutil.rmtree(old)
    return done


def finished(folder: Path) -> list[Path]:
    """Finished checkpoints, oldest first."""
    return sorted(path for path in folder.glob(f"{_PREFIX}*") if path.is_dir())


def load(checkpoint: Path) -> State:
    """Read a checkpoint back.

    Raises:
        CorruptCheckpoint: a file is missing, or is not the one that was written.
    """
    from safetensors.torch import load_file

    try:
        manifest = json.loads((checkpoint / _MANIFEST).read_text("utf-8"))
        for name, digest in manifest["files"].items():
            if _digest(checkpoint / name) != digest:
                raise _corrupt(checkpoint, f"{name} is not the file that was written")
        state = json.loads((checkpoint / "state.json").read_text("utf-8"))
        return State(int(state["step"]), load_file(checkpoint / "state.safetensors"), state["numbers"])
    except (OSError, ValueError, KeyError) as error:
        raise _corrupt(checkpoint, f"{type(error).__name__}") from error


def sync(path: Path) -> None:
    """Have the disk confirm a file or folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _corrupt(checkpoint: Path, what: str) -> CorruptCheckpoint:
    return CorruptCheckpoint(
        f"the checkpoint {checkpoint} is damaged: {what}",
        hint=f"remove {checkpoint} and --resume again; the checkpoint before it is then used",
    )


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True), "utf-8")


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
