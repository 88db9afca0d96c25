"""OpenAI's error shape, made from our errors. The one place that decides what of an error a client sees."""

from __future__ import annotations

import re

from gateway.errors import AuditUnavailable, GatewayError, UpstreamRefused, WrongMethod
from gateway.upstream.ports import Json, UpstreamError
from haechi.base.errors import HaechiError


def error_body(error: HaechiError, *, incident: str = "") -> Json:
    """The JSON body for an error. An upstream's own error object passes through (the pipeline has checked its text)."""
    if isinstance(error, UpstreamError) and error.body is not None:
        known: Json = {"message": error.message, "type": "server_error", "param": None, "code": None}
        return {"error": {**known, **error.body}}
    if isinstance(error, GatewayError):
        kind, reason, param = error.kind, error.reason, error.param
    else:
        kind, reason, param = "server_error", "upstream_error", None
    text = f"{error.message}. {error.hint}." if error.hint and isinstance(error, GatewayError) else f"{error.message}."
    if incident:
        text += f" Incident {incident}."
    return {"error": {"message": text, "type": kind, "param": param, "code": reason}}


def error_status(error: HaechiError) -> int:
    """The HTTP status for an error."""
    return error.status if isinstance(error, GatewayError | UpstreamError) else 500


def error_headers(error: HaechiError) -> list[tuple[bytes, bytes]]:
    """What tells client libraries whether and when to try again."""
    headers = []
    if isinstance(error, GatewayError) and error.retry is not None:
        headers.append((b"x-should-retry", b"true" if error.retry else b"false"))
    if isinstance(error, UpstreamRefused) and re.fullmatch(r"[\w ,:]{1,64}", error.retry_after, re.ASCII):
        headers.append((b"retry-after", error.retry_after.encode()))
    if isinstance(error, AuditUnavailable):
        headers.append((b"retry-after", b"1"))  # a person or a proxy may; a client library is told not to by itself
    if isinstance(error, WrongMethod):
        headers.append((b"allow", error.allow.encode()))
    if error_status(error) == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return headers
