"""A server that speaks OpenAI's chat completions, asked by a judge: one answer or an error, within a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from guard.backends.errors import AnswerUnreadable, JudgeSilent, ModelFileMissing, ModelUnreadable

_LONGEST_ANSWER: Final = 65_536  # bytes of HTTP


class ChatServer:
    """vLLM, SGLang, ... Safe for several threads: each question has a connection of its own."""

    def __init__(self, name: str, url: str, key: str, timeout_s: float) -> None:
        """name: of the judge, for errors. url: up to `/v1`. timeout_s: seconds without an answer."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ModelUnreadable(f"{name}: not an http:// or https:// address", hint="for example http://host:8000/v1")
        kind: Callable[..., HTTPConnection] = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connect: Callable[..., HTTPConnection] = partial(kind, parts.hostname, parts.port)
        self._path = parts.path.rstrip("/") + "/chat/completions"
        self._headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        self._name = name
        self.timeout_s = timeout_s

    def ask(self, body: Mapping[str, object], timeout_s: float | None = None) -> dict[str, Any]:
        """The first choice of the completion. timeout_s: instead of the server's own.

        Raises:
            JudgeSilent: no answer, or one that is not 200. AnswerUnreadable: what came is no completion.
        """
        connection = self._connect(timeout=timeout_s or self.timeout_s)
        try:
            connection.request("POST", self._path, json.dumps(body).encode(), self._headers)
            answer = connection.getresponse()
            content = answer.read(_LONGEST_ANSWER)
        except (OSError, HTTPException) as error:
            raise JudgeSilent(f"{self._name}: {type(error).__name__}", hint="is the judge's server up?") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise JudgeSilent(f"{self._name}: the judge's server answered {answer.status}", status=answer.status)
        try:
            choice = json.loads(content)["choices"][0]
        except (ValueError, LookupError, TypeError) as error:
            raise AnswerUnreadable("the judge's server answered something that is no completion") from error
        if not isinstance(choice, dict):
            raise AnswerUnreadable("the judge's server answered something that is no completion")
        return choice


def said_in(choice: Mapping[str, Any]) -> str:
    """What the judge said.

    Raises:
        AnswerUnreadable: nothing.
    """
    message = choice.get("message")
    said = message.get("content") if isinstance(message, dict) else None
    if not isinstance(said, str):
        raise AnswerUnreadable("the judge said nothing")
    return said


def read_key(path: Path) -> str:
    """The key in a file, without blanks around it.

    Raises:
        ModelFileMissing
    """
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFileMissing(f"{path}: the key file cannot be read") from error
