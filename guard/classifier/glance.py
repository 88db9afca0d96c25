"""Between the stages: what a glance at the token vectors tells of what the layers would say.

One convolution over three neighbouring tokens, its mean and its peaks over a window, and one hidden layer. It has been taught by
both stages together: whether they would flag the window, and the logits of stage 2. It costs a hundredth of the layers, and what
it finds clearly harmless they are not asked about.
Shapes: T tokens, D width, C features of three tokens, H hidden units, K heads.
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

    taps: (D, 3 * C), for the token before, the token itself and the one after. taps_bias: (C,).
    inner: (H, 2 * C + K), over mean, peaks and the logits of stage 1. inner_bias: (H,).
    outer: (1 + K, H), for the doubt and the logits of stage 2. outer_bias: (1 + K,).
    """

    taps: Floats
    taps_bias: Floats
    inner: Floats
    inner_bias: Floats
    outer: Floats
    outer_bias: Floats

    def look(self, vectors: Floats, linear: Floats) -> tuple[float, Floats]:
        """The probability that both stages would flag a window, and the logits that stage 2 would give it, about.

        vectors: (1, T, D), what the layers would read. linear: (K,), the logits of stage 1.
        """
        before, here, after = np.split(vectors[0] @ self.taps, 3, axis=1)
        here[1:] += before[:-1]
        here[:-1] += after[1:]
        seen = np.maximum(here + self.taps_bias, np.float32(0))
        features = np.concatenate([seen.mean(axis=0), seen.max(axis=0), linear])
        hidden = np.maximum(self.inner @ features + self.inner_bias, np.float32(0))
        said: Floats = self.outer @ hidden + self.outer_bias
        return 1.0 / (1.0 + math.exp(-min(max(float(said[0]), -30.0), 30.0))), said[1:]


_NAMES = ("taps", "taps_bias", "inner", "inner_bias", "outer", "outer_bias")


def read_glance(folder: Path, content: bytes, *, heads: int) -> Glance:
    """The weights from the content of their file. folder: where it was found, for the error.

    Raises:
        WeightsUnreadable.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            glance = Glance(*(arrays[name].astype(np.float32) for name in _NAMES))
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise WeightsUnreadable(f"{folder}: the weights of the glance are damaged", hint="reinstall haechi") from error
    features, hidden = len(glance.taps_bias), len(glance.inner_bias)
    if (
        glance.taps.shape[1:] != (3 * features,)
        or glance.inner.shape != (hidden, 2 * features + heads)
        or glance.outer.shape != (1 + heads, hidden)
        or glance.outer_bias.shape != (1 + heads,)
    ):
        raise WeightsUnreadable(f"{folder}: the weights of the glance do not fit", hint="reinstall haechi")
    return glance


def write_glance(path: Path, glance: Glance) -> None:
    """The weights into a file, half as exact as they are computed with."""
    np.savez_compressed(path, **{name: getattr(glance, name).astype(np.float16) for name in _NAMES})
