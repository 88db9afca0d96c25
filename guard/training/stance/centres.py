"""Where each language lies in the lower layers' output.

The mean of what these layers make of tokens says, for a good part, which language they are of. A Korean text that is moved to
where English lies is read with more of what English pairs taught the upper layers. Shapes: D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from guard.claims.stance_package import LANGUAGES
from guard.claims.stance_tokens import claim_tokens
from guard.training.stance.pairs import Pair
from guard.training.stance.readings import Readings
from guard.training.stance.written import WRITTEN
from haechi.base.text import Language

Floats = npt.NDArray[np.float32]
TEXTS: Final = 1200
"""Claims and passages of each language whose tokens are averaged."""
_SEED: Final = 1


def centres_of(pairs: Sequence[Pair], tokenizer: Tokenizer, readings: Readings) -> Mapping[Language, Floats]:
    """The mean of the tokens of some labelled and written pairs of each language, (D,)."""
    kept: dict[Language, list[str]] = {language: [] for language in LANGUAGES}
    for i in np.random.default_rng(_SEED).permutation(len(pairs)):
        pair = pairs[i]
        if pair.kind in {"", WRITTEN} and len(kept[pair.language]) < TEXTS:
            kept[pair.language].append(pair.claim if i % 2 else pair.evidence)

    def mean(texts: Sequence[str]) -> Floats:
        read = [readings.of(claim_tokens(tokenizer, text))[1:-1].astype(np.float32) for text in texts]
        return np.asarray(np.concatenate(read).mean(axis=0), dtype=np.float32)

    return {language: mean(texts) for language, texts in kept.items() if texts}
