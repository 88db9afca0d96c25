"""What a gateway is made of. The composition root fills it in; nothing here reads files or the environment."""

from __future__ import annotations

import enum
import secrets
from dataclasses import dataclass, field

from audit.log import AuditLog
from gateway.keys import KeyStore
from gateway.limits import Limits
from gateway.placeholder_maps import KEY_BYTES, MapStore
from gateway.upstream.ports import Upstream
from guard.checker import SafetyChecker
from guard.reload import ReloadingChecker


class BlockedPrompt(enum.StrEnum):
    """How a client is told that its prompt was blocked."""

    ERROR = "error"
    """HTTP 400 with code `content_filter`: the stock client raises BadRequestError and does not repeat it."""
    COMPLETION = "completion"
    """HTTP 200, an empty answer with a refusal and `finish_reason: "content_filter"`."""


@dataclass(frozen=True, slots=True)
class GatewayParts:
    """Everything the gateway joins.

    checker: one policy, or a policy file that may change while it is used.
    default_model: what the model name `default` stands for; "" means the first model that the upstream lists.
    blocked_prompt: how a blocked prompt is answered.
    maps: what placeholders stand for; without one given, only until this process ends.
    """

    checker: SafetyChecker | ReloadingChecker
    log: AuditLog
    upstream: Upstream
    keys: KeyStore
    default_model: str = ""
    limits: Limits = field(default_factory=Limits)
    blocked_prompt: BlockedPrompt = BlockedPrompt.ERROR
    maps: MapStore = field(default_factory=lambda: MapStore(secrets.token_bytes(KEY_BYTES)))
