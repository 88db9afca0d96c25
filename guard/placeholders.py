"""Placeholders: what a user wrote goes to the model under another name and comes back as it was.

Rules of this file
1. A placeholder is `<KIND_n_tag>`; the tag is keyed by the conversation's secret over kind, number and value, so that
   nobody can make up a placeholder that stands for somebody's value (an unknown one is text like any other), and two
   requests of one conversation never give two values one name.
2. The map lives in memory with the conversation and can be sealed: encrypted, with an expiry. It is never logged.
3. Restoring holds back exactly what may still become a placeholder.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
from dataclasses import dataclass

import regex
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from guard.pii.errors import SealBroken, SealExpired

_TAG_BYTES = 4
# Letters alone: eight digits, one tag in forty as hexadecimal, would be masked as a number on their way back.
_TAG_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
# Models write it with the brackets of their language, and with the backslashes of Markdown.
_FORM = "(?P<mark>\\\\)?[<＜〈《](?P<kind>[A-Z]{1,12}(?:\\\\?_[A-Z0-9]{1,12}){0,3})\\\\?_(?P<number>[0-9]{1,6})\\\\?_(?P<tag>[a-p]{8})(?(mark)\\\\)[>＞〉》]"
PLACEHOLDER = re.compile(_FORM)
_BEGUN = regex.compile(_FORM)
_OPENING = re.compile("\\\\?[<＜〈《]|\\\\\\Z")
LONGEST = 80
"""Code points of the longest placeholder, in any form."""
_NONCE_BYTES = 12
# Particles that depend on whether the word before ends in a consonant: with one, without one.
_PARTICLES = (
    ("은", "는"),
    ("이", "가"),
    ("을", "를"),
    ("과", "와"),
    ("아", "야"),
    ("으로", "로"),
    ("이랑", "랑"),
    ("이나", "나"),
)


@dataclass(frozen=True, slots=True)
class Seal:
    """An encrypted map. expires_s: seconds since the epoch, part of what is authenticated."""

    content: bytes
    expires_s: int


class Placeholders:
    """The placeholders of one conversation. Not for use by several threads at once."""

    def __init__(self, secret: bytes | None = None) -> None:
        """Begin a conversation. secret: keys the tags; random without it."""
        self._secret = secret if secret is not None else secrets.token_bytes(32)
        self._by_value: dict[tuple[str, str], str] = {}
        self._values: dict[str, str] = {}

    def name(self, kind: str, value: str) -> str:
        """The placeholder of a value, the same for the same value in this conversation."""
        known = self._by_value.get((kind, value))
        if known is not None:
            return known
        number = len(self._values) + 1
        message = f"{kind}\0{number}\0{value}".encode("utf-8", "surrogatepass")
        tag = hmac.digest(self._secret, message, "sha256")[:_TAG_BYTES].hex().translate(_TAG_LETTERS)
        made = f"<{kind}_{number}_{tag}>"
        self._by_value[kind, value] = made
        self._values[made] = value
        return made

    def restore(self, text: str, *, agree: bool = False) -> str:
        """The text with every placeholder of this conversation replaced by its value; see `restoring` for agree."""
        stream = self.restoring(agree=agree)
        return stream.feed(text) + stream.finish()

    def restoring(self, *, agree: bool = True) -> Restoring:
        """Restore a text that arrives in pieces.

        agree: let Korean particles after a placeholder agree with its value; for what a model wrote.
        """
        return Restoring(self._values, agree=agree)

    def __len__(self) -> int:
        return len(self._values)

    def add(self, other: Placeholders) -> None:
        """Know the other's placeholders too. They must have the same secret."""
        for made, value in other._values.items():
            self._values.setdefault(made, value)
            self._by_value.setdefault((_kind_of(made), value), made)

    def seal(self, key: bytes, *, conversation: str, expires_s: int) -> Seal:
        """The map, encrypted with AES-256-GCM under the key and bound to the conversation and the expiry."""
        content = {"secret": self._secret.hex(), "values": self._values}
        nonce = secrets.token_bytes(_NONCE_BYTES)
        plain = json.dumps(content).encode()
        return Seal(nonce + AESGCM(key).encrypt(nonce, plain, _bound(conversation, expires_s)), expires_s)

    @classmethod
    def unseal(cls, seal: Seal, key: bytes, *, conversation: str, now_s: int) -> Placeholders:
        """The conversation as it was sealed.

        Raises:
            SealExpired: when its time is over.
            SealBroken: when key, conversation or expiry are not those it was sealed with, or a byte was changed.
        """
        if now_s >= seal.expires_s:
            raise SealExpired("the map of pseudonyms has expired", hint="begin a new conversation")
        nonce, sealed = seal.content[:_NONCE_BYTES], seal.content[_NONCE_BYTES:]
        try:
            plain = AESGCM(key).decrypt(nonce, sealed, _bound(conversation, seal.expires_s))
        except (InvalidTag, ValueError) as error:
            raise SealBroken("the map of pseudonyms cannot be opened", hint="check key and conversation") from error
        content = json.loads(plain)
        opened = cls(bytes.fromhex(content["secret"]))
        for made, value in content["values"].items():
            opened._values[made] = value
            opened._by_value[_kind_of(made), value] = made
        return opened


class Restoring:
    """Puts values back into one text on its way: `feed` its pieces, then `finish`."""

    def __init__(self, values: dict[str, str], *, agree: bool) -> None:
        """values: by placeholder. agree: whether Korean particles are made to agree."""
        self._values = values
        self._agree = agree
        self._open = ""

    def feed(self, delta: str) -> str:
        """Take the next piece; answer what is settled."""
        self._open += delta
        cut = self._settled()
        text, self._open = self._open[:cut], self._open[cut:]
        return self._replace(text)

    def finish(self) -> str:
        """The rest."""
        text, self._open = self._open, ""
        return self._replace(text)

    def _settled(self) -> int:
        """Up to where no placeholder may still be begun, nor a particle after one be incomplete."""
        size = len(self._open)
        for opening in _OPENING.finditer(self._open, max(0, size - LONGEST)):
            at = opening.start()
            if PLACEHOLDER.match(self._open, at) is None and _BEGUN.fullmatch(self._open, at, partial=True):
                return at
        if not self._agree:
            return size
        for found in PLACEHOLDER.finditer(self._open, max(0, size - LONGEST - _LONGEST_PARTICLE)):
            tail = self._open[found.end() :]
            if len(tail) <= _LONGEST_PARTICLE and all("가" <= c <= "힣" for c in tail):
                return found.start()
        return size

    def _replace(self, text: str) -> str:
        out: list[str] = []
        at = 0
        for found in PLACEHOLDER.finditer(text):
            kind = found["kind"].replace("\\", "")
            value = self._values.get(f"<{kind}_{found['number']}_{found['tag']}>")
            if value is None:
                continue
            out += [text[at : found.start()], value]
            at = found.end()
            if self._agree and kind != "TEXT":
                particle = _agreeing(value, text, at)
                out.append(particle.fitting)
                at += particle.length
        out.append(text[at:])
        return "".join(out)


@dataclass(frozen=True, slots=True)
class _Particle:
    """What stands after a value. length: of what was written there."""

    fitting: str
    length: int


_LONGEST_PARTICLE = 2
_RIEUL = 8  # place of the final ㄹ among the finals of a syllable


def _agreeing(value: str, text: str, at: int) -> _Particle:
    """The particle that fits the value instead of the one written for the placeholder."""
    if not value or not "가" <= value[-1] <= "힣":
        return _Particle("", 0)
    final = (ord(value[-1]) - 0xAC00) % 28
    for closed, opened in _PARTICLES:
        for written in (closed, opened):
            end = at + len(written)
            if text.startswith(written, at) and not "가" <= text[end : end + 1] <= "힣":
                takes_open = final == 0 or (closed == "으로" and final == _RIEUL)
                return _Particle(opened if takes_open else closed, len(written))
    return _Particle("", 0)


def _kind_of(made: str) -> str:
    return made[1:].rpartition("_")[0].rpartition("_")[0]


def _bound(conversation: str, expires_s: int) -> bytes:
    return f"haechi pseudonyms 1\0{conversation}\0{expires_s}".encode()
