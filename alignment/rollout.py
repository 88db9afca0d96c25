"""Sample answers in a batch with a key-value cache, and keep each token's log-probability as it is drawn.

The trainer uses these log-probabilities as the old ones, so no second pass over the answers is needed; it compares them
with its own in the first update and stops the run when the two disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from alignment.forward import Arithmetic
from alignment.models import core_of
from alignment.tensor.policy_gradient import answer_mask

Tokens = Sequence[int]


@dataclass(frozen=True, slots=True)
class Rollout:
    """B sampled answers of at most T tokens.

    tokens: (B, T), padding after the end. logps: (B, T) nats under the sampler, 0 in the padding.
    mask: (B, T) True up to and with the end token. ended: (B,) whether the answer has an end token.
    """

    tokens: Tensor
    logps: Tensor
    mask: Tensor
    ended: Tensor

    def answers(self) -> list[list[int]]:
        """Each answer's tokens, the end token included."""
        return [row[keep].tolist() for row, keep in zip(self.tokens, self.mask, strict=True)]


class Sampler(Protocol):
    """Draws one answer to each prompt with the weights that a policy has now."""

    def __call__(self, model: Any, prompts: Sequence[Tokens]) -> Rollout: ...


@torch.no_grad()  # type: ignore[untyped-decorator]  # torch is untyped here
def sample(
    model: Any, prompts: Sequence[Tokens], arithmetic: Arithmetic, *, tokens: int, end: int, temperature: float
) -> Rollout:
    """Draw one answer for each prompt from the whole distribution (no top-k, no top-p: the ratio assumes none).

    temperature: 0 takes the likeliest token instead. Uses torch's global generator, which the loop seeds per step.
    """
    from transformers import DynamicCache

    core = core_of(model)
    device = core.lm_head.weight.device
    ids, mask = _left_padded(prompts, arithmetic.pad, device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    cache = DynamicCache(config=core.config)
    drawn, logps = [], []
    done = torch.zeros(len(prompts), dtype=torch.bool, device=device)
    for _ in range(tokens):
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=arithmetic.bf16):
            out = core.model(
                input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
            )
        token, logp = _draw(core, out.last_hidden_state[:, -1], temperature, arithmetic)
        token = token.masked_fill(done, arithmetic.pad)
        drawn.append(token)
        logps.append(logp.masked_fill(done, 0.0))
        done = done | (token == end)
        if bool(done.all()):
            break
        ids = token[:, None]
        mask = torch.cat([mask, mask.new_ones(len(prompts), 1)], 1)
        positions = positions[:, -1:] + 1
    answers = torch.stack(drawn, 1)
    return Rollout(answers, torch.stack(logps, 1), answer_mask(answers, end), done)


def _draw(core: Any, hidden: Tensor, temperature: float, arithmetic: Arithmetic) -> tuple[Tensor, Tensor]:
    weight = core.lm_head.weight
    if arithmetic.bf16:
        hidden, weight = hidden.bfloat16(), weight.bfloat16()
    logits = torch.mm(hidden, weight.t()).float()
    if temperature == 0:
        token = logits.argmax(1)
    else:
        # One uniform number per row through the distribution's inverse; torch.multinomial draws one per token instead,
        # which costs more than the model for a large vocabulary. Float64: 150,000 terms are added up.
        logits = logits / temperature
        cumulated = torch.softmax(logits, 1).cumsum(1, dtype=torch.float64)
        height = torch.rand(len(logits), 1, dtype=torch.float64, device=logits.device) * cumulated[:, -1:]
        token = torch.searchsorted(cumulated, height, right=True).squeeze(1).clamp(max=logits.shape[1] - 1)
    return token, torch.log_softmax(logits, 1).gather(1, token[:, None]).squeeze(1)


def _left_padded(prompts: Sequence[Tokens], pad: int, device: torch.device) -> tuple[Tensor, Tensor]:
    width = max(map(len, prompts))
    ids = torch.full((len(prompts), width), pad, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    return ids.to(device), mask.to(device)
