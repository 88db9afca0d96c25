"""Put together what a run needs from its recipe: rows, tokenizer, model, arithmetic."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from alignment.data.encode import Encoder, TooLong
from alignment.data.rows import Demonstration, Pair
from alignment.errors import UnusableBackend
from alignment.forward import Arithmetic
from alignment.models import LoraShape, Shape, add_adapter, load_policy, load_tokenizer, new_policy, new_tokenizer
from alignment.recipe import ModelValues, Recipe

NEW = "new"


def device_of(recipe: Recipe) -> torch.device:
    """The device of a run.

    Raises:
        UnusableBackend: the recipe wants a GPU, and there is none for this torch.
    """
    wanted, gpu = recipe.run.device, torch.cuda.is_available()
    if wanted == "cuda" and not gpu:
        raise UnusableBackend(
            f"run.device=cuda, but torch {torch.__version__} finds no GPU",
            hint="run.device=auto takes one when there is one",
        )
    return torch.device("cuda" if gpu and wanted != "cpu" else "cpu")


def settle(recipe: Recipe) -> None:
    """Make arithmetic repeatable before anything is computed, and see that there is something to compute on."""
    device_of(recipe)
    if recipe.run.threads:
        torch.set_num_threads(recipe.run.threads)
    torch.manual_seed(recipe.run.seed)
    torch.use_deterministic_algorithms(True, warn_only=True)


def model_path(values: ModelValues) -> str:
    """The folder or name to load: a finished run stands for its model."""
    inside = Path(values.path) / "model"
    return str(inside) if inside.is_dir() else values.path


def tokenizer_for(recipe: Recipe, rows: Iterable[Pair | Demonstration]) -> Any:
    """The run's tokenizer; a new model's is made from the rows."""
    if recipe.model.path != NEW:
        return load_tokenizer(model_path(recipe.model), chat_template=recipe.model.chat_template)
    texts: list[str] = []
    for row in rows:
        texts += [message.content for message in row.prompt]
        texts += [row.chosen, row.rejected] if isinstance(row, Pair) else [row.answer]
    return new_tokenizer(texts, vocab=recipe.model.vocab)


def check_bits(recipe: Recipe) -> None:
    """QLoRA needs bitsandbytes, an adapter, and a model to load.

    Raises:
        UnusableBackend: one of them is missing; the message says which.
    """
    bits = recipe.lora.bits
    if not bits:
        return
    if bits not in (4, 8):
        raise UnusableBackend(f"lora.bits={bits}: frozen weights have 4 or 8 bits", hint="or 0, which keeps them whole")
    if not recipe.lora.rank or recipe.model.path == NEW:
        raise UnusableBackend(
            "lora.bits needs an adapter on a model that exists", hint="set lora.rank=16 and model.path"
        )
    if find_spec("bitsandbytes") is None:
        raise UnusableBackend("lora.bits needs bitsandbytes", hint='pip install "haechi[qlora]", or lora.bits=0')


def policy_for(recipe: Recipe, tokenizer: Any) -> Any:
    """The causal language model, with its adapter if the recipe has one, on its device, in training precision."""
    values = recipe.model
    if values.path == NEW:
        shape = Shape(values.family, values.hidden, values.layers, values.heads, values.vocab, values.experts)
        model = new_policy(shape, tokenizer, seed=recipe.run.seed)
    else:
        model = load_policy(model_path(values), dtype=torch.float32, bits=recipe.lora.bits)
    if recipe.lora.bits:
        return adapted(model, recipe)  # bitsandbytes has placed it
    return adapted(model.to(device_of(recipe)), recipe)


def adapted(model: Any, recipe: Recipe) -> Any:
    """The model with the recipe's adapter and memory settings."""
    if recipe.model.gradient_checkpointing:
        model.activation_checkpointing_enable()
        model.enable_input_require_grads()
    if recipe.lora.rank:
        values = recipe.lora
        torch.manual_seed(recipe.run.seed)  # the adapter's first weights are random
        model = add_adapter(model, LoraShape(values.rank, values.alpha, values.dropout, values.targets))
    return model.train()


def encoder_for(recipe: Recipe, tokenizer: Any) -> Encoder:
    """The run's encoder."""
    return Encoder(
        tokenizer,
        max_tokens=recipe.data.max_tokens,
        too_long=TooLong(recipe.data.too_long),
        thinking=recipe.model.thinking,
    )


def arithmetic_for(recipe: Recipe, tokenizer: Any) -> Arithmetic:
    """How the run computes."""
    return Arithmetic(recipe.optim.logit_chunk, recipe.run.precision == "bf16", int(tokenizer.pad_token_id))
