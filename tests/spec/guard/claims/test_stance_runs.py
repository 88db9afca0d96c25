"""The runs whose weights are averaged: what starts from what, and what teaches which."""

from __future__ import annotations

import pytest

from guard.training.stance.derived import DENIED, TURNED
from guard.training.stance.fit import GROUPS
from guard.training.stance.pairs import REFUTED, SUPPORTED, UNSURE, Pair, Part
from guard.training.stance.runs import FREE, NEAR, runs
from guard.training.stance.written import WRITTEN, written_pairs
from haechi.base.text import Language

RUNS = list(runs(7))


def pair(source: str, kind: str, part: Part = Part.FIT) -> Pair:
    return Pair("회의가 열렸다.", "월요일에 회의가 열렸다.", (SUPPORTED,), Language.KOREAN, source, part, kind)


def test_each_run_starts_where_earlier_ones_ended() -> None:
    """And so does what is shipped; shares sum to one, and no two runs share a folder or a seed."""
    made: set[str] = set()
    for run in RUNS:
        assert {name.split("/")[0] for name in run.start} <= made
        assert sum(run.start.values()) == pytest.approx(1.0 if made else 0.0)
        made.add(run.name)
    for shipped in (NEAR, FREE):
        assert {name.split("/")[0] for name in shipped} <= made
        assert sum(shipped.values()) == pytest.approx(1.0)
    assert len(made) == len({run.recipe.seed for run in RUNS}) == len(RUNS)


def test_every_group_that_is_drawn_from_has_pairs() -> None:
    """A misspelt group, or one that a run's pairs never fill, would silently draw one pair again and again."""
    for run in RUNS:
        pairs = run.teaching([pair("ko_klue_nli", ""), *written_pairs(measured=False)])
        for stage in run.recipe.stages:
            assert sum(share for _, share in stage.shares) < 1
            for name, _ in stage.shares:
                if name not in {"planted", "widened", "words"}:
                    assert any(GROUPS[name](p) for p in pairs), (run.name, name)


def test_pairs_written_later_change_no_draw_of_an_earlier_run() -> None:
    """Each run names the files that teach it; measured parts and unknown files teach none."""
    for run in RUNS:
        assert run.teaching([pair("own_ko_taught_99", WRITTEN), pair("own_ko_taught", WRITTEN, Part.DEV)]) == []
        assert run.teaching([pair("own_ko_taught", WRITTEN, Part.BLEND)]) == []


def test_only_the_run_that_says_so_is_taught_what_follows_from_pairs() -> None:
    """Of a supported claim: its denial, refuted, and the pair turned round, not refuted."""
    for run in RUNS:
        kinds = {p.kind: p.allowed for p in run.teaching([pair("ko_klue_nli", "")])}
        follows = {DENIED: (REFUTED,), TURNED: (SUPPORTED, UNSURE)} if run.derived else {}
        assert kinds == {"": (SUPPORTED,)} | follows
    assert any(run.derived for run in RUNS)
