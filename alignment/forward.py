"""From laid-out tokens through a model to what losses need: log-probabilities, rewards, the router's balance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from alignment.models import core_of
from alignment.tensor.layout import Layout, Tree, lay_out, sharing_gain
from alignment.tensor.logprob import TokenLoss, token_logprobs, token_losses

REWARD_CONFIG = "haechi_reward"
"""Where a reward model's configuration keeps its heads, their scale, and how they read an answer."""
SHARING_PAYS = 1.02  # predictions were within 2 % of what was measured


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """How to compute. chunk: positions whose logits exist at once. bf16: layers under autocast."""

    chunk: int
    bf16: bool
    pad: int


@dataclass(frozen=True, slots=True)
class AnswerTokens:
    """Per answer token, N of them in the order of the layout.

    logps: (N,) nats. entropy: (N,) nats, zeros unless asked for. hidden: (N, H) of the predicting positions.
    balance: the router's balancing loss, a scalar; 0 in a dense model.
    """

    logps: Tensor
    entropy: Tensor
    hidden: Tensor
    balance: Tensor


def arrange(trees: list[Tree], model: Any, arithmetic: Arithmetic, *, share: str) -> Layout:
    """Lay out trees for a model. share: `auto` asks the cost model, and does not share where it predicts a loss."""
    config = model.config
    shared = share == "always"
    if share == "auto" and any(len(tree.answers) > 1 for tree in trees):
        inner = getattr(config, "moe_intermediate_size", 0) * getattr(config, "num_experts_per_tok", 1)
        size = {"hidden": config.hidden_size, "layers": config.num_hidden_layers, "vocab": config.vocab_size}
        shared = sharing_gain(trees, intermediate=inner or config.intermediate_size, **size) > SHARING_PAYS
    return lay_out(trees, share=shared, pad=arithmetic.pad).to(model.device)


def answer_tokens(
    model: Any, layout: Layout, arithmetic: Arithmetic, *, temperature: float = 1.0, entropy: bool = False
) -> AnswerTokens:
    """Run a causal language model and its head, the head on answer positions only."""
    core = core_of(model)
    states, balance = last_states(core, layout, arithmetic)
    hidden, weight = _for_head(states[layout.rows, layout.columns], core.lm_head.weight, arithmetic)
    logps, entropies = token_logprobs(
        hidden, weight, layout.targets, chunk=arithmetic.chunk, temperature=temperature, entropy=entropy
    )
    return AnswerTokens(logps, entropies, hidden, balance)


def answer_losses(
    model: Any,
    layout: Layout,
    arithmetic: Arithmetic,
    loss: TokenLoss,
    *,
    temperature: float = 1.0,
    entropy: bool = False,
) -> tuple[Tensor, AnswerTokens]:
    """The sum of a per-token loss over all answer tokens, with gradient, and the figures of the tokens without."""
    core = core_of(model)
    states, balance = last_states(core, layout, arithmetic)
    hidden, weight = _for_head(states[layout.rows, layout.columns], core.lm_head.weight, arithmetic)
    total, logps, entropies = token_losses(
        hidden, weight, layout.targets, loss, chunk=arithmetic.chunk, temperature=temperature, entropy=entropy
    )
    return total, AnswerTokens(logps, entropies, hidden, balance)


def _for_head(hidden: Tensor, weight: Tensor, arithmetic: Arithmetic) -> tuple[Tensor, Tensor]:
    return (hidden.bfloat16(), weight.bfloat16()) if arithmetic.bf16 else (hidden, weight)


def last_states(core: Any, layout: Layout, arithmetic: Arithmetic) -> tuple[Tensor, Tensor]:
    """(B, T, H) hidden states of the decoder under a head, and the router's balancing loss."""
    experts = getattr(core.config, "num_experts", 0)
    options = {"output_router_logits": True} if experts and torch.is_grad_enabled() else {}
    with torch.autocast(layout.ids.device.type, dtype=torch.bfloat16, enabled=arithmetic.bf16):
        out = core.model(
            input_ids=layout.ids,
            attention_mask=layout.mask,
            position_ids=layout.positions,
            use_cache=False,
            **options,
        )
    states = out.last_hidden_state
    if not options:
        return states, torch.zeros((), device=states.device)
    from transformers.models.qwen3_moe.modeling_qwen3_moe import load_balancing_loss_func

    return states, load_balancing_loss_func(out.router_logits, experts, core.config.num_experts_per_tok)


def answer_states(core: Any, layout: Layout, arithmetic: Arithmetic) -> tuple[Tensor, Tensor]:
    """(S, R, H) what the heads of a reward model see of each answer in R readings, and the router's balancing loss.

    `read` in the model's configuration: "end" is the state of an answer's last token, "mean" the mean over the N positions that
    predict its tokens, "both" is the mean and then the end.
    """
    states, balance = last_states(core, layout, arithmetic)
    read = getattr(core.config, REWARD_CONFIG, {}).get("read", "end")
    found = []
    if read != "end":
        every = states[layout.rows, layout.columns].float()
        sums = every.new_zeros(layout.answers, every.shape[1]).index_add(0, layout.segments, every)
        found.append(sums / layout.lengths[:, None])
    if read != "mean":
        found.append(states[layout.ends[:, 0], layout.ends[:, 1]].float())
    return torch.stack(found, 1), balance


def head_scores(core: Any, states: Tensor) -> Tensor:
    """(..., heads) rewards from states (..., R, H): each reading has rows of its own in the heads' weight (R * heads, H)."""
    readings = states.shape[-2]
    every: Tensor = core.score(states).unflatten(-1, (readings, -1))
    return every.diagonal(dim1=-3, dim2=-2).sum(-1)


def answer_rewards(model: Any, layout: Layout, arithmetic: Arithmetic) -> tuple[Tensor, Tensor]:
    """(S, heads) rewards of a reward model, and the router's balancing loss."""
    core = core_of(model)
    states, balance = answer_states(core, layout, arithmetic)
    return head_scores(core, states), balance
