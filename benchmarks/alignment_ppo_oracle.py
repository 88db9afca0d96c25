"""One PPO step by TRL 1.12's own code and by ours, from the same answers: the same losses and the same weights after it.

    python -m pip download trl==1.12.0 --no-deps -d wheel && python -m zipfile -e wheel/trl-1.12.0-py3-none-any.whl peer
    PYTHONPATH=peer python -m benchmarks.alignment_ppo_oracle

What goes in: policy, reference, reward model and critic with equal weights, prompts of different lengths, one fixed answer
to each. What is compared: score, KL, policy loss and value loss averaged over the passes, and the way that every weight of
policy and critic went (relative norm of the difference). Learning rate and number of passes are such that ratios and
values reach their clips, which is asserted. AdamW's epsilon is large, so that a gradient of nearly zero moves nothing.

Where the two mean different things nothing can be equal: TRL puts the score of an answer that ended early on the position
behind its end, and teaches the critic a value there; here it stands on the end token. So every answer has full length.
"""

from __future__ import annotations

import copy
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.figures import report

VOCAB, TOKENS, PASSES, RATE, EPSILON = 300, 9, 6, 2e-2, 1e-2
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Case:
    """Settings that both sides get."""

    name: str
    kl: str = "k1"
    whiten: bool = False
    temperature: float = 1.0
    lam: float = 0.95
    gamma: float = 1.0


CASES = (
    Case("plain"),
    Case("k3, whitened rewards", kl="k3", whiten=True),
    Case("temperature 0.7, discount 0.97, lambda 0.8", temperature=0.7, gamma=0.97, lam=0.8),
)


@dataclass(frozen=True)
class Start:
    """What both sides begin with; every user copies."""

    policy: Any
    reference: Any
    reward: Any
    value: Any
    tokenizer: Any
    prompts: list[tuple[int, ...]]
    answers: Tensor


def start() -> Start:
    from transformers import AutoModelForSequenceClassification

    from alignment.models import Shape, new_policy, new_tokenizer

    tokenizer = new_tokenizer(["words to make tokens of"], vocab=VOCAB)
    shape = Shape("qwen3", hidden=32, layers=2, heads=2)
    policies = [new_policy(shape, tokenizer, seed=seed) for seed in (1, 2)]
    config = copy.deepcopy(policies[0].config)
    config.num_labels = 1
    torch.manual_seed(3)
    judges = [AutoModelForSequenceClassification.from_config(config, attn_implementation="sdpa") for _ in range(2)]
    for judge in judges:
        nn.init.normal_(judge.score.weight, std=0.5)
    judges[1].model.embed_tokens.requires_grad_(False)  # as our critic has it
    gen = torch.Generator().manual_seed(4)
    prompts = [tuple(torch.randint(3, len(tokenizer), (2 + i % 5,), generator=gen).tolist()) for i in range(16)]
    answers = torch.randint(3, len(tokenizer), (16, TOKENS), generator=gen)
    return Start(policies[0], policies[1], judges[0], judges[1], tokenizer, prompts, answers)


@dataclass(frozen=True)
class Result:
    """Figures of the step, and weights after it by side and name."""

    figures: dict[str, float]
    weights: dict[str, Tensor]


def ours(case: Case, begin: Start) -> Result:
    from alignment.forward import Arithmetic, answer_tokens
    from alignment.ppo import PpoTrainer, Prompt, critic_from
    from alignment.recipe import recipe_of
    from alignment.reward import Scale
    from alignment.rollout import Rollout
    from alignment.scorers import ModelScorer
    from alignment.tensor.layout import Tree, lay_out

    arithmetic = Arithmetic(64, False, 0)
    settings: dict[str, Any] = {
        "optim.batch": 16,
        "optim.micro_batch": 4,
        "optim.steps": 1,
        "optim.learning_rate": RATE,
        "optim.schedule": "constant",
        "optim.epsilon": EPSILON,
        "optim.max_grad_norm": 1e9,
        "ppo.answer_tokens": TOKENS,
        "ppo.epochs": PASSES,
        "ppo.kl_estimate": case.kl,
        "ppo.whiten_rewards": case.whiten,
        "ppo.temperature": case.temperature,
        "ppo.lam": case.lam,
        "ppo.gamma": case.gamma,
        "ppo.max_mismatch": 100.0,
    }
    policy = copy.deepcopy(begin.policy)
    critic = critic_from(begin.value, quantities=1)
    critic.head = copy.deepcopy(begin.value.score)
    scorer = ModelScorer(
        begin.reward, Scale(("reward",), (0.0,), (1.0,)), "reward", arithmetic, batch=16, standard=True
    )
    asked = [Prompt(i, tokens) for i, tokens in enumerate(begin.prompts)]

    class Fixed(PpoTrainer):
        def rollout(self, prompts: Any) -> Rollout:
            chosen = torch.stack([begin.answers[begin.prompts.index(prompt)] for prompt in prompts])
            trees = [Tree(p, (a.tolist(),)) for p, a in zip(prompts, chosen, strict=True)]
            layout = lay_out(trees, share=False, pad=0)
            with torch.no_grad():
                logps = answer_tokens(policy, layout, arithmetic, temperature=case.temperature).logps.view(16, TOKENS)
            return Rollout(chosen, logps, torch.ones(16, TOKENS, dtype=torch.bool), torch.zeros(16, dtype=torch.bool))

    recipe = recipe_of("ppo", "oracle", settings)
    trainer = Fixed(policy, copy.deepcopy(begin.reference), critic, scorer, asked, recipe, arithmetic, end=-1)
    metrics = trainer.step(0)
    figures = {name: metrics[name] for name in ("score", "kl", "policy_loss", "value_loss", "clipped")}
    weights = {f"policy.{name}": weight.detach() for name, weight in policy.named_parameters()}
    weights |= {f"value.model.{name}": weight.detach() for name, weight in critic.model.named_parameters()}
    return Result(figures, {**weights, "value.score.weight": critic.head.weight.detach()})


def theirs(case: Case, begin: Start, folder: str) -> Result:
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
    from datasets import Dataset
    from trl.experimental.ppo import PPOConfig, PPOTrainer, ppo_trainer

    policy, value = copy.deepcopy(begin.policy), copy.deepcopy(begin.value)
    begin.tokenizer.padding_side = "left"

    def generated(model: Any, queries: Tensor, size: int, pad: int, config: Any) -> tuple[Tensor, Tensor]:
        prompts = [tuple(row[row != pad].tolist()) for row in queries]
        whole = torch.cat([queries, torch.stack([begin.answers[begin.prompts.index(p)] for p in prompts])], 1)
        logits = ppo_trainer.forward(model, whole, pad).logits[:, queries.shape[1] - 1 : -1]
        return whole, logits / (case.temperature + 1e-7)

    ppo_trainer.batch_generation = generated
    settings = PPOConfig(
        output_dir=folder,
        per_device_train_batch_size=16,
        num_mini_batches=1,
        num_ppo_epochs=PASSES,
        total_episodes=16,
        response_length=TOKENS,
        local_rollout_forward_batch_size=16,
        missing_eos_penalty=1.0,
        num_sample_generations=0,
        temperature=case.temperature,
        kl_estimator=case.kl,
        whiten_rewards=case.whiten,
        lam=case.lam,
        gamma=case.gamma,
        kl_coef=0.05,
        cliprange=0.2,
        cliprange_value=0.2,
        vf_coef=0.1,
        report_to="none",
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        save_strategy="no",
    )
    rows = Dataset.from_list([{"input_ids": list(tokens)} for tokens in begin.prompts])
    moving = [p for p in [*policy.parameters(), *value.parameters()] if p.requires_grad]
    optimiser = torch.optim.AdamW(moving, lr=RATE, betas=(0.9, 0.999), eps=EPSILON, weight_decay=0.0)
    trainer = PPOTrainer(
        args=settings,
        processing_class=begin.tokenizer,
        model=policy,
        ref_model=copy.deepcopy(begin.reference),
        reward_model=copy.deepcopy(begin.reward),
        value_model=value,
        train_dataset=rows,
        eval_dataset=rows,
        optimizers=(optimiser, torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)),
    )
    trainer.train()
    logged = next(entry for entry in trainer.state.log_history if "loss/policy_avg" in entry)
    figures = {
        "score": logged["objective/scores"] + 1.0,  # theirs has the penalty for a missing end in it
        "kl": logged["objective/kl"],
        "policy_loss": logged["loss/policy_avg"],
        "value_loss": logged["loss/value_avg"],
        "clipped": logged["policy/clipfrac_avg"],
        "values_clipped": logged["val/clipfrac_avg"],
    }
    weights = {f"policy.{name}": weight.detach() for name, weight in policy.named_parameters()}
    return Result(figures, weights | {f"value.{name}": weight.detach() for name, weight in value.named_parameters()})


def far(case: Case, begin: Start, one: Result, other: Result) -> dict[str, float]:
    """Relative differences, 0 when equal: of figures, and of the ways that policy and critic went."""
    out = {}
    for name in ("score", "policy_loss", "value_loss") + (("kl",) if case.kl == "k1" else ()):
        # The policy's loss is a difference of large terms; one white advantage is its scale.
        scale = 1.0 if name == "policy_loss" else abs(other.figures[name])
        out[name] = abs(one.figures[name] - other.figures[name]) / scale
    first = {f"policy.{name}": weight for name, weight in begin.policy.named_parameters()}
    first |= {f"value.{name}": weight for name, weight in begin.value.named_parameters()}
    for side in ("policy", "value"):
        names = [name for name in one.weights if name.startswith(side)]
        apart = torch.cat([(one.weights[n] - other.weights[n]).flatten() for n in names])
        moved = torch.cat([(other.weights[n] - first[n]).flatten() for n in names])
        out[f"{side} weights"] = float(apart.norm() / moved.norm())
    return out


def main() -> int:
    if find_spec("trl.experimental.ppo") is None:
        sys.stderr.write("not compared: this TRL has no PPO; put an unpacked TRL 1.12 on PYTHONPATH, see above\n")
        return 0
    torch.set_num_threads(1)
    worst = 0.0
    for case in CASES:
        begin = start()
        mine = ours(case, begin)
        with tempfile.TemporaryDirectory() as folder:
            peer = theirs(case, begin, folder)
        if min(peer.figures["clipped"], peer.figures["values_clipped"]) < 0.02:
            raise SystemExit(f"{case.name}: the clips were not reached, so they were not compared: {peer.figures}")
        apart = far(case, begin, mine, peer)
        print(json.dumps({"case": case.name, "apart": apart, "trl": peer.figures}))
        worst = max(worst, *apart.values())
    return 0 if report("PPO step: largest relative difference to TRL 1.12", worst, "", bar=TOLERANCE).reached else 1


if __name__ == "__main__":
    sys.exit(main())
