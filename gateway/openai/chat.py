"""The shape of a chat-completion request: what must hold before the guard reads it.

Rules of this file
1. Only what the gateway itself relies on is checked; everything else, unknown fields too, is the model's to judge.
2. A request is refused with the first thing that is wrong, named as OpenAI names it (`messages[2].content`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from gateway.errors import InvalidRequest, MalformedBody, UnusableModelName
from gateway.limits import Limits
from gateway.upstream.ports import Json

ROLES: Final = frozenset({"developer", "system", "user", "assistant", "tool", "function"})
_MODEL_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")

_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request whose shape is sound.

    body: as parsed; never changed in place.
    raw: the bytes it came in.
    wants_usage: the client asked for the usage chunk at the end of a stream.
    choices: how many answers are asked for (`n`).
    structured: the answer is to be JSON (`response_format`), and has to stay JSON when it is redacted.
    """

    body: Json
    raw: bytes
    model: str
    stream: bool
    wants_usage: bool
    choices: int
    structured: bool
    user: str
    conversation: str


def parse_object(raw: bytes) -> Json:
    """A request body as a JSON object.

    Raises:
        MalformedBody: not UTF-8, not JSON, nested too deeply, or holding half a surrogate pair.
        InvalidRequest: JSON, but not an object.
    """
    try:
        body = _decode(raw)
    except UnicodeDecodeError as error:
        raise MalformedBody("the body is not valid UTF-8", hint="send the JSON as UTF-8") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedBody(
            "the body is not valid JSON", hint="check quotes, commas, escapes and that nothing was cut off"
        ) from error
    if not isinstance(body, dict):
        raise InvalidRequest("the body has to be a JSON object")
    return body


def parse_chat(raw: bytes, limits: Limits) -> ChatRequest:
    """A chat-completion request.

    Raises:
        MalformedBody, InvalidRequest, UnusableModelName: see each.
    """
    body = parse_object(raw)
    model = _model(body)
    _messages(body.get("messages"), limits)
    _tools(body)
    stream = _flag(body, "stream")
    choices = _choices(body, limits)
    options = _optional(body, "stream_options", dict, "an object") or {}
    metadata = _optional(body, "metadata", dict, "an object") or {}
    user = _optional(body, "safety_identifier", str, "a string") or _optional(body, "user", str, "a string") or ""
    conversation = metadata.get("conversation_id")
    answer_format = _optional(body, "response_format", dict, "an object") or {}
    return ChatRequest(
        body=body,
        raw=raw,
        model=model,
        stream=stream,
        wants_usage=bool(options.get("include_usage")),
        choices=choices,
        structured=answer_format.get("type") in {"json_object", "json_schema"},
        user=user,
        conversation=conversation if isinstance(conversation, str) else "",
    )


def _model(body: Json) -> str:
    model = body.get("model")
    if model is None:
        raise InvalidRequest(
            "the field model is missing", hint='use "default" for the model of this gateway', param="model"
        )
    if not isinstance(model, str):
        raise InvalidRequest("model has to be a string", param="model")
    if not _MODEL_NAME.fullmatch(model):
        raise UnusableModelName("no model has such a name", hint="GET /v1/models lists the models", param="model")
    return model


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
    tools = _optional(body, "tools", list, "an array") or []
    for index, tool in enumerate(tools):
        if not isinstance(tool, dict):
            raise InvalidRequest("a tool has to be an object", param=f"tools[{index}]")


def _choices(body: Json, limits: Limits) -> int:
    n = body.get("n")
    if n is None:
        return 1
    if not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= limits.choices:
        raise InvalidRequest(f"n has to be a whole number from 1 to {limits.choices}", param="n")
    return n


def _flag(body: Json, name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise InvalidRequest(f"{name} has to be true or false", param=name)
    return bool(value)


def _optional(body: Json, name: str, kind: type, words: str) -> Any:
    value = body.get(name)
    if value is not None and not isinstance(value, kind):
        raise InvalidRequest(f"{name} has to be {words}", param=name)
    return value


def declared_names(body: Json) -> frozenset[str]:
    """The names of the tools and functions that a (checked) request offers to the model."""
    names = set()
    for tool in [*(body.get("tools") or ()), *({"function": f} for f in body.get("functions") or ())]:
        for key in ("function", "custom"):
            described = tool.get(key)
            if isinstance(described, dict) and isinstance(described.get("name"), str):
                names.add(described["name"])
    return frozenset(names)
