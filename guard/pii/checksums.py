"""Check digits and dates inside numbers. Each function takes the digits only, of the length it names.

Sources: ISO 7064 (mod 97-10, mod 11-2), ISO/IEC 7812-1 annex B (Luhn), GB 11643-1999, GB 32100-2015; the Korean
rules as published for resident, foreigner, business and corporate registration numbers; NHS data dictionary.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date
from operator import mul

_NO_DIGIT = str.maketrans("", "", " .-‐‑‒–—―−/()+")


def compact(value: str) -> str:
    """Without spaces, points, hyphens, slashes, parentheses and plus signs."""
    return value.translate(_NO_DIGIT)


def weighted(digits: str, weights: Sequence[int]) -> int:
    """Sum of digit times weight."""
    return sum(map(mul, map(int, digits), weights))


_DOUBLED = str.maketrans("0123456789", "0246813579")


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B."""
    doubled = digits[-2::-2].translate(_DOUBLED)
    return (sum(map(int, digits[-1::-2])) + sum(map(int, doubled))) % 10 == 0


def mod97(value: str) -> bool:
    """ISO 7064 mod 97-10 over an IBAN without spaces."""
    moved = value[4:] + value[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


def is_date(year: int, month: int, day: int) -> bool:
    """Whether the day exists."""
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def kr_birth(digits: str) -> tuple[int, int, int]:
    """Year, month and day in a Korean registration number; the seventh digit gives the century."""
    century = {"9": 1800, "0": 1800, "1": 1900, "2": 1900, "5": 1900, "6": 1900}.get(digits[6], 2000)
    return century + int(digits[:2]), int(digits[2:4]), int(digits[4:6])


_KR_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)


def kr_resident(digits: str) -> bool:
    """Check digit of a resident registration number, in force until October 2020."""
    return (11 - weighted(digits, _KR_WEIGHTS) % 11) % 10 == int(digits[12])


def kr_foreigner(digits: str) -> bool:
    """Check digit of a foreigner registration number, in force until October 2020."""
    return (13 - weighted(digits, _KR_WEIGHTS) % 11) % 10 == int(digits[12])


def kr_business(digits: str) -> bool:
    """Check digit of a business registration number."""
    total = weighted(digits, (1, 3, 7, 1, 3, 7, 1, 3, 5)) + int(digits[8]) * 5 // 10
    return (10 - total % 10) % 10 == int(digits[9])


def kr_corporate(digits: str) -> bool:
    """Check digit of a corporate registration number, in force until January 2025."""
    return (10 - weighted(digits, (1, 2) * 6) % 10) % 10 == int(digits[12])


def cn_resident(value: str) -> bool:
    """GB 11643 (ISO 7064 mod 11-2) of the 18 characters."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return "10X98765432"[weighted(value[:17], weights) % 11] == value[17].upper()


_USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def cn_credit_code(value: str) -> bool:
    """GB 32100-2015 (mod 31) of the 18 characters."""
    weights = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
    total = sum(_USCC.index(c) * w for c, w in zip(value[:17], weights, strict=True))
    return _USCC[(31 - total % 31) % 31] == value[17]


def nhs(digits: str) -> bool:
    """Mod 11 of the ten digits."""
    rest = 11 - weighted(digits, range(10, 1, -1)) % 11
    return rest != 10 and rest % 11 == int(digits[9])


_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58check(value: str) -> bool:
    """Bitcoin's base58check: 25 bytes of which the last four are a double SHA-256."""
    number = 0
    for char in value:
        digit = _BASE58.find(char)
        if digit < 0:
            return False
        number = number * 58 + digit
    if number >> 200:
        return False
    raw = number.to_bytes(25, "big")
    return hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4] == raw[21:]


_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def bech32(value: str) -> bool:
    """BIP 173 and BIP 350 check of an address in one case."""
    if value.lower() != value and value.upper() != value:
        return False
    human, _, data = value.lower().rpartition("1")
    words = [_BECH32.find(c) for c in data]
    if not human or len(words) < 8 or min(words) < 0:
        return False
    check = 1
    for word in [*(ord(c) >> 5 for c in human), 0, *(ord(c) & 31 for c in human), *words]:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ word
        for bit in range(5):
            check ^= _BECH32_GENERATOR[bit] if top >> bit & 1 else 0
    return check in (1, 0x2BC830A3)


def to_base58check(raw: bytes) -> str:
    """The address of a version byte and twenty bytes of hash."""
    whole = raw + hashlib.sha256(hashlib.sha256(raw).digest()).digest()[:4]
    number = int.from_bytes(whole, "big")
    text = ""
    while number:
        number, digit = divmod(number, 58)
        text = _BASE58[digit] + text
    return "1" * (len(whole) - len(whole.lstrip(b"\0"))) + text
