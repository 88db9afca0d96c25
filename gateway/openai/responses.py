"""`/v1/responses`: OpenAI's newer way to ask, read into a chat. The answer is told by gateway/openai/response_told.py.

Rules of this file
1. Every field is put into the chat, refused, or named here as meaning nothing to it; fields nobody knows pass through, as in a chat.
2. Nothing is kept between requests, so what names something kept is refused, and the error says what to send instead.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.errors import InvalidRequest
from gateway.limits import Limits
from gateway.openai.form import Form
from gateway.openai.request import (
    ModelRequest,
    flag,
    is_json_asked,
    optional,
    parse_object,
    refuse_fields,
    shared_fields,
)
from gateway.openai.response_input import WHOLE, Turns
from gateway.openai.response_told import AsResponse
from gateway.upstream.ports import Json

_NOT_HERE: Final = {
    "previous_response_id": ("names an answer that was not kept", WHOLE),
    "conversation": ("names a conversation that was not kept", WHOLE),
    "prompt": ("names a stored prompt, and none is known here", "send its text in instructions and input"),
    "context_management": ("is not done here", "send a shorter input"),
}
_SAID_OTHERWISE: Final = {
    "messages": "send input",
    "n": "send the request several times",
    "max_tokens": "send max_output_tokens",
    "max_completion_tokens": "send max_output_tokens",
    "response_format": "send text.format",
    "functions": "send tools",
    "function_call": "send tool_choice",
}
_TAKEN_UP: Final = frozenset(
    {"input", "instructions", "tools", "tool_choice", "max_output_tokens", "text", "reasoning", "include", "store", "background", "truncation", "stream_options", "max_tool_calls", *_NOT_HERE}
)  # fmt: skip
"""Not passed through: put into the chat under another name, or meaningless to it (`max_tool_calls` counts calls of built-in tools)."""
_LOGPROBS: Final = "message.output_text.logprobs"
_INCLUDED: Final = frozenset({_LOGPROBS, "reasoning.encrypted_content"})
"""The latter gives nothing: thoughts of a model that shows them stand in the answer as they are."""
_FORMATS: Final = ("text", "json_object", "json_schema")
_CALLED: Final[dict[str | int, str]] = {
    "response_format": "text",
    "verbosity": "text",
    "reasoning_effort": "reasoning",
    "max_tokens": "max_output_tokens",
}


def parse_response(raw: bytes, limits: Limits) -> ModelRequest:
    """A request for a response, as a chat.

    Raises:
        MalformedBody, InvalidRequest, UnusableModelName: see each.
    """
    body = parse_object(raw)
    shared = shared_fields(body)
    _refuse(body)
    turns = Turns()
    turns.instructions(body.get("instructions"))
    turns.input(body.get("input"), limits)
    chat = {name: value for name, value in body.items() if name not in _TAKEN_UP}
    chat |= {"messages": turns.messages, **_tools(body), **_text(body), **_wishes(body)}
    if shared["stream"]:
        chat["stream_options"] = {"include_usage": True}
    return ModelRequest(
        body=chat,
        raw=raw,
        structured=is_json_asked(chat),
        kept=frozenset({"metadata"}),
        places={**_CALLED, **dict(enumerate(turns.places))},
        **{**shared, "wants_usage": True},
    )


def _refuse(body: Json) -> None:
    """What cannot be done here, each with what to do instead."""
    for name, (why, hint) in _NOT_HERE.items():
        refuse_fields(body, (name,), why, hint)
    for name, hint in _SAID_OTHERWISE.items():
        refuse_fields(body, (name,), "is a field of chats", hint)
    if flag(body, "store"):
        raise InvalidRequest("answers are not stored for later", hint=f"set store to false; {WHOLE}", param="store")
    if flag(body, "background"):
        raise InvalidRequest("nothing is answered in the background", hint="wait, or stream", param="background")
    if body.get("truncation") not in (None, "disabled"):
        raise InvalidRequest("an input that is too long is not cut here", hint="send a shorter one", param="truncation")


def _wishes(body: Json) -> Json:
    """How to answer: length, effort, log-probabilities."""
    wishes: Json = {}
    longest = body.get("max_output_tokens")
    if longest is not None:
        if not isinstance(longest, int) or isinstance(longest, bool) or longest < 1:
            raise InvalidRequest("max_output_tokens has to be a whole number from 1", param="max_output_tokens")
        wishes["max_tokens"] = longest
    reasoning = optional(body, "reasoning", dict, "an object") or {}
    if reasoning.get("effort") is not None:
        wishes["reasoning_effort"] = reasoning["effort"]
    included = optional(body, "include", list, "an array") or []
    if not all(isinstance(name, str) and name in _INCLUDED for name in included):
        raise InvalidRequest(
            f"include can name {' and '.join(sorted(_INCLUDED))}", hint="nothing else is had here", param="include"
        )
    if _LOGPROBS in included or body.get("top_logprobs") is not None:
        wishes["logprobs"] = True
    return wishes


def _text(body: Json) -> Json:
    """`text`: the form of the answer, and how many words it makes."""
    text = optional(body, "text", dict, "an object") or {}
    told = {} if text.get("verbosity") is None else {"verbosity": text["verbosity"]}
    wanted = text.get("format")
    if wanted is None:
        return told
    if not isinstance(wanted, dict) or wanted.get("type") not in _FORMATS:
        raise InvalidRequest(f"type has to be one of {', '.join(_FORMATS)}", param="text.format")
    kind = wanted["type"]
    if kind == "text":
        return told
    schema = {name: value for name, value in wanted.items() if name != "type"}
    return {**told, "response_format": {"type": kind, **({kind: schema} if kind == "json_schema" else schema)}}


def _tools(body: Json) -> Json:
    tools = optional(body, "tools", list, "an array") or []
    told: Json = {"tools": [_tool(tool, f"tools[{place}]") for place, tool in enumerate(tools)]} if tools else {}
    choice = body.get("tool_choice")
    return told if choice is None else {**told, "tool_choice": _choice(choice)}


def _tool(tool: Any, at: str) -> Json:
    """A function that the client runs."""
    if not isinstance(tool, dict) or tool.get("type") != "function":
        raise InvalidRequest(
            "only tools of type function are known: built-in tools do not run here",
            hint="describe a function, and run it yourself when it is called",
            param=f"{at}.type",
        )
    if not isinstance(tool.get("name"), str):
        raise InvalidRequest("name has to be a string", param=f"{at}.name")
    return {"type": "function", "function": {k: v for k, v in tool.items() if k != "type" and v is not None}}


def _choice(choice: Any) -> Any:
    """`tool_choice` as a chat has it."""
    if isinstance(choice, str):
        return choice
    if isinstance(choice, dict) and choice.get("type") == "function" and isinstance(choice.get("name"), str):
        return {"type": "function", "function": {"name": choice["name"]}}
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools" and isinstance(choice.get("tools"), list):
        allowed = {"mode": choice.get("mode", "auto"), "tools": [_choice(tool) for tool in choice["tools"]]}
        return {"type": "allowed_tools", "allowed_tools": allowed}
    raise InvalidRequest(
        "tool_choice has to be auto, none, required, or name functions",
        hint='for one function  {"type": "function", "name": NAME}',
        param="tool_choice",
    )


RESPONSES: Final = Form("response", "input", parse_response, AsResponse)
