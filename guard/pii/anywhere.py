"""Personal data that looks the same everywhere: addresses in networks, wallets, coordinates, dates of birth."""

from __future__ import annotations

import ipaddress

from guard.pii import checksums
from guard.pii.pattern import LEFT, RIGHT, Lane, PatternSpec

_BIRTH_WORDS = (
    "born", "birth", "dob", "birthday", "date of birth", "생년월일", "생일", "출생", "태어", "출생일", "出生", "生日", "生于", "出生日期",
)  # fmt: skip


def ip4(value: str) -> float:
    """IPv4 address, with a prefix length perhaps; a version number is one too, rarely with four parts."""
    try:
        address = ipaddress.IPv4Address(value.partition("/")[0])
    except ValueError:
        return 0.0
    return 0.6 if int(address) >> 24 == 0 else 0.9


def ip6(value: str) -> float:
    """IPv6 address; short ones need a digit, since scopes in program text look alike."""
    try:
        ipaddress.IPv6Address(value.partition("%")[0])
    except ValueError:
        return 0.0
    groups = [group for group in value.split(":") if group]
    if len(groups) < 3 and not any(c.isdigit() for c in value):
        return 0.0
    return 0.95 if len(groups) >= 4 else 0.7


def mac(value: str) -> float:
    """MAC address: six pairs with one separator, not all the same."""
    return 0.9 if len(set(value) & set(":-")) == 1 and len(set(value.lower())) > 2 else 0.0


def bitcoin(value: str) -> float:
    """Bitcoin address: base58check."""
    return 0.99 if checksums.base58check(value) else 0.0


def segwit(value: str) -> float:
    """Bitcoin address: bech32 or bech32m."""
    return 0.99 if checksums.bech32(value) else 0.0


def coordinates(value: str) -> float:
    """Latitude and longitude in degrees with at least four decimals each."""
    latitude, _, longitude = value.partition(",")
    return 0.7 if abs(float(latitude)) <= 90 and abs(float(longitude)) <= 180 else 0.0


_YEAR = "(?:19[0-9]{2}|20[0-2][0-9])"
_NUMERIC_DATE = (
    f"{_YEAR}[-./](?:0?[1-9]|1[0-2])[-./](?:0?[1-9]|[12][0-9]|3[01])|"
    f"(?:0?[1-9]|[12][0-9]|3[01])[-./](?:0?[1-9]|[12][0-9]|3[01])[-./](?:{_YEAR}|[0-9]{{2}})|"
    f"{_YEAR}\\. ?(?:0?[1-9]|1[0-2])\\. ?(?:0?[1-9]|[12][0-9]|3[01])|"
    f"{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
)
_WRITTEN_DATE = (
    f"(?:{_YEAR}|[0-9]{{2}})(?:년|年) ?(?:0?[1-9]|1[0-2])(?:월|月) ?(?:0?[1-9]|[12][0-9]|3[01])(?:일|日|号)|"
    f"(?:0?[1-9]|[12][0-9]|3[01])(?:st|nd|rd|th)? (?:of )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{{0,6}},? {_YEAR}"
)

SPECS = [
    PatternSpec(
        "EMAIL_ADDRESS", "email", "[0-9A-Za-z_][0-9A-Za-z._%+-]{0,63}@(?:[0-9A-Za-z][0-9A-Za-z-]{0,62}\\.){1,5}[A-Za-z]{2,24}",
        Lane.AT, 410, score=0.99, left="", right=RIGHT,
    ),
    PatternSpec(
        "IP_ADDRESS", "ipv4", "[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}(?:/[0-9]{1,2})?", Lane.DIGITS, 18, check=ip4, digits=4,
    ),
    PatternSpec(
        "IP_ADDRESS", "ipv6", "(?:[0-9A-Fa-f]{1,4})?(?::[0-9A-Fa-f]{0,4}){2,7}(?:(?<=:)[0-9]{1,3}(?:\\.[0-9]{1,3}){3}|(?<=[0-9A-Fa-f])|(?<=::))",
        Lane.HEX, 45, check=ip6, left="(?<![0-9A-Za-z])(?<![0-9A-Fa-f:]:)", right="(?![0-9A-Za-z]|[.][0-9])",
    ),
    PatternSpec(
        "MAC_ADDRESS", "mac", "[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}", Lane.HEX, 17, check=mac,
        left="(?<![0-9A-Za-z-])(?<![0-9A-Fa-f:]:)", right="(?![0-9A-Za-z:]|-[0-9A-Fa-f])",
    ),
    PatternSpec(
        "CRYPTO", "bitcoin", "[13][1-9A-HJ-NP-Za-km-z]{25,34}", Lane.DIGITS, 35, check=bitcoin, token=26, left=LEFT, right=RIGHT,
    ),
    PatternSpec(
        "CRYPTO", "bitcoin-segwit", "(?:bc|BC)1[02-9A-HJ-NP-Za-hj-np-z]{11,71}", Lane.DIGITS, 74, check=segwit, token=14,
        left=LEFT, right=RIGHT,
    ),
    PatternSpec("CRYPTO", "ethereum", "0x[0-9A-Fa-f]{40}", Lane.DIGITS, 42, score=0.9, token=42, left=LEFT, right=RIGHT),
    PatternSpec(
        "COORDINATES", "coordinates", "[0-9]{1,2}\\.[0-9]{4,12}, {0,2}-?[0-9]{1,3}\\.[0-9]{4,12}", Lane.DIGITS, 36, check=coordinates,
        context=("gps", "latitude", "coordinates", "location", "위도", "좌표", "위치", "坐标", "经纬度", "纬度"), in_context=0.95, digits=6,
        left="(?<![0-9A-Za-z.])",
    ),
    PatternSpec(
        "DATE_OF_BIRTH", "birth-date", _NUMERIC_DATE, Lane.DIGITS, 14, score=0.2, context=_BIRTH_WORDS, in_context=0.9, digits=4,
    ),
    PatternSpec(
        "DATE_OF_BIRTH", "birth-date-written", _WRITTEN_DATE, Lane.DIGITS, 30, score=0.2, context=_BIRTH_WORDS, in_context=0.9,
        left=LEFT, right=RIGHT,
    ),
]  # fmt: skip
