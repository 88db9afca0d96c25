"""What stands in a text instead of a value: mask, pseudonym, keyed hash, nothing.

Each operator is a function of the entity and the original; none keeps what it saw.
"""

from __future__ import annotations

import enum
import hashlib
import hmac

_FORMATTED = frozenset(
    {
        "PHONE_NUMBER", "CREDIT_CARD", "KR_RRN", "KR_FRN", "KR_BRN", "KR_CORP_NUMBER", "KR_DRIVER_LICENSE", "KR_BANK_ACCOUNT",
        "KR_PASSPORT", "KR_VEHICLE_PLATE", "KR_HEALTH_INSURANCE", "CN_RESIDENT_ID", "CN_USCC", "CN_PASSPORT", "CN_VEHICLE_PLATE",
        "US_SSN", "US_ITIN", "US_PASSPORT", "US_DRIVER_LICENSE", "US_BANK_NUMBER", "UK_NHS", "UK_NINO", "UK_DRIVER_LICENSE",
        "IBAN_CODE", "EU_VAT", "IP_ADDRESS", "MAC_ADDRESS", "DATE_OF_BIRTH", "COORDINATES",
    }
)  # fmt: skip
"""Entities whose mask keeps the shape: groups and separators stay, digits and letters go."""


class Mode(enum.StrEnum):
    """How a value is replaced."""

    MASK = "mask"
    PSEUDONYM = "pseudonym"
    HASH = "hash"
    REMOVE = "remove"


def mask(entity: str, original: str) -> str:
    """The value with its shape kept where that helps the reader, else its kind in brackets.

    >>> mask("PHONE_NUMBER", "010-1234-5678")
    '***-****-****'
    >>> mask("EMAIL_ADDRESS", "kim@example.com")
    '[EMAIL_ADDRESS]'
    """
    if entity in _FORMATTED:
        return "".join("*" if c.isalnum() else c for c in original if c.isprintable())
    return f"[{entity}]"


def hashed(entity: str, original: str, key: bytes) -> str:
    """The same value gives the same code under one key; without the key nothing can be tried out (HMAC-SHA-256)."""
    code = hmac.new(key, f"{entity}\0{original}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
    return f"[{entity}:{code[:16]}]"
