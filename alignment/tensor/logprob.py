"""Log-probabilities of given tokens under a language model's head, without logits for every position.

Invariant: at most `chunk` x V logits exist at any time, forward and backward; nothing grows with V x length.
The backward pass computes a chunk's logits again instead of keeping them, and sums its gradients in float32,
because rounding each chunk to bfloat16 would bias them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

DEFAULT_CHUNK = 128
TokenLoss = Callable[[Tensor, Tensor], Tensor]
"""Losses (n,) of tokens from their log-probabilities (n,), differentiable, and their indexes (n,) among all tokens."""


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
        grads = _Gradients(hidden, weight, want_hidden=want_hidden, want_weight=want_weight)
        # Tokens that PPO clipped, or that the loss leaves out, have gradient zero: their logits are not needed again.
        live = grad.nonzero().squeeze(1)
        for start in range(0, live.shape[0], ctx.chunk):
            rows = live[start : start + ctx.chunk]
            probabilities = _logits(hidden[rows], weight, ctx.temperature).sub_(lse[rows, None]).exp_()
            grads.add(rows, probabilities, targets[rows], grad[rows], ctx.temperature)
        d_hidden, d_weight = grads.finished()
        return d_hidden, d_weight, None, None, None, None


class _TokenLosses(torch.autograd.Function):  # type: ignore[misc]  # torch is untyped here
    """A loss whose slope at a token depends on that token alone needs its logits once: both passes in one."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        loss: TokenLoss,
        chunk: int,
        temperature: float,
        want_entropy: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        n = hidden.shape[0]
        logps = torch.empty(n, dtype=torch.float32, device=hidden.device)
        entropy = torch.zeros_like(logps)
        total = torch.zeros((), device=hidden.device)
        grads = _Gradients(hidden, weight, want_hidden=ctx.needs_input_grad[0], want_weight=ctx.needs_input_grad[1])
        for start in range(0, n, chunk):
            rows = torch.arange(start, min(start + chunk, n), device=hidden.device)
            logits = _logits(hidden[rows], weight, temperature)
            picked = logits.gather(1, targets[rows, None]).squeeze(1)
            lse = torch.logsumexp(logits, 1)
            logps[rows] = picked - lse
            losses, slopes = _slopes(loss, logps[rows], rows)
            total += losses.sum()
            if want_entropy:
                entropy[rows] = lse - (torch.softmax(logits, 1) * logits).sum(1)
            live = slopes.nonzero().squeeze(1)
            if len(live) < len(rows):
                logits, lse, rows, slopes = logits[live], lse[live], rows[live], slopes[live]
            grads.add(rows, logits.sub_(lse[:, None]).exp_(), targets[rows], slopes, temperature)
        ctx.grads = grads.finished()
        ctx.mark_non_differentiable(logps, entropy)
        return total, logps, entropy

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor, _logps: Tensor, _entropy: Tensor) -> tuple[Tensor | None, ...]:
        d_hidden, d_weight = (part.mul_(grad) if part is not None else None for part in ctx.grads)
        ctx.grads = None
        return d_hidden, d_weight, None, None, None, None, None


class _Gradients:
    """Sums of the gradient over chunks, in float32."""

    def __init__(self, hidden: Tensor, weight: Tensor, *, want_hidden: bool, want_weight: bool) -> None:
        self._hidden, self._weight, self._want_weight = hidden, weight, want_weight
        self._d_hidden = torch.zeros(hidden.shape, dtype=torch.float32, device=hidden.device) if want_hidden else None
        self._d_weight: Tensor | None = None

    def add(self, rows: Tensor, probabilities: Tensor, targets: Tensor, slopes: Tensor, temperature: float) -> None:
        """A chunk: rows (n,) of hidden, their probabilities (n, V), which are overwritten, and d loss / d logp (n,)."""
        d_logits = probabilities.mul_(-slopes[:, None])
        d_logits[torch.arange(len(rows), device=rows.device), targets] += slopes
        if temperature != 1.0:
            d_logits.div_(temperature)
        if self._d_hidden is not None:
            self._d_hidden[rows] = torch.mm(d_logits, self._weight.float())
        if self._want_weight:
            h = self._hidden[rows].float()
            if self._d_weight is None:
                self._d_weight = torch.mm(d_logits.t(), h)
            else:
                self._d_weight.addmm_(d_logits.t(), h)

    def finished(self) -> tuple[Tensor | None, Tensor | None]:
        """Gradients of hidden and weight, in their types."""
        if self._want_weight and self._d_weight is None:
            self._d_weight = torch.zeros(self._weight.shape, dtype=torch.float32, device=self._weight.device)
        d_hidden = self._d_hidden.to(self._hidden.dtype) if self._d_hidden is not None else None
        return d_hidden, self._d_weight.to(self._weight.dtype) if self._d_weight is not None else None


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


def token_losses(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    loss: TokenLoss,
    *,
    chunk: int = DEFAULT_CHUNK,
    temperature: float = 1.0,
    entropy: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """The sum over tokens of a loss that looks at each token's log-probability alone (likelihood, PPO's clipped loss).

    The logits of a chunk are made once for value and gradient, a quarter less work than `token_logprobs`. Tokens where
    the loss is flat (those PPO clipped) cost no gradient. Arguments as in `token_logprobs`.

    Returns the sum, differentiable in hidden and weight, and without gradient (N,) log-probabilities and entropies.
    """
    if not (torch.is_grad_enabled() and (hidden.requires_grad or weight.requires_grad)):
        logps, entropies = token_logprobs(
            hidden, weight, targets, chunk=chunk, temperature=temperature, entropy=entropy
        )
        return loss(logps, torch.arange(len(targets), device=targets.device)).sum(), logps, entropies
    total, logps, entropies = _TokenLosses.apply(hidden, weight, targets, loss, chunk, temperature, entropy)
    return total, logps, entropies


def segment_sums(values: Tensor, segments: Tensor, count: int) -> Tensor:
    """Sum values (N,) by segment number (N,) into (count,), differentiable."""
    return torch.zeros(count, dtype=values.dtype, device=values.device).index_add(0, segments, values)


def _slopes(loss: TokenLoss, logps: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        free = logps.detach().requires_grad_()
        losses = loss(free, rows)
        (slopes,) = torch.autograd.grad(losses.sum(), free)
    return losses.detach(), slopes


def _logits(hidden: Tensor, weight: Tensor, temperature: float) -> Tensor:
    logits = torch.mm(hidden, weight.t()).float()
    return logits if temperature == 1.0 else logits.div_(temperature)
