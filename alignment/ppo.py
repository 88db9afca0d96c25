"""Proximal policy optimisation. Read it from the top: that is the algorithm.

One step of a run
1. sample an answer to each prompt; its log-probabilities are the old ones
2. score it; look up the reference's log-probabilities and the critic's values
3. rewards per token = score at the end - price x KL; advantages by GAE; with a cost, the same for the cost, and
   (A_r - lambda A_c) / (1 + lambda)
4. several passes over the answers in minibatches: clipped policy loss, clipped value loss
5. move the KL price and the Lagrange multiplier

With `ppo.estimator` rloo or grpo there is no critic: each prompt gets `ppo.group` answers, an answer's gain is its score
(less the price of its KL) against the others of its group, and all its tokens share it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from alignment.errors import SamplerMismatch
from alignment.forward import Arithmetic, answer_losses, answer_tokens, last_states
from alignment.models import LoraShape, core_of, quiet_adapters
from alignment.optimiser import Stepper, batch_rows, mean_of, trainable
from alignment.recipe import Recipe
from alignment.rollout import Rollout, Sampler, sample
from alignment.runs.loop import Metrics, NotFinite
from alignment.scorers import Scorer
from alignment.tensor.layout import Layout, Tree, lay_out
from alignment.tensor.policy_gradient import (
    KlEstimate,
    adapted_coefficient,
    advantages,
    explained_variance,
    group_advantages,
    lagrangian_advantages,
    policy_losses,
    sampler_mismatch,
    token_kl,
    token_rewards,
    updated_multiplier,
    value_losses,
    whiten,
)

Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt in tokens, and its line in the data."""

    line: int
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class Experience:
    """What a rollout taught, everything (B, T) unless said otherwise, zero outside the mask.

    values, returns: (B, T, Q), one quantity for the reward and one for the cost when there is a cost; Q is 0 without critic.
    """

    trees: list[Tree]
    lines: list[int]
    mask: Tensor
    old_logps: Tensor
    values: Tensor
    returns: Tensor
    advantages: Tensor


class Critic(nn.Module):  # type: ignore[misc]  # torch is untyped here
    """Values of states: the body of a language model under a small head, which starts at zero.

    decoder: the body, its token embedding frozen: states differ by context, and the table with its gradient and moments
    would be most of the critic's memory.
    """

    def __init__(self, decoder: Any, config: Any, quantities: int) -> None:
        super().__init__()
        self.model, self.config = decoder, config
        self.head = nn.Linear(config.hidden_size, quantities)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, layout: Layout, arithmetic: Arithmetic) -> Tensor:
        """(N, Q) values of the states before each answer token."""
        states, _ = last_states(self, layout, arithmetic)
        out: Tensor = self.head(states[layout.rows, layout.columns].float())
        return out


class PpoTrainer:
    """The Trainer (see alignment.runs.loop) of PPO runs.

    policy: a causal language model; with an adapter, the reference is the same model without it.
    reference: a frozen causal language model, or None with an adapter.
    critic: None when answers are compared within groups (`ppo.estimator` rloo or grpo).
    scorer, cost: who judges; cost None: no constraint.
    watch: a judge that is only logged, never optimised, by which reward hacking shows; higher is better.
    sampler: who draws the answers; None: alignment.rollout.sample.
    """

    def __init__(
        self,
        policy: Any,
        reference: Any | None,
        critic: Critic | None,
        scorer: Scorer,
        prompts: Sequence[Prompt],
        recipe: Recipe,
        arithmetic: Arithmetic,
        *,
        end: int,
        cost: Scorer | None = None,
        watch: Scorer | None = None,
        sampler: Sampler | None = None,
    ) -> None:
        self._policy, self._reference, self._critic = policy, reference, critic
        self._scorer, self._cost, self._watch, self._prompts = scorer, cost, watch, prompts
        self._recipe, self._arithmetic = recipe, arithmetic
        p, o = recipe.ppo, recipe.optim
        self._sampler: Sampler = sampler or partial(
            sample, arithmetic=arithmetic, tokens=p.answer_tokens, end=end, temperature=p.temperature
        )
        updates = o.steps * p.epochs * p.minibatches
        self._actor = Stepper(trainable(("", policy)), o, rate=o.learning_rate, total=updates)
        self._valuer = None
        if critic is not None:
            self._valuer = Stepper(trainable(("", critic)), o, rate=p.critic_rate or o.learning_rate, total=updates)
        self._group = 1 if critic is not None else p.group
        self._kl_price = p.kl
        self._multiplier = p.cost_start

    def step(self, number: int) -> Metrics:
        picked = batch_rows(len(self._prompts), self._recipe.optim.batch, self._recipe.run.seed, number)
        prompts = [self._prompts[i] for i in picked for _ in range(self._group)]
        rollout = self.rollout([prompt.tokens for prompt in prompts])
        metrics: Metrics
        experience, metrics = self._learn_from(prompts, rollout)
        metrics |= self._update(number, experience)
        self._steer(metrics, len(prompts))
        return metrics

    def rollout(self, prompts: Sequence[Tokens]) -> Rollout:
        """Sample answers with the policy as it is."""
        self._policy.eval()
        return self._sampler(self._policy, prompts)

    def measure(self, prompts: Sequence[Prompt]) -> Metrics:
        """Score and KL on other prompts, without learning; randomness as seeded."""
        asked = [prompt for prompt in prompts for _ in range(self._group)]
        size = self._recipe.optim.batch * self._group
        parts = [asked[i : i + size] for i in range(0, len(asked), size)]
        return mean_of(self._learn_from(p, self.rollout([x.tokens for x in p]))[1] for p in parts) if parts else {}

    def state(self) -> tuple[Mapping[str, Any], Mapping[str, float]]:
        tensors = self._actor.tensors("policy.")
        if self._valuer is not None:
            tensors |= self._valuer.tensors("critic.")
        return tensors, {"kl_price": self._kl_price, "multiplier": self._multiplier}

    def restore(self, tensors: Mapping[str, Any], numbers: Mapping[str, float]) -> None:
        self._actor.restore(tensors, "policy.")
        if self._valuer is not None:
            self._valuer.restore(tensors, "critic.")
        self._kl_price, self._multiplier = numbers["kl_price"], numbers["multiplier"]

    @torch.no_grad()  # type: ignore[untyped-decorator]  # torch is untyped here
    def _learn_from(self, prompts: Sequence[Prompt], rollout: Rollout) -> tuple[Experience, Metrics]:
        """Steps 2 and 3: judge the answers and work out what each token was worth."""
        p, mask = self._recipe.ppo, rollout.mask
        answers = rollout.answers()
        trees = [Tree(prompt.tokens, (answer,)) for prompt, answer in zip(prompts, answers, strict=True)]
        tokens = [prompt.tokens for prompt in prompts]
        scores = self._scorer.score(tokens, answers).to(mask.device)
        judged = scores - p.no_end_penalty * (~rollout.ended).float()
        ref_logps, values = self._looked_up(trees, mask)
        kl = token_kl(rollout.logps, ref_logps, KlEstimate(p.kl_estimate)) * mask
        metrics = {
            "score": float(scores.mean()),
            "kl": float(token_kl(rollout.logps, ref_logps).mul(mask).sum(1).mean()),
        }
        costs = None
        if self._cost is not None:
            costs = self._cost.score(tokens, answers).to(mask.device)
            metrics |= {"cost": float(costs.mean()), "multiplier": self._multiplier}
        if self._watch is not None:
            metrics["watch"] = float(self._watch.score(tokens, answers).mean())
        if self._critic is None:
            advantage, returns = self._compared(kl, judged, costs, mask), values
        else:
            advantage, returns = self._estimated(kl, judged, costs, values, mask)
        metrics |= {
            "kl_price": self._kl_price,
            "length": float(mask.sum(1).float().mean()),
            "ended": float(rollout.ended.float().mean()),
        }
        if self._critic is not None:
            metrics["explained"] = float(explained_variance(values[..., 0], returns[..., 0], mask))
        lines = [prompt.line for prompt in prompts]
        return Experience(trees, lines, mask, rollout.logps, values, returns, advantage), metrics

    def _estimated(
        self, kl: Tensor, judged: Tensor, costs: Tensor | None, values: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """With a critic: white advantages (B, T) by GAE, and returns (B, T, Q)."""
        p = self._recipe.ppo
        rewards = token_rewards(kl, judged, mask, kl_coefficient=self._kl_price)
        if p.whiten_rewards:
            rewards = whiten(rewards, mask, shift_mean=False)
        gained = [advantages(rewards, values[..., 0], mask, gamma=p.gamma, lam=p.lam)]
        if costs is not None:
            charged = token_rewards(torch.zeros_like(kl), costs, mask, kl_coefficient=0.0)
            gained.append(advantages(charged, values[..., 1], mask, gamma=p.gamma, lam=p.lam))
        each = torch.stack(gained, -1)
        advantage = each[..., 0]
        if costs is not None:
            advantage = lagrangian_advantages(advantage, each[..., 1], self._multiplier)
        return whiten(advantage, mask), each + values

    def _compared(self, kl: Tensor, judged: Tensor, costs: Tensor | None, mask: Tensor) -> Tensor:
        """Without a critic: the gain of an answer within its group, on each of its tokens, (B, T)."""
        groups, scale = len(judged) // self._group, self._recipe.ppo.estimator == "grpo"
        gain = group_advantages(judged - self._kl_price * kl.sum(1), groups=groups, scale=scale)
        if costs is not None:
            charged = group_advantages(costs, groups=groups, scale=scale)
            gain = lagrangian_advantages(gain, charged, self._multiplier)
        return gain[:, None] * mask

    def _looked_up(self, trees: list[Tree], mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T) log-probabilities of the reference and (B, T, Q) values of the critic."""
        logps = torch.zeros(mask.shape, device=mask.device)
        quantities = self._critic.head.out_features if self._critic is not None else 0
        values = torch.zeros(*mask.shape, quantities, device=mask.device)
        for start in range(0, len(trees), self._recipe.optim.micro_batch):
            rows = slice(start, start + self._recipe.optim.micro_batch)
            layout = self._layout(trees[rows])
            with self._as_reference() as model:
                out = answer_tokens(model, layout, self._arithmetic, temperature=self._recipe.ppo.temperature)
            logps[rows][mask[rows]] = out.logps
            if self._critic is not None:
                values[rows][mask[rows]] = self._critic(layout, self._arithmetic)
        return logps, values

    def _update(self, number: int, experience: Experience) -> Metrics:
        """Step 4."""
        p = self._recipe.ppo
        self._policy.train()
        figures: list[Metrics] = []
        size = -(-len(experience.trees) // p.minibatches)
        for epoch in range(p.epochs):
            order = torch.randperm(len(experience.trees)).split(size)
            for part, rows in enumerate(order):
                update = (number * p.epochs + epoch) * p.minibatches + part
                figures.append(self._one_update(update, experience, rows, first=epoch == part == 0, number=number))
        both = {name: figures[0].pop(name) for name in ("entropy", "mismatch")}
        return {**mean_of(figures), **both}

    def _one_update(self, update: int, experience: Experience, rows: Tensor, *, first: bool, number: int) -> Metrics:
        """One optimiser step on the answers `rows`, in micro-batches whose gradients add up to the token mean."""
        tokens = float(experience.mask[rows].sum())
        sums: Metrics = {}
        for part in rows.split(self._recipe.optim.micro_batch):
            loss, figures = self._micro_loss(experience, part, first=first)
            if not torch.isfinite(loss):
                self._clear()
                raise NotFinite("the loss", [experience.lines[i] for i in part.tolist()])
            (loss / tokens).backward()
            for name, figure in figures.items():
                sums[name] = sums.get(name, 0.0) + figure
        metrics = {name: figure / tokens for name, figure in sums.items()}
        lines = [experience.lines[i] for i in rows.tolist()]
        if self._valuer is not None:
            self._valuer.step(update, lines)
            if number < self._recipe.ppo.critic_warmup:
                self._actor.clear()
                return metrics
        return {**metrics, "grad_norm": self._actor.step(update, lines)["grad_norm"]}

    def _micro_loss(self, experience: Experience, rows: Tensor, *, first: bool) -> tuple[Tensor, Metrics]:
        """The loss summed over tokens, and figures summed alike."""
        p, mask = self._recipe.ppo, experience.mask[rows]
        layout = self._layout([experience.trees[i] for i in rows.tolist()])
        old, gain = experience.old_logps[rows][mask], experience.advantages[rows][mask]
        policy, out = answer_losses(
            self._policy,
            layout,
            self._arithmetic,
            lambda logps, at: policy_losses(logps, old[at], gain[at], clip=p.clip),
            temperature=p.temperature,
            entropy=first,
        )
        mismatch = float(sampler_mismatch(out.logps, old, torch.ones_like(old)))
        if first and mismatch > p.max_mismatch:
            raise SamplerMismatch(
                f"sampler and trainer disagree: mean exp|difference| is {mismatch:.4f} of {p.max_mismatch} allowed",
                hint="run.precision=fp32 or ppo.rollout=own shows whether it is rounding; ppo.max_mismatch is the limit",
            )
        loss = policy + self._recipe.model.router_loss * out.balance * old.numel()
        figures = {"policy_loss": float(policy.detach())}
        if self._critic is not None:
            values, targets = experience.values[rows][mask], experience.returns[rows][mask]
            value = value_losses(self._critic(layout, self._arithmetic), values, targets, clip=p.value_clip).sum()
            loss = loss + p.value_weight * value
            figures["value_loss"] = float(value.detach())
        figures = {
            "loss": float(loss.detach()),
            **figures,
            "clipped": float((((out.logps - old).exp() - 1).abs() > p.clip).float().sum()),
        }
        if first:  # both belong to the policy that drew the answers
            figures |= {"entropy": float(out.entropy.sum()), "mismatch": mismatch * old.numel()}
        return loss, figures

    def _clear(self) -> None:
        self._actor.clear()
        if self._valuer is not None:
            self._valuer.clear()

    def _steer(self, metrics: Metrics, answers: int) -> None:
        """Step 5."""
        p = self._recipe.ppo
        if p.kl_target > 0:
            self._kl_price = adapted_coefficient(
                self._kl_price, metrics["kl"], target=p.kl_target, horizon=p.kl_horizon, answers=answers
            )
        if self._cost is not None:
            self._multiplier = updated_multiplier(
                self._multiplier, metrics["cost"], limit=p.cost_limit, rate=p.cost_rate, highest=p.cost_highest
            )

    def _layout(self, trees: list[Tree]) -> Layout:
        return lay_out(trees, share=False, pad=self._arithmetic.pad).to(core_of(self._policy).lm_head.weight.device)

    def _as_reference(self) -> AbstractContextManager[Any]:
        if self._reference is not None:
            return nullcontext(self._reference)
        return _without_adapter(self._policy)


class _without_adapter(AbstractContextManager[Any]):  # noqa: N801  # used like a function
    def __init__(self, model: Any) -> None:
        self._model, self._disabled = model, model.disable_adapter()

    def __enter__(self) -> Any:
        self._disabled.__enter__()
        return self._model

    def __exit__(self, *exception: object) -> None:
        self._disabled.__exit__(*exception)


def frozen_copy(policy: Any) -> Any | None:
    """The reference of a policy that trains all its weights; None when an adapter can be switched off instead."""
    return None if hasattr(policy, "peft_config") else copy.deepcopy(policy).eval().requires_grad_(False)


def critic_from(body: Any, *, quantities: int, adapter: LoraShape | None = None) -> Critic:
    """A critic that starts as a copy of a model, best the reward model.

    The frozen token embedding is shared with the source, not copied; with an adapter everything but the adapter is.
    """
    source = core_of(body)
    table = source.model.get_input_embeddings()
    # deepcopy keeps what the memo already holds, and so shares it.
    shared = list(source.model.parameters()) if adapter is not None else list(table.parameters())
    decoder = copy.deepcopy(source.model, {id(weight): weight for weight in shared})
    if adapter is not None:
        from peft import LoraConfig, inject_adapter_in_model

        config = LoraConfig(r=adapter.rank, lora_alpha=adapter.alpha, target_modules="all-linear")
        with quiet_adapters():
            decoder = inject_adapter_in_model(config, decoder.requires_grad_(False))
    else:
        for weight in decoder.parameters():
            weight.requires_grad_(weight is not table.weight)
    critic: Critic = Critic(decoder, source.config, quantities).to(table.weight.device)
    return critic
