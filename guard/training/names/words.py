"""Word lists of our own making, from `guard/training/phrases`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

FOLDER = Path(__file__).parent.parent / "phrases"


@cache
def words(name: str) -> tuple[str, ...]:
    """A list of `names-parts.yaml`."""
    return split(_parts()[name])


def split(listed: str) -> tuple[str, ...]:
    """Words separated by bars."""
    return tuple(word.strip() for word in listed.split("|"))


@cache
def _parts() -> dict[str, str]:
    stored: dict[str, str] = yaml.safe_load((FOLDER / "names-parts.yaml").read_text("utf-8"))
    return stored
