"""From messages to token ids, through the model's own chat template.

Rules of this file
1. What a client writes can never become a control token: `<|im_start|>` in a message is read as ten characters. So a
   message cannot pretend to be the end of a turn, or a turn of the system.
2. The template is the model's; a client can give it arguments, never another template.
3. This runs in a thread of its own: a long prompt must not hold up the event loop or the model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from jinja2.exceptions import TemplateError

from gateway.upstream.errors import RequestRefused
from gateway.upstream.local_request import GenerationRequest
from gateway.upstream.local_text import CLOSE, OPEN, ThinkingStart
from gateway.upstream.ports import Json

ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_SEAM: Final = "\ufdd0"
"""A noncharacter, put into client text where a control token would be and cut at before tokenising."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt ready for the model. start: whether the answer begins inside a thought."""

    tokens: list[int]
    start: ThinkingStart


class PromptBuilder:
    """Builds prompts for one tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        controls = [added.content for added in tokenizer.added_tokens_decoder.values() if added.special]
        longest_first = sorted(controls, key=len, reverse=True)
        self._controls = re.compile("|".join(re.escape(control) for control in longest_first)) if controls else None
        template = str(tokenizer.chat_template)
        self._thinks = OPEN in template or OPEN in tokenizer.get_added_vocab()

    def build(self, messages: object, request: GenerationRequest) -> Prompt:
        """The token ids for these messages.

        Raises:
            RequestRefused: messages that are not in OpenAI's form, hold something else than text, or that the
                model's template refuses.
        """
        rendered = self._rendered(self._checked(messages), request)
        return Prompt(self._tokens(rendered), self._start(rendered))

    def build_plain(self, text: str) -> Prompt:
        """The token ids of a text to be gone on with, without a template.

        Raises:
            RequestRefused: there is nothing in it.
        """
        tokens = self._tokens(self._seamed(text))
        if not tokens:
            raise RequestRefused("the prompt is empty", param="prompt", hint="give the model something to go on with")
        return Prompt(tokens, ThinkingStart.NEVER)

    def _tokens(self, rendered: str) -> list[int]:
        tokens: list[int] = []
        for piece in rendered.split(_SEAM):
            tokens += self._tokenizer(piece, add_special_tokens=False)["input_ids"]
        return tokens

    def _rendered(self, messages: list[Json], request: GenerationRequest) -> str:
        try:
            rendered: str = self._tokenizer.apply_chat_template(
                messages,
                tools=self._safe(list(request.tools)) or None,
                tokenize=False,
                add_generation_prompt=True,
                **self._safe(dict(request.template)),
            )
        except (TemplateError, TypeError, ValueError, KeyError, AttributeError) as error:
            # A template is the model maker's program; whatever it stumbles over came from this request.
            raise RequestRefused(
                "the model's chat template does not take these messages or tools",
                param="messages",
                hint="check the order of roles and the form of tools",
            ) from error
        return rendered

    def _start(self, rendered: str) -> ThinkingStart:
        if not self._thinks:
            return ThinkingStart.NEVER
        end = rendered.rstrip()
        if end.endswith(OPEN):
            return ThinkingStart.INSIDE
        return ThinkingStart.NEVER if end.endswith(CLOSE) else ThinkingStart.MAYBE

    def _safe(self, value: Any) -> Any:
        """The same value, its strings unable to become control tokens."""
        if isinstance(value, str):
            return self._seamed(value)
        if isinstance(value, list):
            return [self._safe(item) for item in value]
        if isinstance(value, dict):
            return {self._safe(key): self._safe(item) for key, item in value.items()}
        return value

    def _seamed(self, text: str) -> str:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise RequestRefused("a text holds half a surrogate pair", param="messages") from error
        text = text.replace(_SEAM, "")
        if self._controls is None:
            return text
        return self._controls.sub(lambda found: found[0][0] + _SEAM + found[0][1:], text)

    def _checked(self, messages: object) -> list[Json]:
        if not isinstance(messages, list) or not messages:
            raise RequestRefused("messages must be a list with at least one message", param="messages")
        return [self._message(message, f"messages[{place}]") for place, message in enumerate(messages)]

    def _message(self, message: object, where: str) -> Json:
        if not isinstance(message, dict):
            raise RequestRefused("a message must be an object", param=where)
        role = message.get("role")
        if role not in ROLES:
            raise RequestRefused("a message has a role that is not known", param=f"{where}.role")
        kept = {key: value for key, value in message.items() if value is not None}
        kept["content"] = _text_of(message.get("content"), f"{where}.content")
        if isinstance(kept.get("tool_calls"), list):
            kept["tool_calls"] = [_parsed_call(call) for call in kept["tool_calls"]]
        safe: Json = self._safe(kept)
        safe["role"] = "system" if role == "developer" else role
        return safe


def _text_of(content: object, where: str) -> str:
    """The text of a message's content: a string, null, or text parts."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise RequestRefused("content must be a string or a list of parts", param=where)
    return "\n".join(_part(part, f"{where}[{place}]") for place, part in enumerate(content))


def _part(part: object, where: str) -> str:
    if isinstance(part, dict):
        for kind in ("text", "refusal"):
            if part.get("type") == kind and isinstance(part.get(kind), str):
                return str(part[kind])
        if isinstance(part.get("type"), str) and part["type"] not in {"text", "refusal"}:
            raise RequestRefused("this model reads text only", param=where)
    raise RequestRefused("a content part must be an object with a type and its text", param=where)


def _parsed_call(call: Any) -> Any:
    """A tool call with its arguments as an object: templates write them out as JSON themselves."""
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("arguments"), str):
        return call
    try:
        arguments = json.loads(function["arguments"])
    except (ValueError, RecursionError):
        return call
    return {**call, "function": {**function, "arguments": arguments}} if isinstance(arguments, dict) else call


def token_text(tokenizer: Any, token: int) -> str:
    """What one token looks like alone, for log-probabilities."""
    return str(tokenizer.decode([token], skip_special_tokens=False, clean_up_tokenization_spaces=False))


def end_tokens(tokenizer: Any, configured: object) -> frozenset[int]:
    """Tokens that end an answer: those of the generation configuration, the tokenizer's own, and `<|im_end|>`."""
    ends: set[int] = set()
    given = configured if isinstance(configured, Sequence) else [configured]
    ends.update(token for token in given if isinstance(token, int))
    if tokenizer.eos_token_id is not None:
        ends.add(int(tokenizer.eos_token_id))
    for token, added in tokenizer.added_tokens_decoder.items():
        if added.content == "<|im_end|>":
            ends.add(token)
    return frozenset(ends)
