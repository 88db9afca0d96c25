"""What the gateway refuses, each with its HTTP status and its place in OpenAI's error shape.

Rules of this file
1. A message never quotes the request, a rule or a matched word.
2. `retry` is said only where the client library would guess wrong: the stock client repeats 408, 409, 429 and 5xx
   unless `x-should-retry: false` is set, and repeating cannot mend a guard or an audit log that is down.
"""

from __future__ import annotations

from typing import ClassVar

from gateway.upstream.ports import Json, UpstreamError
from haechi.base.errors import ExitCode, HaechiError


class GatewayError(HaechiError):
    """A request that gets an error answer.

    status: HTTP status. kind: OpenAI's `type`. reason: OpenAI's `code`, None where OpenAI has none.
    outcome: what is counted in /metrics and, when the request had begun, recorded as the reason of its end.
    retry: what `x-should-retry` says; None leaves it out.
    param: which field of the request is meant, in OpenAI's notation (`messages[0].role`).
    """

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "invalid_request_error"
    reason: ClassVar[str | None] = None
    outcome: ClassVar[str] = "refused"
    retry: ClassVar[bool | None] = None

    def __init__(self, message: str, *, hint: str = "", param: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.param = param


class Unauthenticated(GatewayError):
    """No API key, or one that nobody holds."""

    code = "HAE-G101"
    status = 401
    reason = "invalid_api_key"
    outcome = "unauthenticated"


class UnknownRoute(GatewayError):
    """Nothing is served at this path."""

    code = "HAE-G102"
    status = 404
    reason = "unknown_url"


class WrongMethod(GatewayError):
    """The path exists, but not for this HTTP method."""

    code = "HAE-G103"
    status = 405
    reason = "method_not_allowed"

    def __init__(self, allow: str) -> None:
        """allow: the method that the path takes."""
        super().__init__(f"this path takes {allow} only", hint=f"send it as {allow}")
        self.allow = allow


class MalformedBody(GatewayError):
    """The request body is not UTF-8 JSON."""

    code = "HAE-G104"
    status = 400
    reason = "invalid_json"


class InvalidRequest(GatewayError):
    """The request body is JSON, but a field is missing or of the wrong kind."""

    code = "HAE-G105"
    status = 400
    reason = "invalid_value"


class BodyTooLarge(GatewayError):
    """The request body is longer than the gateway accepts."""

    code = "HAE-G106"
    status = 413
    reason = "request_too_large"


class HeadersTooLarge(GatewayError):
    """The request has too many header fields, or too long ones."""

    code = "HAE-G107"
    status = 431
    reason = "headers_too_large"


class SlowBody(GatewayError):
    """The request body did not arrive in time."""

    code = "HAE-G108"
    status = 408
    reason = "request_timeout"
    retry = False


class TooBusy(GatewayError):
    """As many requests are under way as the gateway takes at once."""

    code = "HAE-G109"
    status = 429
    kind = "rate_limit_error"
    reason = "rate_limit_exceeded"
    outcome = "too_busy"


class PromptBlocked(GatewayError):
    """The policy does not let this prompt through."""

    code = "HAE-G110"
    exit_code = ExitCode.FOUND
    status = 400
    reason = "content_filter"
    outcome = "blocked"


class GuardUnavailable(GatewayError):
    """The guard could not answer, and the policy says that silence is not consent."""

    code = "HAE-G111"
    exit_code = ExitCode.CANNOT_TELL
    status = 503
    kind = "server_error"
    reason = "guard_unavailable"
    outcome = "guard_unavailable"
    retry = False


class AuditUnavailable(GatewayError):
    """The request, or its end, could not be recorded durably in time."""

    code = "HAE-G112"
    exit_code = ExitCode.CANNOT_TELL
    status = 503
    kind = "server_error"
    reason = "audit_unavailable"
    outcome = "audit_unavailable"
    retry = False


class DeadlineExceeded(GatewayError):
    """The answer was not complete when the gateway's time for one request was over."""

    code = "HAE-G113"
    exit_code = ExitCode.CANNOT_TELL
    status = 504
    kind = "server_error"
    reason = "timeout"
    outcome = "timeout"


class InternalFailure(GatewayError):
    """A fault of the gateway itself."""

    code = "HAE-G114"
    exit_code = ExitCode.CANNOT_TELL
    status = 500
    kind = "server_error"
    reason = "internal_error"
    outcome = "internal_error"
    retry = False


class KeysUnavailable(GatewayError):
    """The store of API keys cannot be read, so nobody is let in."""

    code = "HAE-G115"
    exit_code = ExitCode.CANNOT_TELL
    status = 503
    kind = "server_error"
    reason = "keys_unavailable"
    outcome = "keys_unavailable"
    retry = False


class UnusableModelName(GatewayError):
    """The model name is not one that any model can have."""

    code = "HAE-G116"
    status = 404
    reason = "model_not_found"


class MapsUnavailable(GatewayError):
    """What stands for the user's data in this conversation cannot be had, so nothing is sent to the model."""

    code = "HAE-G118"
    exit_code = ExitCode.CANNOT_TELL
    status = 503
    kind = "server_error"
    reason = "guard_unavailable"
    outcome = "guard_unavailable"
    retry = False


class EncodedBody(GatewayError):
    """The request body is compressed, which the gateway does not accept."""

    code = "HAE-G117"
    status = 415
    reason = "unsupported_media_type"


class UpstreamRefused(UpstreamError):
    """The upstream answered with an error.

    retry_after: its `Retry-After` header, "" when it sent none.
    """

    code = "HAE-U201"

    def __init__(
        self, message: str, *, hint: str = "", status: int = 502, body: Json | None = None, retry_after: str = ""
    ) -> None:
        super().__init__(message, hint=hint, status=status, body=body)
        self.retry_after = retry_after


class UpstreamUnreachable(UpstreamError):
    """No connection to the upstream could be made."""

    code = "HAE-U202"


class UpstreamTimedOut(UpstreamError):
    """The upstream was silent for too long."""

    code = "HAE-U203"


class UpstreamGarbled(UpstreamError):
    """The upstream broke off, or sent something that is not a chat completion."""

    code = "HAE-U204"
