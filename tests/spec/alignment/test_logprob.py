"""Log-probabilities without the logits: equal to the plain definition in value and gradient, flat in memory."""

from __future__ import annotations

import pytest
import torch

from alignment.tensor.logprob import segment_sums, token_logprobs, token_losses
from alignment.tensor.policy_gradient import policy_losses


def plain(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, temperature: float) -> torch.Tensor:
    logits = hidden.double() @ weight.double().t() / temperature
    return torch.log_softmax(logits, 1).gather(1, targets[:, None]).squeeze(1)


@pytest.mark.parametrize("chunk", [1, 7, 64])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_values_and_gradients_are_those_of_the_definition(chunk: int, temperature: float) -> None:
    """Against float64 log-softmax, with a different weight on every token and some weights zero."""
    torch.manual_seed(0)
    hidden, weight = torch.randn(23, 16, requires_grad=True), torch.randn(101, 16, requires_grad=True)
    targets, mix = torch.randint(0, 101, (23,)), torch.randn(23) * (torch.rand(23) > 0.3)
    expected = plain(hidden, weight, targets, temperature)
    wanted = torch.autograd.grad((expected * mix).sum(), (hidden, weight))
    got, entropy = token_logprobs(hidden, weight, targets, chunk=chunk, temperature=temperature, entropy=True)
    found = torch.autograd.grad((got * mix).sum(), (hidden, weight))
    torch.testing.assert_close(got, expected.float(), atol=1e-5, rtol=1e-5)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    p = torch.softmax(hidden.double() @ weight.double().t() / temperature, 1)
    torch.testing.assert_close(entropy.double(), -(p * p.log()).sum(1), atol=1e-5, rtol=1e-5)


def test_a_frozen_head_gets_no_gradient_and_costs_none() -> None:
    """With an adapter only the hidden states are differentiated."""
    hidden, weight = torch.randn(9, 8, requires_grad=True), torch.randn(30, 8)
    token_logprobs(hidden, weight, torch.arange(9), chunk=4)[0].sum().backward()
    assert hidden.grad is not None
    assert weight.grad is None


def test_bfloat16_gradients_do_not_gather_rounding_per_chunk() -> None:
    """Many chunks are as near to float64 as one is: sums are kept in float32."""
    torch.manual_seed(1)
    hidden, weight = torch.randn(512, 16).bfloat16().requires_grad_(), torch.randn(64, 16).bfloat16().requires_grad_()
    targets = torch.randint(0, 64, (512,))
    exact = torch.autograd.grad(plain(hidden, weight, targets, 1.0).sum(), weight)[0].double()
    errors = []
    for chunk in (2, 512):
        grad = torch.autograd.grad(token_logprobs(hidden, weight, targets, chunk=chunk)[0].sum(), weight)[0]
        errors.append(float((grad.double() - exact).norm() / exact.norm()))
    assert max(errors) < 0.01
    assert errors[0] < 1.2 * errors[1]


def test_no_tensor_grows_with_vocabulary_times_length() -> None:
    """The largest tensor made in either pass is a chunk of logits or the head's own gradient."""
    made: list[int] = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            out = func(*args, **(kwargs or {}))
            made.extend(t.numel() for t in torch.utils._pytree.tree_leaves(out) if isinstance(t, torch.Tensor))
            return out

    vocab, width, n, chunk = 5003, 8, 400, 16
    hidden, weight = torch.randn(n, width, requires_grad=True), torch.randn(vocab, width, requires_grad=True)
    with Watch():
        token_logprobs(hidden, weight, torch.arange(n), chunk=chunk)[0].sum().backward()
    assert made
    assert max(made) <= max(chunk * vocab, vocab * width)


@pytest.mark.parametrize("chunk", [3, 64])
def test_a_loss_of_single_tokens_in_one_pass_equals_two(chunk: int) -> None:
    """PPO's clipped loss: same sum, same gradients as through the log-probabilities; flat tokens included."""
    torch.manual_seed(2)
    hidden, weight = torch.randn(23, 16, requires_grad=True), torch.randn(101, 16, requires_grad=True)
    targets, gain = torch.randint(0, 101, (23,)), torch.randn(23)
    old = token_logprobs(hidden, weight, targets)[0].detach() + 0.4 * torch.randn(23)

    def loss(logps: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        return policy_losses(logps, old[at], gain[at], clip=0.2)

    logps, entropy = token_logprobs(hidden, weight, targets, temperature=0.7, entropy=True)
    expected = loss(logps, torch.arange(23)).sum()
    wanted = torch.autograd.grad(expected / 7, (hidden, weight))
    total, seen, spread = token_losses(hidden, weight, targets, loss, chunk=chunk, temperature=0.7, entropy=True)
    found = torch.autograd.grad(total / 7, (hidden, weight))
    torch.testing.assert_close(total, expected)
    torch.testing.assert_close(seen, logps.detach())
    torch.testing.assert_close(spread, entropy, atol=1e-4, rtol=1e-4)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)
    frozen = token_losses(hidden.detach(), weight.detach(), targets, loss, chunk=chunk, temperature=0.7)[0]
    torch.testing.assert_close(frozen, expected)


def test_segments_are_summed_with_gradient() -> None:
    """Answers of different length in one flat row of tokens."""
    values = torch.arange(5.0, requires_grad=True)
    sums = segment_sums(values, torch.tensor([0, 0, 1, 1, 1]), 2)
    assert sums.tolist() == [1.0, 9.0]
    (sums * torch.tensor([2.0, 3.0])).sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [2, 2, 3, 3, 3]
