"""What stands in a text instead of a value: mask, pseudonym, keyed hash, nothing.

Each operator is a function of the entity, the original and a key; none keeps what it saw.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import secrets
import unicodedata
from collections.abc import Callable, Iterator
from typing import assert_never

from guard.pii.errors import WeakPseudonymKey

LEAST_KEY_BYTES = 16
_FORMATTED = frozenset(
    {
        "PHONE_NUMBER", "CREDIT_CARD", "KR_RRN", "KR_FRN", "KR_BRN", "KR_CORP_NUMBER", "KR_DRIVER_LICENSE", "KR_BANK_ACCOUNT",
        "KR_PASSPORT", "KR_VEHICLE_PLATE", "KR_HEALTH_INSURANCE", "CN_RESIDENT_ID", "CN_USCC", "CN_PASSPORT", "CN_VEHICLE_PLATE",
        "US_SSN", "US_ITIN", "US_PASSPORT", "US_DRIVER_LICENSE", "US_BANK_NUMBER", "UK_NHS", "UK_NINO", "UK_DRIVER_LICENSE",
        "IBAN_CODE", "EU_VAT", "IP_ADDRESS", "MAC_ADDRESS", "DATE_OF_BIRTH", "COORDINATES",
    }
)  # fmt: skip
"""Entities whose mask keeps the shape: groups and separators stay, digits and letters go."""

_KOREAN_GIVEN = "민서지현수진영준호연우경은성희도윤아혜정태재"
_KOREAN_FAMILY = "김이박최정강조윤장임한오서신권황안송류홍"
_CHINESE_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚"
_CHINESE_FAMILY = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高"
_ENGLISH_NAMES = (
    "Alex", "Avery", "Casey", "Drew", "Ellis", "Finley", "Harper", "Jordan", "Jamie", "Kendall", "Logan", "Morgan", "Parker",
    "Quinn", "Reese", "Riley", "Rowan", "Sidney", "Taylor", "Blake",
)  # fmt: skip


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
        return "".join(_covered(c) for c in original)
    return f"[{entity}]"


def _covered(char: str) -> str:
    """A star for a letter or digit, signs and spaces as they are, nothing for what is not seen."""
    if char.isalnum():
        return "*"
    return char if char == " " or unicodedata.category(char)[0] in "PS" else ""


def hashed(entity: str, original: str, key: bytes) -> str:
    """The same value gives the same code under one key; without the key nothing can be tried out (HMAC-SHA-256)."""
    return f"[{entity}:{_digest(key, entity, original, 0).hex()[:16]}]"


def pseudonym(entity: str, original: str, key: bytes) -> str:
    """A made-up value of the same script and length, the same for the same value under one key."""
    for attempt in range(8):
        choose = _chooser(key, entity, original, attempt)
        made = _make(entity, original, choose)
        if made != original:
            return made
    return f"[{entity}]"


def _make(entity: str, original: str, choose: Iterator[int]) -> str:
    if entity == "EMAIL_ADDRESS":
        return "".join("abcdefghijkmnpqrstuvwxyz"[next(choose) % 24] for _ in range(8)) + "@example.com"
    if entity == "PERSON" and original.isascii():
        return " ".join(_ENGLISH_NAMES[next(choose) % len(_ENGLISH_NAMES)] for _ in original.split())
    kept = 3 if entity == "PHONE_NUMBER" else 0
    return "".join(c if at < kept else _like(c, at, choose) for at, c in enumerate(original))


def _like(char: str, at: int, choose: Iterator[int]) -> str:
    """A character of the same kind."""
    options = _options(char, at)
    return options[next(choose) % len(options)] if options else char


def _options(char: str, at: int) -> str:
    if "0" <= char <= "9":
        return "123456789" if char != "0" and at == 0 else "0123456789"
    if "a" <= char <= "z":
        return "abcdefghijklmnopqrstuvwxyz"
    if "A" <= char <= "Z":
        return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    if "가" <= char <= "힣":
        return _KOREAN_FAMILY if at == 0 else _KOREAN_GIVEN
    if "\u4e00" <= char <= "\u9fff":
        return _CHINESE_FAMILY if at == 0 else _CHINESE_GIVEN
    return "0123456789" if char.isdigit() else ""


def _digest(key: bytes, entity: str, original: str, number: int) -> bytes:
    message = f"{entity}\0{number}\0{original}".encode("utf-8", "surrogatepass")
    return hmac.new(key, message, hashlib.sha256).digest()


def _chooser(key: bytes, entity: str, original: str, attempt: int) -> Iterator[int]:
    """An endless keyed sequence of numbers from 0 to 65535."""
    block = attempt << 16
    while True:
        raw = _digest(key, entity, original, block)
        yield from (int.from_bytes(raw[i : i + 2], "big") for i in range(0, 32, 2))
        block += 1


def operator(mode: Mode, key: bytes | None = None) -> Callable[[str, str], str]:
    """The function from entity and original to replacement. Without a key a random one is made for this operator.

    Raises:
        WeakPseudonymKey: when the key is shorter than LEAST_KEY_BYTES.
    """
    secret = key if key is not None else secrets.token_bytes(32)
    if len(secret) < LEAST_KEY_BYTES:
        raise WeakPseudonymKey(
            f"the key has {len(secret)} bytes, {LEAST_KEY_BYTES} are the least",
            hint="head -c 32 /dev/urandom > scrub.key",
        )
    match mode:
        case Mode.MASK:
            return mask
        case Mode.PSEUDONYM:
            return lambda entity, original: pseudonym(entity, original, secret)
        case Mode.HASH:
            return lambda entity, original: hashed(entity, original, secret)
        case Mode.REMOVE:
            return lambda entity, original: ""
        case _ as unreachable:
            assert_never(unreachable)
