"""What a client is told when the policy stops a prompt or an answer: no rule, no word, an incident id."""

from __future__ import annotations

import time

from gateway.openai.request import ModelRequest
from gateway.upstream.ports import Json
from haechi.base.ids import RequestId


def refusal_text(request: RequestId) -> str:
    """The `refusal` of a blocked answer. The id is that of the request, under which the audit log finds it."""
    return f"This content was stopped by the gateway's policy. Incident {request}."


def refused_completion(request: ModelRequest, incident: RequestId) -> Json:
    """A whole answer that says nothing but that."""
    message = {"role": "assistant", "content": None, "refusal": refusal_text(incident)}
    return {
        **_envelope(request, incident, "chat.completion"),
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "content_filter"}],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    }


def refused_stream(request: ModelRequest, incident: RequestId) -> list[Json]:
    """The same as a stream."""
    envelope = _envelope(request, incident, "chat.completion.chunk")
    delta = {"role": "assistant", "content": None, "refusal": refusal_text(incident)}
    chunks = [
        {**envelope, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        {**envelope, "choices": [{"index": 0, "delta": {}, "finish_reason": "content_filter"}]},
    ]
    if request.wants_usage:
        chunks.append(
            {**envelope, "choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}}
        )
    return chunks


def _envelope(request: ModelRequest, incident: RequestId, kind: str) -> Json:
    return {"id": "chatcmpl-" + incident, "object": kind, "created": int(time.time()), "model": request.model}
