"""Between the stages: what a glance at the token vectors tells of what the layers would say, or at what the first layers made of them.

What each token is by itself, one convolution over three neighbours, its mean and its peaks over a window, and one hidden layer. It
has been taught by both stages together: whether they would flag the window, and the logits of stage 2. It costs a hundredth of the
layers, and what it finds clearly harmless they are not asked about. A later one of the same form looks at what the first layers made of
the rest, and spares the layers above it what it finds harmless there.
Shapes: T tokens, D width, N features of a token, C features of three tokens, H hidden units, K heads.
"""

from __future__ import annotations

import io
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from guard.classifier.errors import WeightsUnreadable

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Glance:
    """The weights.

    narrow: (D, N), for a token by itself. narrow_bias: (N,).
    taps: (N, 3 * C), for the token before, the token itself and the one after. taps_bias: (C,).
    inner: (H, 2 * C + K), over mean, peaks and the logits of stage 1. inner_bias: (H,).
    outer: (1 + K, H), for the doubt and the logits of stage 2. outer_bias: (1 + K,).
    """

    narrow: Floats
    narrow_bias: Floats
    taps: Floats
    taps_bias: Floats
    inner: Floats
    inner_bias: Floats
    outer: Floats
    outer_bias: Floats

    def look(self, vectors: Floats, linear: Floats) -> tuple[float, Floats]:
        """The probability that both stages would flag a window, and the logits that stage 2 would give it, about.

        vectors: (1, T, D), what the layers above it would read. linear: (K,), the logits of stage 1.
        """
        tokens = vectors[0] @ self.narrow
        tokens += self.narrow_bias
        np.maximum(tokens, np.float32(0), out=tokens)
        spread, width = tokens @ self.taps, len(self.taps_bias)
        seen = spread[:, width : 2 * width] + self.taps_bias
        seen[1:] += spread[:-1, :width]
        seen[:-1] += spread[1:, 2 * width :]
        np.maximum(seen, np.float32(0), out=seen)
        mean = np.add.reduce(seen, axis=0) / np.float32(len(seen))
        features = np.concatenate([mean, np.maximum.reduce(seen, axis=0), linear])
        hidden = np.maximum(self.inner @ features + self.inner_bias, np.float32(0))
        said: Floats = self.outer @ hidden + self.outer_bias
        return 1.0 / (1.0 + math.exp(-min(max(float(said[0]), -30.0), 30.0))), said[1:]


_NAMES = ("narrow", "narrow_bias", "taps", "taps_bias", "inner", "inner_bias", "outer", "outer_bias")


def read_glance(folder: Path, content: bytes, *, heads: int) -> Glance:
    """The weights from the content of their file. folder: where it was found, for the error.

    Raises:
        WeightsUnreadable.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            glance = Glance(*(np.ascontiguousarray(arrays[name], np.float32) for name in _NAMES))
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise WeightsUnreadable(f"{folder}: the weights of the glance are damaged", hint="reinstall haechi") from error
    tokens, features, hidden = len(glance.narrow_bias), len(glance.taps_bias), len(glance.inner_bias)
    if (
        glance.narrow.shape[1:] != (tokens,)
        or glance.taps.shape != (tokens, 3 * features)
        or glance.inner.shape != (hidden, 2 * features + heads)
        or glance.outer.shape != (1 + heads, hidden)
        or glance.outer_bias.shape != (1 + heads,)
    ):
        raise WeightsUnreadable(f"{folder}: the weights of the glance do not fit", hint="reinstall haechi")
    return glance


def write_glance(path: Path, glance: Glance) -> None:
    """The weights into a file, half as exact as they are computed with."""
    np.savez_compressed(path, **{name: getattr(glance, name).astype(np.float16) for name in _NAMES})
