"""What a text is about, as one vector: the mean of its words' vectors, rare words weighing more. No model is run.

The words are those of the embedded classifier's encoder; how rare a word is, its tokenizer says. The vector finds what the
same terms do not: of passages that share terms with a claim, the one that says the same in other words.
Measured in docs/decisions/0030-knowledge-search.md.

What any text of a language is about is taken out of its vectors, so that those of two languages can be compared: a vector
says first, in one byte, which language that was.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from guard.language import language_of, words_by_language
from haechi.base.errors import MissingExtra
from haechi.base.text import Language

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
"""Words, the most frequent of a language, whose mean is what any text in it is about."""
_FORMAT: Final = "2"
LANGUAGES: Final = (Language.ENGLISH, Language.KOREAN, Language.CHINESE)
"""By the first byte of a vector; a text in none of them is compared as English."""
_LONGEST: Final = 2_000
"""Code points of a text that are read."""


@dataclass(frozen=True, slots=True)
class Meanings:
    """Makes vectors. fingerprint: of the files they come from; vectors of other files cannot be compared with these."""

    fingerprint: str
    tokenizer: Tokenizer
    embeddings: Embeddings
    weights: npt.NDArray[np.float32]
    centres: npt.NDArray[np.float32]

    def vector(self, text: str) -> bytes:
        """The number of the language, then one signed byte for each number; those are zero for a text without words."""
        import numpy as np

        read = text[:_LONGEST]
        words = words_by_language(read)
        spoken = max(range(len(LANGUAGES)), key=lambda at: words[LANGUAGES[at]])
        ids = sorted(set(self.tokenizer.encode(read, add_special_tokens=False).ids))
        if not ids:
            return bytes((spoken, *bytes(self.centres.shape[1])))
        weights = self.weights[ids]
        mean = weights @ self.embeddings.words(ids) / weights.sum() - self.centres[spoken]
        numbers = np.round(mean * (127 / max(float(np.abs(mean).max()), 1e-9))).astype(np.int8)
        return bytes((spoken, *numbers.tobytes()))


def nearness(one: bytes, others: Sequence[bytes]) -> list[float]:
    """Cosine of one vector and each of others, 0 where it would be negative or there is no vector."""
    import numpy as np

    if not others:
        return []
    mine = np.frombuffer(one, np.int8)[1:].astype(np.float32)
    theirs = np.stack([np.frombuffer(vector or bytes(len(one)), np.int8)[1:] for vector in others]).astype(np.float32)
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
    centres = np.stack([_centre(embeddings, rarity, weights, spoken) for spoken in _by_language(vocabulary)])
    fingerprint = "-".join((*(manifest.files[name][:8] for name in (TOKENIZER_FILE, EMBEDDING_FILE)), _FORMAT))
    return Meanings(fingerprint, Tokenizer.from_str(vocabulary), embeddings, weights, centres)


def _by_language(vocabulary: str) -> list[list[int]]:
    """The numbers of the words that are written in the letters of each of LANGUAGES."""
    found: dict[Language, list[int]] = {spoken: [] for spoken in Language}
    for number, (word, _) in enumerate(json.loads(vocabulary)["model"]["vocab"]):
        found[language_of(word)].append(number)
    return [found[spoken] for spoken in LANGUAGES]


def _centre(
    embeddings: Embeddings, rarity: npt.NDArray[np.float32], weights: npt.NDArray[np.float32], words: list[int]
) -> npt.NDArray[np.float32]:
    """The mean of the most frequent of some words, as often as they occur."""
    import numpy as np

    frequent = sorted((word for word in words if rarity[word] > 0), key=lambda word: float(rarity[word]))[:_FREQUENT]
    shares = np.exp(-rarity[frequent]) * weights[frequent]
    mean: npt.NDArray[np.float32] = (shares @ embeddings.words(frequent) / shares.sum()).astype(np.float32)
    return mean
