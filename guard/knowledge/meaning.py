"""What a text is about, as one vector: the mean of its words' vectors, rare words weighing more. No model is run.

The words are those of the embedded classifier's encoder; how rare a word is, its tokenizer says. The vector finds what the
same terms do not: of passages that share terms with a claim, the one that says the same in other words.
Measured in docs/decisions/0030-knowledge-search.md.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from haechi.base.errors import MissingExtra

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from tokenizers import Tokenizer

    from guard.classifier.encoder import Embeddings

_ORDINARY: Final = 6.0
"""Logarithm of how rare a word is before it starts to weigh."""
_HEAVIEST: Final = 8.0
_LIGHTEST: Final = 0.1
_FREQUENT: Final = 8_000
"""Words, the most frequent of the vocabulary, whose mean is what any text is about."""
_LONGEST: Final = 2_000
"""Code points of a text that are read."""


@dataclass(frozen=True, slots=True)
class Meanings:
    """Makes vectors. fingerprint: of the files they come from; vectors of other files cannot be compared with these."""

    fingerprint: str
    tokenizer: Tokenizer
    embeddings: Embeddings
    weights: npt.NDArray[np.float32]
    centre: npt.NDArray[np.float32]

    def vector(self, text: str) -> bytes:
        """One signed byte for each of the vector's numbers; all zero for a text without words."""
        import numpy as np

        ids = sorted(set(self.tokenizer.encode(text[:_LONGEST], add_special_tokens=False).ids))
        if not ids:
            return bytes(len(self.centre))
        weights = self.weights[ids]
        mean = weights @ self.embeddings.words(ids) / weights.sum() - self.centre
        numbers = np.round(mean * (127 / max(float(np.abs(mean).max()), 1e-9))).astype(np.int8)
        return bytes(numbers.tobytes())


def nearness(one: bytes, others: Sequence[bytes]) -> list[float]:
    """Cosine of one vector and each of others, 0 where it would be negative or there is no vector."""
    import numpy as np

    if not others:
        return []
    mine = np.frombuffer(one, np.int8).astype(np.float32)
    theirs = np.stack([np.frombuffer(vector or bytes(len(one)), np.int8) for vector in others]).astype(np.float32)
    lengths = np.linalg.norm(theirs, axis=1) * np.linalg.norm(mine)
    cosines = theirs @ mine / np.maximum(lengths, 1.0)
    return [max(0.0, float(cosine)) for cosine in cosines]


@cache
def meanings() -> Meanings:
    """The vectors of this release; read once per process.

    Raises:
        MissingExtra, WeightsMissing, WeightsAltered, WeightsUnreadable.
    """
    try:
        import numpy as np
        from tokenizers import Tokenizer

        from guard.classifier.encoder import read_embeddings
        from guard.classifier.model import FOLDER
        from guard.classifier.package import EMBEDDING_FILE, TOKENIZER_FILE, read_manifest, verified
    except ImportError as error:
        raise MissingExtra("a knowledge base", "knowledge") from error
    manifest = read_manifest(FOLDER)
    vocabulary = verified(FOLDER, manifest, TOKENIZER_FILE).decode("utf-8")
    embeddings = read_embeddings(FOLDER, verified(FOLDER, manifest, EMBEDDING_FILE))
    rarity = -np.array([chance for _, chance in json.loads(vocabulary)["model"]["vocab"]], np.float32)
    weights = np.clip(rarity - _ORDINARY, _LIGHTEST, _HEAVIEST).astype(np.float32)
    frequent = [int(word) for word in np.argsort(np.where(rarity > 0, rarity, np.inf), kind="stable")[:_FREQUENT]]
    shares = np.exp(-rarity[frequent]) * weights[frequent]
    centre = (shares @ embeddings.words(frequent) / shares.sum()).astype(np.float32)
    fingerprint = "-".join(manifest.files[name][:8] for name in (TOKENIZER_FILE, EMBEDDING_FILE))
    return Meanings(fingerprint, Tokenizer.from_str(vocabulary), embeddings, weights, centre)
