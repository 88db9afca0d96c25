"""Reward models: score an answer so that preferred answers score higher. Read it from the top: that is the algorithm.

The model is the language model's body with one linear head per quantity, saved as the family's
`...ForSequenceClassification`. Head names, means and deviations travel in its config.json, so that whoever loads the
model can put its scores on a known scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from alignment.data.encode import EncodedPair
from alignment.dpo import tree_of
from alignment.errors import UnusableData, UnusableModel
from alignment.forward import REWARD_CONFIG, Arithmetic, answer_rewards, arrange, head_scores
from alignment.models import core_of
from alignment.offline import forbid_telemetry
from alignment.recipe import Recipe
from alignment.states import KeptStates
from alignment.supervised import Loss
from alignment.tensor.preference import bradley_terry_losses, cost_losses
from haechi.base.errors import InvalidSetting

COST = "cost"


@dataclass(frozen=True, slots=True)
class Scale:
    """Mean and deviation of each head's scores on held-out answers, by which scores are put to mean 0, deviation 1."""

    heads: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


class RewardObjective:
    """The mean of the Bradley-Terry loss; for the head `cost`, of Safe-RLHF's cost loss (chosen is the safer answer)."""

    def __init__(
        self,
        model: Any,
        arithmetic: Arithmetic,
        recipe: Recipe,
        heads: tuple[str, ...],
        kept: KeptStates | None = None,
    ) -> None:
        """Prepare. kept: the states of all rows under a frozen body."""
        self._model, self._arithmetic, self._recipe, self._heads, self._kept = model, arithmetic, recipe, heads, kept

    def scores(self, items: Sequence[EncodedPair]) -> tuple[Tensor, Tensor]:
        """(B, 2, heads) of the chosen and the rejected answers, and the router's balancing loss."""
        if self._kept is not None:
            states = self._kept.of(items)
            return head_scores(core_of(self._model), states), states.new_zeros(())
        trees = [tree_of(item) for item in items]
        layout = arrange(trees, self._model, self._arithmetic, share=self._recipe.optim.share_prompts)
        rewards, balance = answer_rewards(self._model, layout, self._arithmetic)
        return rewards.view(len(items), 2, -1), balance

    def weight(self, item: EncodedPair) -> float:
        return 1.0

    def loss(self, items: Sequence[EncodedPair]) -> Loss:
        rewards, balance = self.scores(items)
        index = torch.tensor([self._heads.index(item.head) for item in items], device=rewards.device)
        own = rewards.gather(2, index[:, None, None].expand(-1, 2, 1)).squeeze(2)
        chosen, rejected = own[:, 0], own[:, 1]
        is_cost = torch.tensor([item.head == COST for item in items], device=rewards.device)
        losses = torch.where(is_cost, self._cost(items, chosen, rejected), self._reward(items, chosen, rejected))
        total = losses.sum() + self._recipe.model.router_loss * balance * len(items)
        with torch.no_grad():
            sign = torch.where(is_cost, -1.0, 1.0)
            margin = sign * (chosen - rejected)
            figures = {
                "accuracy": float((margin > 0).float().sum()),
                "margin": float(margin.sum()),
                "centre": float((0.5 * (chosen + rejected)).sum()),
            }
        return Loss(total, figures)

    def _reward(self, items: Sequence[EncodedPair], chosen: Tensor, rejected: Tensor) -> Tensor:
        values = self._recipe.reward
        margin = torch.tensor([item.margin if values.margin else 0.0 for item in items]).to(chosen)
        return bradley_terry_losses(chosen, rejected, margin, centring=values.centring)

    def _cost(self, items: Sequence[EncodedPair], chosen: Tensor, rejected: Tensor) -> Tensor:
        labels = torch.tensor([(_sign(item.chosen_unsafe), _sign(item.rejected_unsafe)) for item in items]).to(chosen)
        return cost_losses(chosen, rejected, labels[:, 0], labels[:, 1])


def heads_of(recipe: Recipe, items: Sequence[EncodedPair]) -> tuple[str, ...]:
    """The heads of a recipe, every one of which some row trains.

    Raises:
        UnusableData: a row names a head that the recipe does not have, or a head has no row.
    """
    heads = tuple(name.strip() for name in recipe.reward.heads.split(",") if name.strip())
    if not heads or len(set(heads)) != len(heads):
        raise UnusableData("reward.heads names no head, or one twice", hint="for example reward.heads = reward,cost")
    for item in items:
        if item.head not in heads:
            raise UnusableData(f"line {item.line} speaks for the head {item.head!r}", hint=f"heads: {', '.join(heads)}")
    idle = set(heads) - {item.head for item in items}
    if idle:
        raise UnusableData(f"no row speaks for {', '.join(sorted(idle))}", hint="give rows `head`, or drop the head")
    return heads


def new_reward_model(policy: Any, heads: tuple[str, ...], *, seed: int, layers: int = 0, read: str = "end") -> Any:
    """A reward model on the body of a language model; the body is shared, not copied.

    layers: how many of its lowest layers to keep; 0 keeps all. read: where a score is read, see alignment.forward.answer_states.
    The heads start at deviation 1 / sqrt(H + 1), as in the original recipe (arXiv 2009.01325).

    Raises:
        UnusableModel: the body has fewer layers.
    """
    forbid_telemetry()
    from transformers import AutoModelForSequenceClassification

    known = {name: value for name, value in policy.config.to_dict().items() if name not in ("id2label", "label2id")}
    if layers > known["num_hidden_layers"]:
        raise UnusableModel(
            f"reward.layers={layers}, but the model has {known['num_hidden_layers']} layers", hint="0 keeps all of them"
        )
    if layers:
        known["num_hidden_layers"] = layers
        known |= {"layer_types": known["layer_types"][:layers]} if known.get("layer_types") else {}
    outputs = len(heads) * (2 if read == "both" else 1)
    config = type(policy.config)(**known, num_labels=outputs)
    config.pad_token_id = policy.config.pad_token_id
    setattr(config, REWARD_CONFIG, {"read": read})
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config, attn_implementation="sdpa")
    model.model = policy.model
    if layers:
        model.model.layers = model.model.layers[:layers]
        model.model.config = model.config
    score = nn.Linear(config.hidden_size, outputs, bias=False)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        score.weight.normal_(0.0, (config.hidden_size + 1) ** -0.5, generator=generator)
    model.score = score.to(policy.device)
    return model


def check_reward(recipe: Recipe) -> None:
    """Refuse values that contradict each other.

    Raises:
        InvalidSetting: with both names.
    """
    if recipe.kind == "reward" and recipe.reward.body == "frozen" and recipe.lora.rank:
        raise InvalidSetting(
            "reward.body=frozen leaves nothing for an adapter to learn", hint="set lora.rank=0, or reward.body=train"
        )


def load_reward_model(path: str, *, dtype: torch.dtype = torch.float32) -> tuple[Any, Scale]:
    """A finished reward model and the scale of its scores.

    Raises:
        UnusableModel: it cannot be loaded, or was not trained here.
    """
    forbid_telemetry()
    from transformers import AutoModelForSequenceClassification

    try:
        model = AutoModelForSequenceClassification.from_pretrained(path, dtype=dtype, attn_implementation="sdpa")
    except (OSError, ValueError) as error:
        raise UnusableModel(f"{path} cannot be loaded as a reward model: {type(error).__name__}") from error
    said = getattr(model.config, REWARD_CONFIG, None)
    if said is None:
        raise UnusableModel(f"{path} has no reward heads", hint="train one: haechi train reward RECIPE")
    return model, Scale(tuple(said["heads"]), tuple(said["mean"]), tuple(said["deviation"]))


def write_scale(model: Any, scale: Scale) -> None:
    """Put the scale into the model's configuration, to be saved with it."""
    config = core_of(model).config
    said = {"heads": list(scale.heads), "mean": list(scale.mean), "deviation": list(scale.deviation)}
    setattr(config, REWARD_CONFIG, {**getattr(config, REWARD_CONFIG, {}), **said})


def measured_scale(
    objective: RewardObjective, items: Sequence[EncodedPair], heads: tuple[str, ...], *, batch: int
) -> Scale:
    """Mean and deviation of every head over both answers of the given pairs."""
    with torch.no_grad():
        parts = [objective.scores(items[start : start + batch])[0] for start in range(0, len(items), batch)]
    every = torch.cat(parts).flatten(0, 1).cpu()
    deviation = every.std(0).clamp(min=1e-6) if len(every) > 1 else torch.ones(len(heads))
    return Scale(heads, tuple(every.mean(0).tolist()), tuple(deviation.tolist()))


def _sign(unsafe: bool | None) -> float:
    return 0.0 if unsafe is None else (1.0 if unsafe else -1.0)
