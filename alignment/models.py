"""Models and tokenizers: load them, make tiny new ones, put adapters and heads on them.

Everything here works without a network; a hub name is looked up in the local cache only.
"""

from __future__ import annotations

import contextlib
import difflib
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignment.errors import UnusableAdapter, UnusableModel
from alignment.offline import forbid_telemetry

if TYPE_CHECKING:
    import torch

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
FAMILIES = ("qwen2", "qwen3", "qwen3_moe")


@dataclass(frozen=True, slots=True)
class Shape:
    """Size of a new model. `experts` counts only for `qwen3_moe`; `vocab` is an upper bound for the tokenizer."""

    family: str = "qwen3"
    hidden: int = 64
    layers: int = 2
    heads: int = 4
    vocab: int = 512
    experts: int = 4


@dataclass(frozen=True, slots=True)
class LoraShape:
    """An adapter. rank 0 trains all weights instead. targets: module names, or `all-linear`."""

    rank: int = 0
    alpha: int = 16
    dropout: float = 0.0
    targets: str = "all-linear"


def load_tokenizer(path: str, *, chat_template: str = "") -> Any:
    """The tokenizer of a model folder or a cached hub name, padding on the right.

    chat_template: a Jinja file that replaces the template of the model.

    Raises:
        UnusableModel: there is none, or it has no chat template, or the file of one cannot be read.
    """
    forbid_telemetry()
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(path, padding_side="right")
    except (OSError, ValueError) as error:
        raise _not_loadable(path, "tokenizer", error) from error
    if chat_template:
        try:
            tokenizer.chat_template = Path(chat_template).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UnusableModel(
                f"model.chat_template: {chat_template} cannot be read as text ({type(error).__name__})",
                hint="name a Jinja file, or leave it empty for the model's own template",
            ) from error
    if not tokenizer.chat_template:
        raise UnusableModel(f"the tokenizer of {path} has no chat template", hint="name a file in model.chat_template")
    return tokenizer


def load_policy(path: str, *, dtype: torch.dtype, bits: int = 0) -> Any:
    """A causal language model in training precision. bits: 4 or 8 quantises its frozen weights with bitsandbytes.

    Raises:
        UnusableModel: the folder or name cannot be loaded as one.
    """
    forbid_telemetry()
    from transformers import AutoModelForCausalLM

    try:
        # "sdpa" takes the explicit masks of prefix sharing; other kernels ignore them.
        model = AutoModelForCausalLM.from_pretrained(
            path, dtype=dtype, attn_implementation="sdpa", **_quantised(bits, dtype)
        )
    except (OSError, ValueError) as error:
        raise _not_loadable(path, "causal language model", error) from error
    for module in model.modules():
        # On processors with AVX512-BF16 bitsandbytes repacks weights once they answer; training reads them as they were,
        # and rows shorter than a block of 64 cannot be packed at all.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model


def _quantised(bits: int, dtype: torch.dtype) -> dict[str, Any]:
    if not bits:
        return {}
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=bits == 4, load_in_8bit=bits == 8, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
    )
    return {"quantization_config": config}


def new_tokenizer(texts: Iterable[str], *, vocab: int) -> Any:
    """A byte-level BPE tokenizer with Qwen's turn marks, made from `texts`; no text is unknown to it."""
    forbid_telemetry()
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[START],
        chat_template=CHAT_TEMPLATE,
        padding_side="right",
    )


def new_policy(shape: Shape, tokenizer: Any, *, seed: int) -> Any:
    """A Qwen model with random weights that depend on the seed alone."""
    forbid_telemetry()
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    if shape.family not in FAMILIES:
        raise UnusableModel(f"no family {shape.family!r}", hint=f"known: {', '.join(FAMILIES)}")
    values: dict[str, object] = {
        "vocab_size": len(tokenizer),
        "hidden_size": shape.hidden,
        "intermediate_size": 2 * shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": max(1, shape.heads // 2),
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if shape.family != "qwen2":
        values["head_dim"] = shape.hidden // shape.heads
    if shape.family == "qwen3_moe":
        values |= {
            "num_experts": shape.experts,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": shape.hidden,
            "output_router_logits": False,
        }
    config = AutoConfig.for_model(shape.family, **values)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(config, attn_implementation="sdpa", dtype=torch.float32)


def core_of(model: Any) -> Any:
    """The causal language model inside, with its adapter layers in place when it has some."""
    return model.get_base_model() if hasattr(model, "peft_config") else model


def add_adapter(model: Any, shape: LoraShape) -> Any:
    """Put LoRA on a model; only the adapter trains, and the heads of a reward model.

    Raises:
        UnusableAdapter: a target that the model does not have, or the output head.
    """
    from peft import LoraConfig, get_peft_model
    from torch import nn

    linear = {name.rsplit(".", 1)[-1] for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    has_heads = "score" in linear
    linear -= {"lm_head", "score"}
    targets: str | list[str] = shape.targets
    if shape.targets != "all-linear":
        targets = [name.strip() for name in shape.targets.split(",")]
        _check_targets(targets, linear)
    config = LoraConfig(
        r=shape.rank,
        lora_alpha=shape.alpha,
        lora_dropout=shape.dropout,
        target_modules=targets,
        task_type="SEQ_CLS" if has_heads else "CAUSAL_LM",
        modules_to_save=["score"] if has_heads else None,  # new heads must train, and be saved
    )
    with quiet_adapters():
        return get_peft_model(model, config)


def merged(model: Any, adapter: Path) -> Any:
    """The model with a saved adapter added to its weights."""
    from peft import PeftModel

    with quiet_adapters():
        return PeftModel.from_pretrained(model, adapter).merge_and_unload()


@contextlib.contextmanager
def quiet_adapters() -> Iterator[None]:
    """Leave out two warnings of peft that are none of the user's business."""
    with warnings.catch_warnings():
        # peft asks transformers for a property by its old name; that warning is between the two of them.
        warnings.filterwarnings("ignore", category=FutureWarning, message=".*gradient_checkpointing.*")
        # For mixtures peft gives fused experts, which are parameters and no linear layers, ranks of their own.
        warnings.filterwarnings("ignore", category=RuntimeWarning, message=".*(rank|alpha)_pattern.*")
        yield


def _check_targets(targets: list[str], known: set[str]) -> None:
    for name in targets:
        if name == "lm_head" or name.endswith(".lm_head"):
            # The fused loss reads the head's weight itself; an adapter there would never be seen, nor trained.
            raise UnusableAdapter(
                "an adapter on lm_head would not be trained: the loss reads the head's weight directly",
                hint="leave lm_head out of lora.targets",
            )
        if name not in known:
            close = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known))}, or all-linear"
            raise UnusableAdapter(f"the model has no module {name!r} to adapt", hint=hint)


def _not_loadable(path: str, kind: str, error: Exception) -> UnusableModel:
    where = "the folder" if Path(path).exists() else "no such folder, and not in the local cache:"
    return UnusableModel(
        f"{path} cannot be loaded as a {kind} ({where} {type(error).__name__})",
        hint="give a folder written by save_pretrained, a finished run's `model` folder, or `new`",
    )
