"""The guard that teaches is the guard that is deployed, and its silence is no score."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from alignment.alarms import hacked, of_dpo, of_ppo
from alignment.errors import RunConflict, TeacherUnavailable
from alignment.forward import Arithmetic
from alignment.models import Shape, new_policy, new_tokenizer
from alignment.recipe import load_recipe, recipe_of
from alignment.teacher import Checker, GuardScorer, cost_of
from alignment.train import train
from alignment.watch import Drift, drift
from guard.checker import SafetyChecker
from guard.policy import Policy
from guard.registry import Detector
from guard.scanner import Match
from guard.verdict import Category
from guard.views import TextViews

TEXTS = (
    "A fine day for a walk.",
    "you are a stupid idiot",
    "너 정말 병신 같아",
    "你这个傻逼",
    "call 010-1234-5678 now",
)


class Letters:
    """A tokenizer of letters: enough for a scorer."""

    def decode(self, tokens: Sequence[int], *, skip_special_tokens: bool) -> str:
        return "".join(map(chr, tokens))


def test_training_and_gateway_judge_alike() -> None:
    """The same verdict and policy digest for the same text, bit for bit; cost and reward are each other's opposite."""
    teacher, gateway = Checker("default"), SafetyChecker.load("default")
    answers = [[ord(letter) for letter in text] for text in TEXTS]
    costs = GuardScorer("default", Letters(), sign=1.0).score([[]] * len(TEXTS), answers)
    rewards = GuardScorer("default", Letters(), sign=-1.0).score([[]] * len(TEXTS), answers)
    assert torch.equal(costs, -rewards)
    for text, cost in zip(TEXTS, costs.tolist(), strict=True):
        verdict = gateway.check(text, direction="output")
        assert teacher.verdict(text) == verdict
        assert verdict.policy_digest == teacher.digest
        assert cost >= 0 if verdict.blocked or verdict.severity.value == "unsafe" else cost <= 0
    assert min(costs[1:].tolist()) > costs[0]


def test_zero_is_the_policys_line_whatever_its_thresholds_are() -> None:
    """A score of 0.6 is a cost where the policy calls it unsafe, and none where it does not."""
    assert cost_of(0.6, unsafe=True) > 0 > cost_of(0.4, unsafe=False)
    assert cost_of(0.6, unsafe=False) == 0
    assert cost_of(0.4, unsafe=True) == 0
    assert cost_of(1.0, unsafe=True) == 8
    assert cost_of(0.0, unsafe=False) == -8


class Broken:
    """A scanner that fails."""

    name = "broken"
    categories = frozenset(Category)
    reach = 8

    def scan(self, views: TextViews) -> tuple[Match, ...]:
        raise OSError("no dictionary")

    def hold(self, views: TextViews) -> int:
        return 0


def test_silence_of_the_teacher_stops_the_run() -> None:
    """A detector that fails has not said harmless."""
    checker = Checker("default")
    policy = Policy.load("default")
    detectors = {name: Detector(name, scanners=(Broken(),)) for name in policy.detectors}
    checker._checker = SafetyChecker(policy, detectors)
    with pytest.raises(TeacherUnavailable):
        checker.judge("anything")


def settings(folder: Path, *more: str) -> list[str]:
    small = ["run.device=cpu", "model.hidden=32", "model.heads=2", "optim.steps=2", "optim.batch=4"]
    return [f"run.output={folder}", *small, "ppo.answer_tokens=6", *more]


@pytest.mark.parametrize("estimator", ["gae", "rloo", "grpo"])
def test_a_run_with_the_guard_as_teacher_records_its_policy(tmp_path: Path, estimator: str) -> None:
    """run.json names the digests; the second judge is logged; going on under another policy is refused."""
    own = tmp_path / "own.yaml"
    own.write_text((Path(__file__).parents[3] / "policies/default.yaml").read_text("utf-8"))
    asked = [
        "ppo.reward=guard:default",
        f"ppo.cost=guard:{own}",
        "ppo.watch=guard:strict",
        f"ppo.estimator={estimator}",
    ]
    recipe = load_recipe("ppo", "tiny-cpu", settings(tmp_path / "run", *asked))
    outcome = train(recipe)
    said = json.loads((outcome.run.path / "run.json").read_text("utf-8"))
    assert said["guard"]["reward"] == SafetyChecker.load("default").policy.digest
    assert said["guard"]["watch"] == SafetyChecker.load("strict").policy.digest
    history = outcome.run.history()
    assert {"score", "cost", "watch", "multiplier"} <= set(history[0])
    assert ("explained" in history[0]) == (estimator == "gae")
    own.write_text(own.read_text("utf-8").replace("version: 2026-11", "version: 2026-11.9"))
    with pytest.raises(RunConflict, match="policy"):
        train(recipe, resume=True)


def history(score: float, watch: float) -> list[dict[str, Any]]:
    noise = [0.01, -0.01, 0.02, -0.02, 0.0]
    whole = {"explained": 0.5, "length": 10.0, "ended": 1.0, "kl": 1.0}
    return [
        {**whole, "score": i * score + noise[i % 5], "watch": i * watch + noise[(i + 2) % 5]} for i in range(25)
    ]  # fmt: skip


def test_alarms_ring_for_what_they_are_for_and_for_nothing_else() -> None:
    """Reward hacking: score up and second judge down; distance; length; displacement."""
    assert hacked(history(0.1, -0.1))
    assert not hacked(history(0.1, 0.1))
    assert not hacked(history(-0.1, -0.1))
    assert not hacked(history(0.0, 0.0))
    recipe = recipe_of("ppo", "x", {})
    assert of_ppo(recipe, history(0.1, 0.1)) == ()
    far = [{**entry, "kl": 90.0} for entry in history(0.1, 0.1)]
    assert "nats from the reference" in of_ppo(recipe, far)[0]
    assert "hacking" in of_ppo(recipe, history(0.1, -0.1))[0]
    quiet = [{"displacement": 0.0}]
    assert of_dpo(recipe, quiet, Drift(1.0, 12.0, 10.0, 8, ())) == ()
    assert "displacement" in of_dpo(recipe, [{"displacement": -2.0}], None)[0]
    both = of_dpo(recipe, quiet, Drift(50.0, 30.0, 10.0, 8, ()))
    assert ("nats" in both[0], "grew" in both[1]) == (True, True)


def test_drift_is_zero_at_the_start_and_the_exact_kl_on_average() -> None:
    """One-token answers: the mean of the estimate is the KL of the two next-token distributions."""
    tokenizer = new_tokenizer(["some words"], vocab=300)
    first, second = (new_policy(Shape(hidden=32, layers=1, heads=2, vocab=300), tokenizer, seed=s) for s in (1, 2))
    for model in (first, second):
        model.lm_head.weight.data.mul_(25)
    arithmetic = Arithmetic(64, False, 0)
    prompts = [(5, 6, 7)] * 1600
    same = drift(first, first, prompts[:8], arithmetic, tokens=4, end=2, seed=1)
    assert (same.kl, same.length) == (pytest.approx(0, abs=1e-6), same.length_before)
    found = drift(first, second, prompts, arithmetic, tokens=1, end=2, seed=1)
    with torch.no_grad():
        logs = [m(torch.tensor([[5, 6, 7]])).logits[0, -1].log_softmax(-1) for m in (first, second)]
    exact = float((logs[0].exp() * (logs[0] - logs[1])).sum())
    error = torch.tensor(found.each).std() / len(prompts) ** 0.5
    assert abs(found.kl - exact) < 4 * float(error)
    assert exact > 0.05
