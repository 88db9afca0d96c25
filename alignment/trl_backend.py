"""`run.backend = "trl"`: the same recipe, rows and folder, trained by TRL's stable trainers instead of ours.

For what they do better on a given machine, accelerate's FSDP and DeepSpeed over several processes among it:

    accelerate launch --config_file alignment/configs/fsdp.yaml -m haechi train dpo RECIPE --set run.backend=trl

and as a second opinion on our numerics. What is lost: resuming, prompt sharing, several reward heads, alarms of single
steps. PPO stays ours; TRL has removed its own.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch

from alignment.data.encode import EncodedAnswer, EncodedPair
from alignment.data.rows import Conversation, Pair
from alignment.errors import UnusableBackend
from alignment.offline import forbid_telemetry
from alignment.recipe import Recipe

LOSSES: Final = ("sigmoid", "sigmoid_norm", "ipo", "robust")
"""DPO losses that mean the same here and there."""
_SCHEDULES: Final = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}
_NAMES: Final = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
    "rewards/accuracies": "accuracy",
    "accuracy": "accuracy",
    "rewards/margins": "margin",
    "margin": "margin",
    "rewards/chosen": "reward_chosen",
    "rewards/rejected": "reward_rejected",
}


def check_backend(recipe: Recipe, *, resume: bool) -> None:
    """Refuse what TRL would not do as the recipe says.

    Raises:
        UnusableBackend: with the value that stands in the way.
    """
    if recipe.run.backend != "trl":
        return
    wrong = ""
    if recipe.kind == "ppo":
        wrong = "PPO (TRL removed it)"
    elif resume:
        wrong = "--resume"
    elif recipe.kind == "dpo" and recipe.dpo.loss not in LOSSES:
        wrong = f"dpo.loss={recipe.dpo.loss}"
    elif recipe.kind == "dpo" and recipe.dpo.sft:
        wrong = "dpo.sft"
    elif recipe.kind == "reward" and recipe.reward.heads != "reward":
        wrong = f"reward.heads={recipe.reward.heads}"
    elif recipe.kind == "reward" and recipe.reward.body != "train":
        wrong = f"reward.body={recipe.reward.body}"
    elif recipe.kind == "reward" and recipe.reward.read != "end":
        wrong = f"reward.read={recipe.reward.read}"
    if wrong:
        raise UnusableBackend(f"run.backend=trl does not do {wrong}", hint="leave run.backend at `own`")


def learn(
    recipe: Recipe,
    folder: Path,
    model: Any,
    tokenizer: Any,
    items: Sequence[EncodedPair | EncodedAnswer],
    pairs: Sequence[Pair],
) -> list[dict[str, float]]:
    """Train `model` in place and return the metrics of every step under our names.

    folder: for scratch files. items: tokenised rows. pairs: the same rows in words, which DPO's trainer tokenises itself.

    Raises:
        UnusableBackend: TRL is not installed.
    """
    forbid_telemetry()
    try:
        import trl
        from datasets import Dataset, disable_progress_bars
        from transformers import PrinterCallback
    except ImportError as error:
        raise UnusableBackend("run.backend=trl needs TRL", hint='pip install "haechi[train]"') from error
    disable_progress_bars()
    common = _arguments(recipe, folder)
    rows: list[dict[str, Any]]
    match recipe.kind:
        case "sft":
            rows = [_sft_row(item) for item in items if isinstance(item, EncodedAnswer)]
            trainer_class, arguments = trl.SFTTrainer, trl.SFTConfig(**common)
        case "reward":
            rows = [_reward_row(item, recipe) for item in items if isinstance(item, EncodedPair)]
            trainer_class = trl.RewardTrainer
            arguments = trl.RewardConfig(**common, center_rewards_coefficient=recipe.reward.centring or None)
        case _:
            kept = {item.line for item in items}
            rows = [_dpo_row(pair) for pair in pairs if pair.line in kept]
            trainer_class = trl.DPOTrainer
            arguments = trl.DPOConfig(
                **common, beta=recipe.dpo.beta, loss_type=[recipe.dpo.loss], label_smoothing=recipe.dpo.smoothing
            )
    options: dict[str, Any] = {
        "args": arguments,
        "train_dataset": Dataset.from_list(rows),
        "processing_class": tokenizer,
    }
    if recipe.kind == "dpo" and not hasattr(model, "peft_config"):
        options["ref_model"] = copy.deepcopy(model)  # TRL would load it again by name, which a new model has not
    trainer = trainer_class(model=model, **options)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    if trainer.accelerator.num_processes > 1:
        _come_home(trainer, model)
    return [_ours(entry) for entry in trainer.state.log_history if "loss" in entry]


def is_main(recipe: Recipe) -> bool:
    """Whether this process writes the run's folder: always, but for the others that accelerate has launched."""
    if recipe.run.backend == "own":
        return True
    from accelerate import PartialState

    return bool(PartialState(cpu=recipe.run.device == "cpu").is_main_process)


def _come_home(trainer: Any, model: Any) -> None:
    """Put the whole weights, which FSDP and DeepSpeed keep in shards, into the model of the main process; end the others."""
    whole = trainer.accelerator.get_state_dict(trainer.model_wrapped)
    if not trainer.accelerator.is_main_process:
        raise SystemExit(0)
    named = {name.removeprefix("module."): value for name, value in whole.items()}
    with torch.no_grad():
        for name, weight in model.state_dict(keep_vars=True).items():
            if name in named and weight.shape == named[name].shape:
                weight.copy_(named[name].to(weight))
            elif name in named:
                weight.data = named[name].to(weight.device, weight.dtype)


def _arguments(recipe: Recipe, folder: Path) -> dict[str, Any]:
    values = recipe.optim
    return {
        "output_dir": str(folder),
        "max_steps": values.steps,
        "per_device_train_batch_size": min(values.micro_batch, values.batch),
        "gradient_accumulation_steps": max(1, values.batch // values.micro_batch),
        "learning_rate": values.learning_rate,
        "lr_scheduler_type": _SCHEDULES[values.schedule],
        "warmup_steps": values.warmup_steps,
        "weight_decay": values.weight_decay,
        "adam_beta1": values.beta1,
        "adam_beta2": values.beta2,
        "adam_epsilon": values.epsilon,
        "max_grad_norm": values.max_grad_norm,
        "max_length": recipe.data.max_tokens,
        "activation_checkpointing": recipe.model.gradient_checkpointing,
        "bf16": recipe.run.precision == "bf16",
        "use_cpu": recipe.run.device == "cpu",
        "seed": recipe.run.seed,
        "report_to": "none",
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }


def _sft_row(item: EncodedAnswer) -> dict[str, Any]:
    return {
        "input_ids": [*item.prompt, *item.answer],
        "completion_mask": [0] * len(item.prompt) + [1] * len(item.answer),
    }


def _reward_row(item: EncodedPair, recipe: Recipe) -> dict[str, Any]:
    return {
        "chosen_ids": [*item.prompt, *item.chosen],
        "rejected_ids": [*item.prompt, *item.rejected],
        "margin": item.margin if recipe.reward.margin else 0.0,
    }


def _dpo_row(pair: Pair) -> dict[str, Any]:
    return {
        "prompt": _turns(pair.prompt),
        "chosen": [{"role": "assistant", "content": pair.chosen}],
        "rejected": [{"role": "assistant", "content": pair.rejected}],
    }


def _turns(prompt: Conversation) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": turn.content} for turn in prompt]


def _ours(entry: Mapping[str, Any]) -> dict[str, float]:
    return {"step": entry["step"], **{ours: float(entry[name]) for name, ours in _NAMES.items() if name in entry}}
