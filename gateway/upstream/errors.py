"""What can go wrong with a model inside the gateway, at its start and in one request.

Rules of this file
1. Errors of the start carry advice for the operator; errors of a request carry OpenAI's error object in `body`.
2. A message never quotes the request's text; field names, numbers and model names may be said.
"""

from __future__ import annotations

from typing import ClassVar

from gateway.upstream.ports import UpstreamError
from haechi.base.errors import ExitCode


class ModelNotFound(UpstreamError):
    """The folder, file or hub name given as the model does not exist."""

    code = "HAE-U301"
    exit_code = ExitCode.USAGE


class HubUnreachable(UpstreamError):
    """A model was named by its hub name, and the hub cannot be asked or does not give it."""

    code = "HAE-U302"


class NotAModel(UpstreamError):
    """The folder or file is there, but is not a model in a form that can be loaded."""

    code = "HAE-U303"
    exit_code = ExitCode.USAGE


class UnknownArchitecture(UpstreamError):
    """The model is of a kind that the installed runtime has no code for."""

    code = "HAE-U304"
    exit_code = ExitCode.USAGE


class UnknownPrecision(UpstreamError):
    """The precision is not one of the known words, or this machine cannot compute in it."""

    code = "HAE-U305"
    exit_code = ExitCode.USAGE


class NotEnoughMemory(UpstreamError):
    """The weights, or the state of the running answers, do not fit into memory."""

    code = "HAE-U306"


class CorruptWeights(UpstreamError):
    """A weight file is damaged, or is not of the model that its configuration describes."""

    code = "HAE-U307"


class NoChatTemplate(UpstreamError):
    """The model's tokenizer is missing, or has no chat template, so messages cannot be put to it."""

    code = "HAE-U308"
    exit_code = ExitCode.USAGE


class DemoModelMissing(UpstreamError):
    """No model was named, and the package with the embedded demo model is not installed."""

    code = "HAE-U309"


class UnusableModelStore(UpstreamError):
    """The folder for converted models cannot be written: read-only, full, or locked for too long."""

    code = "HAE-U310"


class RequestRefused(UpstreamError):
    """A request that this model cannot serve. Carries OpenAI's error object.

    http_status, kind, reason: the status, and OpenAI's `type` and `code`.
    """

    code = "HAE-U320"

    http_status: ClassVar[int] = 400
    kind: ClassVar[str] = "invalid_request_error"
    reason: ClassVar[str] = "invalid_value"

    def __init__(self, message: str, *, param: str | None = None, hint: str = "") -> None:
        text = f"{message}; {hint}." if hint else f"{message}."
        body = {"message": text, "type": self.kind, "param": param, "code": self.reason}
        super().__init__(message, hint=hint, status=self.http_status, body=body)


class UnknownModel(RequestRefused):
    """The request names a model that is not the one being served."""

    code = "HAE-U321"
    http_status = 404
    reason = "model_not_found"


class ContextTooLong(RequestRefused):
    """Prompt and requested answer together are longer than the model's context."""

    code = "HAE-U322"
    reason = "context_length_exceeded"


class TooManyWaiting(RequestRefused):
    """As many requests wait for the model as are allowed to."""

    code = "HAE-U323"
    http_status = 429
    kind = "rate_limit_error"
    reason = "rate_limit_exceeded"


class GenerationFailed(RequestRefused):
    """The model broke off while it computed an answer."""

    code = "HAE-U324"
    http_status = 502
    kind = "server_error"
    reason = "generation_failed"


class ModelClosed(RequestRefused):
    """The gateway is shutting down and the model takes no more requests."""

    code = "HAE-U325"
    http_status = 503
    kind = "server_error"
    reason = "model_closed"
