"""Rows into tokens, through the model's own chat template, checked row by row.

Invariants of what comes out
1. prompt + answer is what the template renders for the whole conversation, up to the end-of-turn token.
2. The answer ends with that token, on both sides of a pair: nothing is ever cut off one side.
3. A row that is too long is refused, or loses the start of its prompt, the same on both sides.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from jinja2 import TemplateError

from alignment.data.judge import Finding
from alignment.data.rows import Conversation, Demonstration, Pair, Reason
from alignment.errors import EndNotLearned

UNKNOWN_SHARE = 0.5
_BATCH = 512
RowT = TypeVar("RowT", Pair, Demonstration)
Tokens = tuple[int, ...]


class TooLong(enum.StrEnum):
    """What happens to a row with more tokens than allowed."""

    REFUSE = "refuse"
    TRIM_PROMPT = "trim_prompt"


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """Token ids of a pair; both answers end with the end-of-turn token."""

    line: int
    prompt: Tokens
    chosen: Tokens
    rejected: Tokens
    margin: float = 0.0
    head: str = "reward"
    chosen_unsafe: bool | None = None
    rejected_unsafe: bool | None = None


@dataclass(frozen=True, slots=True)
class EncodedAnswer:
    """Token ids of a prompt and the answer to imitate (empty where only a prompt is needed)."""

    line: int
    prompt: Tokens
    answer: Tokens


class Encoder:
    """Encodes rows with one tokenizer.

    tokenizer: a transformers tokenizer with a chat template and an end-of-turn token (`eos_token_id`).
    max_tokens: most tokens of prompt and answer together.
    max_prompt_tokens: the same for the prompt where it stands alone.
    thinking: whether the template opens a thinking part (Qwen 3); without it prompt and answer agree with serving.
    """

    def __init__(
        self, tokenizer: Any, *, max_tokens: int, too_long: TooLong = TooLong.REFUSE, thinking: bool = False
    ) -> None:
        if tokenizer.eos_token_id is None:
            raise EndNotLearned("the tokenizer has no end-of-turn token", hint="set eos_token in tokenizer_config.json")
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        self.too_long = too_long
        self.thinking = thinking
        self.end = int(tokenizer.eos_token_id)

    def pairs(self, rows: Sequence[Pair]) -> Iterator[EncodedPair | Finding]:
        """Each pair as tokens, or why it cannot be, in order."""
        for row, found in self._tokenised(rows, lambda row: (None, row.chosen, row.rejected)):
            yield found if isinstance(found, Finding) else self._pair(row, *found)

    def answers(self, rows: Sequence[Demonstration]) -> Iterator[EncodedAnswer | Finding]:
        """Each demonstration as tokens, or why it cannot be, in order."""
        for row, found in self._tokenised(rows, lambda row: (None, row.answer)):
            if isinstance(found, Finding):
                yield found
                continue
            answer = self._answer(row.line, "answer", *found)
            if isinstance(answer, Finding):
                yield answer
                continue
            cut = self._fit(row.line, found[0], (len(answer),))
            yield cut if isinstance(cut, Finding) else EncodedAnswer(row.line, cut, answer)

    def prompts(self, rows: Sequence[Demonstration], *, max_prompt_tokens: int) -> Iterator[EncodedAnswer | Finding]:
        """Prompts alone, opened for an answer; those longer than `max_prompt_tokens` are refused."""
        for row, found in self._tokenised(rows, lambda row: (None,)):
            if isinstance(found, Finding):
                yield found
            elif len(found[0]) > max_prompt_tokens:
                detail = f"the prompt has {len(found[0])} tokens of {max_prompt_tokens}"
                yield Finding(row.line, Reason.TOO_LONG, detail)
            else:
                yield EncodedAnswer(row.line, tuple(found[0]), ())

    def text(self, tokens: Sequence[int]) -> str:
        """The words of an answer, without special tokens."""
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=True))

    def _pair(self, row: Pair, p: list[int], whole_c: list[int], whole_r: list[int]) -> EncodedPair | Finding:
        chosen = self._answer(row.line, "chosen", p, whole_c)
        if isinstance(chosen, Finding):
            return chosen
        rejected = self._answer(row.line, "rejected", p, whole_r)
        if isinstance(rejected, Finding):
            return rejected
        if chosen == rejected:
            return Finding(row.line, Reason.IDENTICAL, "the two answers have the same tokens")
        prompt = self._fit(row.line, p, (len(chosen), len(rejected)))
        if isinstance(prompt, Finding):
            return prompt
        return EncodedPair(
            row.line, prompt, chosen, rejected, row.margin, row.head, row.chosen_unsafe, row.rejected_unsafe
        )

    def _answer(self, line: int, name: str, prompt: list[int], whole: list[int]) -> Tokens | Finding:
        if whole[: len(prompt)] != prompt:
            at = next((i for i, (a, b) in enumerate(zip(prompt, whole, strict=False)) if a != b), len(whole))
            words = self.tokenizer.convert_ids_to_tokens([*prompt[at : at + 1], *whole[at : at + 1]])
            detail = f"the template changes the prompt at token {at} when `{name}` follows: {words}"
            return Finding(line, Reason.TEMPLATE, detail)
        answer = whole[len(prompt) :]
        if self.end not in answer:
            return Finding(line, Reason.NO_END, f"the template does not close `{name}` with the end-of-turn token")
        # What the template writes after the end of the turn (a line feed for Qwen) is never generated.
        answer = answer[: len(answer) - answer[::-1].index(self.end)]
        unknown = self.tokenizer.unk_token_id
        if unknown is not None and answer.count(unknown) >= UNKNOWN_SHARE * max(len(answer) - 1, 1):
            return Finding(line, Reason.UNKNOWN_TOKENS, f"`{name}` is mostly tokens that the model does not know")
        return tuple(answer)

    def _fit(self, line: int, prompt: list[int], answers: tuple[int, ...]) -> Tokens | Finding:
        over = len(prompt) + max(answers) - self.max_tokens
        if over <= 0:
            return tuple(prompt)
        if self.too_long is TooLong.TRIM_PROMPT and over < len(prompt):
            return tuple(prompt[over:])
        lengths = " and ".join(str(n) for n in answers)
        detail = f"prompt {len(prompt)} and answers {lengths} tokens, {self.max_tokens} allowed together"
        return Finding(line, Reason.TOO_LONG, detail)

    def _tokenised(
        self, rows: Sequence[RowT], answers: Callable[[RowT], Sequence[str | None]]
    ) -> Iterator[tuple[RowT, list[list[int]] | Finding]]:
        """Each row with the tokens of its prompt and each of `answers`; None is the prompt alone, opened for an answer."""
        for chunk in _chunks(rows):
            rendered = [self._rendered(row, answers(row)) for row in chunk]
            tokens = iter(self._tokens([text for one in rendered if not isinstance(one, Finding) for text in one]))
            for row, one in zip(chunk, rendered, strict=True):
                yield row, one if isinstance(one, Finding) else list(islice(tokens, len(one)))

    def _rendered(self, row: Pair | Demonstration, answers: Sequence[str | None]) -> list[str] | Finding:
        try:
            return [self._render(row.prompt, answer) for answer in answers]
        except (TemplateError, TypeError) as error:  # raise_exception of a template, or a template that is none
            return Finding(row.line, Reason.TEMPLATE, f"the chat template fails: {error}")

    def _render(self, prompt: Conversation, answer: str | None = None) -> str:
        messages = [{"role": message.role, "content": message.content} for message in prompt]
        if answer is not None:
            messages.append({"role": "assistant", "content": answer})
        text = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=answer is None, enable_thinking=self.thinking
        )
        return str(text)

    def _tokens(self, texts: list[str]) -> list[list[int]]:
        encoded: list[list[int]] = self.tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
        return encoded


def end_self_test(encoder: Encoder, answers: Sequence[Tokens]) -> None:
    """Check on a few encoded answers that the model will be taught to stop.

    Raises:
        EndNotLearned: the padding token is the end token, or an answer does not end with it.
    """
    if encoder.tokenizer.pad_token_id == encoder.end:
        raise EndNotLearned(
            "the padding token is the end-of-turn token, which would hide it from training",
            hint="give the tokenizer a padding token of its own (Qwen: <|endoftext|>)",
        )
    for answer in answers[:8]:
        if not answer or answer[-1] != encoder.end:
            raise EndNotLearned("an answer does not end with the end-of-turn token", hint="check the chat template")


def _chunks(rows: Sequence[RowT]) -> Iterator[list[RowT]]:
    stream = iter(rows)
    while chunk := list(islice(stream, _BATCH)):
        yield chunk
