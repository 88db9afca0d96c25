"""Direct preference optimisation. Read it from the top: that is the algorithm.

1. The reference's log-probabilities of every pair that will be seen, once, by the model before its first step.
2. Each step: the policy's log-probabilities of both answers (one prompt computation for the two where it pays), the
   loss of the pair, and alarms for what is known to go wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from alignment.data.encode import EncodedPair
from alignment.forward import Arithmetic, answer_tokens, arrange
from alignment.recipe import Recipe
from alignment.runs import checkpoint
from alignment.supervised import Loss
from alignment.tensor.layout import Tree
from alignment.tensor.logprob import segment_sums
from alignment.tensor.preference import PairLoss, PairLossTerms, PairScores, pair_losses

Reference = dict[int, tuple[float, float]]
"""Line to the reference's log-probability of the chosen and of the rejected answer."""


def tree_of(item: EncodedPair) -> Tree:
    """A pair as one prompt with two answers, the chosen one first."""
    return Tree(item.prompt, (item.chosen, item.rejected))


class PreferenceObjective:
    """The mean of a pair loss (alignment.tensor.preference).

    model: a causal language model, with or without adapter.
    reference: see `reference_logps`; empty for losses that need none.
    """

    def __init__(self, model: Any, arithmetic: Arithmetic, recipe: Recipe, reference: Reference) -> None:
        self._model, self._arithmetic, self._recipe, self._reference = model, arithmetic, recipe, reference
        d = recipe.dpo
        self._terms = PairLossTerms(PairLoss(d.loss), d.beta, d.smoothing, d.gap, d.sft)

    def weight(self, item: EncodedPair) -> float:
        return 1.0

    def loss(self, items: Sequence[EncodedPair]) -> Loss:
        trees = [tree_of(item) for item in items]
        layout = arrange(trees, self._model, self._arithmetic, share=self._recipe.optim.share_prompts)
        out = answer_tokens(self._model, layout, self._arithmetic)
        logps = segment_sums(out.logps, layout.segments, layout.answers).view(-1, 2)
        reference = torch.tensor([self._reference.get(item.line, (0.0, 0.0)) for item in items]).to(logps)
        lengths = layout.lengths.view(-1, 2).to(logps)
        scores = PairScores(logps[:, 0], logps[:, 1], reference[:, 0], reference[:, 1], lengths[:, 0], lengths[:, 1])
        total = pair_losses(scores, self._terms).sum()
        total = total + self._recipe.model.router_loss * out.balance * len(items)
        with torch.no_grad():
            return Loss(total, self._figures(logps, reference, lengths))

    def _figures(self, logps: Tensor, reference: Tensor, lengths: Tensor) -> dict[str, float]:
        if self._terms.kind.needs_reference:
            rewards = self._terms.beta * (logps - reference)
        else:
            rewards = self._terms.beta * logps / lengths
        margin = rewards[:, 0] - rewards[:, 1]
        return {
            "accuracy": float((margin > 0).float().sum()),
            "margin": float(margin.sum()),
            "reward_chosen": float(rewards[:, 0].sum()),
            "reward_rejected": float(rewards[:, 1].sum()),
            # Likelihood displacement: the pair can be won while both answers, the chosen too, become unlikely.
            "displacement": float(((logps - reference)[:, 0] / lengths[:, 0]).sum()) if reference.any() else 0.0,
        }


def reference_logps(
    model: Any, items: Sequence[EncodedPair], arithmetic: Arithmetic, recipe: Recipe, kept_in: Path
) -> Reference:
    """The log-probabilities of the model as it is now, read from `kept_in` when a run has already written them."""
    if kept_in.is_dir():
        tensors = checkpoint.load(checkpoint.finished(kept_in)[-1]).tensors
        return {
            int(n): (float(c), float(r))
            for n, c, r in zip(*(tensors[k] for k in ("line", "chosen", "rejected")), strict=True)
        }
    sums: list[Tensor] = []
    order = sorted(items, key=lambda item: (len(item.prompt) + len(item.chosen) + len(item.rejected), item.line))
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for start in range(0, len(order), recipe.optim.micro_batch):
            trees = [tree_of(item) for item in order[start : start + recipe.optim.micro_batch]]
            layout = arrange(trees, model, arithmetic, share=recipe.optim.share_prompts)
            out = answer_tokens(model, layout, arithmetic)
            sums.append(segment_sums(out.logps, layout.segments, layout.answers).view(-1, 2).cpu())
    model.train(was_training)
    both = torch.cat(sums)
    lines = torch.tensor([item.line for item in order])
    tensors = {"line": lines, "chosen": both[:, 0], "rejected": both[:, 1]}
    checkpoint.save(kept_in, checkpoint.State(0, tensors, {}), keep=1)
    return {item.line: (float(c), float(r)) for item, (c, r) in zip(order, both.tolist(), strict=True)}
