"""Chinese pairs written by hand: one file teaches, the other is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from guard.training.stance.pairs import REFUTED, SUPPORTED, UNSURE, Pair, part_of
from haechi.base.text import Language

FOLDER: Final = Path(__file__).parent
WRITTEN: Final = "written"
"""Kind of these pairs."""


def written_pairs(*, measured: bool) -> list[Pair]:
    """Three pairs for each line of a file. measured: those of the measure (part DEV), else those that teach."""
    name = "zh_measured" if measured else "zh_taught"
    found = []
    for line in (FOLDER / f"{name}.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            evidence, *claims = line.split(" | ")
            part = part_of(evidence, dev=measured, own_split=False)
            for claim, label in zip(claims, (SUPPORTED, REFUTED, UNSURE), strict=True):
                found.append(Pair(claim, evidence, (label,), Language.CHINESE, f"own_{name}", part, WRITTEN))
    return found
