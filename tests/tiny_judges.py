"""Tiny checkpoints of the architectures that judge text, made on the fly: BERT, RoBERTa, XLM-R, Qwen3 with and without heads.

The weights are random, the formats and the code that reads them are the real ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3Model,
    RobertaConfig,
    RobertaForSequenceClassification,
    T5Config,
    T5ForConditionalGeneration,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

from tests.tiny_models import CORPUS, model, teach
from tests.tiny_models import tokenizer as qwen_tokenizer

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
JIGSAW = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
UNBIASED = ["toxicity", "severe_toxicity", "obscene", "identity_attack", "insult", "threat", "sexual_explicit"]
VARIANTS = {
    "original": ("BertForSequenceClassification", "BertTokenizer", JIGSAW, 6),
    "unbiased": ("RobertaForSequenceClassification", "RobertaTokenizer", UNBIASED, 16),
    "multilingual": ("XLMRobertaForSequenceClassification", "XLMRobertaTokenizer", UNBIASED, 16),
}
"""As Detoxify publishes them: class, tokenizer, labels, outputs (more than labels: who a text is about comes after)."""

GUARD_TEMPLATE = """\
{%- set last = messages[-1].role -%}
<|im_start|>user
# Task: assess the last {{ 'ASSISTANT' if last == 'assistant' else 'USER' }} of the conversation.
{% for message in messages %}{{ 'USER' if message.role == 'user' else 'ASSISTANT' }}: {{ message.content }}
{% endfor %}Answer 'Safety:' and 'Categories:'.<|im_end|>
{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
"""A template of the kind that comes with Qwen3Guard-Gen; the real one is longer, and comes with its checkpoint."""


def word_tokenizer(kind: str) -> PreTrainedTokenizerFast:
    """A tokenizer of a few hundred pieces with the special tokens of BERT (`bert`) or RoBERTa and XLM-R."""
    bert = kind == "bert"
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] if bert else ["<s>", "<pad>", "</s>", "<unk>"]
    trained = Tokenizer(models.WordPiece(unk_token="[UNK]") if bert else models.BPE(unk_token="<unk>"))
    trained.normalizer = normalizers.BertNormalizer(lowercase=True) if bert else normalizers.NFKC()
    trained.pre_tokenizer = pre_tokenizers.BertPreTokenizer() if bert else pre_tokenizers.Metaspace()
    options: dict[str, Any] = {"vocab_size": 400, "special_tokens": names, "show_progress": False}
    trainer = trainers.WordPieceTrainer(**options) if bert else trainers.BpeTrainer(**options)
    trained.train_from_iterator(CORPUS, trainer)
    start, end = ("[CLS]", "[SEP]") if bert else ("<s>", "</s>")
    trained.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        pair=f"{start} $A {end} $B:1 {end}:1" if bert else f"{start} $A {end} {end} $B {end}",
        special_tokens=[(w, trained.token_to_id(w)) for w in (start, end)],
    )
    made = {"cls_token": start, "sep_token": end, "unk_token": names[1] if bert else "<unk>"}
    made["pad_token"] = names[0] if bert else "<pad>"
    return PreTrainedTokenizerFast(tokenizer_object=trained, model_max_length=512, **made)


def classifier(kind: str, words: PreTrainedTokenizerFast, outputs: int, **more: Any) -> Any:
    """An untrained sequence classifier with loud outputs, so that texts differ."""
    torch.manual_seed(3)
    common = SIZES | {"vocab_size": len(words), "num_labels": outputs, "pad_token_id": words.pad_token_id} | more
    if kind == "bert":
        made: Any = BertForSequenceClassification(BertConfig(max_position_embeddings=512, **common))
    elif kind == "roberta":
        made = RobertaForSequenceClassification(RobertaConfig(max_position_embeddings=514, **common))
    elif kind == "deberta-v2":
        made = DebertaV2ForSequenceClassification(DebertaV2Config(max_position_embeddings=512, **common))
    else:
        made = XLMRobertaForSequenceClassification(XLMRobertaConfig(max_position_embeddings=514, **common))
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if weight.ndim > 1:
                weight.mul_(8 if name.startswith("classifier") else 4)
    return made.eval()


def save_detoxify(folder: Path, variant: str) -> tuple[Path, Path]:
    """A checkpoint in Detoxify's own form, and the folder with configuration and tokenizer beside it."""
    name, _, classes, outputs = VARIANTS[variant]
    kind = {"original": "bert", "unbiased": "roberta", "multilingual": "xlm-roberta"}[variant]
    words = word_tokenizer("bert" if kind == "bert" else kind)
    made = classifier(kind, words, outputs)
    parts = folder / "parts"
    made.config.save_pretrained(parts)
    words.save_pretrained(parts)
    arguments = {
        "model_type": str(parts),
        "model_name": name,
        "tokenizer_name": "PreTrainedTokenizerFast",
        "num_classes": outputs,
    }
    described = {"arch": {"args": arguments}, "dataset": {"args": {"classes": classes}}}
    checkpoint = folder / f"{variant}.ckpt"
    torch.save({"config": described, "state_dict": made.state_dict()}, checkpoint)
    return checkpoint, parts


def save_sequence(folder: Path, kind: str, labels: list[str], **more: Any) -> tuple[Any, PreTrainedTokenizerFast]:
    """A folder as transformers writes it; the model and the tokenizer that are in it."""
    words = word_tokenizer("bert" if kind in {"bert", "deberta-v2"} else kind)
    made = classifier(kind, words, len(labels), id2label=dict(enumerate(labels)), **more)
    made.config.label2id = {label: i for i, label in enumerate(labels)}
    made.save_pretrained(folder)
    words.save_pretrained(folder)
    return made, words


def save_t5(folder: Path) -> tuple[Any, PreTrainedTokenizerFast]:
    """A MiniCheck-Flan-T5 in small: gated T5, whose tokenizer begins 0 and 1 differently and ends every text."""
    torch.manual_seed(7)
    names = ["<pad>", "</s>", "<unk>"]
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=names, show_progress=False)
    trained.train_from_iterator([*CORPUS, "0 1 predict: 0 1"], trainer)
    trained.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    words = PreTrainedTokenizerFast(
        tokenizer_object=trained, eos_token="</s>", pad_token="<pad>", unk_token="<unk>", model_max_length=2048
    )
    config = T5Config(
        vocab_size=len(words), d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, pad_token_id=0, eos_token_id=1,
        decoder_start_token_id=0, feed_forward_proj="gated-gelu", tie_word_embeddings=False,
    )  # fmt: skip
    made = T5ForConditionalGeneration(config).eval()
    with torch.no_grad():
        made.lm_head.weight.mul_(4)
    made.save_pretrained(folder)
    words.save_pretrained(folder)
    return made, words


def save_guard_gen(folder: Path, answers: Mapping[str, str]) -> Path:
    """A generative judge that has learnt by heart what to answer to some prompts."""
    words = qwen_tokenizer()
    words.chat_template = GUARD_TEMPLATE
    made = model("qwen3", words)
    teach(made, words, answers, steps=220)
    made.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


ATTACK = "one two three"
HARMLESS = "The weather is fine today."
ANSWERS = {
    ATTACK: "Safety: Unsafe\nCategories: Violent, Jailbreak",
    HARMLESS: "Safety: Safe\nCategories: None",
    "你好": "Safety: Controversial\nCategories: Unethical Acts",
    "안녕하세요": "Hello, world.",
}
"""What the generative judge of the tests knows; the last is no judgement."""

RISKS = {"0": "Safe", "1": "Unsafe", "2": "Controversial"}
KINDS = ("Violent", "Sexual Content or Sexual Acts", "Suicide & Self-Harm", "Politically Sensitive Topics", "PII",
         "Copyright Violation", "Non-violent Illegal Acts", "Unethical Acts", "Jailbreak")  # fmt: skip


def save_guard_stream(folder: Path, *, longest: int = 512) -> Path:
    """A streaming judge in the published shape: Qwen3's tensors under `model.`, eight tensors of the heads."""
    words = qwen_tokenizer()
    torch.manual_seed(5)
    config = Qwen3Config(
        vocab_size=len(words), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=longest,
    )  # fmt: skip
    backbone = Qwen3Model(config)
    tensors = {f"model.{key}": tensor.contiguous() for key, tensor in backbone.state_dict().items()}
    inner = 32
    for prefix, kinds in (("", 8), ("query_", 9)):
        tensors[f"{prefix}risk_level_category_pre.weight"] = torch.randn(inner, 64)
        tensors[f"{prefix}risk_level_category_layernorm.weight"] = torch.ones(inner)
        tensors[f"{prefix}risk_level_head.weight"] = torch.randn(3, inner)
        tensors[f"{prefix}category_head.weight"] = torch.randn(kinds, inner)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config.save_pretrained(folder)
    described = json.loads((folder / "config.json").read_text("utf-8"))
    described |= {
        "guard_inner_size": inner,
        "query_risk_level_map": RISKS,
        "response_risk_level_map": RISKS,
        "query_category_map": {str(i): kind for i, kind in enumerate(KINDS)},
        "response_category_map": {str(i): kind for i, kind in enumerate(KINDS[:8])},
    }
    (folder / "config.json").write_text(json.dumps(described), "utf-8")
    words.save_pretrained(folder)
    return folder


def pins(*folders: Path) -> dict[str, str]:
    """The digests of every file below some folders, or of files."""
    files = [f for folder in folders for f in (folder.rglob("*") if folder.is_dir() else [folder]) if f.is_file()]
    return {
        (f.relative_to(folder).as_posix() if folder.is_dir() else f.name): hashlib.sha256(f.read_bytes()).hexdigest()
        for folder in folders
        for f in files
        if folder == f or folder in f.parents
    }
