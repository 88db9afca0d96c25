"""Supervised fine-tuning: raise the probability of given answers. Read it from the top: that is the algorithm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alignment.data.encode import EncodedAnswer
from alignment.forward import Arithmetic, answer_losses, arrange
from alignment.recipe import Recipe
from alignment.supervised import Loss
from alignment.tensor.layout import Tree


class AnswerLikelihood:
    """Mean negative log-likelihood per answer token; the prompt is read, not learned.

    model: a causal language model, with or without adapter.
    """

    def __init__(self, model: Any, arithmetic: Arithmetic, recipe: Recipe) -> None:
        self._model, self._arithmetic, self._recipe = model, arithmetic, recipe

    def weight(self, item: EncodedAnswer) -> float:
        return len(item.answer)

    def loss(self, items: Sequence[EncodedAnswer]) -> Loss:
        trees = [Tree(item.prompt, (item.answer,)) for item in items]
        layout = arrange(trees, self._model, self._arithmetic, share="never")
        nll, out = answer_losses(self._model, layout, self._arithmetic, lambda logps, _: -logps)
        tokens = float(layout.lengths.sum())
        balance = self._recipe.model.router_loss * out.balance * tokens
        return Loss(nll + balance, {"nll": float(nll.detach()), "router": float(out.balance.detach()) * tokens})
