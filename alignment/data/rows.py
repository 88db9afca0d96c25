"""What a row of training data means, whatever shape it was written in.

Shapes taken, one JSON object (or parquet row) each:
1. explicit: `prompt`, `chosen`, `rejected` as lists of {role, content}, or as strings;
2. implicit: `chosen` and `rejected` as whole conversations that share everything but the last message;
3. transcripts: the same as strings with "\n\nHuman: " and "\n\nAssistant: " turns;
4. demonstrations: `prompt` + `completion`, or `messages` that end with an answer; and `prompt` alone.
A row that is none of these, or that breaks a rule, becomes a `Refusal` with a reason, never an exception.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass

ROLES = frozenset({"system", "user", "assistant", "tool"})
DEFAULT_HEAD = "reward"
_TURN = re.compile(r"\n\n(Human|Assistant): ?")


class Reason(enum.StrEnum):
    """Why a row is refused, set aside or remarked upon. The names are stable."""

    SCHEMA = "schema"
    EMPTY_PROMPT = "empty_prompt"
    EMPTY_ANSWER = "empty_answer"
    IDENTICAL = "identical"
    CONTRADICTORY = "contradictory"
    DUPLICATE = "duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    PROMPT_MISMATCH = "prompt_mismatch"
    UNREADABLE = "unreadable"
    UNKNOWN_TOKENS = "unknown_tokens"
    TEMPLATE = "template"
    NO_END = "no_end"
    TOO_LONG = "too_long"
    LEAKAGE = "leakage"
    LANGUAGE = "language"
    LENGTH_BIAS = "length_bias"
    CONSENT = "consent"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    content: str


Conversation = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one prompt, the first preferred.

    line: 1-based line (or parquet row) in its file, by which messages name it.
    margin: how much better, in units of reward; 0 when the row does not say.
    head: the reward head that this comparison speaks for.
    chosen_unsafe, rejected_unsafe: labels for a cost head; None when the row has none.
    subject: opaque key of the person whose feedback this is; empty when not from traffic.
    """

    line: int
    prompt: Conversation
    chosen: str
    rejected: str
    margin: float = 0.0
    head: str = DEFAULT_HEAD
    chosen_unsafe: bool | None = None
    rejected_unsafe: bool | None = None
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A prompt and the answer to imitate; an empty answer where only a prompt is needed."""

    line: int
    prompt: Conversation
    answer: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row is not training data."""

    line: int
    reason: Reason
    detail: str


class _Unfit(Exception):  # noqa: N818  # private, never leaves this file
    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def read_pair(row: object, line: int) -> Pair | Refusal:
    """A preference row, or why it is none. Checks shape and emptiness, not what other rows say."""
    try:
        fields = _mapping(row)
        prompt, chosen, rejected = _sides(fields)
        _demand_prompt(prompt)
        for name, answer in (("chosen", chosen), ("rejected", rejected)):
            if not answer.strip():
                raise _Unfit(Reason.EMPTY_ANSWER, f"`{name}` is empty")
        return Pair(
            line=line,
            prompt=prompt,
            chosen=chosen,
            rejected=rejected,
            margin=_number(fields, "margin"),
            head=_text(fields.get("head", DEFAULT_HEAD), "head"),
            chosen_unsafe=_flag(fields, "chosen_unsafe"),
            rejected_unsafe=_flag(fields, "rejected_unsafe"),
            subject=_text(fields.get("subject") or "", "subject"),
        )
    except _Unfit as unfit:
        return Refusal(line, unfit.reason, unfit.detail)


def read_demonstration(row: object, line: int, *, answer_needed: bool = True) -> Demonstration | Refusal:
    """A row to imitate (or only a prompt). Preference rows are taken too: their chosen answer is the answer."""
    try:
        fields = _mapping(row)
        prompt, answer = _demonstrated(fields)
        _demand_prompt(prompt)
        if answer_needed and not answer.strip():
            raise _Unfit(Reason.EMPTY_ANSWER, "there is no answer to imitate")
        return Demonstration(line, prompt, answer)
    except _Unfit as unfit:
        return Refusal(line, unfit.reason, unfit.detail)


def is_preference(row: object) -> bool:
    """Whether a row means to be a pair."""
    return isinstance(row, Mapping) and ("chosen" in row or "rejected" in row)


def _mapping(row: object) -> Mapping[str, object]:
    if not isinstance(row, Mapping):
        raise _Unfit(Reason.SCHEMA, f"a row is an object, this is {type(row).__name__}")
    return row


def _sides(fields: Mapping[str, object]) -> tuple[Conversation, str, str]:
    for name in ("chosen", "rejected"):
        if name not in fields:
            raise _Unfit(Reason.SCHEMA, f"`{name}` is missing")
    chosen, rejected = _conversation(fields["chosen"], "chosen"), _conversation(fields["rejected"], "rejected")
    if "prompt" in fields and fields["prompt"] is not None:
        prompt = _conversation(fields["prompt"], "prompt", role="user")
        return prompt, _single_answer(chosen, "chosen"), _single_answer(rejected, "rejected")
    return _shared_prompt(chosen, rejected)


def _shared_prompt(chosen: Conversation, rejected: Conversation) -> tuple[Conversation, str, str]:
    for name, side in (("chosen", chosen), ("rejected", rejected)):
        if len(side) < 2:
            raise _Unfit(Reason.SCHEMA, f"without `prompt`, `{name}` must be a whole conversation")
        if side[-1].role != "assistant":
            raise _Unfit(Reason.EMPTY_ANSWER, f"`{name}` does not end with an answer")
    if chosen[:-1] != rejected[:-1]:
        turn = next((i for i, (a, b) in enumerate(zip(chosen[:-1], rejected[:-1], strict=False)) if a != b), None)
        where = f"turn {turn + 1}" if turn is not None else "the number of turns"
        raise _Unfit(Reason.PROMPT_MISMATCH, f"the two conversations differ before the last answer, in {where}")
    return chosen[:-1], chosen[-1].content, rejected[-1].content


def _single_answer(side: Conversation, name: str) -> str:
    if not side:
        raise _Unfit(Reason.EMPTY_ANSWER, f"`{name}` is empty")
    if len(side) != 1 or side[0].role != "assistant":
        raise _Unfit(Reason.SCHEMA, f"beside `prompt`, `{name}` is one assistant message")
    return side[0].content


def _demonstrated(fields: Mapping[str, object]) -> tuple[Conversation, str]:
    if "chosen" in fields:
        prompt, chosen, _ = _sides({**fields, "rejected": fields.get("rejected", fields["chosen"])})
        return prompt, chosen
    if "messages" in fields:
        messages = _conversation(fields["messages"], "messages")
        if messages and messages[-1].role == "assistant":
            return messages[:-1], messages[-1].content
        return messages, ""
    if "prompt" not in fields:
        raise _Unfit(Reason.SCHEMA, "none of `prompt`, `messages`, `chosen` is there")
    prompt = _conversation(fields["prompt"], "prompt", role="user")
    if fields.get("completion") is None:
        return prompt, ""
    return prompt, _single_answer(_conversation(fields["completion"], "completion"), "completion")


def _conversation(value: object, name: str, *, role: str = "assistant") -> Conversation:
    if isinstance(value, str):
        return _transcript(value) if value.startswith("\n\nHuman:") else (Message(role, value),)
    if not isinstance(value, list | tuple):
        raise _Unfit(Reason.SCHEMA, f"`{name}` is a string or a list of messages, this is {type(value).__name__}")
    return tuple(_message(entry, f"{name}[{i}]") for i, entry in enumerate(value))


def _message(entry: object, name: str) -> Message:
    if not isinstance(entry, Mapping) or "role" not in entry or "content" not in entry:
        raise _Unfit(Reason.SCHEMA, f"`{name}` is not an object with role and content")
    role, content = entry["role"], entry["content"]
    if role not in ROLES:
        raise _Unfit(Reason.SCHEMA, f"`{name}` has a role that is none of {', '.join(sorted(ROLES))}")
    return Message(role, _text(content, f"{name}.content"))


def _transcript(text: str) -> Conversation:
    parts = _TURN.split(text)[1:]
    roles = {"Human": "user", "Assistant": "assistant"}
    return tuple(Message(roles[who], said.strip()) for who, said in zip(parts[::2], parts[1::2], strict=True))


def _demand_prompt(prompt: Conversation) -> None:
    if not prompt or not any(message.content.strip() for message in prompt):
        raise _Unfit(Reason.EMPTY_PROMPT, "the prompt is empty")
    if prompt[-1].role == "assistant":
        raise _Unfit(Reason.SCHEMA, "the prompt ends with an assistant message, so there is nothing to answer")


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise _Unfit(Reason.SCHEMA, f"`{name}` is text, this is {type(value).__name__}")
    return value


def _number(fields: Mapping[str, object], name: str) -> float:
    value = fields.get(name)
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
        raise _Unfit(Reason.SCHEMA, f"`{name}` is a finite number")
    return float(value)


def _flag(fields: Mapping[str, object], name: str) -> bool | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise _Unfit(Reason.SCHEMA, f"`{name}` is true or false")
    return value
