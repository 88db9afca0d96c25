"""There is one door: every route, field and mode is driven with something that must not get through.

The routes come from the app itself. One that is not driven here fails the first test, so that a new route cannot be
added without saying what guards it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from benchmarks.gateway_running import Running, running
from gateway.routes import HotPath

NUMBER = "900101-1234568"
KEY = "AKIA" + "QYLPMN5HFIQR7XYA"
PHRASE = "you fucking idiot"

MASKED = {
    "a resident number glued to a particle": (f"제 번호는 {NUMBER}입니다", ("1234568",)),
    "a resident number glued to Chinese": (f"号码{NUMBER}是我的", ("1234568",)),
    "a cloud key": (f"the key {KEY} is live", ("QYLPMN5HFIQR7XYA",)),
    "an address glued to a particle": ("메일은 jane.doe@example.com입니다", ("jane.doe",)),
}
BLOCKED = {
    "an English insult": (f"well, {PHRASE}, listen", ("fucking",)),
    "a Korean insult": ("야 이 씨발 새끼야 들어", ("씨발",)),
    "a Chinese insult": ("你这个傻逼，去死吧", ("傻逼",)),
}
CANARIES = {**MASKED, **BLOCKED}
SOME = {name: CANARIES[name] for name in ("a resident number glued to a particle", "a cloud key", "a Chinese insult")}
"""For forms that are turned into a chat, whose guard every canary is driven through."""


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with running("fast") as served:
        yield served


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def call(arguments: str, name: str = "f") -> dict[str, Any]:
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}],
    }


def result(content: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": "c1", "content": content}


def tool(**function: Any) -> dict[str, Any]:
    return {"tools": [{"type": "function", "function": {"name": "f", **function}}]}


HI = user("hi")
INPUT_FIELDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "content": lambda t: {"messages": [user(t)]},
    "text part": lambda t: {"messages": [user([{"type": "text", "text": t}])]},
    "two text parts": lambda t: {"messages": [user([{"type": "text", "text": t[:12]}, {"type": "text", "text": t[12:]}])]},
    "parts around an image": lambda t: {"messages": [user([{"type": "text", "text": t[:12]}, {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}, {"type": "text", "text": t[12:]}])]},
    "address of an image": lambda t: {"messages": [user([{"type": "image_url", "image_url": {"url": "https://x.example/?" + t}}])]},
    "audio field": lambda t: {"messages": [user([{"type": "input_audio", "input_audio": {"data": t, "format": "wav"}}])]},
    "file name": lambda t: {"messages": [user([{"type": "file", "file": {"filename": t, "file_data": "x"}}])]},
    "part of an unknown kind": lambda t: {"messages": [user([{"type": "hologram", "hologram": {"inner": [t]}}])]},
    "system": lambda t: {"messages": [{"role": "system", "content": t}, HI]},
    "developer": lambda t: {"messages": [{"role": "developer", "content": t}, HI]},
    "name": lambda t: {"messages": [{**HI, "name": t}]},
    "unknown field of a message": lambda t: {"messages": [{**HI, "mood": t}]},
    "earlier user turn": lambda t: {"messages": [user(t), {"role": "assistant", "content": "ok"}, HI]},
    "earlier answer": lambda t: {"messages": [HI, {"role": "assistant", "content": t}, HI]},
    "earlier reasoning": lambda t: {"messages": [HI, {"role": "assistant", "content": "ok", "reasoning_content": t}, HI]},
    "earlier refusal": lambda t: {"messages": [HI, {"role": "assistant", "content": None, "refusal": t}, HI]},
    "tool-call arguments": lambda t: {"messages": [HI, call(json.dumps({"x": t}, ensure_ascii=False)), result("ok")]},
    "escaped tool-call arguments": lambda t: {"messages": [HI, call(json.dumps({"x": t})), result("ok")]},
    "keys of tool-call arguments": lambda t: {"messages": [HI, call(json.dumps({t: 1})), result("ok")]},
    "name of a called tool": lambda t: {"messages": [HI, call("{}", name=t), result("ok")]},
    "tool result": lambda t: {"messages": [HI, call("{}"), result(t)]},
    "tool result in parts": lambda t: {"messages": [HI, call("{}"), result([{"type": "text", "text": t}])]},
    "escaped tool result": lambda t: {"messages": [HI, call("{}"), result(json.dumps([{"page": t}]))]},
    "function result": lambda t: {"messages": [HI, {"role": "function", "name": "f", "content": t}]},
    "user": lambda t: {"messages": [HI], "user": t},
    "safety identifier": lambda t: {"messages": [HI], "safety_identifier": t},
    "metadata": lambda t: {"messages": [HI], "metadata": {"k": t}},
    "metadata key": lambda t: {"messages": [HI], "metadata": {t: "v"}},
    "stop": lambda t: {"messages": [HI], "stop": [t]},
    "prediction": lambda t: {"messages": [HI], "prediction": {"type": "content", "content": t}},
    "tool description": lambda t: {"messages": [HI], **tool(description=t)},
    "tool parameter": lambda t: {"messages": [HI], **tool(parameters={"type": "object", "properties": {"a": {"description": t}}})},
    "tool parameter name": lambda t: {"messages": [HI], **tool(parameters={"type": "object", "properties": {t: {}}})},
    "answer schema": lambda t: {"messages": [HI], "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"enum": [t]}}}},
    "unknown field": lambda t: {"messages": [HI], "next_year": {"a": [{"b": t}]}},
}  # fmt: skip


def chat_input(gateway: Running) -> None:
    """Nothing of a canary reaches the model, wherever it stands."""
    nothing_is_sent(gateway, "/v1/chat/completions", INPUT_FIELDS, CANARIES)


def nothing_is_sent(
    gateway: Running, path: str, fields: dict[str, Callable[[str], dict[str, Any]]], canaries: Any = SOME
) -> None:
    """Put every canary into every field, streamed and not, and look for it in what the model got."""
    gateway.says("ok")
    for field, build in fields.items():
        for canary, (text, secrets) in canaries.items():
            for stream in (False, True):
                gateway.stub.bodies.clear()
                answer = gateway.post({"model": "default", "stream": stream, **build(text)}, path=path)
                assert answer.status_code in {200, 400}, (field, canary, answer.text)
                sent = json.dumps(gateway.stub.bodies, ensure_ascii=False)
                sent += json.dumps(gateway.stub.bodies).encode().decode("unicode_escape", "replace")
                for secret in secrets:
                    assert secret not in sent, (field, canary, stream)


TEXT_FIELDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "prompt": lambda t: {"prompt": t},
    "one of several prompts": lambda t: {"prompt": ["hi", t]},
    "JSON in the prompt": lambda t: {"prompt": json.dumps({"x": t})},
    "suffix": lambda t: {"prompt": "hi", "suffix": t},
    "stop": lambda t: {"prompt": "hi", "stop": [t]},
    "user": lambda t: {"prompt": "hi", "user": t},
    "metadata": lambda t: {"prompt": "hi", "metadata": {"k": t}},
    "metadata key": lambda t: {"prompt": "hi", "metadata": {t: "v"}},
    "unknown field": lambda t: {"prompt": "hi", "next_year": {"a": [{"b": t}]}},
}


def text_input(gateway: Running) -> None:
    """Nothing of a canary reaches the model, wherever it stands in a request to go on with a text."""
    nothing_is_sent(gateway, "/v1/completions", TEXT_FIELDS)


def text_output(gateway: Running) -> None:
    """Nothing of a canary reaches the client, however it is cut, in any of several answers."""
    nothing_comes_back(gateway, "/v1/completions", {"prompt": ["a", "b"]}, {"content": lambda t: {"content": t}})


def text_beside(gateway: Running) -> None:
    """Fields beside the text, token texts among them."""
    for canary, (text, secrets) in SOME.items():
        pieces = [text[i : i + 4] for i in range(0, len(text), 4)]
        told = [
            {
                "content": t,
                "logprobs": {"tokens": [t], "token_logprobs": [-1], "top_logprobs": [{t: -1}], "text_offset": [0]},
            }
            for t in pieces
        ]
        unlike = [
            {
                "content": "ok",
                "logprobs": {
                    "tokens": [text],
                    "token_logprobs": [-1],
                    "top_logprobs": [{text: -1}],
                    "text_offset": [0],
                },
            }
        ]
        scripts: list[dict[str, Any]] = [
            {"deltas": told},
            {"deltas": unlike},
            {"extra": {"system_fingerprint": text}},
            {"extra": {"id": text}},
            {"finish": text},
            {"status": 400, "error": {"error": {"message": text, "type": "x", "code": text}}},
        ]
        for script in scripts:
            for stream in (False, True):
                gateway.says("ok", **script)
                body = {"model": "default", "prompt": "hi", "stream": stream, "logprobs": 1}
                seen = seen_by_client(gateway.post(body, path="/v1/completions").text)
                assert not any(secret in seen for secret in secrets), (canary, script, stream)


def said(text: str, role: str = "user", kind: str = "input_text") -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def called(name: str = "f", arguments: str = "{}") -> list[dict[str, Any]]:
    done = {"type": "function_call_output", "call_id": "c1", "output": "ok"}
    return [{"type": "function_call", "call_id": "c1", "name": name, "arguments": arguments}, done]


RESPONSE_FIELDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "input": lambda t: {"input": t},
    "text of a message": lambda t: {"input": [{"role": "user", "content": t}]},
    "text part": lambda t: {"input": [said(t)]},
    "two text parts": lambda t: {
        "input": [
            {
                "role": "user",
                "content": [{"type": "input_text", "text": t[:12]}, {"type": "input_text", "text": t[12:]}],
            }
        ]
    },
    "address of an image": lambda t: {
        "input": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://x.example/?" + t}]}]
    },
    "file name": lambda t: {
        "input": [{"role": "user", "content": [{"type": "input_file", "filename": t, "file_data": "x"}]}]
    },
    "unknown field of a part": lambda t: {
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "hi", "mood": t}]}]
    },
    "unknown field of a message": lambda t: {"input": [{**said("hi"), "mood": t}]},
    "unknown field of audio": lambda t: {"input": [{"role": "user", "content": [{"type": "input_audio", "mood": t}]}]},
    "instructions": lambda t: {"input": "hi", "instructions": t},
    "system": lambda t: {"input": [said(t, "system"), said("hi")]},
    "developer": lambda t: {"input": [said(t, "developer"), said("hi")]},
    "earlier user turn": lambda t: {"input": [said(t), said("ok", "assistant", "output_text"), said("hi")]},
    "earlier answer": lambda t: {"input": [said("hi"), said(t, "assistant", "output_text"), said("hi")]},
    "earlier refusal": lambda t: {
        "input": [said("hi"), {"role": "assistant", "content": [{"type": "refusal", "refusal": t}]}, said("hi")]
    },
    "earlier thought": lambda t: {
        "input": [
            said("hi"),
            {"type": "reasoning", "id": "r", "summary": [], "content": [{"type": "reasoning_text", "text": t}]},
            said("ok", "assistant", "output_text"),
            said("hi"),
        ]
    },
    "arguments of a call": lambda t: {"input": [said("hi"), *called(arguments=json.dumps({"x": t}))]},
    "name of a called function": lambda t: {"input": [said("hi"), *called(name=t)]},
    "result of a call": lambda t: {"input": [said("hi"), called()[0], {**called()[1], "output": t}]},
    "result in parts": lambda t: {
        "input": [said("hi"), called()[0], {**called()[1], "output": [{"type": "input_text", "text": t}]}]
    },
    "description of a function": lambda t: {
        "input": "hi",
        "tools": [{"type": "function", "name": "f", "description": t, "parameters": {}}],
    },
    "name of a parameter": lambda t: {
        "input": "hi",
        "tools": [{"type": "function", "name": "f", "parameters": {"properties": {t: {}}}}],
    },
    "chosen function": lambda t: {"input": "hi", "tool_choice": {"type": "function", "name": t}},
    "tool choice": lambda t: {"input": "hi", "tool_choice": t},
    "answer schema": lambda t: {
        "input": "hi",
        "text": {"format": {"type": "json_schema", "name": "s", "schema": {"enum": [t]}}},
    },
    "effort": lambda t: {"input": "hi", "reasoning": {"effort": t}},
    "user": lambda t: {"input": "hi", "user": t},
    "metadata": lambda t: {"input": "hi", "metadata": {"k": t}},
    "metadata key": lambda t: {"input": "hi", "metadata": {t: "v"}},
    "unknown field": lambda t: {"input": "hi", "next_year": {"a": [{"b": t}]}},
}


def response_input(gateway: Running) -> None:
    """Nothing of a canary reaches the model, and nothing of it is repeated to the client."""
    nothing_is_sent(gateway, "/v1/responses", RESPONSE_FIELDS)
    for field in ("instructions", "metadata", "metadata key", "description of a function", "answer schema", "user"):
        for text, secrets in MASKED.values():
            answer = gateway.post({"model": "default", **RESPONSE_FIELDS[field](text)}, path="/v1/responses")
            assert answer.status_code == 200
            assert not any(secret in answer.text for secret in secrets), field


def response_output(gateway: Running) -> None:
    """Nothing of a canary comes back, in whatever item and however it is cut."""
    nothing_comes_back(gateway, "/v1/responses", {"input": "hi"}, OUTPUT_FIELDS)


def response_arguments(gateway: Running) -> None:
    """Arguments of calls: nothing gets out, and what comes out parses, in every copy of it."""
    for canary, (text, secrets) in SOME.items():
        for arguments in (
            json.dumps({"x": [text]}, ensure_ascii=False),
            json.dumps({text: "x"}),
            json.dumps({"x": text}),
        ):
            for stream in (False, True):
                pieces = [one_tool(name="f", arguments=arguments[:9]), one_tool(arguments=arguments[9:])]
                gateway.says(deltas=pieces, finish="tool_calls")
                answer = gateway.post({"model": "default", "input": "hi", "stream": stream}, path="/v1/responses").text
                assert not any(secret in seen_by_client(answer) for secret in secrets), (canary, arguments)
                last = json.loads([line for line in answer.splitlines() if "{" in line][-1].removeprefix("data: "))
                calls = [i for i in last.get("response", last)["output"] if i["type"] == "function_call"]
                assert all(isinstance(json.loads(c["arguments"]), dict) for c in calls)
                assert bool(calls) is (canary in MASKED)


def response_beside(gateway: Running) -> None:
    """Fields beside the text: of the envelope, token texts, errors before and within a stream."""
    for canary, (text, secrets) in SOME.items():
        entry = {"token": text, "logprob": -1, "bytes": list(text.encode()), "top_logprobs": []}
        chunk = {
            "id": "x",
            "model": "m",
            "choices": [
                {"index": 0, "delta": {"content": "ok"}, "logprobs": {"content": [entry]}, "finish_reason": "stop"}
            ],
        }
        scripts: list[dict[str, Any]] = [
            {"extra": {"model": text}},
            {"extra": {"moderation": {"input": {"note": text}}}},
            {"extra": {"haechi": {"note": text}}},
            {"finish": text},
            {"status": 400, "error": {"error": {"message": text, "type": "x", "code": text}}},
            {"raw": [b"data: " + json.dumps({"error": {"message": text, "code": text}}).encode() + b"\n\n"]},
            {"raw": [b"data: " + json.dumps(chunk).encode() + b"\n\ndata: [DONE]\n\n"]},
        ]
        for script in scripts:
            for stream in (False, True):
                if "raw" in script and not stream:
                    continue
                gateway.says("ok", **script)
                seen = seen_by_client(
                    gateway.post({"model": "default", "input": "hi", "stream": stream}, path="/v1/responses").text
                )
                assert not any(secret in seen for secret in secrets), (canary, script, stream)


EMBEDDED_FIELDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "input": lambda t: {"input": t},
    "one of several texts": lambda t: {"input": ["hi", t]},
    "JSON in the input": lambda t: {"input": json.dumps({"x": t})},
    "user": lambda t: {"input": "hi", "user": t},
    "unknown field": lambda t: {"input": "hi", "next_year": {"a": [{"b": t}]}},
    "unknown key": lambda t: {"input": "hi", t: 1},
}


def embedded_input(gateway: Running) -> None:
    """Nothing of a canary reaches the model that makes vectors."""
    nothing_is_sent(gateway, "/v1/embeddings", EMBEDDED_FIELDS)


def embedded_output(gateway: Running) -> None:
    """Nothing of a canary comes back beside the vectors, or in the place of one."""
    for canary, (text, secrets) in SOME.items():
        scripts: list[dict[str, Any]] = [
            {"extra": {"id": text}},
            {"extra": {"warnings": [{"text": text}]}},
            {"extra": {"data": [{"object": text, "index": 0, "embedding": [1.0]}]}},
            {"extra": {"data": [{"object": "embedding", "index": 0, "embedding": text}]}},
            {"extra": {"data": [{"object": "embedding", "index": 0, "embedding": [1.0, text]}]}},
            {"extra": {"data": text}},
            {"status": 400, "error": {"error": {"message": text, "type": "x", "code": text}}},
        ]
        for script in scripts:
            gateway.says("ok", **script)
            seen = seen_by_client(gateway.post({"model": "default", "input": "hi"}, path="/v1/embeddings").text)
            assert not any(secret in seen for secret in secrets), (canary, script)


def one_tool(**function: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": 0, "function": function}]}


OUTPUT_FIELDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "content": lambda t: {"content": t},
    "refusal": lambda t: {"refusal": t},
    "reasoning_content": lambda t: {"reasoning_content": t},
    "reasoning": lambda t: {"reasoning": t},
    "name of a tool": lambda t: one_tool(name=t),
    "input of a custom tool": lambda t: {"tool_calls": [{"index": 0, "custom": {"input": t}}]},
    "function_call": lambda t: {"function_call": {"arguments": t}},
    "transcript": lambda t: {"audio": {"transcript": t}},
    "content in parts": lambda t: {"content": [{"index": 0, "text": t}]},
    "unknown field": lambda t: {"thoughts": {"inner": t}},
}


def splits(text: str, every: int) -> Iterator[list[str]]:
    """The text whole, letter by letter, and in two at some places."""
    yield [text]
    yield list(text)
    for cut in range(3, len(text), every):
        yield [text[:cut], text[cut:]]


def seen_by_client(body: str) -> str:
    """Every string that reached the client, in the order it came, joined per field: what a reader could put together."""
    events = [line[6:] for line in body.splitlines() if line.startswith("data: {")] or [body]
    joined: dict[str, str] = {}

    def walk(value: Any, path: str) -> None:
        if isinstance(value, str):
            joined[path] = joined.get(path, "") + value
        elif isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{path}/{key}")
        elif isinstance(value, list):
            for inner in value:
                walk(inner, path)

    for event in events:
        walk(json.loads(event), "")
    return "\n".join(joined.values()) + body


def chat_output(gateway: Running) -> None:
    """Nothing of a canary reaches the client, in whatever field and however it is cut."""
    nothing_comes_back(gateway, "/v1/chat/completions", {"messages": [HI]}, OUTPUT_FIELDS, CANARIES, every=4)


def nothing_comes_back(
    gateway: Running, path: str, asks: dict[str, Any], fields: dict[str, Any], canaries: Any = SOME, every: int = 16
) -> None:
    """Let the model say every canary in every field, cut in every way, and look for it in what the client got."""
    choices = len(asks.get("prompt", "1"))
    for field, build in fields.items():
        for canary, (text, secrets) in canaries.items():
            for pieces in splits(text, every):
                gateway.says(deltas=[build(piece) for piece in pieces], choices=choices)
                answer = gateway.post({"model": "default", "stream": True, **asks}, path=path)
                seen = seen_by_client(answer.text)
                for secret in secrets:
                    assert secret not in seen, (field, canary, pieces)
            gateway.says(deltas=[build(text)], choices=choices)
            answer = gateway.post({"model": "default", **asks}, path=path)
            assert answer.status_code == 200, (field, canary)
            for secret in secrets:
                assert secret not in seen_by_client(answer.text), (field, canary)


def chat_arguments(gateway: Running) -> None:
    """Arguments of tool calls, plain and escaped: nothing gets out, and what comes out parses."""
    for canary, (text, secrets) in CANARIES.items():
        for arguments in (
            json.dumps({"x": [text], "n": 1}, ensure_ascii=False),
            json.dumps({text: "x"}),
            json.dumps({"x": text}),
        ):
            for stream in (False, True):
                gateway.says(
                    deltas=[one_tool(arguments=arguments[:9]), one_tool(arguments=arguments[9:])], finish="tool_calls"
                )
                answer = gateway.post({"model": "default", "messages": [HI], "stream": stream})
                seen = seen_by_client(answer.text)
                assert not any(secret in seen for secret in secrets), (canary, arguments)
                if canary in MASKED:
                    assert isinstance(json.loads(arguments_in(answer.text)), dict), (canary, arguments)


def arguments_in(body: str) -> str:
    """The tool-call arguments in an answer, whole or streamed."""
    events = [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: {")] or [json.loads(body)]
    calls = [
        c
        for e in events
        for ch in e["choices"]
        for c in (ch.get("delta") or ch.get("message") or {}).get("tool_calls") or ()
    ]
    return "".join(c["function"].get("arguments", "") for c in calls if "function" in c)


def chat_beside_the_text(gateway: Running) -> None:
    """Fields beside the text: of the envelope, of the choice, token texts, errors."""
    for canary, (text, secrets) in CANARIES.items():
        scripts: list[dict[str, Any]] = [
            {"extra": {"system_fingerprint": text}},
            {"extra": {"citations": [text]}},
            {"extra": {"id": text}},
            {"finish": text},
            {"status": 400, "error": {"error": {"message": text, "type": "x", "code": text}}},
            {"raw": [b"data: " + json.dumps({"error": {"message": text}}).encode() + b"\n\n"]},
        ]
        for script in scripts:
            for stream in (False, True):
                if "raw" in script and not stream:
                    continue
                gateway.says("ok", **script)
                seen = seen_by_client(gateway.post({"model": "default", "messages": [HI], "stream": stream}).text)
                assert not any(secret in seen for secret in secrets), (canary, script, stream)


def chat_token_texts(gateway: Running) -> None:
    """Log-probabilities spell the answer; they do not go out for text that did not."""
    for canary, (text, secrets) in CANARIES.items():
        events = [
            {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [
                {"index": 0, "delta": {"content": t}, "finish_reason": None,
                 "logprobs": {"content": [{"token": t, "logprob": -1, "bytes": list(t.encode()), "top_logprobs": []}]}}]}
            for t in [text[i : i + 4] for i in range(0, len(text), 4)]
        ]  # fmt: skip
        last = {**events[0], "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        gateway.says(
            raw=[b"data: " + json.dumps(e).encode() + b"\n\n" for e in [*events, last]] + [b"data: [DONE]\n\n"]
        )
        seen = seen_by_client(
            gateway.post({"model": "default", "messages": [HI], "stream": True, "logprobs": True}).text
        )
        assert not any(secret in seen for secret in secrets), canary


def check(gateway: Running) -> None:
    """The check route sends no text anywhere: not to the model, not back."""
    for text, secrets in CANARIES.values():
        gateway.stub.bodies.clear()
        answer = gateway.post({"text": text}, path="/v1/guard/check")
        assert answer.status_code == 200
        assert answer.json()["action"] in {"redact", "block"}
        assert not any(secret in answer.text for secret in secrets)
        assert gateway.stub.bodies == []


def scrub(gateway: Running) -> None:
    """What comes back holds none of what can be masked, in every mode; nothing goes to the model."""
    for text, secrets in MASKED.values():
        for mode in ("mask", "pseudonym", "hash", "remove"):
            gateway.stub.bodies.clear()
            answer = gateway.post({"text": text, "mode": mode}, path="/v1/guard/scrub")
            assert answer.status_code == 200
            assert not any(secret in answer.text for secret in secrets), (text, mode)
            assert gateway.stub.bodies == []


def moderate(gateway: Running) -> None:
    """Scores come back, no text; nothing goes to the model."""
    for text, secrets in CANARIES.values():
        gateway.stub.bodies.clear()
        answer = gateway.post({"input": text}, path="/v1/moderations")
        assert answer.status_code == 200
        assert answer.json()["results"][0]["flagged"] is (text in {t for t, _ in BLOCKED.values()})
        assert not any(secret in answer.text for secret in secrets)
        assert gateway.stub.bodies == []


def feedback(gateway: Running) -> None:
    """An acknowledgement comes back, no text; nothing goes to the model."""
    for text, secrets in CANARIES.values():
        gateway.stub.bodies.clear()
        for said in ({"prompt": text, "chosen": text, "rejected": "x"}, {"request_id": "req_1", "better": text}):
            answer = gateway.post(said, path="/v1/feedback")
            assert answer.status_code == 200
            assert not any(secret in answer.text for secret in secrets)
        assert gateway.stub.bodies == []


def no_text(gateway: Running) -> None:
    """A route that takes no text and gives none that a model wrote."""


DRIVERS: dict[tuple[str, str], tuple[Callable[[Running], None], ...]] = {
    ("POST", "/v1/chat/completions"): (chat_input, chat_output, chat_arguments, chat_beside_the_text, chat_token_texts),
    ("POST", "/v1/completions"): (text_input, text_output, text_beside),
    ("POST", "/v1/responses"): (response_input, response_output, response_arguments, response_beside),
    ("POST", "/v1/embeddings"): (embedded_input, embedded_output),
    ("POST", "/v1/guard/check"): (check,),
    ("POST", "/v1/guard/scrub"): (scrub,),
    ("POST", "/v1/moderations"): (moderate,),
    ("POST", "/v1/feedback"): (feedback,),
    ("GET", "/v1/models"): (no_text,),
    ("GET", "/v1/models/{id}"): (no_text,),
    ("GET", "/healthz"): (no_text,),
    ("GET", "/readyz"): (no_text,),
    ("GET", "/metrics"): (no_text,),
    ("GET", "/openapi.json"): (no_text,),
}


def routes_of(app: Any) -> set[tuple[str, str]]:
    """Every route of the app, those of what is mounted in it too."""
    found = set()
    for route in app.routes:
        inner = getattr(route, "app", None)
        if isinstance(inner, HotPath):
            found |= {(r.method, route.path + r.path) for r in inner.routes}
        else:
            found |= {(method, route.path) for method in route.methods - {"HEAD"}}
    return found


def test_every_route_of_the_app_is_driven(gateway: Running) -> None:
    """A route that nobody drives, and a driver of a route that is gone, both fail here."""
    assert routes_of(gateway.app) == set(DRIVERS)


@pytest.mark.parametrize(
    ("route", "driver"),
    [(route, driver) for route, drivers in DRIVERS.items() for driver in drivers],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value.__name__,
)
def test_nothing_gets_past_the_door(
    gateway: Running, route: tuple[str, str], driver: Callable[[Running], None]
) -> None:
    """Each driver sends canaries through a real model server and looks for them on the other side."""
    driver(gateway)
