"""The embedded stance model: what a passage says about a claim, by a small encoder and the explicit comparison together.

Rules of this file
1. One pair per call of the graphs and one thread: a pair gets the same answer whatever it is asked with.
2. Lower layers read each text alone, and what they made of the last few is kept: the passages of one answer are read
   once for all its claims. Upper layers read both: one set a claim that nearly copies its passage, where a changed word
   decides, another one, of its own for Korean, a claim in words of its own, where its meaning does; in between both are asked.
   That for Korean is given its tokens moved towards where English lies, from which most of what it knows comes.
3. A language that the measure did not prove is refused, not guessed.
4. A claim is read as its passage would write it (guard/claims/style.py, guard/claims/amounts.py), by the graphs and by the
   comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from guard.claims.amounts import as_counted
from guard.claims.compare import compare
from guard.claims.ports import Stance
from guard.claims.stance_package import (
    BLEND_FILE,
    FREE_FILE,
    KOREAN_FILE,
    LOWER_FILE,
    MOVES_FILE,
    OWN,
    UPPER_FILE,
    Blend,
    Manifest,
    nearness,
    read_blend,
    read_manifest,
    read_moves,
    verified,
)
from guard.claims.stance_tokens import claim_tokens, evidence_tokens, marks
from guard.claims.style import as_written
from guard.classifier.encoder import read_embeddings
from guard.classifier.errors import LanguageNotCovered, WeightsUnreadable
from guard.classifier.model import FOLDER as CLASSIFIER
from guard.classifier.package import EMBEDDING_FILE, TOKENIZER_FILE
from guard.language import language_of
from haechi.base.errors import MissingExtra
from haechi.base.text import Language

if TYPE_CHECKING:
    import onnxruntime
    from tokenizers import Tokenizer

FOLDER: Final = Path(__file__).parent / "weights"
REMEMBERED: Final = 128
"""Texts whose reading by the lower layers is kept: at most 25 MB."""
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PairReader:
    """Tokenizer and the graphs. Shapes: T tokens, D width.

    lower: what the lower layers make of one text's token ids, (1, T, D). near, free, korean: the upper layers for claims that
    nearly copy their passage, for those that do not, and for the Korean ones among these. moves: what is added to each token
    of a text before the last two, by its language, (D,); OWN of the mean of these tokens is taken away.
    """

    tokenizer: Tokenizer
    lower: Callable[[tuple[int, ...]], Floats]
    near: onnxruntime.InferenceSession
    free: onnxruntime.InferenceSession
    korean: onnxruntime.InferenceSession
    moves: Mapping[Language, Floats]

    def read(self, claim: str, passage: str, language: Language) -> tuple[Floats, tuple[float, ...]]:
        """What the graphs and the comparison make of a pair: three logits (supported, refuted, unsure), FEATURES."""
        shown = as_counted(claim, passage)
        if language is Language.KOREAN:
            shown = as_written(shown, passage)
        compared = compare(shown, passage, language)
        features = compared.vector()
        languages = (language, language if compared.same_language else language_of(passage))
        return self._logits(shown, passage, languages, nearness(features, language)), features

    def _logits(self, claim: str, passage: str, languages: tuple[Language, Language], copied: float) -> Floats:
        """Those of both sets of upper layers, by how much the claim copies its passage; one of no weight is not asked."""
        mine, theirs = claim_tokens(self.tokenizer, claim), evidence_tokens(self.tokenizer, claim, passage)
        texts = (self.lower(mine), self.lower(theirs))
        inputs = {"marks": marks(mine, theirs), "claim": np.array([len(mine)], dtype=np.int64)}
        found: Floats = np.zeros(3, dtype=np.float32)
        if copied > 0.0:
            near = self.near.run(["logits"], {"x": np.concatenate(texts, axis=1), **inputs})
            found += np.float32(copied) * near[0][0]
        if copied < 1.0:
            moved = np.concatenate(self._moved(texts, languages), axis=1)
            free = self.korean if languages[0] is Language.KOREAN else self.free
            found += np.float32(1.0 - copied) * free.run(["logits"], {"x": moved, **inputs})[0][0]
        return found

    def _moved(self, texts: Sequence[Floats], languages: Sequence[Language]) -> list[Floats]:
        """Texts of a language that is moved, together, by one vector; others as they are."""
        moved = list(texts)
        for language in self.moves.keys() & set(languages):
            mine = [i for i, one in enumerate(languages) if one is language]
            own = np.concatenate([texts[i] for i in mine], axis=1).mean(axis=1, keepdims=True)
            for i in mine:
                moved[i] = texts[i] + self.moves[language] - np.float32(OWN) * own
        return moved


@dataclass(frozen=True, slots=True)
class EmbeddedStance:
    """The stance model that ships with Haechi. See docs/stance.md."""

    manifest: Manifest
    reader: PairReader
    blend: Blend
    name: str = "embedded"

    @property
    def version(self) -> str:
        """Which weights these are."""
        return self.manifest.version

    def languages(self) -> frozenset[Language]:
        """The languages of claims that it was measured to judge better than lexical overlap does."""
        return frozenset(self.manifest.languages)

    def judge(self, claim: str, evidence: Sequence[str], *, language: Language) -> Sequence[Stance]:
        """One stance for each passage, in their order.

        Raises:
            LanguageNotCovered: when the claim's language is not among `languages()`.
        """
        if language not in self.languages():
            raise LanguageNotCovered(
                f"the embedded stance model does not judge claims in {language.value!r}",
                hint="name another stance model in the policy, or leave such claims unchecked",
            )
        return [self._stance(claim, passage, language) for passage in evidence]

    def _stance(self, claim: str, passage: str, language: Language) -> Stance:
        logits, features = self.reader.read(claim, passage, language)
        known = features[: len(self.manifest.features)]
        supported, refuted, unsure = (float(p) for p in self.blend.chances(logits, known, language))
        return Stance(supported, refuted, unsure)


def load(folder: Path = FOLDER) -> EmbeddedStance:
    """The shipped stance model, or the one in `folder`.

    Raises:
        MissingExtra: when the packages of `haechi[guard]` are not installed.
        WeightsMissing, WeightsAltered, WeightsUnreadable: what is wrong with its files.
    """
    manifest = read_manifest(folder)
    blend = read_blend(verified(folder / BLEND_FILE, manifest.files.get(BLEND_FILE)))
    return EmbeddedStance(manifest, read_pair_reader(folder, manifest), blend)


def read_pair_reader(folder: Path, manifest: Manifest) -> PairReader:
    """The graphs with the classifier's word vectors and tokenizer.

    Raises:
        MissingExtra, WeightsMissing, WeightsAltered, WeightsUnreadable.
    """
    try:
        import onnxruntime
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtra("the embedded stance model", "guard") from error
    graphs = [
        verified(folder / name, manifest.files.get(name)) for name in (LOWER_FILE, UPPER_FILE, FREE_FILE, KOREAN_FILE)
    ]
    moves = read_moves(verified(folder / MOVES_FILE, manifest.files.get(MOVES_FILE)))
    vectors, words = (
        verified(CLASSIFIER / name, manifest.shared.get(name)) for name in (EMBEDDING_FILE, TOKENIZER_FILE)
    )
    embeddings = read_embeddings(CLASSIFIER, vectors)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False
    try:
        lower, near, free, korean = (
            onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"]) for graph in graphs
        )
        tokenizer = Tokenizer.from_str(words.decode("utf-8"))
    except Exception as error:  # both packages raise undocumented types of their own for a bad file
        raise WeightsUnreadable(f"a file in {folder} is damaged", hint="reinstall haechi") from error

    @lru_cache(maxsize=REMEMBERED)
    def read(ids: tuple[int, ...]) -> Floats:
        output: Floats = lower.run(["y"], {"x": embeddings.vectors(list(ids))})[0]
        return output

    return PairReader(tokenizer, read, near, free, korean, moves)
