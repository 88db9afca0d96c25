"""What stands in a text instead of a finding, by the operators of a policy.

Rules of this file
1. Keys come from outside: pseudonyms belong to a conversation, hashes to a tenant. Without keys random ones hold for the
   process, so that nothing is ever keyed by nothing.
2. A placeholder needs a conversation to come back in; without one its value is masked.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from guard.mask import Replace
from guard.pii.operators import hashed, mask, pseudonym
from guard.placeholders import Placeholders
from guard.policy import DEFAULT_OPERATOR, Operator


def _random_key() -> bytes:
    return secrets.token_bytes(32)


@dataclass(frozen=True, slots=True)
class ReplacingKeys:
    """conversation: for pseudonyms. tenant: for hashes. At least 16 bytes each."""

    conversation: bytes = field(default_factory=_random_key, repr=False)
    tenant: bytes = field(default_factory=_random_key, repr=False)


def replacing(operators: Mapping[str, Operator], keys: ReplacingKeys, placeholders: Placeholders | None) -> Replace:
    """The replacement that a policy asks for. placeholders: of the conversation, if there is one."""
    standard = operators[DEFAULT_OPERATOR]

    def replace(kind: str, original: str) -> str:
        operator = operators.get(kind, standard)
        match operator:
            case Operator.MASK:
                return mask(kind, original)
            case Operator.PSEUDONYM:
                return pseudonym(kind, original, keys.conversation)
            case Operator.HASH:
                return hashed(kind, original, keys.tenant)
            case Operator.REMOVE:
                return ""
            case Operator.PLACEHOLDER:
                return placeholders.name(kind, original) if placeholders is not None else mask(kind, original)
            case _ as unreachable:
                assert_never(unreachable)

    return replace
