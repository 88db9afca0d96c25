"""The runs whose weights are averaged: the first, and those that go on from it with other pairs and other draws.

Runs that begin at one place and are taught different things err differently, and between their ends lies a model that errs
less than each (docs/stance.md has the figures).

Rules of this file
1. A run is known by its name and recipe, so that it is resumed, and made again, by itself.
2. What teaches a run is named: pairs that were written later change none of its draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from guard.training.stance.derived import derived_pairs
from guard.training.stance.fit import EARLY_FILE, STATE_FILE, FitRecipe, Stage
from guard.training.stance.pairs import Pair, Part
from guard.training.stance.written import TAUGHT, WRITTEN
from haechi.base.text import Language

_FIRST: Final = frozenset({"own_ko_taught", "own_zh_taught", "own_zh_taught_2"})
_SECOND: Final = _FIRST | {"own_ko_taught_2", "own_zh_taught_3"}
_ALL: Final = frozenset(f"own_{name}" for names in TAUGHT.values() for name in names)
FIRST: Final = "first"
"""Name of the run that all others go on from."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run. start: shares of saved weights, by file below the folder of all runs; empty: the pretrained encoder.

    written: sources of the written pairs that teach it. derived: whether what follows from pairs teaches as well.
    """

    name: str
    recipe: FitRecipe
    written: frozenset[str]
    start: Mapping[str, float]
    derived: bool = False

    def teaching(self, pairs: Sequence[Pair]) -> list[Pair]:
        """Those of all pairs that teach this run, and what follows from them."""
        mine = [p for p in pairs if p.part is Part.FIT and (p.kind != WRITTEN or p.source in self.written)]
        follows = derived_pairs([p for p in mine if p.kind in {"", WRITTEN}]) if self.derived else []
        return [*mine, *follows]


def _further(seed: int, rate: float, pairs: int, shares: Mapping[str, float], *, falls: bool = True) -> FitRecipe:
    """One stage. falls: whether the rate falls to nothing over it, or stays."""
    stages = (Stage(pairs, 1200, tuple(shares.items())),)
    return FitRecipe(stages=stages, seed=seed, pool=1024, rate=rate, warm=400, cool=pairs if falls else 1)


def runs(seed: int) -> Iterator[Run]:
    """All runs in the order in which they are made."""
    between = {f"{FIRST}/{STATE_FILE}": 0.65, f"{FIRST}/{EARLY_FILE}": 0.35}
    yield Run(FIRST, FitRecipe(seed=seed), _FIRST, {})
    shares = {"planted": 0.10, "widened": 0.08, "words": 0.06, "korean": 0.18, "klue": 0.10, "written": 0.24}
    yield Run("people", _further(seed + 14, 1e-4, 14336, shares, falls=False), _SECOND, between)
    shares = {"short": 0.22, "written": 0.14, "korean": 0.14, "klue": 0.10}
    shares |= {"planted": 0.09, "widened": 0.08, "words": 0.06}
    yield Run("short", _further(seed + 15, 1e-4, 32768, shares), _SECOND, {f"people/{STATE_FILE}": 1.0})
    shares = {"short": 0.25, "written": 0.12, "korean": 0.05, "planted": 0.12, "widened": 0.10, "words": 0.06}
    yield Run("other", _further(seed + 24, 1e-4, 11264, shares), _SECOND, between)
    shares = {"written": 0.25, "denied": 0.17, "turned": 0.09, "korean": 0.06}
    shares |= {"planted": 0.04, "widened": 0.05, "words": 0.03}
    early = {f"{FIRST}/{EARLY_FILE}": 1.0}
    yield Run("denied", _further(seed + 34, 1.3e-4, 27648, shares), _ALL, early, derived=True)


NEAR: Final[Mapping[str, float]] = {f"{FIRST}/{STATE_FILE}": 0.9, f"{FIRST}/{EARLY_FILE}": 0.1}
FREE: Final[Mapping[str, float]] = {
    f"short/{STATE_FILE}": 0.5,
    f"other/{STATE_FILE}": 0.3,
    f"denied/{STATE_FILE}": 0.2,
}
KOREAN: Final[Mapping[str, float]] = {f"other/{STATE_FILE}": 0.75, f"{FIRST}/{EARLY_FILE}": 0.25}
"""Shares of the saved weights in the three sets of upper layers that are shipped."""
TOWARDS: Final[Mapping[Language, tuple[Language, float]]] = {Language.KOREAN: (Language.ENGLISH, 0.75)}
"""Towards which language's centre a text is moved before the last two sets, and by what share of the way, by its language. The way
begins between that language's centre and the text's own mean (OWN)."""
