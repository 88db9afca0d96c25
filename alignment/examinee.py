"""A model that is being measured: it answers, it weighs given answers, it reads text. Greedy, so that figures repeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from alignment.data.encode import EncodedAnswer, Encoder
from alignment.data.rows import Demonstration, Message
from alignment.forward import Arithmetic, answer_tokens
from alignment.models import load_policy, load_tokenizer
from alignment.rollout import sample
from alignment.tensor.layout import Tree, lay_out
from alignment.tensor.logprob import segment_sums

_BATCH = 16
_LONGEST_PROMPT = 2048


def model_folder(path: str) -> str:
    """The model of a finished run, or the path itself."""
    inside = Path(path) / "model"
    return str(inside) if inside.is_dir() else path


@dataclass(frozen=True, slots=True)
class Examinee:
    """A causal language model with its tokenizer, ready to be measured."""

    model: Any
    tokenizer: Any
    encoder: Encoder
    arithmetic: Arithmetic

    @classmethod
    def load(cls, path: str, *, device: str = "cpu") -> Examinee:
        """The model of a run, or in a folder, in single precision.

        Raises:
            UnusableModel: it cannot be loaded.
        """
        folder = model_folder(path)
        tokenizer = load_tokenizer(folder)
        model = load_policy(folder, dtype=torch.float32).eval().to(device)
        return cls.of(model, tokenizer)

    @classmethod
    def of(cls, model: Any, tokenizer: Any) -> Examinee:
        """A model that is loaded already."""
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
        return cls(model, tokenizer, Encoder(tokenizer, max_tokens=_LONGEST_PROMPT), Arithmetic(128, False, int(pad)))

    def answers(self, prompts: Sequence[str], *, tokens: int) -> list[str]:
        """A greedy answer to each prompt, at most so many tokens long."""
        encoded = [self.prompt_tokens(prompt) for prompt in prompts]
        # Prompts of like length together: less padding. The answers do not depend on it.
        order = sorted(range(len(encoded)), key=lambda i: (len(encoded[i]), i))
        out = [""] * len(encoded)
        for start in range(0, len(order), _BATCH):
            part = order[start : start + _BATCH]
            drawn = sample(
                self.model,
                [encoded[i] for i in part],
                self.arithmetic,
                tokens=tokens,
                end=self.encoder.end,
                temperature=0,
            )
            for i, answer in zip(part, drawn.answers(), strict=True):
                out[i] = self.encoder.text(answer)
        return out

    def preferred_of_many(self, asked: Sequence[tuple[str, tuple[str, ...]]]) -> list[int]:
        """For each question which of its answers the model finds likeliest per token; the first of equals."""
        out: list[int] = []
        for start in range(0, len(asked), _BATCH):
            trees = [self._tree(prompt, choices) for prompt, choices in asked[start : start + _BATCH]]
            scores = self._per_token(trees)
            at = 0
            for tree in trees:
                own = scores[at : at + len(tree.answers)]
                out.append(max(range(len(own)), key=lambda i: own[i]))
                at += len(own)
        return out

    def nats_per_token(self, text: str) -> float:
        """Mean negative log-likelihood of a text's tokens after the first, in nats."""
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        if len(ids) < 2:
            return 0.0
        (mean,) = self._per_token([Tree(tuple(ids[:1]), (tuple(ids[1:]),))])
        return -float(mean)

    def prompt_tokens(self, prompt: str) -> tuple[int, ...]:
        """A request in tokens, opened for an answer."""
        (entry,) = self.encoder.prompts([_row(prompt)], max_prompt_tokens=_LONGEST_PROMPT)
        return entry.prompt if isinstance(entry, EncodedAnswer) else ()

    def _tree(self, prompt: str, choices: tuple[str, ...]) -> Tree:
        answers = [entry for choice in choices for entry in self.encoder.answers([_row(prompt, choice)])]
        usable = [entry for entry in answers if isinstance(entry, EncodedAnswer)]
        if len(usable) != len(choices):
            raise ValueError("a choice does not fit the model's template")
        return Tree(usable[0].prompt, tuple(entry.answer for entry in usable))

    @torch.no_grad()  # type: ignore[untyped-decorator]  # torch is untyped here
    def _per_token(self, trees: Sequence[Tree]) -> list[float]:
        layout = lay_out(list(trees), share=True, pad=self.arithmetic.pad).to(self.model.device)
        out = answer_tokens(self.model, layout, self.arithmetic)
        sums = segment_sums(out.logps, layout.segments, layout.answers)
        return [float(value) for value in (sums / layout.lengths).tolist()]


def _row(prompt: str, answer: str = "") -> Demonstration:
    return Demonstration(0, (Message("user", prompt),), answer)
