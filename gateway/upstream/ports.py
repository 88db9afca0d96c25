"""What the pipeline needs from a model, whatever it is.

Rules of this file
1. Bodies and chunks are parsed JSON in OpenAI's chat-completion shapes; unknown fields pass through untouched. A body
   that has `prompt` in the place of `messages` is OpenAI's older kind of request, for a text to be gone on with; what
   answers it has the shapes of a chat as well.
2. Leaving `stream()` early (block, client gone, deadline) must stop the model: `aclose()` on the iterator
   closes the connection or ends the generation before it returns.
3. Every failure is an `UpstreamError`; nothing else crosses this port.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

from haechi.base.errors import ExitCode, HaechiError

Json = dict[str, Any]


def prompts_in(body: Json) -> list[str]:
    """The texts that a body without `messages` asks to be gone on with; choice `i` belongs to prompt `i // n`."""
    prompt = body.get("prompt") if "messages" not in body else None
    if isinstance(prompt, list):
        return prompt
    return [prompt] if isinstance(prompt, str) else []


class UpstreamError(HaechiError):
    """The model behind the gateway refused, failed or is not there.

    status: the HTTP status for the client (the upstream's own where it gave one, else 502, 503 or 504).
    body: the upstream's own error object in OpenAI's shape when it sent one.
    """

    code = "HAE-U100"
    exit_code = ExitCode.CANNOT_TELL

    def __init__(self, message: str, *, hint: str = "", status: int = 502, body: Json | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.body = body


class Upstream(Protocol):
    """A model."""

    async def models(self) -> list[Json]:
        """OpenAI model objects (`id`, `object`, `created`, `owned_by`)."""
        ...

    async def complete(self, body: Json) -> Json:
        """One whole `chat.completion`. Cancelling the task stops the model."""
        ...

    def stream(self, body: Json) -> AsyncIterator[Json]:
        """`chat.completion.chunk` objects in order, without the closing `[DONE]`."""
        ...

    async def embed(self, body: Json) -> Json:
        """OpenAI's list of embeddings for the texts in `input`, as the server tells it."""
        ...

    async def aclose(self) -> None:
        """Give back connections, memory and threads; nothing is asked of it afterwards."""
        ...
