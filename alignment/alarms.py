"""What a finished run shows that is known to end badly, in words; each alarm names what to turn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from alignment.optimiser import mean_of
from alignment.recipe import Recipe
from alignment.watch import Drift

History = Sequence[Mapping[str, float]]
GROWTH = 1.5
"""Answers that grow by more than this while the score rises are suspected of being liked for their length."""


def of_dpo(recipe: Recipe, history: History, drift: Drift | None) -> tuple[str, ...]:
    """Alarms of a DPO run. drift: how far held-out answers moved; None when that was not measured."""
    alarms: list[str] = []
    last = history[-10:]
    mean = sum(entry.get("displacement", 0.0) for entry in last) / max(len(last), 1)
    if mean < -recipe.dpo.displacement_alarm:
        alarms.append(
            f"likelihood displacement: chosen answers lost {-mean:.2f} nats per token against the reference; "
            "raise dpo.sft or dpo.beta, or lower optim.learning_rate"
        )
    if drift is not None and drift.kl > recipe.dpo.kl_alarm > 0:
        alarms.append(
            f"answers are {drift.kl:.1f} nats from the reference ({recipe.dpo.kl_alarm:g} allowed); raise dpo.beta"
        )
    if drift is not None and drift.length > GROWTH * drift.length_before:
        alarms.append(
            f"answers grew from {drift.length_before:.0f} to {drift.length:.0f} tokens; try dpo.loss=sigmoid_norm or simpo"
        )
    return tuple(alarms)


def of_ppo(recipe: Recipe, history: History) -> tuple[str, ...]:
    """Alarms of a PPO, RLOO or GRPO run."""
    if len(history) < 2:
        return ()
    first, last = history[0], mean_of(history[-5:])
    alarms = []
    if last.get("explained", 0.0) < 0 and len(history) > recipe.ppo.critic_warmup + 5:
        alarms.append("the critic explains less than a constant would; raise ppo.critic_warmup or ppo.critic_rate")
    if last["length"] > GROWTH * first["length"] and last["score"] > first["score"]:
        alarms.append(f"answers grew from {first['length']:.0f} to {last['length']:.0f} tokens while the score rose")
    if last["ended"] < 0.5 * first["ended"]:
        alarms.append("half of the answers that used to end no longer do; raise ppo.no_end_penalty")
    if last["kl"] > recipe.ppo.kl_alarm > 0:
        alarms.append(
            f"answers are {last['kl']:.1f} nats from the reference ({recipe.ppo.kl_alarm:g} allowed); raise ppo.kl"
        )
    if hacked(history):
        alarms.append(
            "reward hacking: the score rose while the second judge (ppo.watch) fell; raise ppo.kl, or mend the reward"
        )
    return tuple(alarms)


def hacked(history: History) -> bool:
    """Whether the score rose and the second judge fell from the run's first fifth to its last, both beyond chance.

    Beyond chance: by more than two standard errors of the difference of the two means.
    """
    share = max(3, len(history) // 5)
    if len(history) < 2 * share or "watch" not in history[0]:
        return False
    before, after = history[:share], history[-share:]
    return _moved(before, after, "score") > 2 and _moved(before, after, "watch") < -2


def _moved(before: History, after: History, name: str) -> float:
    """The difference of two means in units of its standard error."""
    groups = [[entry[name] for entry in part] for part in (before, after)]
    means = [math.fsum(values) / len(values) for values in groups]
    errors = [
        math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values)
        for values, mean in zip(groups, means, strict=True)
    ]
    return (means[1] - means[0]) / max(math.sqrt(math.fsum(errors)), 1e-9)
