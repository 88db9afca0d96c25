"""Qwen3Guard-Gen, a generative judge: in this process by transformers, or behind an OpenAI-compatible server.

In this process the probabilities of the three severities are read where the model names one; a server's answer has only
the word. Both use the chat template that comes with the model, which holds the question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from guard.backends.document import ModelDocument
from guard.backends.errors import AnswerUnreadable, ModelUnreadable
from guard.backends.pinned import model_folder
from guard.backends.qwen3guard import CATEGORIES, SEVERITIES, WEIGHTS, messages, read_answer
from guard.backends.sequence import read_model, version_of
from guard.backends.served import ChatServer, read_key, said_in
from guard.backends.text_model import load_tokenizer, reading, refuse_uncovered
from guard.classify import Turn
from guard.verdict import Category, Direction
from haechi.base.text import Language

_ANSWER_TOKENS: Final = 64
"""Enough for the three lines of an answer with several categories."""


class LocalJudge:
    """The model in this process."""

    reads_context = True
    categories = CATEGORIES

    def __init__(self, name: str, version: str, model: Any, tokenizer: Any, languages: frozenset[Language]) -> None:
        self.name = name
        self.version = version
        self._model = model.eval()
        self._tokenizer = tokenizer
        self._languages = languages
        first = {word: tokenizer.encode(f" {word}", add_special_tokens=False)[0] for word in SEVERITIES}
        self._first = {token: word for word, token in first.items()}

    def score(self, text: str, context: str = "") -> Mapping[Category, float]:
        """As of a prompt that stands alone."""
        return self.judge(text, context, (), Direction.INPUT)

    def judge(self, text: str, context: str, turns: Sequence[Turn], direction: Direction) -> Mapping[Category, float]:
        """Probability per category: that of the severities, for the categories that the model names.

        Raises:
            AnswerUnreadable, NotCovered.
        """
        refuse_uncovered(text, self._languages, self.name)
        asked = self._tokenizer.apply_chat_template(
            messages(text, context, turns, direction), return_tensors="pt", return_dict=True, add_generation_prompt=True
        ).to(self._model.device)
        length = asked["input_ids"].shape[1]
        if length + _ANSWER_TOKENS > self._model.config.max_position_embeddings:
            raise AnswerUnreadable("the conversation is longer than the judge can read")
        made = self._model.generate(
            **asked,
            max_new_tokens=_ANSWER_TOKENS,
            do_sample=False,
            use_cache=True,
            output_logits=True,
            return_dict_in_generate=True,
        )
        answer = made.sequences[0, length:]
        judgement = read_answer(self._tokenizer.decode(answer, skip_special_tokens=True))
        weight = self._weight(answer.tolist(), made.logits)
        return judgement.scores(WEIGHTS[judgement.severity] if weight is None else weight)

    def _weight(self, answer: list[int], logits: Sequence[Any]) -> float | None:
        """The expected weight where the model names a severity; None when its words cannot be told by one token."""
        import torch

        if len(self._first) < len(SEVERITIES):
            return None
        at = next((i for i, token in enumerate(answer) if token in self._first), None)
        if at is None:
            return None
        chances = torch.softmax(logits[at][0, list(self._first)].float(), dim=-1).tolist()
        words = zip(self._first.values(), chances, strict=True)
        return min(1.0, sum([WEIGHTS[SEVERITIES[word]] * float(chance) for word, chance in words]))


class ServedJudge:
    """The model behind a server that speaks OpenAI's chat completions (vLLM, SGLang, ...)."""

    reads_context = True
    categories = CATEGORIES

    def __init__(
        self, name: str, url: str, model: str, key: str, timeout_s: float, languages: frozenset[Language]
    ) -> None:
        self.name = name
        self.version = f"served-{url}-{model}"
        self._server = ChatServer(name, url, key, timeout_s)
        self._model = model
        self._languages = languages

    def score(self, text: str, context: str = "") -> Mapping[Category, float]:
        """As of a prompt that stands alone."""
        return self.judge(text, context, (), Direction.INPUT)

    def judge(self, text: str, context: str, turns: Sequence[Turn], direction: Direction) -> Mapping[Category, float]:
        """Fixed weights of the severities, for the categories that the model names.

        Raises:
            JudgeSilent, AnswerUnreadable, NotCovered.
        """
        refuse_uncovered(text, self._languages, self.name)
        body = {
            "model": self._model,
            "messages": messages(text, context, turns, direction),
            "temperature": 0,
            "max_tokens": _ANSWER_TOKENS,
        }
        judgement = read_answer(said_in(self._server.ask(body)))
        return judgement.scores(WEIGHTS[judgement.severity])


def load(name: str, document: ModelDocument, base: Path) -> LocalJudge | ServedJudge:
    """The judge that an entry of a policy means.

    Raises:
        ModelFileMissing, ModelNotPinned, ModelFileAltered, ModelUnreadable, MissingExtra.
    """
    languages = frozenset(document.languages)
    if document.url:
        key = read_key(base / document.key_file) if document.key_file else ""
        return ServedJudge(name, document.url, document.model, key, document.timeout_s, languages)
    folder = model_folder(document, base)
    model = reading(folder, lambda: read_model(folder, document, "AutoModelForCausalLM"))
    tokenizer = reading(folder, lambda: load_tokenizer(folder))
    reading(folder, lambda: _check_template(folder, tokenizer))
    return LocalJudge(name, version_of(document), model.to(document.device), tokenizer, languages)


def _check_template(folder: Path, tokenizer: Any) -> None:
    """The template has to put the question; a plain chat template would have the model answer the user instead."""
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": "template-probe"}], tokenize=False, add_generation_prompt=True
    )
    if "template-probe" not in asked or "Safety:" not in asked or "Categories:" not in asked:
        raise ModelUnreadable(f"{folder}: its chat template does not ask for Safety and Categories")
