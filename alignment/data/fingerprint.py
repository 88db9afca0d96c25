"""Keys by which rows are found again: same prompt, same pair, same but for case and spaces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NewType

from alignment.data.rows import Conversation, Demonstration, Pair

Key = NewType("Key", bytes)


def loosely(text: str) -> str:
    """The text without what a careless copy changes: case and runs of white space."""
    return " ".join(text.split()).casefold()


def prompt_key(prompt: Conversation) -> Key:
    """Equal for prompts that differ only in case and spaces. A split never parts rows that share it."""
    return _digest(part for message in prompt for part in (message.role, loosely(message.content)))


def pair_key(prompt: Key, first: str, second: str) -> Key:
    """Equal for two answers to one prompt in this order."""
    return _digest((prompt.hex(), loosely(first), loosely(second)))


def row_hash(row: Pair | Demonstration) -> str:
    """SHA-256 of what a row says (not of where it stands): the leaf of a data manifest, 64 hex digits."""
    parts = [f"{message.role}\x00{message.content}" for message in row.prompt]
    if isinstance(row, Pair):
        parts += [row.chosen, row.rejected, repr(row.margin), row.head, row.subject]
        parts += [repr(row.chosen_unsafe), repr(row.rejected_unsafe)]
    else:
        parts.append(row.answer)
    return hashlib.sha256(b"".join(_framed(part) for part in parts)).hexdigest()


def manifest_digest(hashes: list[str]) -> str:
    """One SHA-256 over row hashes in order, as `sha256:<hex>`; two runs with it saw the same rows."""
    return "sha256:" + hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def _digest(parts: Iterable[str]) -> Key:
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        state.update(_framed(part))
    return Key(state.digest())


def _framed(part: str) -> bytes:
    # The length in front keeps ("ab", "c") and ("a", "bc") apart. Lone surrogates are legal in JSON.
    data = part.encode("utf-8", "surrogatepass")
    return len(data).to_bytes(8, "little") + data
