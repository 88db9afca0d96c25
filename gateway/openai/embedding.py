"""`/v1/embeddings`: the shape of a request, and what may stand in its answer.

Rules of this file
1. Only texts are taken: token ids cannot be read by the guard.
2. Vectors are numbers, or base64 of numbers, and pass as they are; every other string of the answer is read.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from typing import Any, Final

from gateway.errors import InvalidRequest, UpstreamGarbled
from gateway.limits import Limits
from gateway.openai.request import ModelRequest, parse_object, refuse_fields, shared_fields
from gateway.openai.text import UNREADABLE, refuse_token_ids
from gateway.openai.walk import rewrite
from gateway.upstream.ports import Json

MOST_INPUTS: Final = 2_048
"""OpenAI's limit."""
_NUMBER_BYTES: Final = 4
"""Of a float32, which is what OpenAI encodes; numbers of half that size come in pairs."""


def parse_embedding(raw: bytes, limits: Limits) -> ModelRequest:
    """A request for embeddings.

    Raises:
        MalformedBody, InvalidRequest, UnusableModelName: see each.
    """
    body = parse_object(raw)
    shared = shared_fields(body)
    refuse_fields(body, ("messages",), "is no field of an embedding", "send texts in input")
    refuse_fields(body, UNREADABLE, "cannot be checked, so it is not sent on", "send the text in input")
    given = body.get("input")
    if given is None:
        raise InvalidRequest("the field input is missing", param="input")
    if not isinstance(given, str):
        _texts(given)
    return ModelRequest(body=body, raw=raw, **shared)


def _texts(given: Any) -> None:
    if not isinstance(given, list) or not given:
        raise InvalidRequest("input has to be a string or an array of strings", param="input")
    if len(given) > MOST_INPUTS:
        raise InvalidRequest(f"more than {MOST_INPUTS} texts", hint="send them in several requests", param="input")
    refuse_token_ids(given, "input")


def read_answer(answer: Json, word: Callable[[str], str]) -> Json:
    """The answer of a model server with every string read but the vectors. word: what may stand for a string.

    Raises:
        UpstreamGarbled: it holds no vectors, or something else in the place of one.
    """
    data = answer.get("data")
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        raise _garbled("data is not an array of objects")
    if not all(_is_vector(item.get("embedding")) for item in data):
        raise _garbled("an embedding is neither numbers nor base64 of numbers")
    around = {**answer, "data": [{k: v for k, v in item.items() if k != "embedding"} for item in data]}
    read: Json = rewrite(around, lambda path, text: word(text))
    vectors = [{**kept, "embedding": item["embedding"]} for kept, item in zip(read["data"], data, strict=True)]
    return {**read, "data": vectors}


def _is_vector(value: Any) -> bool:
    if isinstance(value, list):
        return {type(number) for number in value} <= {int, float}
    if not isinstance(value, str):
        return False
    try:
        return len(binascii.a2b_base64(value, strict_mode=True)) % _NUMBER_BYTES == 0
    except ValueError:
        return False


def _garbled(what: str) -> UpstreamGarbled:
    return UpstreamGarbled("the model server sent something that is not an answer", hint=what)
