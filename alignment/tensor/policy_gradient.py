"""Proximal policy optimisation as pure functions.

B answers of at most T tokens; mask (B, T) is True from the first answer token to the end token inclusive.
Sources: PPO arXiv 1707.06347; GAE 1506.02438; RLHF details 1909.08593 and 2403.17031; Lagrangian 2310.12773.
"""

from __future__ import annotations

import enum
from typing import assert_never

import torch
from torch import Tensor


class KlEstimate(enum.StrEnum):
    """Per-token estimates of KL(policy || reference) from one sample. k1 is unbiased; k3 is also never negative."""

    K1 = "k1"
    K3 = "k3"


def answer_mask(tokens: Tensor, end: int) -> Tensor:
    """(B, T) bool: True up to and with the first end token of each row of tokens (B, T)."""
    is_end = tokens == end
    return (is_end.cumsum(1) - is_end.long()) == 0


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over True positions, a scalar; 0 when there are none. Shapes equal, any."""
    return (values * mask).sum() / mask.sum().clamp(min=1)


def whiten(values: Tensor, mask: Tensor, *, shift_mean: bool = True, eps: float = 1e-8) -> Tensor:
    """Scale to unit variance over True positions; also to mean zero with shift_mean. Zero elsewhere.

    Rewards are scaled without shifting: a shift would add a reward per token, and so a taste for length.
    """
    mean = masked_mean(values, mask)
    count = mask.sum()
    variance = masked_mean((values - mean) ** 2, mask) * count / (count - 1).clamp(min=1)
    white = (values - mean) * torch.rsqrt(variance + eps)
    return (white if shift_mean else white + mean) * mask


def token_kl(logps: Tensor, ref_logps: Tensor, kind: KlEstimate = KlEstimate.K1) -> Tensor:
    """(B, T) estimates in nats, from log-probabilities (B, T) of tokens drawn from the policy.

    Values only: as a differentiated loss neither has the gradient of the KL.
    """
    ratio = logps - ref_logps
    match kind:
        case KlEstimate.K1:
            return ratio
        case KlEstimate.K3:
            return torch.expm1(-ratio) + ratio
        case _ as unreachable:
            assert_never(unreachable)


def token_rewards(kl: Tensor, scores: Tensor, mask: Tensor, *, kl_coefficient: float) -> Tensor:
    """(B, T): minus the KL price on every token, plus the score (B,) of the answer on its last token."""
    rewards = -kl_coefficient * kl * mask
    last = mask.sum(1) - 1
    return rewards.scatter_add(1, last[:, None], scores[:, None].to(rewards.dtype))


def advantages(rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, lam: float) -> Tensor:
    """Generalised advantage estimates, (B, T), zero outside the mask.

    rewards, values: (B, T); values[t] is the estimate before token t. The value after an answer's last token is 0:
    an answer is a whole episode.
    """
    alive = mask.to(rewards.dtype)
    out = torch.zeros_like(rewards)
    running = torch.zeros_like(rewards[:, 0])
    following = torch.zeros_like(running)  # value of the next token, 0 past the end
    for t in range(rewards.shape[1] - 1, -1, -1):
        delta = rewards[:, t] + gamma * following - values[:, t]
        running = (delta + gamma * lam * running) * alive[:, t]
        following = values[:, t] * alive[:, t]
        out[:, t] = running
    return out


def policy_losses(logps: Tensor, old_logps: Tensor, advantage: Tensor, *, clip: float) -> Tensor:
    """PPO's clipped loss of each token, any shape: max(-A r, -A clamp(r, 1 - clip, 1 + clip)), r = exp(new - old)."""
    ratio = (logps - old_logps).exp()
    return torch.max(-advantage * ratio, -advantage * ratio.clamp(1 - clip, 1 + clip))


def value_losses(values: Tensor, old_values: Tensor, returns: Tensor, *, clip: float) -> Tensor:
    """Half the squared error of each value, any shape, against moving further than `clip` from the old one; 0: no clip."""
    error = (values - returns) ** 2
    if clip > 0:
        near = old_values + (values - old_values).clamp(-clip, clip)
        error = torch.max(error, (near - returns) ** 2)
    return 0.5 * error


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    """1 - Var(returns - values) / Var(returns), a scalar <= 1; below 0 the critic is worse than a constant."""
    spread = masked_mean((returns - masked_mean(returns, mask)) ** 2, mask)
    left = returns - values
    return 1 - masked_mean((left - masked_mean(left, mask)) ** 2, mask) / spread.clamp(min=1e-12)


def sampler_mismatch(logps: Tensor, sampled_logps: Tensor, mask: Tensor) -> Tensor:
    """Mean of exp(|train - sampler|) over tokens, a scalar >= 1; 1 when both compute the same."""
    return masked_mean((logps - sampled_logps).abs().exp(), mask)


def adapted_coefficient(coefficient: float, kl: float, *, target: float, horizon: float, answers: int) -> float:
    """The next KL coefficient of a controller that steers towards `target` nats per answer (arXiv 1909.08593).

    The error is clipped to 20 %, so that one odd batch cannot throw the coefficient.
    """
    error = min(max(kl / target - 1, -0.2), 0.2)
    return coefficient * (1 + error * answers / horizon)


def lagrangian_advantages(reward: Tensor, cost: Tensor, multiplier: float) -> Tensor:
    """(A_r - lambda A_c) / (1 + lambda), any shape: the scale stays that of the reward whatever lambda is."""
    return (reward - multiplier * cost) / (1 + multiplier)


def updated_multiplier(multiplier: float, cost: float, *, limit: float, rate: float, highest: float) -> float:
    """The next Lagrange multiplier: up in log space while the mean cost is above its limit, down while below.

    Stays in [1e-4, highest]: at zero it could never rise again, unbounded it would drown the reward.
    """
    grown = multiplier * float(torch.tensor(rate * (cost - limit)).clamp(-5, 5).exp())
    return min(max(grown, 1e-4), highest)


def group_advantages(scores: Tensor, *, groups: int, scale: bool) -> Tensor:
    """(B,) scores of `groups` prompts with B / groups answers each, prompt by prompt.

    scale False: leave-one-out baseline (RLOO, arXiv 2402.14740); True: standard score in the group (GRPO, 2402.03300).
    """
    table = scores.view(groups, -1)
    n = table.shape[1]
    centred = table - table.mean(1, keepdim=True)
    out = centred / (table.std(1, keepdim=True) + 1e-4) if scale else centred * n / (n - 1)
    return out.reshape(-1)
