"""Losses on pairs: direct preference optimisation and its kin, Bradley-Terry rewards, costs.

B pairs; every log-probability is a sum over the tokens of one answer, in nats.
Sources: DPO arXiv 2305.18290; IPO 2310.12036; cDPO (Mitchell 2023); robust DPO 2403.00409; length-normalised DPO
2411.15124 (Tulu 3); SimPO 2405.14734; ORPO 2403.07691; Safe-RLHF cost 2310.12773; centring 2312.09244.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import assert_never

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


class PairLoss(enum.StrEnum):
    """Which loss. Two of them need no reference model."""

    SIGMOID = "sigmoid"
    SIGMOID_NORM = "sigmoid_norm"
    IPO = "ipo"
    CDPO = "cdpo"
    ROBUST = "robust"
    SIMPO = "simpo"
    ORPO = "orpo"

    @property
    def needs_reference(self) -> bool:
        """Whether log-probabilities of a reference model enter."""
        return self not in (PairLoss.SIMPO, PairLoss.ORPO)


@dataclass(frozen=True, slots=True)
class PairScores:
    """Sums of log-probabilities, each (B,); the reference's are zeros where the loss needs none.

    chosen_tokens, rejected_tokens: (B,) lengths of the answers.
    """

    chosen: Tensor
    rejected: Tensor
    ref_chosen: Tensor
    ref_rejected: Tensor
    chosen_tokens: Tensor
    rejected_tokens: Tensor


@dataclass(frozen=True, slots=True)
class PairLossTerms:
    """Constants of the loss.

    beta: strength of the pull to the reference (SimPO: scale of the mean log-probability; ORPO: weight of the odds).
    smoothing: probability in [0, 0.5) that a label is wrong (cDPO, robust).
    gap: SimPO's target margin, in units of beta times nats per token.
    sft: weight of the chosen answer's mean negative log-likelihood, added to any loss.
    """

    kind: PairLoss = PairLoss.SIGMOID
    beta: float = 0.1
    smoothing: float = 0.0
    gap: float = 0.5
    sft: float = 0.0


def pair_losses(scores: PairScores, terms: PairLossTerms) -> Tensor:
    """The loss of each pair, (B,); its mean is what is minimised."""
    return _kind_of_loss(scores, terms) - terms.sft * scores.chosen / scores.chosen_tokens


def _kind_of_loss(scores: PairScores, terms: PairLossTerms) -> Tensor:
    chosen, rejected = scores.chosen - scores.ref_chosen, scores.rejected - scores.ref_rejected
    mean_chosen, mean_rejected = scores.chosen / scores.chosen_tokens, scores.rejected / scores.rejected_tokens
    beta, eps = terms.beta, terms.smoothing
    match terms.kind:
        case PairLoss.SIGMOID:
            return -logsigmoid(beta * (chosen - rejected))
        case PairLoss.SIGMOID_NORM:
            return -logsigmoid(beta * (chosen / scores.chosen_tokens - rejected / scores.rejected_tokens))
        case PairLoss.IPO:
            return (chosen / scores.chosen_tokens - rejected / scores.rejected_tokens - 1 / (2 * beta)) ** 2
        case PairLoss.CDPO:
            margin = beta * (chosen - rejected)
            return -(1 - eps) * logsigmoid(margin) - eps * logsigmoid(-margin)
        case PairLoss.ROBUST:
            margin = beta * (chosen - rejected)
            return (-(1 - eps) * logsigmoid(margin) + eps * logsigmoid(-margin)) / (1 - 2 * eps)
        case PairLoss.SIMPO:
            return -logsigmoid(beta * (mean_chosen - mean_rejected) - terms.gap)
        case PairLoss.ORPO:
            return -mean_chosen - beta * logsigmoid(log_odds(mean_chosen) - log_odds(mean_rejected))
        case _ as unreachable:
            assert_never(unreachable)


def log_odds(logp: Tensor) -> Tensor:
    """log(p / (1 - p)) from log p < 0, any shape; stable where p is near 1."""
    return logp - torch.log(-torch.expm1(logp.clamp(max=-1e-7)))


def bradley_terry_losses(chosen: Tensor, rejected: Tensor, margin: Tensor, *, centring: float) -> Tensor:
    """-log sigmoid(r_c - r_r - m) + c (r_c + r_r)^2 for each pair, (B,).

    chosen, rejected: (B,) rewards. margin: (B,) how far apart they should be at least. centring: c >= 0; without it
    the zero point of rewards is free to drift, which PPO then pays for.
    """
    return -logsigmoid(chosen - rejected - margin) + centring * (chosen + rejected) ** 2


def cost_losses(chosen: Tensor, rejected: Tensor, chosen_unsafe: Tensor, rejected_unsafe: Tensor) -> Tensor:
    """Safe-RLHF's cost loss, (B,): the safer (chosen) answer costs less, and an unsafe answer costs more than zero.

    chosen, rejected: (B,) costs. *_unsafe: (B,) +1 unsafe, -1 safe, 0 not labelled (that term is left out).
    """
    pairwise = -logsigmoid(rejected - chosen)
    labelled_c = -logsigmoid(chosen_unsafe * chosen) * chosen_unsafe.abs()
    labelled_r = -logsigmoid(rejected_unsafe * rejected) * rejected_unsafe.abs()
    return pairwise + labelled_c + labelled_r
