"""Stage 2: a small multilingual encoder, int8, one pass for all heads, one text per call.

Rules of this file
1. One window per call and one thread: a score depends on the window's text alone.
2. A text longer than a window is read in overlapping windows; a head's score is that of its worst window.
Shapes: T tokens, D width, K heads.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from guard.classifier.errors import WeightsUnreadable
from guard.classifier.package import (
    EMBEDDING_FILE,
    LOWER_FILE,
    TOKENIZER_FILE,
    UPPER_FILE,
    Listing,
    Manifest,
    verified,
)
from haechi.base.errors import MissingExtra

if TYPE_CHECKING:
    import onnxruntime
    from tokenizers import Tokenizer

WINDOW = 126
"""Tokens judged together, without the two marks: what one pass does within its time budget."""
STRIDE = 94
"""Tokens between window starts: a sentence of up to 32 tokens is whole in some window."""
START, END = 0, 2

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Word and position vectors.

    nibbles: (V, D / 32, 16) uint8, blocks of 32 four-bit numbers, low halves first. scales: (V, D / 32) float16.
    positions: (P, D). norm_weight, norm_bias: (D,). epsilon: of the layer norm.
    """

    nibbles: npt.NDArray[np.uint8]
    scales: npt.NDArray[np.float16]
    positions: Floats
    norm_weight: Floats
    norm_bias: Floats
    epsilon: float

    def words(self, ids: list[int]) -> Floats:
        """The vectors of some tokens by themselves, shape (T, D)."""
        packed = self.nibbles[ids]
        whole = np.concatenate([packed & 15, packed >> 4], axis=-1).astype(np.float32)
        whole -= np.float32(8)
        whole *= self.scales[ids].astype(np.float32)[..., None]
        return whole.reshape(len(ids), -1)

    def vectors(self, ids: list[int]) -> Floats:
        """The encoder's input for some tokens, shape (1, T, D)."""
        x = self.words(ids)
        x += self.positions[: len(ids)]
        x -= np.add.reduce(x, axis=-1, keepdims=True) / np.float32(x.shape[-1])
        spread = np.einsum("td,td->t", x, x) / np.float32(x.shape[-1]) + np.float32(self.epsilon)
        x /= np.sqrt(spread)[:, None]
        x *= self.norm_weight
        x += self.norm_bias
        return x[None]


@dataclass(frozen=True, slots=True)
class Session:
    """What runs a graph."""

    runner: onnxruntime.InferenceSession

    def states(self, x: Floats) -> Floats:
        """The output `states` for the input `x`, (1, T, D) both."""
        answer: Floats = self.runner.run(["states"], {"x": x})[0]
        return answer

    def logits(self, x: Floats) -> Floats:
        """The output `logits` for the input `x`, (1, T, D) to (1, K)."""
        answer: Floats = self.runner.run(["logits"], {"x": x})[0]
        return answer


@dataclass(frozen=True, slots=True)
class SmallEncoder:
    """Words, and the sessions that run the first layers and those above them."""

    words: Words
    lower: Session
    upper: Session

    def logits(self, folded: str) -> Floats:
        """The logit of each head's worst window, shape (K,)."""
        worst: Floats = self.window_logits(folded).max(axis=0)
        return worst

    def window_logits(self, folded: str) -> Floats:
        """Logits by window, shape (windows, K)."""
        return np.concatenate([self.judged(window) for window in self.words.windows(folded)])

    def judged(self, window: Floats) -> Floats:
        """The logits of one window, (1, T, D) to (1, K)."""
        return self.upper.logits(self.lower.states(window))


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Words:
    """What turns a text into the input of an encoder; the models of a process that have the same files share it."""

    tokenizer: Tokenizer
    embeddings: Embeddings

    def windows(self, folded: str) -> Iterator[Floats]:
        """What the layers read of a text, window by window, (1, T, D) each; at least one."""
        ids = self.tokenizer.encode(folded, add_special_tokens=False).ids
        for at in range(0, max(len(ids) - WINDOW + STRIDE, 1), STRIDE):
            yield self.embeddings.vectors([START, *ids[at : at + WINDOW], END])


_IN_USE: WeakValueDictionary[tuple[str, str], Words] = WeakValueDictionary()
"""By the SHA-256 of their files; whoever asks has shown that he has the same files."""


def read_encoder(folder: Path, manifest: Manifest) -> SmallEncoder:
    """Stage 2 from its files.

    Raises:
        MissingExtra: when the packages that run it are not installed.
        WeightsMissing, WeightsAltered, WeightsUnreadable.
    """
    words = read_words(folder, manifest)
    lower = open_session(verified(folder, manifest, LOWER_FILE), folder / LOWER_FILE)
    upper = open_session(verified(folder, manifest, UPPER_FILE), folder / UPPER_FILE)
    return SmallEncoder(words, lower, upper)


def read_words(folder: Path, manifest: Listing) -> Words:
    """Tokenizer and word embeddings from their files.

    Raises:
        MissingExtra: when the package that splits words is not installed.
        WeightsMissing, WeightsAltered, WeightsUnreadable.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtra("the embedded classifier", "guard") from error
    content, packed = verified(folder, manifest, TOKENIZER_FILE), verified(folder, manifest, EMBEDDING_FILE)
    key = (manifest.files[TOKENIZER_FILE], manifest.files[EMBEDDING_FILE])
    words = _IN_USE.get(key)
    if words is not None:
        return words
    try:
        words = Words(Tokenizer.from_str(content.decode("utf-8")), read_embeddings(folder, packed))
    except WeightsUnreadable:
        raise
    except Exception as error:  # the package raises undocumented types of its own for a bad file
        raise WeightsUnreadable(f"{folder / TOKENIZER_FILE} is damaged", hint="reinstall haechi") from error
    _IN_USE[key] = words
    return words


def open_session(graph: bytes, path: Path) -> Session:
    """What runs a graph, on one thread. path: where it came from, for messages.

    Raises:
        MissingExtra: when the package that runs it is not installed.
        WeightsUnreadable.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra("the embedded classifier", "guard") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False
    try:
        runner = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as above
        raise WeightsUnreadable(f"{path} is damaged", hint="reinstall haechi") from error
    return Session(runner)


def read_embeddings(folder: Path, content: bytes) -> Embeddings:
    """The vectors from the content of their file. folder: where it was found, for the error.

    Raises:
        WeightsUnreadable.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return Embeddings(
                arrays["nibbles"],
                arrays["scales"],
                arrays["positions"].astype(np.float32),
                arrays["norm_weight"],
                arrays["norm_bias"],
                float(arrays["epsilon"]),
            )
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise WeightsUnreadable(f"{folder / EMBEDDING_FILE} is damaged", hint="reinstall haechi") from error
