"""An OpenAI-compatible server that says what it is told to: for tests and measurements of the gateway, over real sockets.

As a process of its own:  python -m benchmarks.gateway_stub --port 9200 [--pieces 60] [--delay-ms 0]
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import uvicorn

WORDS = [
    "small",
    "boats",
    "carry",
    "green",
    "apples",
    "across",
    "the",
    "quiet",
    "river",
    "toward",
    "an",
    "old",
    "stone",
    "bridge",
    "where",
    "children",
    "wait",
]


def plain_pieces(count: int) -> list[str]:
    """That many harmless words."""
    return [WORDS[i % len(WORDS)] + " " for i in range(count)]


@dataclass
class Script:
    """What the next answers are.

    pieces: text of one answer, one streamed chunk each; `carrier` names the delta field that carries them.
    deltas: whole deltas instead of pieces. choices: how many choices say the same.
    delay_s: before every chunk. status, error: an error answer instead. raw: bytes of a stream instead of chunks.
    stop_after: break the connection after that many chunks. extra: merged into every chunk and completion.
    reply: the deltas of an answer to a request, instead of the same for every request.
    """

    pieces: list[str] = field(default_factory=lambda: plain_pieces(60))
    carrier: str = "content"
    deltas: list[dict[str, Any]] | None = None
    choices: int = 1
    delay_s: float = 0.0
    status: int = 200
    error: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: list[bytes] | None = None
    stop_after: int | None = None
    finish: str = "stop"
    extra: dict[str, Any] = field(default_factory=dict)
    usage: bool = True
    reply: Callable[[dict[str, Any]], list[dict[str, Any]]] | None = None

    def all_deltas(self) -> list[dict[str, Any]]:
        """The deltas of one choice, without the first that names the role."""
        return self.deltas if self.deltas is not None else [{self.carrier: piece} for piece in self.pieces]


class Stub:
    """The ASGI app, and what it has seen."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.nonsense: dict[str, Any] | None = None  # a whole answer in the place of the script's
        self.sent = 0
        self.completed = 0
        self.cut = 0
        self.cut_event = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        elif scope["path"].endswith("/models"):
            models = [{"id": "stub-model", "object": "model", "created": 1, "owned_by": "stub"}]
            await _send_json(send, {"object": "list", "data": models})
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        received = b""
        while True:
            message = await receive()
            received += message.get("body", b"")
            if not message.get("more_body"):
                break
        body = json.loads(received)
        self.bodies.append(body)
        self.paths.append(scope["path"])
        self.headers.append({k.decode(): v.decode("latin-1") for k, v in scope["headers"]})
        script = self.script
        if script.reply is not None:
            script = replace(script, deltas=script.reply(body))
        if script.status != 200:
            await _send_json(send, script.error, script.status, script.headers)
            return
        watcher = asyncio.create_task(_gone(receive))
        if scope["path"].endswith("/embeddings"):
            await _send_json(send, {**_vectors(body), **script.extra})
            return
        try:
            await (self._stream if body.get("stream") else self._whole)(script, body, send, watcher)
        finally:
            watcher.cancel()

    async def _whole(self, script: Script, body: dict[str, Any], send: Any, watcher: asyncio.Task[None]) -> None:
        deltas = script.all_deltas()
        await asyncio.wait([watcher], timeout=script.delay_s * len(deltas))
        if watcher.done():
            self._count_cut()
            return
        message: dict[str, Any] = {"role": "assistant"}
        for delta in deltas:
            _merge(message, delta)
        choices = [_choice(body, "message", i, message, script.finish) for i in range(script.choices)]
        answer = {**_envelope(body, "chat.completion"), **script.extra, "choices": choices}
        if script.usage:
            answer["usage"] = _usage(len(deltas))
        self.completed += 1
        await _send_json(send, {**answer, **(self.nonsense or {})})

    async def _stream(self, script: Script, body: dict[str, Any], send: Any, watcher: asyncio.Task[None]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for number, event in enumerate(self._events(script, body)):
            if script.stop_after is not None and number >= script.stop_after:
                raise ConnectionResetError("told to break off")
            if script.delay_s:
                await asyncio.wait([watcher], timeout=script.delay_s)
            elif number % 8 == 0:
                await asyncio.sleep(0)
            if watcher.done():
                self._count_cut()
                return
            self.sent += 1
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        self.completed += 1

    def _count_cut(self) -> None:
        self.cut += 1
        self.cut_event.set()

    def _events(self, script: Script, body: dict[str, Any]) -> Iterator[bytes]:
        if script.raw is not None:
            yield from script.raw
            return
        envelope = {**_envelope(body, "chat.completion.chunk"), **script.extra}
        deltas = script.all_deltas()

        def event(index: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
            return _event({**envelope, "choices": [_choice(body, "delta", index, delta, finish)]})

        for index in range(script.choices if "messages" in body else 0):
            yield event(index, {"role": "assistant", "content": ""})
        for delta in deltas:
            for index in range(script.choices):
                yield event(index, delta)
        for index in range(script.choices):
            yield event(index, {}, script.finish)
        if script.usage and (body.get("stream_options") or {}).get("include_usage"):
            yield _event({**envelope, "choices": [], "usage": _usage(len(deltas))})
        yield b"data: [DONE]\n\n"


def _vectors(body: dict[str, Any]) -> dict[str, Any]:
    """A vector of three numbers for each text: its length, and two that are always the same."""
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    data = []
    for place, text in enumerate(texts):
        vector: Any = [float(len(text)), 0.5, -1.0]
        if body.get("encoding_format") == "base64":
            vector = base64.b64encode(struct.pack("<3f", *vector)).decode()
        data.append({"object": "embedding", "index": place, "embedding": vector})
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    return {"object": "list", "data": data, "model": body.get("model"), "usage": usage}


def _merge(message: dict[str, Any], delta: dict[str, Any]) -> None:
    """Add a delta to a message, as a client of the stream would."""
    for key, value in delta.items():
        if isinstance(value, str) and isinstance(message.get(key), str) and key not in {"id", "type"}:
            message[key] += value
        elif isinstance(value, dict):
            _merge(message.setdefault(key, {}), value)
        elif isinstance(value, list):
            items = message.setdefault(key, [])
            if key in {"tokens", "token_logprobs", "top_logprobs", "text_offset"}:
                items += value
                continue
            for item in value:
                place = item.get("index", 0)
                while len(items) <= place:
                    items.append({})
                _merge(items[place], {k: v for k, v in item.items() if k != "index"})
        else:
            message[key] = value


def _choice(body: dict[str, Any], name: str, index: int, said: dict[str, Any], finish: str | None) -> dict[str, Any]:
    """A choice of a chat, or of a text that is gone on with."""
    if "messages" in body:
        return {"index": index, name: said, "finish_reason": finish}
    text = {"text": said.get("content", ""), "logprobs": said.get("logprobs")}
    return {"index": index, **text, "finish_reason": finish}


def _envelope(body: dict[str, Any], kind: str) -> dict[str, Any]:
    identity, kind = ("chatcmpl-1", kind) if "messages" in body else ("cmpl-1", "text_completion")
    return {"id": identity, "object": kind, "created": int(time.time()), "model": body.get("model")}


def _usage(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": 7, "completion_tokens": tokens, "total_tokens": 7 + tokens}


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


async def _gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_json(send: Any, content: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
    data = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
    fields = {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in fields.items()],
        }
    )
    await send({"type": "http.response.body", "body": data})


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The app on a free port of this machine, in a thread of its own; gives the base URL."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, http="httptools", loop="uvloop", lifespan="on", log_level="error", access_log=False,
        timeout_graceful_shutdown=1, ws="none",
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined, method-assign]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise RuntimeError("the server did not start")
        time.sleep(0.005)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


def serve() -> None:
    """Serve until stopped; prints the URL first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--pieces", type=int, default=60)
    parser.add_argument("--delay-ms", type=float, default=0.0)
    args = parser.parse_args()
    stub = Stub(Script(pieces=plain_pieces(args.pieces), delay_s=args.delay_ms / 1000))
    listener = socket.create_server(("127.0.0.1", args.port))
    sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(stub, http="httptools", loop="uvloop", log_level="warning", access_log=False, ws="none")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    serve()
