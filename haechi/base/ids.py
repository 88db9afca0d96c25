"""Identifiers. What we make is random; what we are given is a name, never trusted as a key."""

from __future__ import annotations

import secrets
from typing import NewType

TenantId = NewType("TenantId", str)
UserId = NewType("UserId", str)
ConversationId = NewType("ConversationId", str)
RequestId = NewType("RequestId", str)

DEFAULT_TENANT = TenantId("default")


def new_request_id() -> RequestId:
    """128 random bits as `req_` and 32 hexadecimal digits."""
    return RequestId("req_" + secrets.token_hex(16))
