"""Pairs written by hand, Korean and Chinese: most files teach, one is measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from guard.training.stance.pairs import REFUTED, SUPPORTED, UNSURE, Pair, part_of
from haechi.base.text import Language

FOLDER: Final = Path(__file__).parent
WRITTEN: Final = "written"
"""Kind of these pairs."""
TAUGHT: Final[Mapping[Language, tuple[str, ...]]] = {
    Language.KOREAN: ("ko_taught", "ko_taught_2", "ko_taught_3"),
    Language.CHINESE: ("zh_taught", "zh_taught_2", "zh_taught_3", "zh_taught_4"),
}
"""Files that teach, by language."""
SHORT: Final = frozenset({"own_ko_taught_2", "own_ko_taught_3", "own_zh_taught_3", "own_zh_taught_4"})
"""Sources of the shortest ones: plain sentences, with claims that share few words or nearly all."""
MEASURED: Final[Mapping[Language, tuple[str, ...]]] = {Language.CHINESE: ("zh_measured",)}
"""Files that are measured: Korean has labelled pairs for that."""


def written_pairs(*, measured: bool) -> list[Pair]:
    """Three pairs for each line of the files. measured: those of the measure (part DEV), else those that teach."""
    found = []
    for language, names in (MEASURED if measured else TAUGHT).items():
        for name in names:
            for line in (FOLDER / f"{name}.txt").read_text("utf-8").splitlines():
                if line and not line.startswith("#"):
                    found += _three(line, name, language, measured=measured)
    return found


def _three(line: str, name: str, language: Language, *, measured: bool) -> list[Pair]:
    evidence, *claims = line.split(" | ")
    part = part_of(evidence, dev=measured, own_split=False)
    return [
        Pair(claim, evidence, (label,), language, f"own_{name}", part, WRITTEN)
        for claim, label in zip(claims, (SUPPORTED, REFUTED, UNSURE), strict=True)
    ]
