"""Names of persons, organisations and places: the pretrained multilingual encoder, taught to tag, int8, no torch.

Rules of this file
1. A window is judged by itself, one per call, so that a name depends on its window's text alone.
2. Windows end where sentences do, where that is possible; a word is never divided.
3. The word table and the tokenizer are the embedded classifier's; the files are checked against their manifests.
Shapes: T pieces of a window, K tags: outside, then begin and inside of each kind.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from guard.classifier.encoder import Session, Words, open_session, read_words
from guard.classifier.errors import WeightsMissing, WeightsUnreadable
from guard.classifier.model import FOLDER as WORDS_FOLDER
from guard.classifier.package import read_manifest, verified
from guard.pii.names.boundaries import whole_addresses
from guard.pii.names.decode import Limits, Name, names
from guard.pii.names.pieces import Pieces, pieces
from haechi.base.text import Language

Floats = NDArray[np.float32]
FOLDER = Path(__file__).parent / "weights"
MANIFEST = "manifest.json"
GRAPH_FILE = "tagger.onnx"
FORMAT = 1
WINDOW = 126
"""Pieces judged together, without the two marks."""
_LEAST = 64  # a window ends at a sentence's end from here on
_START, _END = 0, 2
_SENTENCE = re.compile("[.!?。！？\n][\"'’”」』)]*$")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the files mean.

    kinds: in the order of the outputs. limits: by language. files: the SHA-256 of each.
    """

    version: str
    kinds: tuple[str, ...]
    limits: Mapping[Language, Limits]
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Tagger:
    """The tagger that ships with Haechi."""

    manifest: Manifest
    words: Words
    session: Session

    def names(self, text: str) -> Iterator[Name]:
        """The names in a text, in order."""
        for window in windows(text, pieces(self.words.tokenizer, text)):
            found = names(text, window, self.probabilities(window), self.manifest.kinds, self.manifest.limits)
            yield from whole_addresses(text, found)

    def probabilities(self, window: Pieces) -> Floats:
        """Shape (T, K)."""
        vectors = self.words.embeddings.vectors([_START, *window.ids, _END])
        logits: Floats = self.session.logits(vectors)[0, 1:-1]
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        answer: Floats = raised / raised.sum(axis=1, keepdims=True)
        return answer


def windows(text: str, every: Pieces) -> Iterator[Pieces]:
    """The pieces of a text, WINDOW or fewer at a time."""
    start, count = 0, len(every.ids)
    while start < count:
        end = _window_end(text, every, start) if count - start > WINDOW else count
        yield Pieces(every.ids[start:end], every.starts[start:end], every.ends[start:end])
        start = end


def _window_end(text: str, every: Pieces, start: int) -> int:
    """After the last sentence that fits, else after the last word, else after WINDOW pieces."""
    word = 0
    for end in range(start + WINDOW, start + _LEAST, -1):
        between = text[every.ends[end - 1] : every.starts[end]]
        if "\n" in between or _SENTENCE.search(text[every.starts[end - 1] : every.ends[end - 1]]):
            return end
        if between and not word:
            word = end
    return word or start + WINDOW


def read_tagger(folder: Path, words_folder: Path) -> Tagger:
    """The tagger from its files. words_folder: of the embedded classifier.

    Raises:
        MissingExtra: when the packages that run it are not installed.
        WeightsMissing, WeightsAltered, WeightsUnreadable.
    """
    manifest = _manifest(folder / MANIFEST)
    words = read_words(words_folder, read_manifest(words_folder))
    return Tagger(manifest, words, open_session(verified(folder, manifest, GRAPH_FILE), folder / GRAPH_FILE))


def _manifest(path: Path) -> Manifest:
    try:
        said = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise WeightsMissing(f"{path} does not exist", hint="reinstall haechi") from error
    except (OSError, ValueError) as error:
        raise WeightsUnreadable(f"{path} cannot be read", hint="reinstall haechi") from error
    try:
        if said["format"] != FORMAT:
            raise WeightsUnreadable(
                f"{path} has format {said['format']!r}, this version reads {FORMAT}",
                hint="use weights made by this version",
            )
        return Manifest(
            str(said["version"]),
            tuple(str(kind) for kind in said["kinds"]),
            {Language(k): {str(kind): float(least) for kind, least in v.items()} for k, v in said["limits"].items()},
            {str(k): str(v) for k, v in said["files"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WeightsUnreadable(f"{path} lacks what it must say", hint="reinstall haechi") from error


@cache
def load() -> Tagger:
    """The tagger that ships, loaded once.

    Raises:
        As `read_tagger`.
    """
    return read_tagger(FOLDER, WORDS_FOLDER)
