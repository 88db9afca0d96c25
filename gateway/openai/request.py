"""A request to a model whose shape is sound, and the fields that its kinds have in common.

Whatever form a client speaks (chat, text, responses, embeddings), the gateway reads, records and forwards one of these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from gateway.errors import InvalidRequest, MalformedBody, UnusableModelName
from gateway.limits import Limits
from gateway.openai.walk import KNOWN_KEYS, Path
from gateway.upstream.ports import Json

_MODEL_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")

_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """A request whose shape is sound.

    body: what the guard reads and the model gets, in the shapes of gateway/upstream/ports.py; never changed in place.
    raw: the bytes it came in.
    wants_usage: the client asked for the usage chunk at the end of a stream.
    choices: how many answers are asked for (`n`).
    structured: the answer is to be JSON (`response_format`), and has to stay JSON when it is redacted.
    kept: fields of the body that the guard reads and that are not sent on, because only the answer repeats them.
    places: what the client calls a message (by its number) or a field of the body, where that is another name.
    """

    body: Json
    raw: bytes
    model: str
    stream: bool = False
    wants_usage: bool = False
    choices: int = 1
    structured: bool = False
    user: str = ""
    conversation: str = ""
    kept: frozenset[str] = frozenset()
    places: Mapping[str | int, str] = field(default_factory=dict)

    def place(self, path: Path) -> str | None:
        """Where in the client's request the text at a path of the body stands; None for keys that only the client knows."""
        top, at = path[0] if path else "", path[1] if len(path) > 1 else None
        if top == "messages":
            return self.places.get(at or 0, "messages")
        known = self.places.get(top, str(top) if top in KNOWN_KEYS else None)
        return f"{known}[{at}]" if known and isinstance(at, int) else known


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


def shared_fields(body: Json) -> Json:
    """What every form of request has, as arguments of `ModelRequest`.

    Raises:
        InvalidRequest, UnusableModelName: see each.
    """
    options = optional(body, "stream_options", dict, "an object") or {}
    metadata = optional(body, "metadata", dict, "an object") or {}
    user = optional(body, "safety_identifier", str, "a string") or optional(body, "user", str, "a string") or ""
    conversation = metadata.get("conversation_id")
    return {
        "model": _model(body),
        "stream": flag(body, "stream"),
        "wants_usage": bool(options.get("include_usage")),
        "user": user,
        "conversation": conversation if isinstance(conversation, str) else "",
    }


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


def choices_asked(body: Json, limits: Limits) -> int:
    """The field `n`: answers asked for, 1 where the field is absent."""
    n = body.get("n")
    if n is None:
        return 1
    if not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= limits.choices:
        raise InvalidRequest(f"n has to be a whole number from 1 to {limits.choices}", param="n")
    return n


def is_json_asked(body: Json) -> bool:
    """Whether `response_format` asks for JSON."""
    asked = optional(body, "response_format", dict, "an object") or {}
    return asked.get("type") in ("json_object", "json_schema")  # a tuple: what a client sends may not be hashable


def flag(body: Json, name: str) -> bool:
    """A field that is true or false; false where it is absent or null."""
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise InvalidRequest(f"{name} has to be true or false", param=name)
    return bool(value)


def optional(body: Json, name: str, kind: type, words: str) -> Any:
    """A field of that kind, or None where it is absent or null. words: the kind in an error."""
    value = body.get(name)
    if value is not None and not isinstance(value, kind):
        raise InvalidRequest(f"{name} has to be {words}", param=name)
    return value


def refuse_fields(body: Json, fields: Iterable[str], why: str, hint: str) -> None:
    """Refuse a request that sets one of these fields.

    Raises:
        InvalidRequest: naming the first of them.
    """
    for name in fields:
        if body.get(name) is not None:
            raise InvalidRequest(f"{name} {why}", hint=hint, param=name)
