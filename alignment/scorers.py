"""Who judges an answer: a reward model, one of its heads, or anything that turns tokens into numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from alignment.errors import UnusableModel
from alignment.forward import Arithmetic, answer_rewards
from alignment.models import load_tokenizer
from alignment.reward import COST, Scale, load_reward_model
from alignment.teacher import GuardScorer, guard_policy
from alignment.tensor.layout import Tree, lay_out

Tokens = Sequence[int]


class Scorer(Protocol):
    """Judges answers."""

    def score(self, prompts: Sequence[Tokens], answers: Sequence[Tokens]) -> Tensor:
        """(B,) one number for each answer, on the CPU."""


class ModelScorer:
    """One head of a reward model.

    standard: put scores to mean 0 and deviation 1 with the model's own scale; a cost keeps its zero point.
    """

    def __init__(
        self, model: Any, scale: Scale, head: str, arithmetic: Arithmetic, *, batch: int, standard: bool
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self._column = scale.heads.index(head)
        self._mean = scale.mean[self._column] if standard else 0.0
        self._deviation = scale.deviation[self._column] if standard else 1.0
        self._arithmetic, self._batch = arithmetic, batch

    def score(self, prompts: Sequence[Tokens], answers: Sequence[Tokens]) -> Tensor:
        trees = [Tree(prompt, (answer,)) for prompt, answer in zip(prompts, answers, strict=True)]
        out: list[Tensor] = []
        with torch.no_grad():
            for start in range(0, len(trees), self._batch):
                layout = lay_out(trees[start : start + self._batch], share=False, pad=self._arithmetic.pad)
                rewards, _ = answer_rewards(self.model, layout.to(self.model.device), self._arithmetic)
                out.append(rewards[:, self._column].cpu())
        return (torch.cat(out) - self._mean) / self._deviation


def scorer_named(
    name: str, tokenizer: Any, arithmetic: Arithmetic, *, device: torch.device, batch: int, cost: bool = False
) -> ModelScorer | GuardScorer:
    """The judge that a recipe names: a reward run, or `guard:POLICY` (see alignment.teacher).

    Raises:
        UnusableModel: see `load_scorer`. HaechiError: the policy cannot be loaded.
    """
    policy = guard_policy(name)
    if policy is not None:
        return GuardScorer(policy, tokenizer, sign=1.0 if cost else -1.0)
    return load_scorer(name, tokenizer, arithmetic, device=device, batch=batch, cost=cost)


def load_scorer(
    path: str, tokenizer: Any, arithmetic: Arithmetic, *, device: torch.device, batch: int, cost: bool = False
) -> ModelScorer:
    """The scorer in a finished reward run, or in a reward model's folder.

    cost: take the head `cost` (or the only head), unscaled, because its zero means "acceptable".

    Raises:
        UnusableModel: it cannot be loaded, or reads other tokens than the policy writes.
    """
    inside = Path(path) / "model"
    folder = str(inside) if inside.is_dir() else path
    model, scale = load_reward_model(folder)
    if load_tokenizer(folder).get_vocab() != tokenizer.get_vocab():
        raise UnusableModel(
            f"the reward model {path} has another vocabulary than the policy",
            hint="start both runs from the same model, or train the reward model with model.path of the policy",
        )
    head = COST if cost and COST in scale.heads else scale.heads[0]
    return ModelScorer(model.to(device), scale, head, arithmetic, batch=batch, standard=not cost)
