"""The `input` of a response as the messages of a chat.

Rules of this file
1. Items that an answer brought can be sent back as they came: what only the answer had use for (`id`, `status`, `annotations`, what a
   client library parsed) is left out. An item or part that a chat has no word for is refused, named as OpenAI names it
   (`input[2].content[0]`).
2. What refers to something that was kept (items, files, hidden thoughts) is refused: this gateway keeps nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gateway.errors import InvalidRequest
from gateway.limits import Limits
from gateway.upstream.ports import Json

WHOLE: Final = "this gateway keeps nothing between requests: send the whole conversation in input"
ROLES: Final = ("user", "assistant", "system", "developer")
_ITEM_ONLY: Final = frozenset({"type", "role", "content", "id", "status", "phase"})
_PART_ONLY: Final = frozenset({"type", "text", "annotations", "logprobs", "parsed"})
_TEXTS: Final = frozenset({"input_text", "output_text", "text"})


class Turns:
    """Messages as they are read. places: what of the request each of them came from."""

    def __init__(self) -> None:
        self.messages: list[Json] = []
        self.places: list[str] = []
        self._thought = ""

    def instructions(self, given: Any) -> None:
        """The field of that name, which stands before everything else."""
        if given is None or given == "":
            return
        if not isinstance(given, str):
            raise InvalidRequest("instructions has to be a string", param="instructions")
        self._add({"role": "system", "content": given}, "instructions")

    def input(self, given: Any, limits: Limits) -> None:
        """The field of that name: a text, or items.

        Raises:
            InvalidRequest: it is neither, or an item is not one that can be understood.
        """
        if isinstance(given, str):
            self._add({"role": "user", "content": given}, "input")
            return
        if given is None:
            raise InvalidRequest("the field input is missing", param="input")
        if not isinstance(given, list) or not given:
            raise InvalidRequest("input has to be a string or an array of items", param="input")
        if len(given) > limits.messages:
            raise InvalidRequest(f"more than {limits.messages} items", hint="send a shorter history", param="input")
        for place, item in enumerate(given):
            self._item(item, f"input[{place}]")

    def _item(self, item: Any, at: str) -> None:
        if not isinstance(item, dict):
            raise InvalidRequest("an item has to be an object", param=at)
        kind = item.get("type", "message")
        readers: dict[Any, Callable[[Json, str], None]] = {
            "message": self._message,
            "function_call": self._call,
            "function_call_output": self._result,
            "reasoning": self._reasoning,
        }
        if kind == "item_reference":
            raise InvalidRequest("an item is referred to, not sent", hint=WHOLE, param=at)
        if not isinstance(kind, str) or kind not in readers:
            raise InvalidRequest(
                f"type has to be one of {', '.join(readers)}",
                hint="other items have no place in a chat",
                param=f"{at}.type",
            )
        readers[kind](item, at)

    def _message(self, item: Json, at: str) -> None:
        role = item.get("role")
        if role not in ROLES:
            raise InvalidRequest(f"role has to be one of {', '.join(ROLES)}", param=f"{at}.role")
        if "tool_calls" in item:
            raise InvalidRequest("calls are items of type function_call", param=f"{at}.tool_calls")
        more = {key: value for key, value in item.items() if key not in _ITEM_ONLY}
        self._add({"role": role, "content": _content(item.get("content"), f"{at}.content"), **more}, at)

    def _call(self, item: Json, at: str) -> None:
        identity, name, arguments = (_string(item, key, at) for key in ("call_id", "name", "arguments"))
        call = {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}
        if not self.messages or self.messages[-1]["role"] != "assistant":
            self._add({"role": "assistant", "content": None}, at)
        self.messages[-1] = {**self.messages[-1], "tool_calls": [*self.messages[-1].get("tool_calls", ()), call]}

    def _result(self, item: Json, at: str) -> None:
        said = {"role": "tool", "tool_call_id": _string(item, "call_id", at)}
        self._add({**said, "content": _content(item.get("output"), f"{at}.output")}, at)

    def _reasoning(self, item: Json, at: str) -> None:
        """A thought of the model; it goes with what the model said next."""
        if item.get("encrypted_content") is not None:
            raise InvalidRequest(
                "an encrypted thought cannot be checked, so it is not sent on",
                hint="leave encrypted_content out",
                param=f"{at}.encrypted_content",
            )
        for name in ("content", "summary"):
            parts = item.get(name) or []
            if not isinstance(parts, list) or not all(
                isinstance(p, dict) and isinstance(p.get("text"), str) for p in parts
            ):
                raise InvalidRequest(f"{name} has to be an array of parts with a text", param=f"{at}.{name}")
            if parts:
                self._thought = "".join([part["text"] for part in parts])
                return

    def _add(self, message: Json, place: str) -> None:
        if message["role"] == "assistant" and self._thought:
            message = {**message, "reasoning_content": self._thought}
        self._thought = ""
        self.messages.append(message)
        self.places.append(place)


def _string(item: Json, name: str, at: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} has to be a string", param=f"{at}.{name}")
    return value


def _content(given: Any, at: str) -> str | list[Json]:
    """A text, or parts; a single text part is a text, which every chat template takes."""
    if isinstance(given, str):
        return given
    if not isinstance(given, list):
        raise InvalidRequest("content has to be a string or an array of parts", param=at)
    parts = [_part(part, f"{at}[{place}]") for place, part in enumerate(given)]
    return parts[0]["text"] if len(parts) == 1 and parts[0].keys() == {"type", "text"} else parts


def _part(part: Any, at: str) -> Json:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        raise InvalidRequest("a content part has to be an object with a type", param=at)
    kind = part["type"]
    if kind in _TEXTS:
        more = {key: value for key, value in part.items() if key not in _PART_ONLY}
        return {"type": "text", "text": _string(part, "text", at), **more}
    if kind == "refusal":
        return {"type": "refusal", "refusal": _string(part, "refusal", at)}
    if kind == "input_image":
        return {"type": "image_url", "image_url": _image(part, at)}
    if kind == "input_file":
        return {"type": "file", "file": _file(part, at)}
    if kind == "input_audio":
        return part
    raise InvalidRequest(
        "type has to be input_text, output_text, refusal, input_image, input_file or input_audio", param=f"{at}.type"
    )


def _image(part: Json, at: str) -> Json:
    if part.get("image_url") is None:
        raise InvalidRequest("an image is referred to, not sent", hint="send it as image_url", param=f"{at}.image_url")
    detail = {} if part.get("detail") is None else {"detail": part["detail"]}
    return {"url": _string(part, "image_url", at), **detail}


def _file(part: Json, at: str) -> Json:
    if part.get("file_data") is None:
        raise InvalidRequest("a file is referred to, not sent", hint="send it as file_data", param=f"{at}.file_data")
    return {name: _string(part, name, at) for name in ("filename", "file_data") if part.get(name) is not None}
