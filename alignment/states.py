"""What a frozen body makes of every answer: computed once, kept on disk, and all that training the heads on it needs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from alignment.data.encode import EncodedPair
from alignment.forward import Arithmetic, answer_states, arrange
from alignment.models import core_of
from alignment.runs import checkpoint
from alignment.runs.loop import Progress
from alignment.tensor.layout import Tree

_CHUNK = 64  # pairs that are written together: what a kill can cost


class KeptStates:
    """The states of answers under one body.

    folder: where they are kept, below a name that the body's weights decide. Chunks are the same whenever the rows are, so
    runs over the same rows (folds, other settings of the heads) find each other's.
    """

    def __init__(self, model: Any, arithmetic: Arithmetic, folder: Path, *, share: str, batch: int) -> None:
        self._model, self._arithmetic, self._share, self._batch = model, arithmetic, share, batch
        self._folder = folder / _fingerprint(core_of(model), arithmetic)
        self._kept: dict[str, Tensor] = {}

    def fill(self, items: Iterable[EncodedPair], *, show: bool = False) -> None:
        """Compute what is not there yet. show: tell on standard error how far it is."""
        by_key = {_key(item): item for item in items}
        ordered = sorted(by_key, key=lambda key: (len(by_key[key].prompt) + len(by_key[key].chosen), key))
        chunks = [ordered[start : start + _CHUNK] for start in range(0, len(ordered), _CHUNK)]
        progress = Progress(len(chunks), what="states")
        for number, keys in enumerate(chunks):
            self._kept.update(self._chunk(keys, [by_key[key] for key in keys]))
            if show:
                progress.show(number + 1, {"pairs": float(min((number + 1) * _CHUNK, len(ordered)))})

    def of(self, items: Sequence[EncodedPair]) -> Tensor:
        """(B, 2, R, H): the states of the chosen and the rejected answer of each pair, which `fill` has seen."""
        return torch.stack([self._kept[_key(item)] for item in items]).to(self._model.device)

    def _chunk(self, keys: list[str], items: list[EncodedPair]) -> dict[str, Tensor]:
        folder = self._folder / hashlib.sha256("".join(keys).encode()).hexdigest()[:32]
        done = checkpoint.finished(folder)
        if done:
            return dict(zip(keys, checkpoint.load(done[-1]).tensors["states"], strict=True))
        states = torch.cat([self._computed(items[at : at + self._batch]) for at in range(0, len(items), self._batch)])
        checkpoint.save(folder, checkpoint.State(0, {"states": states}, {}), keep=1)
        return dict(zip(keys, states, strict=True))

    @torch.no_grad()  # type: ignore[untyped-decorator]  # torch is untyped here
    def _computed(self, items: list[EncodedPair]) -> Tensor:
        trees = [Tree(item.prompt, (item.chosen, item.rejected)) for item in items]
        layout = arrange(trees, self._model, self._arithmetic, share=self._share)
        states, _ = answer_states(core_of(self._model), layout, self._arithmetic)
        return states.unflatten(0, (len(items), 2)).cpu()


def _key(item: EncodedPair) -> str:
    tokens = repr((tuple(item.prompt), tuple(item.chosen), tuple(item.rejected)))
    return hashlib.sha256(tokens.encode()).hexdigest()[:32]


def _fingerprint(core: Any, arithmetic: Arithmetic) -> str:
    digest = hashlib.sha256(repr(("readings", core.config.haechi_reward["read"], arithmetic.bf16)).encode())
    for name, weight in core.model.state_dict().items():
        digest.update(name.encode())
        digest.update(weight.detach().float().contiguous().cpu().numpy().data)
    return digest.hexdigest()[:32]
