"""Figures come with their n and interval, and planted truths are found."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import pytest
import torch

from alignment.data.demo import demo_rows
from alignment.data.encode import EncodedPair, Encoder
from alignment.data.files import read_rows, write_jsonl
from alignment.data.judge import judge
from alignment.errors import UnusableData
from alignment.evaluate import evaluate
from alignment.forward import Arithmetic, answer_rewards
from alignment.models import Shape, new_policy, new_tokenizer
from alignment.recipe import load_recipe
from alignment.reward import Scale, new_reward_model, write_scale
from alignment.statistics import (
    accuracy,
    by_length,
    calibration_error,
    calibration_interval,
    correlation,
    correlation_interval,
    length_matched,
    ratio_interval,
    share,
)
from alignment.tensor.layout import Tree, lay_out
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


def test_order_is_told_apart_by_which_answer_is_longer() -> None:
    """A model that goes by length alone is right on one side and wrong on the other; equal lengths are on neither."""
    lengths = [(5, 2), (7, 3), (2, 5), (4, 4)]
    longer, shorter = by_length([float(a - b) for a, b in lengths], lengths)
    assert (longer.value, longer.n, shorter.value, shorter.n) == (1.0, 2, 0.0, 1)


def test_figures_that_are_no_shares_have_intervals_too() -> None:
    """Fisher's for a correlation of 0.5 over 28 pairs; a ratio of sums by its definition; nothing from too few."""
    assert correlation_interval(0.5, 28) == (pytest.approx(0.1561, abs=1e-3), pytest.approx(0.7354, abs=1e-3))
    assert all(map(math.isnan, (*correlation_interval(0.5, 3), *correlation_interval(math.nan, 9))))
    low, high = ratio_interval([2.0, 4.0, 6.0], [1, 2, 3])
    assert low == high == pytest.approx(2)
    low, high = ratio_interval([1.0, 3.0], [1, 1])  # mean 2, deviation of the mean 1
    assert (low, high) == (pytest.approx(2 - 1.96, abs=1e-3), pytest.approx(2 + 1.96, abs=1e-3))
    assert all(map(math.isnan, (*ratio_interval([1.0], [1]), *calibration_interval([]))))
    margins = [math.log(3)] * 30 + [-math.log(3)] * 10
    low, high = calibration_interval(margins)
    assert low <= calibration_error(margins) + 0.02
    assert 0.02 < high < 0.25


def test_every_row_is_judged_by_its_own_head_and_a_low_cost_is_good(tmp_path: Path) -> None:
    """As computed by hand from the model; a row for a head that the model does not have is an error."""
    rows = [{**row, "head": ("reward", "cost")[n % 2]} for n, row in enumerate(demo_rows()[::12])]
    texts = [str(row[side][0]["content"]) for row in rows for side in ("prompt", "chosen", "rejected")]  # type: ignore[index]
    tokenizer = new_tokenizer(texts, vocab=400)
    model = new_reward_model(
        new_policy(Shape(hidden=32, layers=1, heads=2), tokenizer, seed=3), ("reward", "cost"), seed=4
    ).eval()
    write_scale(model, Scale(("reward", "cost"), (0.0, 0.0), (1.0, 1.0)))
    model.save_pretrained(tmp_path / "m")
    tokenizer.save_pretrained(tmp_path / "m")
    write_jsonl(tmp_path / "d.jsonl", rows)
    right: dict[str, list[bool]] = {"reward": [], "cost": []}
    for row in judge(read_rows(tmp_path / "d.jsonl")).kept:
        (item,) = Encoder(tokenizer, max_tokens=500).pairs([row])
        assert isinstance(item, EncodedPair)
        scores = []
        for answer in (item.chosen, item.rejected):
            layout = lay_out([Tree(item.prompt, (answer,))], share=False, pad=0)
            with torch.no_grad():
                scores.append(answer_rewards(model, layout, Arithmetic(64, False, 0))[0][0])
        better = scores[0] - scores[1]
        right[item.head].append(bool(better[0] > 0 if item.head == "reward" else better[1] < 0))
    found = evaluate(str(tmp_path / "m"), tmp_path / "d.jsonl")
    for head, hits in right.items():
        assert (found.heads[head].value, found.heads[head].n) == (sum(hits) / len(hits), len(hits))
    assert found.accuracy.value == pytest.approx(sum(map(sum, right.values())) / len(rows))
    write_jsonl(tmp_path / "d.jsonl", [{**rows[0], "head": "wit"}])
    with pytest.raises(UnusableData, match="wit"):
        evaluate(str(tmp_path / "m"), tmp_path / "d.jsonl")


def test_rows_that_were_trained_on_are_counted_and_ring_an_alarm(tmp_path: Path) -> None:
    """By the run's own record, asked by its folder or its model's; rows it held out, and rows of others, do not count."""
    write_jsonl(tmp_path / "d.jsonl", demo_rows()[:40])
    write_jsonl(tmp_path / "other.jsonl", demo_rows()[40:60])
    small = ["model.hidden=32", "model.heads=2", "optim.steps=1", "optim.batch=4", "dpo.watch_prompts=0"]
    settings = [f"run.output={tmp_path / 'r'}", f"data.train={tmp_path / 'd.jsonl'}", "data.held_out_share=0.2", *small]
    done = train(load_recipe("dpo", "tiny-cpu", settings))
    found = evaluate(str(done.run.path), tmp_path / "d.jsonl")
    assert found.accuracy.n == 40
    assert 0.6 * 40 < found.trained_on < 40
    assert f"{found.trained_on} of these rows" in found.alarms[0]
    assert evaluate(str(done.run.model), tmp_path / "d.jsonl").trained_on == found.trained_on
    assert evaluate(str(done.run.path), tmp_path / "other.jsonl").trained_on == 0


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
