"""Log-probabilities of given tokens under a language model's head, without logits for every position.

Invariant: at most `chunk` x V logits exist at any time, forward and backward; nothing grows with V x length.
The backward pass computes a chunk's logits again instead of keeping them, and sums its gradients in float32,
because rounding each chunk to bfloat16 would bias them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

DEFAULT_CHUNK = 128


class _TokenLogProbs(torch.autograd.Function):  # type: ignore[misc]  # torch is untyped here
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, chunk: int, temperature: float, want_entropy: bool
    ) -> tuple[Tensor, Tensor]:
        n = hidden.shape[0]
        picked = torch.empty(n, dtype=torch.float32, device=hidden.device)
        lse = torch.empty_like(picked)
        entropy = torch.zeros_like(picked)
        for start in range(0, n, chunk):
            part = slice(start, start + chunk)
            logits = _logits(hidden[part], weight, temperature)
            picked[part] = logits.gather(1, targets[part, None]).squeeze(1)
            highest = logits.amax(1)
            logits.sub_(highest[:, None])
            if want_entropy:
                probabilities = logits.exp()
                total = probabilities.sum(1)
                entropy[part] = total.log() - probabilities.mul_(logits).sum(1) / total
            else:
                total = logits.exp_().sum(1)  # in place: the logits are not needed again
            lse[part] = highest + total.log()
        ctx.save_for_backward(hidden, weight, targets, lse)
        ctx.chunk, ctx.temperature = chunk, temperature
        ctx.mark_non_differentiable(entropy)
        return picked - lse, entropy

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(
        ctx: Any, grad: Tensor, _entropy: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None, None, None, None]:
        hidden, weight, targets, lse = ctx.saved_tensors
        want_hidden, want_weight = ctx.needs_input_grad[:2]
        d_hidden = torch.zeros(hidden.shape, dtype=torch.float32, device=hidden.device) if want_hidden else None
        d_weight = torch.zeros(weight.shape, dtype=torch.float32, device=weight.device) if want_weight else None
        # Tokens that PPO clipped, or that the loss leaves out, have gradient zero: their logits are not needed again.
        live = grad.nonzero().squeeze(1)
        for start in range(0, live.shape[0], ctx.chunk):
            rows = live[start : start + ctx.chunk]
            h = hidden[rows]
            d_logits = _logits(h, weight, ctx.temperature).sub_(lse[rows, None]).exp_()
            d_logits.mul_(-grad[rows, None])
            d_logits[torch.arange(rows.shape[0], device=rows.device), targets[rows]] += grad[rows]
            d_logits.div_(ctx.temperature)
            if d_hidden is not None:
                d_hidden[rows] = torch.mm(d_logits, weight.float())
            if d_weight is not None:
                d_weight.addmm_(d_logits.t(), h.float())
        return (
            d_hidden.to(hidden.dtype) if d_hidden is not None else None,
            d_weight.to(weight.dtype) if d_weight is not None else None,
            None,
            None,
            None,
            None,
        )


def token_logprobs(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    *,
    chunk: int = DEFAULT_CHUNK,
    temperature: float = 1.0,
    entropy: bool = False,
) -> tuple[Tensor, Tensor]:
    """Log p(target | position) and the entropy of p, for each position given.

    hidden: (N, H) last hidden states of the positions that predict the targets.
    weight: (V, H) of the output head, which has no bias in the Qwen family.
    targets: (N,) token ids.
    chunk: positions whose logits exist at once; memory is chunk * V * 4 bytes, twice.
    temperature: logits are divided by it, as the sampler did.

    entropy: also compute entropies, which costs one more chunk of memory; zeros without it.

    Returns (N,) float32 log-probabilities in nats, differentiable in hidden and weight, and (N,) entropies in nats
    without gradient.
    """
    logps, entropies = _TokenLogProbs.apply(hidden, weight, targets, chunk, temperature, entropy)
    return logps, entropies


def segment_sums(values: Tensor, segments: Tensor, count: int) -> Tensor:
    """Sum values (N,) by segment number (N,) into (count,), differentiable."""
    return torch.zeros(count, dtype=values.dtype, device=values.device).index_add(0, segments, values)


def _logits(hidden: Tensor, weight: Tensor, temperature: float) -> Tensor:
    logits = torch.mm(hidden, weight.t()).float()
    return logits if temperature == 1.0 else logits.div_(temperature)
