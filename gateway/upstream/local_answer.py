"""OpenAI's chat-completion objects for what a local model writes. No model code here."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.upstream.local_text import Delta
from gateway.upstream.ports import Json


@dataclass(slots=True)
class Choice:
    """One answer as far as it has come."""

    reasoning: str = ""
    content: str = ""
    logprobs: list[Json] = field(default_factory=list)
    finish: str = ""
    tokens: int = 0

    def add(self, delta: Delta, finish: str, tokens: int) -> None:
        """Append what was written."""
        self.reasoning += delta.reasoning
        self.content += delta.content
        self.logprobs += delta.logprobs
        self.finish = finish
        self.tokens = tokens


class Answer:
    """Builds the objects of one answer: the same id, time, model and fingerprint in all of them."""

    def __init__(self, model: str, fingerprint: str, prompt_tokens: int, *, logprobs: bool, echo: str = "") -> None:
        """echo: what every answer begins with, before the model's own words."""
        self._head: Json = {
            "id": f"chatcmpl-{secrets.token_hex(16)}",
            "created": int(time.time()),
            "model": model,
            "system_fingerprint": fingerprint,
        }
        self._prompt_tokens = prompt_tokens
        self._logprobs = logprobs
        self._echo = echo

    def whole(self, choices: Iterable[Choice]) -> Json:
        """A `chat.completion`."""
        given = list(choices)
        return {
            **self._head,
            "object": "chat.completion",
            "choices": [self._choice(index, choice) for index, choice in enumerate(given)],
            "usage": self.usage(choice.tokens for choice in given),
        }

    def _choice(self, index: int, choice: Choice) -> Json:
        message: Json = {"role": "assistant", "content": self._echo + choice.content, "refusal": None}
        if choice.reasoning:
            message["reasoning_content"] = choice.reasoning
        logprobs = {"content": choice.logprobs, "refusal": None} if self._logprobs else None
        return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": choice.finish}

    def chunk(self, index: int, delta: Json, finish: str | None, logprobs: Iterable[Json] = ()) -> Json:
        """A `chat.completion.chunk`."""
        entries = list(logprobs)
        told = {"content": entries, "refusal": None} if entries else None
        choice = {"index": index, "delta": delta, "logprobs": told, "finish_reason": finish}
        return {**self._head, "object": "chat.completion.chunk", "choices": [choice]}

    def chunks(self, index: int, delta: Delta, finish: str, *, first: bool) -> list[Json]:
        """The chunks for one piece: the role before all, thought before answer, the end alone."""
        made = []
        if first:
            made.append(self.chunk(index, {"role": "assistant", "content": self._echo}, None))
        if delta.reasoning:
            made.append(self.chunk(index, {"reasoning_content": delta.reasoning}, None))
        if delta.content:
            made.append(self.chunk(index, {"content": delta.content}, None, delta.logprobs))
        if finish:
            made.append(self.chunk(index, {}, finish))
        return made

    def last(self, tokens: Iterable[int]) -> Json:
        """The chunk that only carries the usage."""
        return {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": self.usage(tokens)}

    def usage(self, tokens: Iterable[int]) -> Json:
        """Tokens read once, and written in all choices; end-of-answer tokens count as written."""
        written = sum(tokens)
        return {
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": written,
            "total_tokens": self._prompt_tokens + written,
        }
