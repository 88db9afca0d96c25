"""A chat's answer told as a response: its items, and the events that tell how they grow.

Rules of this file
1. A whole answer and a stream come through the same items; the object at the end of a stream equals the whole one.
2. The guard may release the rest of any text when the answer ends, so every `done` comes then.
3. A call is shown once its arguments come, which is when they are complete: before, its name may still be growing, and an
   answer that is blocked names no call.
4. Whatever stands in an item, in its events and in the object at the end is what the guard released, in each of them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.openai.grounding import FIELD
from gateway.openai.request import ModelRequest
from gateway.openai.sse import named_frames
from gateway.upstream.ports import Json
from haechi.base.ids import RequestId

_PARTS: Final = {
    "reasoning_content": ("reasoning", "reasoning_text"),
    "reasoning": ("reasoning", "reasoning_text"),
    "content": ("message", "output_text"),
    "refusal": ("message", "refusal"),
}
"""Field of a chat's message, item, kind of part; in the order in which a whole message is told."""
_REASONS: Final = {"content_filter": "content_filter", "length": "max_output_tokens"}
_PREFIX: Final = {"message": "msg", "reasoning": "rs", "function_call": "fc"}


@dataclass(slots=True)
class _Part:
    kind: str
    pieces: list[str] = field(default_factory=list)
    logprobs: list[Json] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def told(self) -> Json:
        if self.kind == "refusal":
            return {"type": "refusal", "refusal": self.text}
        if self.kind == "reasoning_text":
            return {"type": "reasoning_text", "text": self.text}
        return {"type": "output_text", "text": self.text, "annotations": [], "logprobs": self.logprobs}


@dataclass(slots=True)
class _Item:
    """One item of the output. parts: of a message or a thought. call: what a function call says beside its arguments."""

    kind: str
    place: int
    identity: str
    parts: list[_Part] = field(default_factory=list)
    call: Json = field(default_factory=dict)

    def told(self, status: str) -> Json:
        """The item as it stands. status: `in_progress`, `completed` or `incomplete`."""
        head = {"id": self.identity, "type": self.kind, "status": status}
        if self.kind == "function_call":
            return {**head, **self.call, "arguments": self.parts[0].text if self.parts else ""}
        parts = [part.told() for part in self.parts]
        if self.kind == "reasoning":
            return {**head, "summary": [], "content": parts}
        return {**head, "role": "assistant", "content": parts}


class AsResponse:
    """Tells one answer. Used once: by `whole`, or by `pieces` and then `closing`."""

    def __init__(self, request: ModelRequest, body: Json, incident: RequestId) -> None:
        """body: the chat after the guard, of which the response repeats what it was asked for."""
        self._suffix = incident.removeprefix("req_")
        self._response = {"model": request.model, **_repeated(request, body), "id": f"resp_{self._suffix}"}
        self._items: list[_Item] = []
        self._calls: dict[int, Json] = {}
        self._finish = ""
        self._thinks = ""
        self._told = 0
        self._open = False

    def whole(self, completion: Json) -> Json:
        self._envelope(completion)
        for choice in completion["choices"]:
            self._say(choice["message"], choice.get("logprobs"))
            self._finish = choice["finish_reason"]
        self._settle()
        return self._object(*self._outcome())

    def pieces(self, chunks: Sequence[Json]) -> bytes:
        events: list[Json] = []
        for chunk in chunks:
            self._envelope(chunk)
            if not self._open:
                self._open = True
                events += [self._event(kind, response=self._object("in_progress")) for kind in _OPENING]
            for choice in chunk["choices"]:
                events += self._say(choice["delta"], choice.get("logprobs"))
                self._finish = choice["finish_reason"] or self._finish
        return named_frames(events)

    def closing(self, error: Json | None = None) -> bytes:
        if error is not None:
            told = {name: error.get(name) for name in ("code", "message", "param")}
            failed = {"code": "server_error", "message": error.get("message")}
            return named_frames(
                [
                    self._event("error", **told),
                    self._event("response.failed", response={**self._object("failed"), "error": failed}),
                ]
            )
        events = self._settle()
        status, reason = self._outcome()
        for item in self._items:
            events += self._done(item, status)
        return named_frames([*events, self._event(f"response.{status}", response=self._object(status, reason))])

    def _envelope(self, answer: Json) -> None:
        """What stands around the text: model, usage, and what the client asked to be added."""
        if answer.get("model"):
            self._response["model"] = answer["model"]
        if answer.get("usage"):
            self._response["usage"] = _usage(_object(answer["usage"]))
        if answer.get("moderation"):
            sides = _object(answer["moderation"])
            self._response["moderation"] = {side: _moderated(_object(part)) for side, part in sides.items()}
        if FIELD in answer:
            self._response[FIELD] = answer[FIELD]

    def _say(self, said: Json, logprobs: Any) -> list[Json]:
        """The events for what a message or a delta says; logprobs: of its content."""
        events: list[Json] = []
        for name, (item, part) in _PARTS.items():
            text = _string(said.get(name))
            if text and item == "reasoning":
                self._thinks = self._thinks or name
                if name != self._thinks:
                    continue  # some servers say a thought under both names
            if text:
                entries = logprobs.get("content") if name == "content" and isinstance(logprobs, dict) else None
                events += self._grow(self._item(item), part, text, entries or [])
        calls = said.get("tool_calls")
        for place, call in enumerate(calls if isinstance(calls, list) else ()):
            index = _object(call).get("index")
            events += self._call(index if isinstance(index, int) else place, _object(call))
        return events

    def _item(self, kind: str) -> _Item:
        """The thought, or the message; there is one of each."""
        for item in self._items:
            if item.kind == kind:
                return item
        return self._new(kind)

    def _new(self, kind: str, call: Json | None = None) -> _Item:
        place = len(self._items)
        item = _Item(kind, place, f"{_PREFIX[kind]}_{self._suffix}_{place}", call=call or {})
        self._items.append(item)
        return item

    def _grow(self, item: _Item, kind: str, text: str, logprobs: list[Json]) -> list[Json]:
        """One more piece of a part; the part, and the item, are announced before their first."""
        events: list[Json] = []
        if not item.parts:
            events.append(self._added(item))
        at = {"item_id": item.identity, "output_index": item.place}
        number = next((n for n, part in enumerate(item.parts) if part.kind == kind), len(item.parts))
        at["content_index"] = number
        if number == len(item.parts):
            item.parts.append(_Part(kind))
            events.append(self._event("response.content_part.added", **at, part=item.parts[number].told()))
        if not text:
            return events
        part = item.parts[number]
        part.pieces.append(text)
        part.logprobs += logprobs
        more = {"logprobs": logprobs} if kind == "output_text" else {}
        return [*events, self._event(f"response.{kind}.delta", **at, delta=text, **more)]

    def _added(self, item: _Item) -> Json:
        return self._event("response.output_item.added", output_index=item.place, item=item.told("in_progress"))

    def _call(self, index: int, said: Json) -> list[Json]:
        """A piece of a function call: kept until there are arguments, then shown."""
        function = _object(said.get("function"))
        call = self._calls.setdefault(index, {"call_id": "", "name": "", "item": None})
        call["call_id"] = call["call_id"] or _string(said.get("id"))
        call["name"] += _string(function.get("name"))
        arguments = _string(function.get("arguments"))
        return self._argue(call, arguments) if arguments else []

    def _argue(self, call: Json, arguments: str) -> list[Json]:
        events: list[Json] = []
        item = call["item"]
        if item is None:
            place = len(self._items)
            named = {"call_id": call["call_id"] or f"call_{self._suffix}_{place}", "name": call["name"]}
            item = call["item"] = self._new("function_call", named)
            events.append(self._added(item))
            item.parts.append(_Part("arguments"))
        if arguments:
            item.parts[0].pieces.append(arguments)
            at = {"item_id": item.identity, "output_index": item.place}
            events.append(self._event("response.function_call_arguments.delta", **at, delta=arguments))
        return events

    def _settle(self) -> list[Json]:
        """The end: calls without arguments are shown unless the answer was blocked; an answer that says nothing is an empty one."""
        events: list[Json] = []
        if self._finish != "content_filter":
            for call in self._calls.values():
                if call["item"] is None:
                    events += self._argue(call, "")
        if not self._items:
            events += self._grow(self._item("message"), "output_text", "", [])
        return events

    def _done(self, item: _Item, status: str) -> list[Json]:
        at = {"item_id": item.identity, "output_index": item.place}
        events: list[Json] = []
        if item.kind == "function_call":
            told = {"name": item.call["name"], "arguments": item.parts[0].text}
            events.append(self._event("response.function_call_arguments.done", **at, **told))
        else:
            for number, part in enumerate(item.parts):
                told = part.told()
                text = {name: told[name] for name in ("text", "refusal", "logprobs") if name in told}
                events.append(self._event(f"response.{part.kind}.done", **at, content_index=number, **text))
                events.append(self._event("response.content_part.done", **at, content_index=number, part=told))
        done = self._event("response.output_item.done", output_index=item.place, item=item.told(status))
        return [*events, done]

    def _outcome(self) -> tuple[str, str]:
        """The status, and why it is `incomplete`."""
        reason = _REASONS.get(self._finish, "")
        return ("incomplete", reason) if reason else ("completed", "")

    def _object(self, status: str, reason: str = "") -> Json:
        """The response as it stands."""
        ended = {"completed_at": int(time.time())} if status == "completed" else {}
        each = "incomplete" if status == "failed" else status
        return {
            **self._response,
            "status": status,
            "incomplete_details": {"reason": reason} if reason else None,
            "output": [item.told(each) for item in self._items],
            **ended,
        }

    def _event(self, kind: str, **more: Any) -> Json:
        self._told += 1
        return {"type": kind, "sequence_number": self._told - 1, **more}


_OPENING: Final = ("response.created", "response.in_progress")


def _repeated(request: ModelRequest, body: Json) -> Json:
    """What a response says of its request, as the guard left it."""
    messages = body.get("messages") or []
    given = request.places.get(0) == "instructions" and messages
    effort = body.get("reasoning_effort")
    parallel = body.get("parallel_tool_calls")
    return {
        "object": "response",
        "created_at": int(time.time()),
        "background": False,
        "error": None,
        "instructions": messages[0]["content"] if given else None,
        "max_output_tokens": body.get("max_tokens"),
        "metadata": body.get("metadata") or {},
        "parallel_tool_calls": True if parallel is None else parallel,
        "previous_response_id": None,
        "reasoning": {"effort": effort, "summary": None},
        "safety_identifier": body.get("safety_identifier"),
        "store": False,
        "temperature": body.get("temperature"),
        "text": _text(body),
        "tool_choice": _choice(body.get("tool_choice")),
        "tools": [{"type": "function", "parameters": None, "strict": None, **tool["function"]} for tool in body.get("tools") or ()],
        "top_logprobs": body.get("top_logprobs"),
        "top_p": body.get("top_p"),
        "truncation": "disabled",
        "usage": None,
        "user": body.get("user"),
    }  # fmt: skip


def _text(body: Json) -> Json:
    wanted = body.get("response_format") or {"type": "text"}
    schema = wanted.get("json_schema") or {}
    told = {"format": {"type": wanted["type"], **schema}}
    return told if body.get("verbosity") is None else {**told, "verbosity": body["verbosity"]}


def _choice(choice: Any) -> Any:
    """`tool_choice` of a chat as a response has it."""
    if not isinstance(choice, dict):
        return choice or "auto"
    if choice["type"] == "allowed_tools":
        allowed = choice["allowed_tools"]
        return {"type": "allowed_tools", "mode": allowed["mode"], "tools": [_choice(tool) for tool in allowed["tools"]]}
    return {"type": "function", "name": choice["function"]["name"]}


def _usage(usage: Json) -> Json:
    """Tokens under the names that a response has for them; what else stands there stays."""
    read, written = (_object(usage.get(f"{side}_tokens_details")) for side in ("prompt", "completion"))
    named = {"prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details"}
    return {
        "input_tokens": usage.get("prompt_tokens"),
        "input_tokens_details": {"cached_tokens": read.get("cached_tokens") or 0, "cache_write_tokens": 0},
        "output_tokens": usage.get("completion_tokens"),
        "output_tokens_details": {"reasoning_tokens": written.get("reasoning_tokens") or 0},
        "total_tokens": usage.get("total_tokens"),
        **{name: value for name, value in usage.items() if name not in named},
    }


def _moderated(part: Json) -> Json:
    """One side of `moderation`; a response has the result itself where a chat has a list of one."""
    results = part.get("results")
    return results[0] if isinstance(results, list) and results else part


def _object(value: Any) -> Json:
    """What a model server sent, where it ought to be an object."""
    return value if isinstance(value, dict) else {}


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""
