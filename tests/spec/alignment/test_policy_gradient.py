"""PPO's parts against their definitions."""

from __future__ import annotations

import math

import pytest
import torch

from alignment.tensor.policy_gradient import (
    KlEstimate,
    adapted_coefficient,
    advantages,
    answer_mask,
    explained_variance,
    group_advantages,
    lagrangian_advantages,
    masked_mean,
    policy_losses,
    sampler_mismatch,
    token_kl,
    token_rewards,
    updated_multiplier,
    value_losses,
    whiten,
)


def random_mask(rows: int, width: int) -> torch.Tensor:
    lengths = torch.randint(1, width + 1, (rows,))
    return torch.arange(width)[None] < lengths[:, None]


def slow_advantages(
    rewards: torch.Tensor, values: torch.Tensor, mask: torch.Tensor, gamma: float, lam: float
) -> torch.Tensor:
    """The definition: a double sum over the episode's temporal differences."""
    out = torch.zeros_like(rewards)
    for b in range(rewards.shape[0]):
        n = int(mask[b].sum())
        v = [*values[b, :n].tolist(), 0.0]
        delta = [float(rewards[b, t]) + gamma * v[t + 1] - v[t] for t in range(n)]
        for t in range(n):
            out[b, t] = sum((gamma * lam) ** (k - t) * delta[k] for k in range(t, n))
    return out


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("gamma", "lam"), [(1.0, 0.95), (0.9, 0.5), (1.0, 1.0), (0.99, 0.0)])
def test_advantages_are_the_double_sum(seed: int, gamma: float, lam: float) -> None:
    """On random masks, with garbage in the padding: an error of one at the end token would show."""
    torch.manual_seed(seed)
    mask = random_mask(6, 9)
    rewards, values = torch.randn(6, 9) * mask, torch.randn(6, 9)
    got = advantages(rewards, values, mask, gamma=gamma, lam=lam)
    torch.testing.assert_close(got, slow_advantages(rewards, values, mask, gamma, lam), atol=1e-5, rtol=1e-5)


def test_padding_columns_change_nothing() -> None:
    """Everything that averages does so over answer tokens only."""
    torch.manual_seed(3)
    mask = random_mask(5, 7)
    rewards, values = torch.randn(5, 7) * mask, torch.randn(5, 7)

    def wide(x: torch.Tensor) -> torch.Tensor:
        junk = torch.zeros(5, 4, dtype=torch.bool) if x.dtype is torch.bool else 1e3 * torch.randn(5, 4)
        return torch.cat([x, junk], 1)

    narrow = advantages(rewards, values, mask, gamma=1.0, lam=0.9)
    broad = advantages(wide(rewards), wide(values), wide(mask), gamma=1.0, lam=0.9)
    torch.testing.assert_close(broad[:, :7], narrow)
    torch.testing.assert_close(whiten(wide(narrow), wide(mask))[:, :7], whiten(narrow, mask))
    assert masked_mean(wide(values), wide(mask)) == pytest.approx(float(masked_mean(values, mask)), abs=1e-5)
    assert float(explained_variance(wide(values), wide(rewards), wide(mask))) == pytest.approx(
        float(explained_variance(values, rewards, mask)), abs=1e-4
    )


def test_whitened_rewards_keep_their_mean_and_advantages_lose_it() -> None:
    """A shifted reward would pay for every token."""
    torch.manual_seed(4)
    mask = random_mask(40, 9)
    values = 5 + 3 * torch.randn(40, 9)
    kept, lost = whiten(values, mask, shift_mean=False), whiten(values, mask)
    assert float(masked_mean(kept, mask)) == pytest.approx(float(masked_mean(values, mask)), abs=1e-3)
    assert float(masked_mean(lost, mask)) == pytest.approx(0, abs=1e-5)
    assert float(lost[mask].std()) == pytest.approx(1, abs=1e-3)


def test_the_mask_ends_with_the_first_end_token() -> None:
    """Inclusive; an answer without one is all answer."""
    tokens = torch.tensor([[5, 2, 7, 2], [2, 5, 5, 5], [5, 5, 5, 5]])
    assert answer_mask(tokens, 2).long().tolist() == [[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]]


def test_the_score_stands_on_the_last_token_and_the_kl_on_every_one() -> None:
    """Reward of token t: -c kl_t, plus the score at the end token."""
    mask = torch.tensor([[True, True, False], [True, True, True]])
    rewards = token_rewards(torch.ones(2, 3), torch.tensor([5.0, 7.0]), mask, kl_coefficient=0.1)
    torch.testing.assert_close(rewards, torch.tensor([[-0.1, 4.9, 0], [-0.1, -0.1, 6.9]]))


@pytest.mark.parametrize("kind", list(KlEstimate))
def test_kl_estimates_have_the_exact_kl_as_their_mean(kind: KlEstimate) -> None:
    """On a vocabulary small enough to sum over: E_p[k] == KL(p || q)."""
    torch.manual_seed(5)
    p, q = torch.log_softmax(torch.randn(8).double(), 0), torch.log_softmax(torch.randn(8).double(), 0)
    exact = float((p.exp() * (p - q)).sum())
    assert float((p.exp() * token_kl(p, q, kind)).sum()) == pytest.approx(exact, abs=1e-12)


def test_k1_in_the_reward_gives_the_gradient_of_the_exact_kl() -> None:
    """E[grad log p * k1] == grad KL, which is why k1 is the default in the reward; k3's is another gradient."""
    torch.manual_seed(6)
    logits = torch.randn(8).double().requires_grad_()
    q = torch.log_softmax(torch.randn(8).double(), 0)
    p = torch.log_softmax(logits, 0)
    exact = torch.autograd.grad((p.exp() * (p - q)).sum(), logits, retain_graph=True)[0]
    surrogate = {}
    for kind in KlEstimate:
        score = (p.exp().detach() * token_kl(p, q, kind).detach() * p).sum()
        surrogate[kind] = torch.autograd.grad(score, logits, retain_graph=True)[0]
    torch.testing.assert_close(surrogate[KlEstimate.K1], exact, atol=1e-12, rtol=1e-9)
    assert float((surrogate[KlEstimate.K3] - exact).norm()) > 0.01


def test_the_policy_loss_is_clipped_on_the_side_that_matters() -> None:
    """Beyond the clip a token with a gain has no gradient; one that must come back still has."""
    for advantage, shift, alive in [(1.0, 0.5, False), (1.0, -0.5, True), (-1.0, 0.5, True), (-1.0, -0.5, False)]:
        logp = torch.tensor([shift], requires_grad=True)
        policy_losses(logp, torch.zeros(1), torch.tensor([advantage]), clip=0.2).sum().backward()
        assert logp.grad is not None
        assert bool(logp.grad.abs() > 0) is alive
    same = policy_losses(torch.zeros(3), torch.zeros(3), torch.tensor([1.0, -2.0, 0.5]), clip=0.2)
    assert same.tolist() == [-1.0, 2.0, -0.5]


def test_the_value_loss_takes_the_worse_of_clipped_and_free() -> None:
    """And clip 0 switches clipping off."""
    new, old, returns = torch.tensor([2.0, 0.1]), torch.zeros(2), torch.tensor([2.0, 0.0])
    torch.testing.assert_close(value_losses(new, old, returns, clip=0.2), torch.tensor([0.5 * 1.8**2, 0.5 * 0.01]))
    torch.testing.assert_close(value_losses(new, old, returns, clip=0.0), torch.tensor([0.0, 0.5 * 0.01]))


def test_mismatch_is_one_for_equal_log_probabilities() -> None:
    """And e^d for a constant difference d."""
    mask = random_mask(4, 5)
    logps = torch.randn(4, 5)
    assert float(sampler_mismatch(logps, logps, mask)) == 1.0
    assert float(sampler_mismatch(logps, logps + 0.1, mask)) == pytest.approx(math.exp(0.1), abs=1e-5)


def test_the_kl_controller_steers_towards_its_target() -> None:
    """Up when above, down when below, never faster than the clipped error allows."""
    assert adapted_coefficient(0.1, 12.0, target=6, horizon=1000, answers=100) == pytest.approx(0.1 * 1.02)
    assert adapted_coefficient(0.1, 0.0, target=6, horizon=1000, answers=100) == pytest.approx(0.1 * 0.98)
    assert adapted_coefficient(0.1, 6.0, target=6, horizon=1000, answers=100) == pytest.approx(0.1)


def test_the_multiplier_rises_above_the_limit_falls_below_and_stays_in_bounds() -> None:
    """Whatever the cost."""
    assert updated_multiplier(1.0, 0.5, limit=0.0, rate=0.1, highest=20) > 1.0
    assert updated_multiplier(1.0, -0.5, limit=0.0, rate=0.1, highest=20) < 1.0
    high = low = 1.0
    for _ in range(500):
        high = updated_multiplier(high, 1e9, limit=0, rate=0.1, highest=20)
        low = updated_multiplier(low, -1e9, limit=0, rate=0.1, highest=20)
    assert high == 20
    assert low > 0
    mixed = lagrangian_advantages(torch.tensor([2.0]), torch.tensor([1.0]), 1.0)
    assert mixed.tolist() == [0.5]


def test_group_advantages_compare_answers_to_one_prompt() -> None:
    """Leave-one-out: score minus the mean of the others."""
    scores = torch.tensor([1.0, 2.0, 6.0, 5.0, 5.0, 5.0])
    got = group_advantages(scores, groups=2, scale=False)
    torch.testing.assert_close(got, torch.tensor([-3.0, -1.5, 4.5, 0, 0, 0]))
    assert group_advantages(scores, groups=2, scale=True)[3:].tolist() == [0, 0, 0]
