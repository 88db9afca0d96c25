"""From token ids to the text of an answer, as it grows. No model code here.

Rules of this file
1. Only whole characters leave: bytes of an unfinished character wait for the next token.
2. The order is decode, split off the thinking, look for stop strings: a stop string ends the answer, not the thought.
3. What is held back is exactly what can still turn out to be a tag or a stop string.
4. A stream joined together equals the whole answer, because both come through here.
"""

from __future__ import annotations

import codecs
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.upstream.ports import Json

OPEN, CLOSE = "<think>", "</think>"


class Decoder(Protocol):
    """Turns one token after the other into text."""

    def push(self, token: int) -> str:
        """The text that the token completes."""
        ...

    def finish(self) -> str:
        """What is left; an unfinished character becomes U+FFFD."""
        ...


def byte_alphabet() -> dict[str, int]:
    """The printable characters that byte-level vocabularies write bytes as (GPT-2's table, used by every Qwen)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    table = {chr(byte): byte for byte in printable}
    table.update({chr(256 + place): byte for place, byte in enumerate(others)})
    return table


class Vocabulary:
    """The bytes of every token of a byte-level tokenizer; empty for tokens that are not text."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._alphabet = byte_alphabet()
        self._bytes: dict[int, bytes] = {}
        for number, added in tokenizer.added_tokens_decoder.items():
            self._bytes[number] = b"" if added.special else added.content.encode()

    def bytes_of(self, token: int) -> bytes:
        """What the token stands for."""
        known = self._bytes.get(token)
        if known is None:
            text = self._tokenizer.convert_ids_to_tokens(token) or ""
            known = self._bytes[token] = bytes([self._alphabet[c] for c in text if c in self._alphabet])
        return known


class ByteDecoder:
    """Exact decoding for byte-level vocabularies."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token: int) -> str:
        return self._utf8.decode(self._vocabulary.bytes_of(token))

    def finish(self) -> str:
        return self._utf8.decode(b"", final=True)


class WholeDecoder:
    """Decoding for any other vocabulary: decode a window again, and release what it has grown by."""

    WINDOW = 8
    """Tokens decoded again for context, so that a leading space or a joined character comes out right."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._tokens: list[int] = []
        self._done = 0

    def _text(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def push(self, token: int) -> str:
        self._tokens.append(token)
        return self._release(final=False)

    def finish(self) -> str:
        return self._release(final=True)

    def _release(self, *, final: bool) -> str:
        before = self._text(self._tokens[: self._done])
        now = self._text(self._tokens)
        if len(now) <= len(before) or (now.endswith("\ufffd") and not final):
            return ""
        self._tokens = self._tokens[-self.WINDOW :]
        self._done = len(self._tokens)
        return now[len(before) :]


def held(text: str, marks: Sequence[str]) -> int:
    """How many characters at the end of the text can still become one of the marks."""
    longest = min(max((len(mark) for mark in marks), default=1) - 1, len(text))
    for length in range(longest, 0, -1):
        tail = text[-length:]
        if any(mark.startswith(tail) for mark in marks):
            return length
    return 0


@dataclass(frozen=True, slots=True)
class Split:
    """Text told apart: what the model thinks and what it answers."""

    reasoning: str = ""
    content: str = ""


class ThinkingStart(enum.Enum):
    """Where an answer begins, as the rendered prompt leaves it."""

    NEVER = "never"
    """This model does not think, or the prompt has closed the thought already."""
    MAYBE = "maybe"
    """The model may open a thought with the first thing it writes."""
    INSIDE = "inside"
    """The prompt has opened the thought."""


class _Place(enum.Enum):
    FRONT = 1
    THOUGHT_FRONT = 2
    THOUGHT = 3
    BEHIND = 4
    ANSWER = 5


class ThinkingSplitter:
    """Parts `<think>...</think>` at the front of an answer from the answer. Line breaks around the tags are dropped."""

    def __init__(self, start: ThinkingStart) -> None:
        places = {
            ThinkingStart.NEVER: _Place.ANSWER,
            ThinkingStart.MAYBE: _Place.FRONT,
            ThinkingStart.INSIDE: _Place.THOUGHT_FRONT,
        }
        self._place = places[start]
        self._kept = ""

    @property
    def skipping(self) -> bool:
        """Whether what comes is no part of the answer yet: a thought, its closing tag, line breaks behind it."""
        return self._place in {_Place.THOUGHT_FRONT, _Place.THOUGHT, _Place.BEHIND}

    def push(self, text: str) -> Split:
        """What the new text makes certain."""
        if self._place is _Place.ANSWER:
            return Split(content=text)
        self._kept += text
        if self._place is _Place.FRONT:
            self._at_front()
        reasoning = self._thought() if self._place in {_Place.THOUGHT_FRONT, _Place.THOUGHT} else ""
        content = ""
        if self._place is _Place.BEHIND:
            self._kept = self._kept.lstrip("\n")
            if self._kept:
                self._place = _Place.ANSWER
        if self._place is _Place.ANSWER:
            content, self._kept = self._kept, ""
        return Split(reasoning, content)

    def finish(self) -> Split:
        """The answer is over: what was held back, as what it then is."""
        kept, self._kept = self._kept, ""
        if self._place in {_Place.THOUGHT_FRONT, _Place.THOUGHT}:
            return Split(reasoning=kept.rstrip("\n"))
        return Split(content=kept)

    def _at_front(self) -> None:
        written = self._kept.lstrip()
        if written.startswith(OPEN):
            self._kept = written[len(OPEN) :]
            self._place = _Place.THOUGHT_FRONT
        elif not OPEN.startswith(written):
            self._place = _Place.ANSWER

    def _thought(self) -> str:
        if self._place is _Place.THOUGHT_FRONT:
            self._kept = self._kept.lstrip("\n")
            if self._kept:
                self._place = _Place.THOUGHT
        end = self._kept.find(CLOSE)
        if end >= 0:
            released, self._kept = self._kept[:end].rstrip("\n"), self._kept[end + len(CLOSE) :]
            self._place = _Place.BEHIND
            return released
        open_end = len(self._kept) - held(self._kept, (CLOSE,))
        safe = len(self._kept[:open_end].rstrip("\n"))
        released, self._kept = self._kept[:safe], self._kept[safe:]
        return released


class StopFinder:
    """Ends a text before the first stop string."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._kept = ""
        self.found = False

    def push(self, text: str) -> str:
        """What may be released; nothing more once a stop string was found."""
        if not self._stops or self.found:
            return "" if self.found else text
        self._kept += text
        places = [place for stop in self._stops if (place := self._kept.find(stop)) >= 0]
        if places:
            self.found = True
            released, self._kept = self._kept[: min(places)], ""
            return released
        safe = len(self._kept) - held(self._kept, self._stops)
        released, self._kept = self._kept[:safe], self._kept[safe:]
        return released

    def finish(self) -> str:
        """What was held back for a stop string that never came."""
        kept, self._kept = self._kept, ""
        return kept


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer. logprobs: OpenAI's entries for the tokens that the content is made of."""

    reasoning: str = ""
    content: str = ""
    logprobs: tuple[Json, ...] = ()


class AnswerText:
    """The text of one choice as its tokens arrive."""

    def __init__(self, decoder: Decoder, start: ThinkingStart, stops: Sequence[str]) -> None:
        self._decoder = decoder
        self._splitter = ThinkingSplitter(start)
        self._stops = StopFinder(stops)
        self._seen = 0
        self._released = 0
        self._entries: list[tuple[int, Json]] = []

    def is_stopped(self) -> bool:
        """Whether a stop string has ended the answer."""
        return self._stops.found

    def push(self, token: int, entry: Json | None = None) -> Delta:
        """One more token; `entry` is its OpenAI log-probability object where that was asked for."""
        seen = self._seen
        text = self._decoder.push(token)
        delta = self._pass(self._splitter.push(text))
        if self._splitter.skipping and text:
            self._entries.clear()
        elif entry is not None:
            self._entries.append((seen, entry))
        return self._with_entries(delta)

    def finish(self) -> Delta:
        """The last piece. After a stop string there is none."""
        if self.is_stopped():
            return Delta()
        first = self._pass(self._splitter.push(self._decoder.finish()))
        last = self._pass(self._splitter.finish())
        tail = "" if self.is_stopped() else self._stops.finish()
        self._released += len(tail)
        return self._with_entries(Delta(first.reasoning + last.reasoning, first.content + last.content + tail))

    def _pass(self, split: Split) -> Delta:
        self._seen += len(split.content)
        content = self._stops.push(split.content)
        self._released += len(content)
        return Delta(split.reasoning, content)

    def _with_entries(self, delta: Delta) -> Delta:
        if not self._entries or not delta.content:
            return delta
        ready = [entry for place, entry in self._entries if place < self._released]
        self._entries = self._entries[len(ready) :]
        return Delta(delta.reasoning, delta.content, tuple(ready))
