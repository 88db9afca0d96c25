"""What a text says once a wrapper is taken off: Base64, hexadecimal, letters moved by thirteen, the wrong keyboard, JSON.

Rules of this file
1. What is inside a wrapper is judged in place of it only where there is no doubt: a code that holds text, or several
   words that are language one way and none the other. A guess is judged beside the text and hides nothing.
2. A wrapper is believed only when what comes out is language: printable UTF-8 for codes, common words for ROT13, whole
   Hangul syllables for the keyboard.
3. JSON, as a model calls a tool with, is judged as it stands and by its values alone: an insult between braces looks like data.
4. Cheap tests come first; an ordinary sentence is not decoded at all.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import json
import re
from collections.abc import Iterator

from guard.keyboard import untyped

LONGEST = 20_000
"""Code points that are looked at for wrappers; what lies behind is judged as it stands."""
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/_-]{16,}={0,2}(?![A-Za-z0-9+/=_-])")
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:0x)?(?:[0-9A-Fa-f]{2}[\s:]?){8,}(?![0-9A-Za-z])")
_WORD = re.compile(r"[a-z]+")
_NOT_HEX = re.compile(r"[\s:]|0x")
_LONG = re.compile(r"[A-Za-z0-9+/_-]{16}|(?:[0-9A-Fa-f]{2}[\s:]){7}")
_CJK = re.compile("[\u3131-\u318e\u3400-\u9fff\uac00-\ud7a3]")
_COMMON_WORDS = """
the of and to in is you that it he for was on are as with his they at be this from have or by one had not but what all were
when we there can an your which their said if do will each about how up out them then she many some so these would other into
has more her two like him see time could no make than first been its who now people my made over did down only way find use may
long little very after words called just where most know get through back much go good new write our me man too any day same
right look think also around another came come work three must because does part even place well such here take why help put
years different away again off went old number great tell men say small every found still between should home big give air line
set own under read last never us left end along while might next sound below saw something i a am don ignore instructions kill
stupid idiot hate fuck shit fucking die women
"""
_COMMON = frozenset(_COMMON_WORDS.split())
_CERTAIN = 4
"""Words of a text that is no English but language once read otherwise: chance does not make so many."""
_FIRST = 240
"""Code points from which is judged whether a text is English as it stands."""


def readings(text: str) -> tuple[str, ...]:
    """What has to be judged for a text: itself, or what it wraps, or both."""
    head = text[:LONGEST]
    if _LONG.search(head) is not None:
        text = _unwrapped(head) + text[LONGEST:]
        head = text[:LONGEST]
    values = _values(head)
    if values is not None:
        return (text, values)
    if _CJK.search(head) is not None or _is_english(head):
        return (text,)
    found = [reading for reading in (untyped(head), _turned(head)) if reading is not None]
    if not found:
        return (text,)
    return (*found,) if len(_WORD.findall(head.lower())) >= _CERTAIN else (text, *found)


def _is_english(text: str) -> bool:
    """Whether the first words hold as many common ones as English has; a text without words is none."""
    words = _WORD.findall(text[:_FIRST].lower())
    return sum(word in _COMMON for word in words) * 10 > len(words) or not words


def _values(text: str) -> str | None:
    """The words that stand as values in a JSON object or array, one value a line; None for any other text, or without such."""
    if text.strip()[:1] not in {"{", "["}:
        return None
    try:
        found = list(_strings(json.loads(text)))
    except (ValueError, RecursionError):
        return None
    return "\n".join(found) or None


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)


def _unwrapped(text: str) -> str:
    """The text with every code that holds text replaced by what it holds."""
    plain = _HEX.sub(lambda found: _from_hex(found[0]) or found[0], text)
    return _BASE64.sub(lambda found: _from_base64(found[0]) or found[0], plain)


def _from_base64(code: str) -> str | None:
    if code.isalpha() and (code.islower() or code.isupper()):
        return None  # a long word
    code = code.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return _language(base64.b64decode(code + "=" * (-len(code) % 4), validate=True))
    except (binascii.Error, ValueError):
        return None


def _from_hex(code: str) -> str | None:
    try:
        return _language(bytes.fromhex(_NOT_HEX.sub("", code)))
    except ValueError:
        return None


def _language(content: bytes) -> str | None:
    """The bytes as text, when nearly all of it is letters and blanks."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    plain = " ".join(text.split())
    kept = sum(c.isalnum() or c == " " or c in ".,!?'\"-" for c in plain)
    return plain if plain.isprintable() and kept >= 0.8 * len(plain) > 0 else None


def _turned(text: str) -> str | None:
    """The text with its Latin letters moved by thirteen, when that makes common words of strange ones."""
    turned = codecs.encode(text, "rot13")
    words = _WORD.findall(turned.lower())
    return turned if len(words) > 2 and sum(word in _COMMON for word in words) * 4 >= len(words) else None
