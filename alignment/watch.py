"""How far a policy has moved, seen in answers that it draws itself: KL to where it started, and length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from alignment.forward import Arithmetic, answer_tokens
from alignment.rollout import sample
from alignment.tensor.layout import Tree, lay_out
from alignment.tensor.logprob import segment_sums

_BATCH = 8
Tokens = Sequence[int]


@dataclass(frozen=True, slots=True)
class Drift:
    """Means over prompts. kl: nats per answer of the policy's own answers (estimate k1, unbiased).

    length, length_before: tokens of an answer of the policy and of the reference. n: prompts.
    each: the KL of every answer, for intervals.
    """

    kl: float
    length: float
    length_before: float
    n: int
    each: tuple[float, ...]


@torch.no_grad()  # type: ignore[untyped-decorator]  # torch is untyped here
def drift(
    policy: Any, reference: Any, prompts: Sequence[Tokens], arithmetic: Arithmetic, *, tokens: int, end: int, seed: int
) -> Drift:
    """Draw one answer per prompt from each model, the same random numbers for both, and compare."""
    logs: list[float] = []
    lengths: list[list[float]] = [[], []]
    for start in range(0, len(prompts), _BATCH):
        part = prompts[start : start + _BATCH]
        for which, model in enumerate((policy, reference)):
            torch.manual_seed(seed + start)
            model.eval()
            drawn = sample(model, part, arithmetic, tokens=tokens, end=end, temperature=1.0)
            lengths[which] += drawn.mask.sum(1).float().tolist()
            if which == 0:
                trees = [Tree(p, (a,)) for p, a in zip(part, drawn.answers(), strict=True)]
                logs += _log_ratio(policy, reference, trees, arithmetic)
    n = len(prompts)
    return Drift(sum(logs) / n, sum(lengths[0]) / n, sum(lengths[1]) / n, n, tuple(logs))


def _log_ratio(policy: Any, reference: Any, trees: list[Tree], arithmetic: Arithmetic) -> list[float]:
    sums = []
    for model in (policy, reference):
        device = next(model.parameters()).device
        layout = lay_out(trees, share=False, pad=arithmetic.pad).to(device)
        out = answer_tokens(model, layout, arithmetic)
        sums.append(segment_sums(out.logps, layout.segments, layout.answers).cpu())
    return [float(value) for value in (sums[0] - sums[1]).tolist()]
