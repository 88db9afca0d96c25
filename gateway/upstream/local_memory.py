"""How much memory there is, and how much a model will take: asked before loading, so that nothing is killed later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HEADER_LIMIT = 100_000_000
"""Bytes; the format's own limit for a safetensors header."""


def available_memory() -> int | None:
    """Bytes that a process may still take: what the system and, in a container, its limit leave. None: cannot tell."""
    free = [value for value in (_of_system(), _of_container()) if value is not None]
    return min(free, default=None)


def _of_system() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _of_container() -> int | None:
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text("ascii").strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text("ascii"))
        cached = _reclaimable()
    except (OSError, ValueError):
        return None
    return int(limit) - used + cached if limit.isdigit() else None


def _reclaimable() -> int:
    for line in Path("/sys/fs/cgroup/memory.stat").read_text("ascii").splitlines():
        if line.startswith("inactive_file "):
            return int(line.split()[1])
    return 0


def stored_weights(folder: Path) -> int:
    """Number of weights in a model folder.

    Raises:
        ValueError: a safetensors file whose header does not fit the file.
    """
    total = sum(_in_safetensors(file) for file in folder.glob("*.safetensors"))
    return total or sum(file.stat().st_size for file in folder.glob("*.bin")) // 2


def _in_safetensors(path: Path) -> int:
    """Weights in one file, by its header: eight bytes of length, then JSON."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size, HEADER_LIMIT):
            raise ValueError("header length")
        header: dict[str, Any] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    if end + 8 + length != size:
        raise ValueError("file length")
    total = 0
    for entry in header.values():
        count = 1
        for side in entry["shape"]:
            count *= side
        total += count
    return total
