"""Figures come with their n and interval, and planted truths are found."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import pytest

from alignment.data.demo import demo_rows
from alignment.data.files import write_jsonl
from alignment.errors import UnusableData
from alignment.recipe import load_recipe
from alignment.statistics import accuracy, calibration_error, correlation, length_matched, share
from alignment.train import train
from haechi.cli.eval import register


def command(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    args = parser.parse_args(["eval", "model", *argv])
    return int(args.run(args))


def test_wilsons_interval_is_the_published_one() -> None:
    """Newcombe 1998: 81 of 263 gives 0.2553 to 0.3662; 0 of 20 starts at zero; n of 0 is not a number."""
    known = share(81, 263)
    assert (known.low, known.high) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))
    assert share(0, 20).low == 0
    assert share(0, 20).high == pytest.approx(0.1611, abs=1e-4)
    assert math.isnan(share(0, 0).value)


def test_order_ties_and_length() -> None:
    """A tie counts half; a taste for length does not show where lengths are equal."""
    assert accuracy([1.0, -1.0, 0.0, 2.0]).value == pytest.approx(0.625)
    margins, lengths = [1.0, 1.0, -1.0, 1.0], [(10, 5), (20, 10), (10, 10), (100, 95)]
    assert length_matched(margins, lengths).value == pytest.approx(0.5)
    assert length_matched(margins, lengths).n == 2
    assert correlation([1, 2, 3], [2, 4, 6]) == pytest.approx(1)
    assert math.isnan(correlation([1, 1], [2, 3]))


def test_calibration_is_zero_for_honest_margins_and_large_for_boasting_ones() -> None:
    """sigmoid(log 3) = 0.75: right three times of four."""
    honest = [math.log(3), math.log(3), math.log(3), -math.log(3)]
    assert calibration_error(honest) == pytest.approx(0, abs=1e-9)
    assert calibration_error([9.0, -9.0]) == pytest.approx(0.5, abs=1e-3)


@pytest.mark.slow
def test_a_trained_reward_model_and_policy_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On pairs of the planted kind both order nearly all; the policy is judged against where it started."""
    data = tmp_path / "d.jsonl"
    write_jsonl(data, demo_rows()[::3])
    small = ["model.hidden=32", "model.heads=2", "optim.steps=25", "optim.learning_rate=3e-3", "run.device=cpu"]
    start = train(load_recipe("sft", "tiny-cpu", [f"run.output={tmp_path / 'sft'}", *small])).run.path
    for kind, more in (("reward", []), ("dpo", ["--reference", str(start)])):
        train(load_recipe(kind, "tiny-cpu", [f"run.output={tmp_path / kind}", f"model.path={start}", *small]))
        assert command(str(tmp_path / kind), "--data", str(data), "--json", *more) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["accuracy"]["n"] == 60
        assert found["accuracy"]["low"] > 0.85
    assert command(str(tmp_path / "dpo"), "--data", str(data)) == 0
    assert "perplexity" in capsys.readouterr().out


def test_nothing_to_measure_is_an_error(tmp_path: Path) -> None:
    """An empty set must not look like a perfect score."""
    train(
        load_recipe(
            "sft", "tiny-cpu", [f"run.output={tmp_path / 'r'}", "optim.steps=1", "model.hidden=32", "model.heads=2"]
        )
    )
    write_jsonl(tmp_path / "d.jsonl", [{"prompt": "a", "chosen": "b", "rejected": "b"}])
    with pytest.raises(UnusableData):
        command(str(tmp_path / "r"), "--data", str(tmp_path / "d.jsonl"))
