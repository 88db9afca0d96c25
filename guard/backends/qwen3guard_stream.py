"""Qwen3Guard-Stream: Qwen3 with two heads on every token, one for prompts and one for answers, and a KV cache.

Built from the published shape (config.json of Qwen3Guard-Stream and the layer names of its checkpoints) over transformers'
own Qwen3Model; the code that comes with the checkpoints is not run. Each head: Linear without bias to `guard_inner_size`,
RMS norm, then Linear without bias to the risk levels and to the categories. Names of levels and categories are read from
config.json. What could not be compared with the published weights is said in docs/backends.md.

Rules of this file
1. A token is run once; a stream costs what its text costs.
2. One token over a threshold is not enough: a stretch is as bad as the worse pair of neighbours makes it at the least.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file
from torch.nn import functional
from transformers import DynamicCache, Qwen3Config, Qwen3Model

from guard.backends.document import ModelDocument
from guard.backends.errors import AnswerUnreadable, ModelUnreadable
from guard.backends.labels import QWEN3GUARD
from guard.backends.pinned import model_folder
from guard.backends.qwen3guard import CATEGORIES, SEVERITIES, WEIGHTS, messages
from guard.backends.sequence import version_of
from guard.backends.text_model import dtype_of, load_tokenizer, reading, refuse_uncovered
from guard.classify import Stretch, Turn
from guard.verdict import Category, Direction
from haechi.base.text import Language

_PIECE: Final = 256
"""Tokens run at once, so that a long text needs no more memory than a short one."""


@dataclass(frozen=True, slots=True)
class Head:
    """One of the two heads. risk, category: names of what they tell apart, in order of their outputs."""

    pre: Any  # [inner, hidden]
    norm: Any  # [inner]
    risk_weight: Any  # [levels, inner]
    category_weight: Any  # [categories, inner]
    risk: tuple[str, ...]
    category: tuple[str, ...]
    epsilon: float

    def scores(self, hidden: Any) -> list[tuple[float, tuple[Category, ...]]]:
        """For each token of `hidden` [tokens, hidden]: its risk as a score, and the categories it falls under."""
        inner = functional.linear(hidden, self.pre)
        inner = functional.rms_norm(inner.float(), (inner.shape[-1],), eps=self.epsilon).to(hidden.dtype) * self.norm
        risks = torch.softmax(functional.linear(inner, self.risk_weight).float(), dim=-1)
        weights = torch.tensor([WEIGHTS[SEVERITIES[name]] for name in self.risk], device=risks.device)
        kinds = functional.linear(inner, self.category_weight).argmax(dim=-1).tolist()
        expected = (risks @ weights).clamp(0.0, 1.0).tolist()
        return [(risk, QWEN3GUARD[self.category[kind]]) for risk, kind in zip(expected, kinds, strict=True)]


class StreamJudge:
    """The model in this process. Safe for several threads; a follower is for one."""

    reads_context = True
    categories = CATEGORIES

    def __init__(
        self,
        name: str,
        version: str,
        model: Any,
        tokenizer: Any,
        heads: Mapping[Direction, Head],
        languages: frozenset[Language],
    ) -> None:
        self.name = name
        self.version = version
        self.heads = heads
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.longest = int(model.config.max_position_embeddings)
        self._languages = languages
        self._end = tokenizer.convert_tokens_to_ids("<|im_end|>")

    def score(self, text: str, context: str = "") -> Mapping[Category, float]:
        """As of a prompt that stands alone."""
        return self.judge(text, context, (), Direction.INPUT)

    def judge(self, text: str, context: str, turns: Sequence[Turn], direction: Direction) -> Mapping[Category, float]:
        """A prompt is judged at its end, an answer at its worst pair of tokens.

        Raises:
            AnswerUnreadable: the conversation is longer than the model reads. NotCovered.
        """
        refuse_uncovered(text, self._languages, self.name)
        if direction is Direction.OUTPUT:
            follower = self.follow(turns)
            follower.feed(context)
            return follower.feed(text).scores
        ids = self.ids(messages(text, context, turns, direction))
        last = len(ids) - 1 - ids[::-1].index(self._end)
        hidden, _ = self.run(ids[: last + 1], None)
        ((risk, kinds),) = self.heads[direction].scores(hidden[-1:])
        return {category: risk if category in kinds else 0.0 for category in sorted(CATEGORIES)}

    def follow(self, turns: Sequence[Turn]) -> StreamFollower:
        """Begin to follow an answer to these turns."""
        asked = messages("", "", [*turns], Direction.OUTPUT)[:-1]
        return StreamFollower(self, self.ids(asked, answering=True))

    def ids(self, conversation: list[dict[str, str]], *, answering: bool = False) -> list[int]:
        """The tokens of a conversation by the model's own template; with the head of the answer that follows."""
        text = self.tokenizer.apply_chat_template(
            conversation, tokenize=False, add_generation_prompt=answering, enable_thinking=False
        )
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        if len(ids) >= self.longest:
            raise AnswerUnreadable("the conversation is longer than the judge can read")
        return ids

    def run(self, ids: Sequence[int], cache: Any) -> tuple[Any, Any]:
        """Last hidden states [tokens, hidden] of further tokens, and the cache with them in it."""
        cache = cache if cache is not None else DynamicCache(config=self.model.config)
        states = []
        with torch.inference_mode():
            for at in range(0, len(ids), _PIECE):
                tokens = torch.tensor([ids[at : at + _PIECE]], device=self.model.device)
                out = self.model(input_ids=tokens, past_key_values=cache, use_cache=True)
                states.append(out.last_hidden_state[0])
        return torch.cat(states), cache


class StreamFollower:
    """One answer."""

    def __init__(self, judge: StreamJudge, asked: list[int]) -> None:
        self._judge = judge
        self._asked = asked
        self._ids: list[int] = []
        self._fed = 0  # code points
        self._before = 0.0  # score of the token before, with its categories
        self._kinds: tuple[Category, ...] = ()
        _, self._cache = judge.run(asked, None)
        self.tokens_run = len(asked)

    def feed(self, text: str) -> Stretch:
        """Judge the next piece; the stretch begins where it first looks at least half as bad as at its worst."""
        start, scores = self._fed, dict.fromkeys(sorted(CATEGORIES), 0.0)
        self._fed += len(text)
        cut = self._judge.tokenizer(text.replace("<|", "<!"), add_special_tokens=False, return_offsets_mapping=True)
        ids: list[int] = cut["input_ids"]
        if not ids:
            return Stretch(start, self._fed, scores)
        pairs = [self._pair(*token) for token in self._judged(ids)]
        for risk, kinds in pairs:
            for category in kinds:
                scores[category] = max(scores[category], risk)
        worst = max(risk for risk, _ in pairs)
        first = next(i for i, (risk, _) in enumerate(pairs) if risk * 2 >= worst)
        return Stretch(start + int(cut["offset_mapping"][max(0, first - 1)][0]), self._fed, scores)

    def _judged(self, ids: list[int]) -> list[tuple[float, tuple[Category, ...]]]:
        room = self._judge.longest - len(self._asked) - len(self._ids)
        if len(ids) > room:
            self._restart(len(ids))
        hidden, self._cache = self._judge.run(ids, self._cache)
        self._ids += ids
        self.tokens_run += len(ids)
        return self._judge.heads[Direction.OUTPUT].scores(hidden)

    def _restart(self, coming: int) -> None:
        """Forget the oldest part of a very long answer: the question stays, and the last quarter of what fits."""
        kept = self._ids[-max(1, self._judge.longest // 4) :]
        if len(self._asked) + len(kept) + coming > self._judge.longest:
            raise AnswerUnreadable("a piece of the answer is longer than the judge can read")
        _, self._cache = self._judge.run([*self._asked, *kept], None)
        self.tokens_run += len(self._asked) + len(kept)
        self._ids = list(kept)

    def _pair(self, risk: float, kinds: tuple[Category, ...]) -> tuple[float, tuple[Category, ...]]:
        """The debounce of the paper: two neighbours have to agree."""
        pair = min(risk, self._before)
        self._before, self._kinds = risk, kinds
        return pair, kinds


def load(name: str, document: ModelDocument, base: Path) -> StreamJudge:
    """The model that an entry of a policy means.

    Raises:
        ModelFileMissing, ModelNotPinned, ModelFileAltered, ModelUnreadable, MissingExtra.
    """
    folder = model_folder(document, base)
    model, heads = reading(folder, lambda: _read(folder, document))
    tokenizer = reading(folder, lambda: load_tokenizer(folder))
    return StreamJudge(name, version_of(document), model, tokenizer, heads, frozenset(document.languages))


def _read(folder: Path, document: ModelDocument) -> tuple[Any, dict[Direction, Head]]:
    described = json.loads((folder / "config.json").read_text("utf-8"))
    config = Qwen3Config.from_pretrained(str(folder), local_files_only=True)
    tensors: dict[str, Any] = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(path, device=document.device)
    dtype = dtype_of(document.precision)
    tensors = {key: tensor.to(dtype) for key, tensor in tensors.items()}
    model = Qwen3Model(config).to(device=document.device, dtype=dtype)
    backbone = {key.removeprefix("model."): t for key, t in tensors.items() if key.startswith("model.")}
    found = model.load_state_dict(backbone, strict=False)
    if found.missing_keys or found.unexpected_keys:
        raise ModelUnreadable(
            f"{folder}: its tensors are not those of Qwen3: {[*found.missing_keys, *found.unexpected_keys][:3]}"
        )
    heads = {
        Direction.INPUT: _head(folder, tensors, described, "query_", "query"),
        Direction.OUTPUT: _head(folder, tensors, described, "", "response"),
    }
    return model, heads


def _head(folder: Path, tensors: Mapping[str, Any], described: Mapping[str, Any], prefix: str, side: str) -> Head:
    """One head, its shapes and names compared with the configuration."""
    inner, hidden = int(described["guard_inner_size"]), int(described["hidden_size"])
    risk = _names(folder, described[f"{side}_risk_level_map"], set(SEVERITIES))
    category = _names(folder, described[f"{side}_category_map"], set(QWEN3GUARD))
    wanted = {
        f"{prefix}risk_level_category_pre": (inner, hidden),
        f"{prefix}risk_level_category_layernorm": (inner,),
        f"{prefix}risk_level_head": (len(risk), inner),
        f"{prefix}category_head": (len(category), inner),
    }
    found = [tensors.get(f"{name}.weight") for name in wanted]
    wrong = [n for n, tensor in zip(wanted, found, strict=True) if tensor is None or tuple(tensor.shape) != wanted[n]]
    if wrong:
        raise ModelUnreadable(f"{folder}: missing or of another shape: {', '.join(wrong)}")
    pre, norm, risk_weight, category_weight = found
    return Head(pre, norm, risk_weight, category_weight, risk, category, float(described["rms_norm_eps"]))


def _names(folder: Path, mapping: Mapping[str, str], known: set[str]) -> tuple[str, ...]:
    """The names in order of their outputs; each has to be one we know the meaning of."""
    names = tuple(str(mapping[str(i)]).strip("\"'") for i in range(len(mapping)))
    if not names or set(names) - known:
        raise ModelUnreadable(f"{folder}: config.json names {sorted(set(names) - known)}, which means nothing here")
    return names
