"""AdamW with a schedule, one step at a time, and its state by name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from alignment.recipe import OptimValues
from alignment.runs.loop import NotFinite


class Stepper:
    """Owns the trained weights of a run and the optimiser's moments.

    named: weights that train, by names that stay the same from run to run.
    rate: peak learning rate.
    """

    def __init__(self, named: Mapping[str, nn.Parameter], values: OptimValues, *, rate: float, total: int) -> None:
        self.named = dict(named)
        self._values, self._rate, self._total = values, rate, total
        matrices = [p for p in self.named.values() if p.ndim >= 2]
        vectors = [p for p in self.named.values() if p.ndim < 2]
        groups = [{"params": matrices, "weight_decay": values.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        self._optimiser = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=rate,
            betas=(values.beta1, values.beta2),
            eps=values.epsilon,
            fused=True,
        )

    def step(self, number: int, lines: Sequence[int]) -> dict[str, float]:
        """Apply the gradients of update `number` and clear them.

        Raises:
            NotFinite: the gradient's norm is not finite; no weight has been changed.
        """
        norm = nn.utils.clip_grad_norm_(self.named.values(), self._values.max_grad_norm)
        if not math.isfinite(float(norm)):
            self.clear()
            raise NotFinite("the gradient", lines)
        rate = self._rate * schedule(number, self._total, self._values)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.step()
        self.clear()
        return {"grad_norm": float(norm), "learning_rate": rate}

    def clear(self) -> None:
        """Forget the gradients."""
        self._optimiser.zero_grad(set_to_none=True)

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """Weights and moments."""
        out: dict[str, Tensor] = {}
        for name, weight in self.named.items():
            out[f"{prefix}weight.{name}"] = weight.data
            for part, value in self._optimiser.state.get(weight, {}).items():
                out[f"{prefix}{part}.{name}"] = value
        return out

    def restore(self, tensors: Mapping[str, Tensor], prefix: str) -> None:
        """Take weights and moments back."""
        for name, weight in self.named.items():
            weight.data.copy_(tensors[f"{prefix}weight.{name}"])
            state: dict[str, Any] = {}
            for part in ("step", "exp_avg", "exp_avg_sq"):
                saved = tensors.get(f"{prefix}{part}.{name}")
                if saved is not None:
                    state[part] = saved.clone().to(weight.device if part != "step" else saved.device)
            if state:
                self._optimiser.state[weight] = state


def schedule(step: int, total: int, values: OptimValues) -> float:
    """The learning rate of update `step` (from 0) as a share of its peak."""
    if step < values.warmup_steps:
        return (step + 1) / values.warmup_steps
    done = (step - values.warmup_steps) / max(total - values.warmup_steps, 1)
    if values.schedule == "linear":
        return 1 - done
    return 0.5 * (1 + math.cos(math.pi * done)) if values.schedule == "cosine" else 1.0


def trainable(*models: tuple[str, nn.Module]) -> dict[str, nn.Parameter]:
    """The weights that train, each tied weight once, by prefix and name."""
    named: dict[str, nn.Parameter] = {}
    for prefix, model in models:
        named |= {f"{prefix}{name}": p for name, p in model.named_parameters() if p.requires_grad}
    return named


def batch_rows(count: int, batch: int, seed: int, step: int) -> list[int]:
    """Indexes of the rows of step `step` (from 0): endless shuffled passes, a function of its arguments alone."""
    out: list[int] = []
    first = step * batch
    while len(out) < batch:
        epoch, at = divmod(first + len(out), count)
        generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
        out += torch.randperm(count, generator=generator)[at : at + batch - len(out)].tolist()
    return out


def mean_of(entries: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Means of equal keys, in the order of the first entry."""
    listed = list(entries)
    return {name: sum(entry[name] for entry in listed) / len(listed) for name in listed[0]}
