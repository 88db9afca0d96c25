"""Losses on pairs against their formulas."""

from __future__ import annotations

import math

import pytest
import torch

from alignment.tensor.preference import (
    PairLoss,
    PairLossTerms,
    PairScores,
    bradley_terry_losses,
    cost_losses,
    log_odds,
    pair_losses,
)


def some_scores() -> PairScores:
    torch.manual_seed(0)
    chosen, rejected = -10 * torch.rand(5).double(), -10 * torch.rand(5).double()
    lengths = torch.tensor([2.0, 5, 7, 3, 4]).double()
    return PairScores(chosen, rejected, chosen - torch.randn(5), rejected - torch.randn(5), lengths, lengths.flip(0))


def sig(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def by_hand(kind: PairLoss, s: PairScores, i: int, beta: float, eps: float, gap: float) -> float:
    c, r = float(s.chosen[i]), float(s.rejected[i])
    nc, nr = float(s.chosen_tokens[i]), float(s.rejected_tokens[i])
    dc, dr = c - float(s.ref_chosen[i]), r - float(s.ref_rejected[i])

    def odds(x: float) -> float:
        return math.exp(x) / (1 - math.exp(x))

    plus, minus = -math.log(sig(beta * (dc - dr))), -math.log(sig(-beta * (dc - dr)))
    return {
        PairLoss.SIGMOID: plus,
        PairLoss.SIGMOID_NORM: -math.log(sig(beta * (dc / nc - dr / nr))),
        PairLoss.IPO: (dc / nc - dr / nr - 0.5 / beta) ** 2,
        PairLoss.CDPO: (1 - eps) * plus + eps * minus,
        PairLoss.ROBUST: ((1 - eps) * plus - eps * minus) / (1 - 2 * eps),
        PairLoss.SIMPO: -math.log(sig(beta * (c / nc - r / nr) - gap)),
        PairLoss.ORPO: -c / nc - beta * math.log(sig(math.log(odds(c / nc) / odds(r / nr)))),
    }[kind]


@pytest.mark.parametrize("kind", list(PairLoss))
def test_each_loss_is_its_formula(kind: PairLoss) -> None:
    """Pair by pair, and the demonstration term comes on top."""
    scores = some_scores()
    got = pair_losses(scores, PairLossTerms(kind, beta=0.3, smoothing=0.1, gap=0.4))
    for i in range(5):
        assert float(got[i]) == pytest.approx(by_hand(kind, scores, i, 0.3, 0.1, 0.4), rel=1e-6)
    more = pair_losses(scores, PairLossTerms(kind, beta=0.3, smoothing=0.1, gap=0.4, sft=2.0))
    torch.testing.assert_close(more - got, -2 * scores.chosen / scores.chosen_tokens)


def test_robust_loss_is_unbiased_under_flipped_labels() -> None:
    """Its mean over labels that are wrong with probability eps is the clean loss."""
    s, eps = some_scores(), 0.2
    flipped = PairScores(s.rejected, s.chosen, s.ref_rejected, s.ref_chosen, s.rejected_tokens, s.chosen_tokens)
    terms = PairLossTerms(PairLoss.ROBUST, beta=0.3, smoothing=eps)
    noisy = (1 - eps) * pair_losses(s, terms) + eps * pair_losses(flipped, terms)
    torch.testing.assert_close(noisy, pair_losses(s, PairLossTerms(PairLoss.SIGMOID, beta=0.3)))


def test_log_odds_stay_finite_where_the_model_is_sure() -> None:
    """log p = -1e-12 must not divide by zero."""
    values = log_odds(torch.tensor([-1e-12, -0.5, -30.0]))
    assert torch.isfinite(values).all()
    assert float(values[1]) == pytest.approx(math.log(math.exp(-0.5) / (1 - math.exp(-0.5))), rel=1e-5)


def test_the_reward_loss_asks_for_the_margin_and_centres() -> None:
    """-log sigmoid(r_c - r_r - m) + c (r_c + r_r)^2."""
    c, r, m = torch.tensor([1.0]), torch.tensor([0.5]), torch.tensor([0.25])
    expected = -math.log(sig(0.25)) + 0.01 * 1.5**2
    assert float(bradley_terry_losses(c, r, m, centring=0.01)) == pytest.approx(expected, rel=1e-6)


def test_the_cost_loss_orders_costs_and_signs_them() -> None:
    """Unsafe above zero, safe below; an answer without a label has no such term."""
    c, r = torch.tensor([-1.0]), torch.tensor([2.0])
    one, zero = torch.ones(1), torch.zeros(1)
    pairwise = -math.log(sig(3.0))
    assert float(cost_losses(c, r, zero, zero)) == pytest.approx(pairwise, rel=1e-6)
    labelled = pairwise - math.log(sig(1.0)) - math.log(sig(2.0))
    assert float(cost_losses(c, r, -one, one)) == pytest.approx(labelled, rel=1e-6)
