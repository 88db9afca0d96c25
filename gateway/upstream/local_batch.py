"""Several answers computed together: their keys and values in one cache, one token each per step.

Rules of this file
1. All rows end at the same column. A shorter row has padding on its left, which the attention mask hides; positions
   count from the row's own first token, so padding changes no answer beyond rounding.
2. Rows come and go between steps only.
3. A model with layers that do not fit this (linear attention keeps a running state, not keys) is not batched:
   `SeparateRows` steps its answers one after the other, by the same contract.
"""

from __future__ import annotations

import copy
from typing import Any, Protocol

import torch
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

ROOM = 64
"""Columns added when a buffer is full; growth is by half beyond that."""


class RoomyLayer(DynamicLayer):  # type: ignore[misc]  # transformers is not typed
    """Keys and values [rows, heads, columns, width] in a buffer with room, so that a token costs no copy of the past."""

    def __init__(self) -> None:
        super().__init__()
        self.key_buffer: Any = None
        self.value_buffer: Any = None
        self.filled = 0

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """Append, and answer everything so far."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = self.filled + key_states.shape[-2]
        self.key_buffer = self._fitting(self.key_buffer, key_states, end)
        self.value_buffer = self._fitting(self.value_buffer, value_states, end)
        self.key_buffer[:, :, self.filled : end] = key_states
        self.value_buffer[:, :, self.filled : end] = value_states
        self._show(end)
        return self.keys, self.values

    def _fitting(self, buffer: torch.Tensor | None, states: torch.Tensor, columns: int) -> torch.Tensor:
        if buffer is not None and buffer.shape[-2] >= columns:
            return buffer
        rows, heads, _, width = states.shape
        grown = states.new_empty(rows, heads, columns + max(ROOM, columns // 2), width)
        if buffer is not None:
            grown[:, :, : self.filled] = buffer[:, :, : self.filled]
        return grown

    def _show(self, columns: int) -> None:
        self.filled = columns
        self.keys = self.key_buffer[:, :, :columns]
        self.values = self.value_buffer[:, :, :columns]

    def replace(self, keys: torch.Tensor, values: torch.Tensor, columns: int) -> None:
        """Put other rows in place of all; the buffers may have room beyond `columns`."""
        if not self.is_initialized:
            self.lazy_initialization(keys, values)
        self.key_buffer, self.value_buffer = keys, values
        self._show(columns)


class Rows(Protocol):
    """Answers under way, in a fixed order until the next `join` or `keep`."""

    def join(self, cache: Cache, length: int, copies: int) -> None:
        """Add `copies` rows that continue the same prefilled prompt of `length` tokens."""
        ...

    def keep(self, places: list[int]) -> None:
        """Drop every row but these."""
        ...

    def step(self, tokens: list[int]) -> torch.Tensor:
        """One token for each row; answers the next logits, float32 on the CPU, [rows, vocabulary]."""
        ...


def can_share(model: Any) -> bool:
    """Whether every layer of the model keeps plain keys and values."""
    layers = DynamicCache(config=model.config).layers
    return all(type(layer) in {DynamicLayer, DynamicSlidingWindowLayer} for layer in layers)


def fresh_cache(model: Any, *, shared: bool) -> Cache:
    """An empty cache to read a prompt into."""
    if not shared:
        return DynamicCache(config=model.config)
    return Cache(layers=[RoomyLayer() for _ in DynamicCache(config=model.config).layers])


def forward(model: Any, tokens: torch.Tensor, cache: Cache, **more: Any) -> torch.Tensor:
    """Run the model on tokens [rows, n]; answers the logits behind the last one, float32 on the CPU."""
    out = model(input_ids=tokens.to(model.device), past_key_values=cache, use_cache=True, logits_to_keep=1, **more)
    logits: torch.Tensor = out.logits[:, -1].float().cpu()
    return logits


class SharedRows:
    """Rows in one cache."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._cache = fresh_cache(model, shared=True)
        self._lengths: list[int] = []

    @property
    def columns(self) -> int:
        """Length of the longest row, in tokens."""
        return max(self._lengths, default=0)

    def join(self, cache: Cache, length: int, copies: int) -> None:
        columns = max(self.columns, length)
        for ours, theirs in zip(self._cache.layers, cache.layers, strict=True):
            ours.replace(
                self._merged(ours.keys if self._lengths else None, theirs.keys, columns, copies),
                self._merged(ours.values if self._lengths else None, theirs.values, columns, copies),
                columns,
            )
        self._lengths += [length] * copies

    def _merged(self, old: torch.Tensor | None, new: torch.Tensor, columns: int, copies: int) -> torch.Tensor:
        rows = len(self._lengths)
        _, heads, length, width = new.shape
        merged = new.new_zeros(rows + copies, heads, columns + ROOM, width)
        if old is not None:
            merged[:rows, :, columns - old.shape[-2] : columns] = old
        merged[rows:, :, columns - length : columns] = new
        return merged

    def keep(self, places: list[int]) -> None:
        before = self.columns
        self._lengths = [self._lengths[place] for place in places]
        if not places:
            self._cache = fresh_cache(self._model, shared=True)
            return
        spare = before - self.columns
        chosen = torch.tensor(places, device=self._model.device)
        for layer in self._cache.layers:
            keys = layer.keys[:, :, spare:].index_select(0, chosen)
            values = layer.values[:, :, spare:].index_select(0, chosen)
            layer.replace(keys, values, self.columns)

    def step(self, tokens: list[int]) -> torch.Tensor:
        lengths = torch.tensor(self._lengths)
        columns = self.columns
        mask = None
        if min(self._lengths) < columns:
            mask = (torch.arange(columns + 1)[None] >= (columns - lengths)[:, None]).to(self._model.device)
        logits = forward(
            self._model,
            torch.tensor(tokens)[:, None],
            self._cache,
            attention_mask=mask,
            position_ids=lengths[:, None].to(self._model.device),
        )
        self._lengths = [length + 1 for length in self._lengths]
        return logits


class SeparateRows:
    """Rows with a cache each."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._caches: list[Cache] = []

    def join(self, cache: Cache, length: int, copies: int) -> None:
        self._caches += [cache, *(copy.deepcopy(cache) for _ in range(copies - 1))]

    def keep(self, places: list[int]) -> None:
        self._caches = [self._caches[place] for place in places]

    def step(self, tokens: list[int]) -> torch.Tensor:
        pairs = zip(tokens, self._caches, strict=True)
        return torch.cat([forward(self._model, torch.tensor([[token]]), cache) for token, cache in pairs])
