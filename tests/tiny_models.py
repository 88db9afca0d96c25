"""Tiny real Qwen checkpoints, made on the fly: a tokenizer trained on the spot, Qwen's own chat templates, few weights.

`teach` lets a model learn some answers by heart in a second or two, so that tests can expect words of it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
    Qwen3NextConfig,
    Qwen3NextForCausalLM,
)

CORPUS = (
    "안녕하세요. 오늘 날씨가 좋습니다. 환불에 대해 알려 주세요. 대한민국의 수도는 서울입니다.",
    "你好，世界。今天天气很好。请告诉我退款的规定。中国的首都是北京。",
    "Hello, world. The weather is fine today. Tell me about refunds. The capital of France is Paris.",
    "one two three four five six seven eight nine ten",
)
FAMILIES = ("qwen2", "qwen3", "qwen3_moe")
CONTEXT = 512


def tokenizer(template: str = "qwen3.jinja") -> PreTrainedTokenizerFast:
    """A byte-level tokenizer of about 700 tokens with Qwen's control tokens and one of the published templates."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    controls = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=controls, initial_alphabet=alphabet, show_progress=False
    )
    trained.train_from_iterator(CORPUS, trainer)
    trained.add_tokens(
        [AddedToken(word, special=False) for word in ("<think>", "</think>", "<tool_call>", "</tool_call>")]
    )
    made = PreTrainedTokenizerFast(
        tokenizer_object=trained,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>"],
    )
    spec = importlib.util.find_spec("trl")
    assert spec is not None
    assert spec.submodule_search_locations
    made.chat_template = (Path(spec.submodule_search_locations[0]) / "chat_templates" / template).read_text("utf-8")
    return made


def model(family: str, words: PreTrainedTokenizerFast, *, seed: int = 0, **more: Any) -> Any:
    """An untrained model of a family, some 100,000 weights. `more` goes to its configuration."""
    torch.manual_seed(seed)
    common: dict[str, Any] = {
        "vocab_size": len(words),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": words.eos_token_id,
        "pad_token_id": words.pad_token_id,
    }
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64}
    linear = {f"linear_{part}_head_dim": 16 for part in ("key", "value")}
    linear |= {f"linear_num_{part}_heads": 2 for part in ("key", "value")}
    if family == "qwen2":
        return Qwen2ForCausalLM(Qwen2Config(**common | more))
    if family == "qwen3":
        return Qwen3ForCausalLM(Qwen3Config(**common | {"head_dim": 16} | more))
    if family == "qwen3_moe":
        return Qwen3MoeForCausalLM(Qwen3MoeConfig(**common | {"head_dim": 16} | experts | more))
    if family == "qwen3_next":
        common |= {"num_hidden_layers": 4, "head_dim": 16, "shared_expert_intermediate_size": 64}
        return Qwen3NextForCausalLM(Qwen3NextConfig(**common | experts | linear | more))
    raise ValueError(family)


def save(folder: Path, family: str, *, template: str = "qwen3.jinja", answers: Mapping[str, str] | None = None) -> Path:
    """Write a checkpoint of a family; with answers, one that has learnt them by heart."""
    words = tokenizer(template)
    made = model(family, words)
    if answers:
        teach(made, words, answers)
    made.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def teach(made: Any, words: PreTrainedTokenizerFast, answers: Mapping[str, str], *, steps: int = 160) -> None:
    """Overfit the model on question and answer pairs."""
    rows: list[Sequence[int]] = []
    starts = []
    for question, answer in answers.items():
        prompt = words.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, tokenize=False
        )
        start = words(prompt, add_special_tokens=False)["input_ids"]
        rows.append(start + words(answer + "<|im_end|>", add_special_tokens=False)["input_ids"])
        starts.append(len(start))
    width = max(len(row) for row in rows)
    tokens = torch.tensor([list(row) + [words.pad_token_id] * (width - len(row)) for row in rows])
    labels = tokens.clone()
    for place, (row, start) in enumerate(zip(rows, starts, strict=True)):
        labels[place, :start] = -100
        labels[place, len(row) :] = -100
    optimizer = torch.optim.AdamW(made.parameters(), lr=5e-3)
    made.train()
    for _ in range(steps):
        logits = made(input_ids=tokens, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    made.eval()
    if loss.item() > 0.05:
        raise RuntimeError(f"the tiny model did not learn its answers (loss {loss.item():.3f})")


ANSWERS: Mapping[str, str] = {
    "think": "<think>\n생각합니다\n</think>\n\n안녕하세요 세계",
    "count": "one two three four five six seven eight nine ten",
    "capital": "中国的首都是北京。",
    "emoji": "좋아요 👍🏽 끝",
}
"""What the taught models know. `think` is answered with a thought first, as Qwen3 does."""


def asks(question: str, **more: Any) -> dict[str, Any]:
    """A request body for one of the questions; exact unless told otherwise."""
    return {"messages": [{"role": "user", "content": question}], "temperature": 0, "max_tokens": 60, **more}
