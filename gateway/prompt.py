"""The guard on the way in: every string that a request carries, and what goes on to the model instead.

Rules of this file
1. Every string is read: messages, tool results, tool-call arguments, names, descriptions, `user`, fields nobody knows.
2. The newest user turn, what the developer says (system, developer, tools, other fields) and keys can block a
   request. Earlier turns, the model's own and tool results are history: what would block in them is taken out, so
   that one bad turn does not stop a conversation for ever.
3. Text parts of one message are one text to the model, so they are also read as one.
4. Inline media are not text: they pass, and count as not checked.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from gateway.openai.walk import PROTOCOL_WORDS, Path, rename_keys, rewrite, unknown_keys
from gateway.substitution import MASKS, Hiding, Substitution
from gateway.tally import Tally
from gateway.text_check import EMPTY_OBJECT, Checked, TextCheck
from gateway.upstream.ports import Json, prompts_in
from guard.checker import SafetyChecker
from guard.classify import Role, Turn
from guard.conversation import ALONE, Conversation
from guard.policy import HistoryMode
from guard.verdict import Action, Direction, Verdict

REMOVED: Final = "[removed]"
"""Stands in the history for a turn that the policy would have blocked."""
_HISTORY_ROLES: Final = frozenset({"user", "assistant", "tool", "function"})
_READ_APART: Final = frozenset({"messages", "model"})  # the model's name has been read at reception
_SHORTEST_MEDIA: Final = 256  # characters; the smallest PNG has about 90, but a text of that length is read at no cost
_TOKEN_ID_DIGITS: Final = 7  # keys of `logit_bias`
_NAMES: Final = frozenset(
    {"id", "name", "role", "safety_identifier", "tool_call_id", "type", "user", "prompt_cache_key"}
)
_TURNS: Final = {
    "developer": Role.SYSTEM,
    "system": Role.SYSTEM,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "tool": Role.TOOL,
    "function": Role.TOOL,
}


@dataclass(frozen=True, slots=True)
class Screened:
    """A request after the guard.

    forwarded: the body for the upstream; the same object as was given when nothing changed.
    blocked: nothing may be forwarded. silent: it is blocked only because a detector could not answer.
    place: path of the first text that blocked it, () where that was a key.
    conversation: the turns as they are forwarded, for classifiers that read them; empty where the policy has none.
    substitution: what stands in the place of data, for the answer.
    """

    forwarded: Json
    verdict: Verdict
    blocked: bool
    silent: bool
    place: Path = ()
    conversation: Conversation = ALONE
    substitution: Substitution = MASKS


def screen(checker: SafetyChecker, body: Json, tenant: str = "", substitution: Substitution = MASKS) -> Screened:
    """Read a (well-shaped) request and say what may be forwarded. tenant: whose it is.

    What has no `messages` (a prompt to go on with, texts to embed) has no history: every text of it can block.
    """
    return _Screening(checker, tenant, substitution).run(body)


def screen_hiding(checker: SafetyChecker, body: Json, hiding: Hiding) -> Screened:
    """The same for a policy that replaces data by more than masks.

    Raises:
        MapsUnavailable: the conversation's placeholders cannot be had or kept.
    """
    substitution = hiding.begin(checker)
    known = len(substitution.placeholders or ())
    screened = screen(checker, body, hiding.tenant, substitution)
    if not screened.blocked:
        hiding.keep(substitution, known)
    return screened


class _Screening:
    """One request being read."""

    __slots__ = (
        "_at",
        "_check",
        "_drops",
        "_keeps_turns",
        "_place",
        "_substitution",
        "_tally",
        "_tenant",
        "_turns",
        "_until",
    )

    def __init__(self, checker: SafetyChecker, tenant: str, substitution: Substitution) -> None:
        self._substitution = substitution
        self._tenant = tenant
        self._turns: list[Turn] = []
        self._keeps_turns = any(checker.waits(direction) for direction in Direction)
        self._drops = checker.policy.document.history is HistoryMode.DROP
        self._until = time.monotonic() + checker.policy.document.semantic.text_ms / 1000
        self._check = TextCheck(checker, Direction.INPUT, self._so_far(), substitution.input)
        self._tally = Tally(checker.policy.name, checker.policy.digest)
        self._at: Path = ()
        self._place: Path | None = None

    def run(self, body: Json) -> Screened:
        rest = {key: value for key, value in body.items() if key not in _READ_APART and not _plain_value(value)}
        changed: Json = rewrite(rest, self._binding) if rest else rest
        forwarded = body if changed is rest else {**body, **changed}
        given = body.get("messages")
        if given is not None:
            messages = self._messages(given)
            if messages is not given:
                forwarded = {**forwarded, "messages": messages}
        for prompt in prompts_in(forwarded):
            self._remember({"role": "user", "content": prompt})
        forwarded = self._keys(forwarded)
        tally = self._tally
        return Screened(
            forwarded=forwarded,
            verdict=tally.verdict(),
            blocked=tally.action is Action.BLOCK,
            silent=tally.blocked_by_silence(),
            place=self._place or (),
            conversation=Conversation(tuple(self._turns), self._tenant),
            substitution=self._substitution,
        )

    def _messages(self, messages: list[Json]) -> list[Json]:
        newest = max((i for i, message in enumerate(messages) if message["role"] == "user"), default=-1)
        screened: list[Json] = []
        for index, message in enumerate(messages):
            self._at = ("messages", index)
            earlier = message["role"] in _HISTORY_ROLES and index != newest
            new = self._history(message) if earlier else self._newest(message)
            if new is not None:
                screened.append(new)
                self._remember(new)
        same = len(screened) == len(messages) and all(new is old for new, old in zip(screened, messages, strict=True))
        return messages if same else screened

    def _remember(self, message: Json) -> None:
        """What is said next is read with this turn before it, as it is forwarded."""
        if not self._keeps_turns:
            return
        said = _said(message)
        role = _TURNS.get(message["role"])
        if said and role is not None:
            self._turns.append(Turn(role, said))
            self._check.conversation = self._so_far()

    def _so_far(self) -> Conversation:
        return Conversation(tuple(self._turns), self._tenant, self._until)

    def _newest(self, message: Json) -> Json:
        """A message that can block the request."""
        new: Json = rewrite(message, self._binding)
        joint = _joint_text(message)
        if joint is None:
            return new
        checked = self._check.plain(joint)
        self._count(checked, ())
        return _spread(new, checked.text) if _crosses(checked, _joint_text(new)) else new

    def _history(self, message: Json) -> Json | None:
        """A message out of which is taken what would block; None when the policy leaves such a turn out."""
        before = self._tally.taken_out
        new: Json = rewrite(message, self._lenient)
        joint = _joint_text(message)
        if self._drops and self._tally.taken_out > before and _may_go(message):
            return None
        if joint is None:
            return new
        checked = self._check.plain(joint)
        self._tally.add_all(checked.verdicts, at_most=Action.REDACT)
        if checked.blocked:
            return None if self._drops and _may_go(message) else _spread(new, REMOVED)
        return _spread(new, checked.text) if _crosses(checked, _joint_text(new)) else new

    def _binding(self, path: Path, text: str) -> str:
        checked = self._read(path, text)
        if checked is None:
            return text
        self._count(checked, path)
        return checked.text

    def _count(self, checked: Checked, path: Path) -> None:
        """Count what can block the request, and remember where it first did."""
        self._tally.add_all(checked.verdicts)
        if self._place is None and checked.blocked:
            self._place = (*self._at, *path)

    def _lenient(self, path: Path, text: str) -> str:
        checked = self._read(path, text)
        if checked is None:
            return text
        self._tally.add_all(checked.verdicts, at_most=Action.REDACT)
        if checked.blocked:
            self._tally.taken_out += 1
            return EMPTY_OBJECT if path[-1] == "arguments" else REMOVED
        return checked.text

    def _read(self, path: Path, text: str) -> Checked | None:
        if text in PROTOCOL_WORDS:
            return None
        if _is_media(path, text):
            self._tally.skip(len(text))
            return None
        return self._check.word(text) if path[-1] in _NAMES else self._check.any(text)

    def _keys(self, body: Json) -> Json:
        keys = [key for key in unknown_keys(body) if not (key.isdigit() and len(key) <= _TOKEN_ID_DIGITS)]
        if not keys:
            return body
        self._at = ()
        self._check.conversation = Conversation(tenant=self._tenant, until=self._until)  # keys are not said by anybody
        together = self._check.plain("\n".join(keys))
        self._count(together, ())
        if together.text == "\n".join(keys):
            return body
        names = {key: self._check.plain(key).text for key in keys}
        renamed: Json = rename_keys(body, names)
        return renamed


def _plain_value(value: Any) -> bool:
    """A number, true, false or null: nothing to read."""
    return not isinstance(value, str | dict | list)


def _is_media(path: Path, text: str) -> bool:
    """Inline audio, files and images, by the places that OpenAI gives them and by the form of the value."""
    if path[-2:] in {("input_audio", "data"), ("file", "file_data")}:
        return _is_base64(text)
    return path[-2:] == ("image_url", "url") and text.startswith("data:image/") and _is_base64(text)


def _is_base64(text: str) -> bool:
    """Whether the text is long, and base64 but for a `data:` prefix; words of a language are neither."""
    if len(text) < _SHORTEST_MEDIA:
        return False
    head, comma, tail = text.partition(",")
    payload = tail if comma and head.startswith("data:") and head.endswith(";base64") else text
    return payload.isascii() and payload.rstrip("=").replace("+", "").replace("/", "").isalnum()


def _joint_text(message: Json) -> str | None:
    """The text parts of a message as the model reads them; None when there are fewer than two."""
    content = message.get("content")
    if not isinstance(content, list):
        return None
    texts = [part["text"] for part in content if part.get("type") == "text"]
    return "".join(texts) if len(texts) > 1 else None


def _said(message: Json) -> str:
    """The text of a message as the model reads it; "" when it has none."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join([part["text"] for part in parts if part.get("type") == "text"])


def _may_go(message: Json) -> bool:
    """Whether a conversation is still well formed without this message: tool calls and their results belong together."""
    return message["role"] in {"user", "assistant"} and not message.get("tool_calls")


def _crosses(checked: Checked, apart: str | None) -> bool:
    """Whether reading the parts as one masks something that reading them apart did not."""
    return checked.text != apart and any(verdict.action.rank >= Action.REDACT.rank for verdict in checked.verdicts)


def _spread(message: Json, text: str) -> Json:
    """The message with its whole text in the first text part, the other text parts emptied."""
    parts = []
    for part in message["content"]:
        if part.get("type") == "text":
            part, text = {**part, "text": text}, ""
        parts.append(part)
    return {**message, "content": parts}
