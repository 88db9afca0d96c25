"""Pieces of one text that arrived together, as one piece.

A gateway that falls behind reads several chunks at once; guarding and framing them one by one is what keeps it behind.
The text, its order and everything beside it stay as they were; only the number of chunks changes.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.upstream.ports import Json

_PLAIN_CHOICE: Final = frozenset({"index", "delta", "finish_reason", "logprobs"})
_STREAMED: Final = frozenset({"content", "reasoning_content", "reasoning", "refusal"})


MOST: Final = 8
"""Pieces that become one; more would turn a stream that comes in bursts into a few lumps."""


class _Piece(NamedTuple):
    choice: int
    key: str
    text: str


def merged(batch: list[Json]) -> list[Json]:
    """The chunks with every run of pieces of the same text joined; the same list when there is nothing to join."""
    if len(batch) < 2:
        return batch
    joined: list[Json] = []
    texts: list[str] = []
    last: _Piece | None = None
    for chunk in batch:
        piece = _piece(chunk)
        if piece is not None and _goes_on(piece, last) and len(texts) < MOST and _same_envelope(chunk, joined[-1]):
            texts.append(piece.text)
            continue
        _close(joined, last, texts)
        joined.append(chunk)
        last = piece
        texts = [piece.text] if piece is not None else []
    _close(joined, last, texts)
    return joined


def _goes_on(piece: _Piece, last: _Piece | None) -> bool:
    return last is not None and piece[:2] == last[:2]


def _close(joined: list[Json], last: _Piece | None, texts: list[str]) -> None:
    """Give the run's first chunk the text of the whole run."""
    if last is not None and len(texts) > 1:
        choice = joined[-1]["choices"][0]
        joined[-1] = {**joined[-1], "choices": [{**choice, "delta": {last.key: "".join(texts)}}]}


def _piece(chunk: Json) -> _Piece | None:
    """What a chunk adds, when that is a piece of one text and nothing else."""
    choices = chunk.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        return None
    choice = choices[0]
    delta = choice.get("delta")
    if not isinstance(delta, dict) or len(delta) != 1 or not choice.keys() <= _PLAIN_CHOICE:
        return None
    if choice.get("finish_reason") is not None or choice.get("logprobs") is not None:
        return None
    ((key, text),) = delta.items()
    index = choice.get("index")
    if key not in _STREAMED or not isinstance(text, str) or not isinstance(index, int):
        return None
    return _Piece(index, key, text)


def _same_envelope(chunk: Json, other: Json) -> bool:
    """Whether two chunks differ in their choices only."""
    return chunk.keys() == other.keys() and all(chunk[key] == other[key] for key in chunk if key != "choices")
