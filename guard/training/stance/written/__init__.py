"""Pairs written by hand, for the measure only."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from guard.training.stance.pairs import REFUTED, SUPPORTED, UNSURE, Pair, Part
from haechi.base.text import Language

FILE: Final = Path(__file__).parent / "zh.txt"
SOURCE: Final = "own_written_zh"


def written_pairs() -> list[Pair]:
    """The Chinese pairs: three for each line of the file."""
    found = []
    for line in FILE.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            evidence, *claims = line.split(" | ")
            for claim, label in zip(claims, (SUPPORTED, REFUTED, UNSURE), strict=True):
                found.append(Pair(claim, evidence, (label,), Language.CHINESE, SOURCE, Part.DEV))
    return found
