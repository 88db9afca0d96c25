"""TRL 1.16 as oracle: the same weights and rows give the same loss and the same gradient, to 1e-5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from alignment.data.encode import EncodedPair
from alignment.dpo import PreferenceObjective, reference_logps
from alignment.forward import Arithmetic
from alignment.models import Shape, new_policy, new_tokenizer
from alignment.offline import forbid_telemetry
from alignment.recipe import Recipe, recipe_of
from alignment.reward import RewardObjective, new_reward_model
from haechi.base.settings import Value

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

ARITHMETIC = Arithmetic(chunk=16, bf16=False, pad=0)


def make(seed: int, family: str) -> tuple[Any, Any]:
    tokenizer = new_tokenizer(["rows of words"], vocab=300)
    return new_policy(Shape(family, hidden=32, layers=2, heads=2), tokenizer, seed=seed), tokenizer


def rows(vocab: int, end: int, margins: bool = False) -> list[EncodedPair]:
    gen = torch.Generator().manual_seed(9)

    def run(n: int) -> tuple[int, ...]:
        return tuple(torch.randint(3, vocab, (n,), generator=gen).tolist())

    sizes = [(9, 4, 7), (3, 2, 1), (6, 6, 3), (4, 3, 5)]
    return [
        EncodedPair(i + 1, run(p), (*run(c), end), (*run(r), end), margin=0.3 * i if margins else 0.0)
        for i, (p, c, r) in enumerate(sizes)
    ]


def gradient(model: Any) -> torch.Tensor:
    return torch.cat(
        [p.grad.flatten() if p.grad is not None else torch.zeros_like(p).flatten() for p in model.parameters()]
    )


def padded(sequences: list[list[int]], value: int) -> torch.Tensor:
    width = max(map(len, sequences))
    return torch.tensor([[*s, *[value] * (width - len(s))] for s in sequences])


def recipe(kind: str, values: dict[str, Value]) -> Recipe:
    return recipe_of(kind, "oracle", {"model.router_loss": 0.0, "optim.share_prompts": "always", **values})


LOSSES: list[tuple[str, dict[str, Value], dict[str, Any]]] = [
    ("sigmoid", {}, {"loss_type": ["sigmoid"]}),
    ("ipo", {}, {"loss_type": ["ipo"]}),
    ("robust", {"dpo.smoothing": 0.1}, {"loss_type": ["robust"], "label_smoothing": 0.1}),
    ("sigmoid_norm", {}, {"loss_type": ["sigmoid_norm"]}),
]


@pytest.mark.parametrize("family", ["qwen2", "qwen3"])
@pytest.mark.parametrize(("loss", "ours", "theirs"), LOSSES, ids=[entry[0] for entry in LOSSES])
def test_dpo_loss_and_gradient_are_those_of_trl(
    family: str, loss: str, ours: dict[str, Value], theirs: dict[str, Any], tmp_path: Path
) -> None:
    """With a reference that differs from the policy, prompts shared on our side."""
    forbid_telemetry()
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    policy, tokenizer = make(1, family)
    reference, _ = make(2, family)
    items = rows(len(tokenizer), tokenizer.eos_token_id)
    mine = recipe("dpo", {"dpo.loss": loss, "dpo.beta": 0.3, **ours})
    looked_up = reference_logps(reference, items, ARITHMETIC, mine, tmp_path / "ref")
    policy.zero_grad()
    total = PreferenceObjective(policy, ARITHMETIC, mine, looked_up).loss(items).total / len(items)
    total.backward()
    found = gradient(policy)

    config = DPOConfig(
        output_dir=str(tmp_path),
        beta=0.3,
        report_to="none",
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        **theirs,
    )
    empty = Dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": "c"}])
    trainer = DPOTrainer(policy, reference, args=config, train_dataset=empty, processing_class=tokenizer)
    sequences = [[*i.prompt, *i.chosen] for i in items] + [[*i.prompt, *i.rejected] for i in items]
    answers = [[0] * len(i.prompt) + [1] * len(i.chosen) for i in items] + [
        [0] * len(i.prompt) + [1] * len(i.rejected) for i in items
    ]
    batch = {
        "input_ids": padded(sequences, 0),
        "attention_mask": padded([[1] * len(s) for s in sequences], 0),
        "completion_mask": padded(answers, 0),
    }
    policy.zero_grad()
    policy.train()
    expected = trainer.compute_loss(policy, batch)
    expected.backward()
    wanted = gradient(policy)
    assert float(total) == pytest.approx(float(expected), rel=1e-5)
    assert float((found - wanted).norm() / wanted.norm()) < 1e-5


@pytest.mark.parametrize("family", ["qwen2", "qwen3"])
def test_reward_loss_and_gradient_are_those_of_trl(family: str, tmp_path: Path) -> None:
    """With margins and centring."""
    forbid_telemetry()
    from datasets import Dataset
    from trl import RewardConfig, RewardTrainer

    policy, tokenizer = make(3, family)
    items = rows(len(tokenizer), tokenizer.eos_token_id, margins=True)
    model = new_reward_model(policy, ("reward",), seed=5)
    mine = recipe("reward", {"reward.centring": 0.05})
    total = RewardObjective(model, ARITHMETIC, mine, ("reward",)).loss(items).total / len(items)
    total.backward()
    found = gradient(model)

    config = RewardConfig(
        output_dir=str(tmp_path),
        center_rewards_coefficient=0.05,
        report_to="none",
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
    )
    empty = Dataset.from_list([{"chosen": "b", "rejected": "c"}])
    trainer = RewardTrainer(model, args=config, train_dataset=empty, processing_class=tokenizer)
    sequences = [[*i.prompt, *i.chosen] for i in items] + [[*i.prompt, *i.rejected] for i in items]
    batch = {
        "input_ids": padded(sequences, 0),
        "attention_mask": padded([[1] * len(s) for s in sequences], 0),
        "margin": torch.tensor([i.margin for i in items]),
    }
    model.zero_grad()
    expected = trainer.compute_loss(model, batch)
    expected.backward()
    wanted = gradient(model)
    assert float(total) == pytest.approx(float(expected), rel=1e-5)
    assert float((found - wanted).norm() / wanted.norm()) < 1e-5
