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

from dataclasses import dataclass
from typing import Any, Final

from gateway.openai.walk import PROTOCOL_WORDS, Path, rename_keys, rewrite, unknown_keys
from gateway.tally import Tally
from gateway.text_check import EMPTY_OBJECT, Checked, TextCheck
from gateway.upstream.ports import Json
from guard.checker import SafetyChecker
from guard.verdict import Action, Direction, Verdict

REMOVED: Final = "[removed]"
"""Stands in the history for a turn that the policy would have blocked."""
_HISTORY_ROLES: Final = frozenset({"user", "assistant", "tool", "function"})
_READ_APART: Final = frozenset({"messages", "model"})  # the model's name has been read at reception
_SHORTEST_MEDIA: Final = 256  # characters; the smallest PNG has about 90, but a text of that length is read at no cost
_TOKEN_ID_DIGITS: Final = 7  # keys of `logit_bias`


@dataclass(frozen=True, slots=True)
class Screened:
    """A request after the guard.

    forwarded: the body for the upstream; the same object as was given when nothing changed.
    blocked: nothing may be forwarded. silent: it is blocked only because a detector could not answer.
    """

    forwarded: Json
    verdict: Verdict
    blocked: bool
    silent: bool


def screen(checker: SafetyChecker, body: Json) -> Screened:
    """Read a (well-shaped) chat request and say what may be forwarded."""
    return _Screening(checker).run(body)


class _Screening:
    """One request being read."""

    __slots__ = ("_check", "_tally")

    def __init__(self, checker: SafetyChecker) -> None:
        self._check = TextCheck(checker, Direction.INPUT)
        self._tally = Tally(checker.policy.name, checker.policy.digest)

    def run(self, body: Json) -> Screened:
        rest = {key: value for key, value in body.items() if key not in _READ_APART and not _plain_value(value)}
        changed: Json = rewrite(rest, self._binding) if rest else rest
        forwarded = body if changed is rest else {**body, **changed}
        messages = self._messages(body["messages"])
        if messages is not body["messages"]:
            forwarded = {**forwarded, "messages": messages}
        forwarded = self._keys(forwarded)
        tally = self._tally
        return Screened(
            forwarded=forwarded,
            verdict=tally.verdict(),
            blocked=tally.action is Action.BLOCK,
            silent=tally.blocked_by_silence(),
        )

    def _messages(self, messages: list[Json]) -> list[Json]:
        newest = max((i for i, message in enumerate(messages) if message["role"] == "user"), default=-1)
        screened = [
            self._history(message) if message["role"] in _HISTORY_ROLES and index != newest else self._newest(message)
            for index, message in enumerate(messages)
        ]
        return messages if all(new is old for new, old in zip(screened, messages, strict=True)) else screened

    def _newest(self, message: Json) -> Json:
        """A message that can block the request."""
        new: Json = rewrite(message, self._binding)
        joint = _joint_text(message)
        if joint is None:
            return new
        checked = self._check.plain(joint)
        self._tally.add_all(checked.verdicts)
        return _spread(new, checked.text) if _crosses(checked, _joint_text(new)) else new

    def _history(self, message: Json) -> Json:
        """A message out of which is taken what would block."""
        new: Json = rewrite(message, self._lenient)
        joint = _joint_text(message)
        if joint is None:
            return new
        checked = self._check.plain(joint)
        self._tally.add_all(checked.verdicts, at_most=Action.REDACT)
        if checked.blocked:
            return _spread(new, REMOVED)
        return _spread(new, checked.text) if _crosses(checked, _joint_text(new)) else new

    def _binding(self, path: Path, text: str) -> str:
        checked = self._read(path, text)
        if checked is None:
            return text
        self._tally.add_all(checked.verdicts)
        return checked.text

    def _lenient(self, path: Path, text: str) -> str:
        checked = self._read(path, text)
        if checked is None:
            return text
        self._tally.add_all(checked.verdicts, at_most=Action.REDACT)
        if checked.blocked:
            return EMPTY_OBJECT if path[-1] == "arguments" else REMOVED
        return checked.text

    def _read(self, path: Path, text: str) -> Checked | None:
        if text in PROTOCOL_WORDS:
            return None
        if _is_media(path, text):
            self._tally.skip(len(text))
            return None
        return self._check.any(text)

    def _keys(self, body: Json) -> Json:
        keys = [key for key in unknown_keys(body) if not (key.isdigit() and len(key) <= _TOKEN_ID_DIGITS)]
        if not keys:
            return body
        together = self._check.plain("\n".join(keys))
        self._tally.add_all(together.verdicts)
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
