"""The shape of a chat-completion request: what must hold before the guard reads it.

Rules of this file
1. Only what the gateway itself relies on is checked; everything else, unknown fields too, is the model's to judge.
2. A request is refused with the first thing that is wrong, named as OpenAI names it (`messages[2].content`).
"""

from __future__ import annotations

from typing import Any, Final

from gateway.errors import InvalidRequest
from gateway.limits import Limits
from gateway.openai.form import AS_CHAT, Form
from gateway.openai.request import ModelRequest, choices_asked, is_json_asked, optional, parse_object, shared_fields
from gateway.upstream.ports import Json

ROLES: Final = frozenset({"developer", "system", "user", "assistant", "tool", "function"})


def parse_chat(raw: bytes, limits: Limits) -> ModelRequest:
    """A chat-completion request.

    Raises:
        MalformedBody, InvalidRequest, UnusableModelName: see each.
    """
    body = parse_object(raw)
    shared = shared_fields(body)
    _messages(body.get("messages"), limits)
    _tools(body)
    return ModelRequest(
        body=body,
        raw=raw,
        choices=choices_asked(body, limits),
        structured=is_json_asked(body),
        **shared,
    )


def _messages(messages: Any, limits: Limits) -> None:
    if messages is None:
        raise InvalidRequest("the field messages is missing", param="messages")
    if not isinstance(messages, list):
        raise InvalidRequest("messages has to be an array", param="messages")
    if not messages:
        raise InvalidRequest("messages is empty: at least one message is needed", param="messages")
    if len(messages) > limits.messages:
        raise InvalidRequest(f"more than {limits.messages} messages", hint="send a shorter history", param="messages")
    for index, message in enumerate(messages):
        _message(message, f"messages[{index}]")


def _message(message: Any, at: str) -> None:
    if not isinstance(message, dict):
        raise InvalidRequest("a message has to be an object", param=at)
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise InvalidRequest(f"role has to be one of {', '.join(sorted(ROLES))}", param=f"{at}.role")
    content = message.get("content")
    if content is None:
        if role != "assistant":
            raise InvalidRequest("content is missing", param=f"{at}.content")
    elif isinstance(content, list):
        for place, part in enumerate(content):
            if not isinstance(part, dict) or not isinstance(part.get("type"), str):
                raise InvalidRequest("a content part has to be an object with a type", param=f"{at}.content[{place}]")
            if part["type"] == "text" and not isinstance(part.get("text"), str):
                raise InvalidRequest("text has to be a string", param=f"{at}.content[{place}].text")
    elif not isinstance(content, str):
        raise InvalidRequest("content has to be a string, an array of parts or null", param=f"{at}.content")
    _calls(message.get("tool_calls"), f"{at}.tool_calls")


def _calls(calls: Any, at: str) -> None:
    if calls is None:
        return
    if not isinstance(calls, list):
        raise InvalidRequest("tool_calls has to be an array", param=at)
    for index, call in enumerate(calls):
        if not isinstance(call, dict):
            raise InvalidRequest("a tool call has to be an object", param=f"{at}[{index}]")
        function = call.get("function", {})
        if not isinstance(function, dict) or not isinstance(function.get("arguments", ""), str):
            raise InvalidRequest("arguments has to be a string of JSON", param=f"{at}[{index}].function.arguments")


def _tools(body: Json) -> None:
    for name, word in (("tools", "tool"), ("functions", "function")):
        for index, described in enumerate(optional(body, name, list, "an array") or []):
            if not isinstance(described, dict):
                raise InvalidRequest(f"a {word} has to be an object", param=f"{name}[{index}]")


def declared_names(body: Json) -> frozenset[str]:
    """The names of the tools and functions that a (checked) request offers to the model."""
    names = set()
    for tool in [*(body.get("tools") or ()), *({"function": f} for f in body.get("functions") or ())]:
        for key in ("function", "custom"):
            described = tool.get(key)
            if isinstance(described, dict) and isinstance(described.get("name"), str):
                names.add(described["name"])
    return frozenset(names)


CHAT: Final = Form("chat.completion", "messages", parse_chat, lambda request, body, incident: AS_CHAT)
