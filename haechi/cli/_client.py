"""A small client for a running gateway: standard library only, streaming, one conversation."""

from __future__ import annotations

import http.client
import json
import secrets
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from haechi.base.errors import InvalidSetting, NoAnswer

CONNECT_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 600.0
"""Longest silence between two chunks; a small machine may take minutes to read a long prompt."""
_ERROR_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Message:
    """One turn."""

    role: str
    content: str


@dataclass(slots=True)
class Answer:
    """What came back, filled while it streams.

    action: what the guard did (`allow`, `flag`, `redact`, `block`), as the gateway's header says; empty if it says nothing.
    finish_reason: OpenAI's; `content_filter` when the guard ended the answer.
    """

    request_id: str = ""
    action: str = ""
    finish_reason: str = ""
    content: str = ""
    refusal: str = ""
    usage: dict[str, Any] = field(default_factory=dict)

    @property
    def blocked(self) -> bool:
        """Whether the guard stopped the prompt or the answer."""
        return self.finish_reason == "content_filter"


class GatewayClient:
    """Sends chats to one gateway. `url` with or without `/v1` at its end."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InvalidSetting(
                f"--url: {url!r} is not the address of a gateway", hint="for example --url http://127.0.0.1:8080"
            )
        self._secure = parts.scheme == "https"
        self._netloc = parts.netloc
        self._path = parts.path.rstrip("/").removesuffix("/v1") + "/v1/chat/completions"
        self._key = key
        self._conversation = "conv_" + secrets.token_hex(16)

    def stream(self, model: str, messages: Sequence[Message], answer: Answer) -> Generator[str, None, None]:
        """Pieces of the answer as they arrive; `answer` is filled on the way. Leaving early closes the connection.

        Raises:
            NoAnswer: when the gateway is not there, refuses, or breaks off.
        """
        connection = self._connect()
        try:
            response = self._send(connection, model, messages)
            answer.request_id = response.getheader("x-request-id", "")
            answer.action = response.getheader("x-haechi-action", "")
            if response.status != http.client.OK:
                raise _refusal(response)
            for event in _events(response):
                yield from _absorb(event, answer)
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(f"the connection to the gateway broke: {error}", hint="is it still running?") from error
        finally:
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._netloc, timeout=CONNECT_TIMEOUT_S)
        try:
            connection.connect()
        except OSError as error:
            raise NoAnswer(
                f"no gateway answers at {self._netloc}: {error.strerror or error}",
                hint="start one with haechi serve, or name another with --url",
            ) from error
        connection.sock.settimeout(ANSWER_TIMEOUT_S)
        return connection

    def _send(
        self, connection: http.client.HTTPConnection, model: str, messages: Sequence[Message]
    ) -> http.client.HTTPResponse:
        body = {
            "model": model,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        headers = {
            "authorization": f"Bearer {self._key}",
            "content-type": "application/json",
            "x-haechi-conversation": self._conversation,
        }
        try:
            connection.request("POST", self._path, json.dumps(body).encode(), headers)
        except ValueError as error:
            raise InvalidSetting(
                "the API key cannot be sent in a header", hint="copy it again, without spaces or line ends"
            ) from error
        return connection.getresponse()


def _events(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """The JSON objects of a server-sent event stream, up to `[DONE]`."""
    for line in response:
        if not line.startswith(b"data:"):
            continue
        data = line.removeprefix(b"data:").strip()
        if data == b"[DONE]":
            return
        try:
            event = json.loads(data)
        except ValueError as error:
            raise NoAnswer(
                "the gateway sent something that is not an answer", hint="is --url the address of a gateway?"
            ) from error
        if isinstance(event, dict):
            yield event
    raise NoAnswer("the gateway broke off in the middle of the answer", hint="its log lines say why")


def _absorb(event: dict[str, Any], answer: Answer) -> Iterator[str]:
    if isinstance(event.get("error"), dict):
        raise NoAnswer(
            str(event["error"].get("message", "the gateway reports an error")), hint=_code_hint(event["error"])
        )
    answer.usage = event.get("usage") or answer.usage
    for choice in event.get("choices") or ():
        delta = choice.get("delta") or {}
        answer.finish_reason = choice.get("finish_reason") or answer.finish_reason
        answer.refusal += delta.get("refusal") or ""
        if content := delta.get("content"):
            answer.content += content
            yield content


def _refusal(response: http.client.HTTPResponse) -> NoAnswer:
    """Translate an answer with an error status."""
    try:
        error = json.loads(response.read(_ERROR_BYTES))["error"]
        message, code = str(error["message"]), str(error.get("code") or "")
    except (ValueError, KeyError, TypeError):
        message, code = "the answer is not in OpenAI's error shape; is this a gateway?", ""
    if response.status == http.client.UNAUTHORIZED:
        hint = "give a valid key with --key or HAECHI_API_KEY; haechi key create makes one"
    else:
        hint = f"code {code}" if code else ""
    return NoAnswer(f"the gateway refused ({response.status}): {message}", hint=hint)


def _code_hint(error: dict[str, Any]) -> str:
    return f"code {error['code']}" if error.get("code") else ""
