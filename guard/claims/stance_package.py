"""The stance model's files: a manifest that names every other file with its hash, four graphs, and a small combination.

Rules of this file
1. No file is read before its SHA-256 is the one in the manifest; arrays are loaded with pickling off.
2. Word vectors and tokenizer are the classifier's own files (guard/classifier/weights): the manifest names their hashes,
   so that other words under the same model are refused, not misread.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from guard.claims.compare import FEATURES
from guard.classifier.errors import WeightsAltered, WeightsMissing, WeightsUnreadable
from haechi.base.text import Language

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
LOWER_FILE: Final = "lower.onnx"
UPPER_FILE: Final = "upper.onnx"
FREE_FILE: Final = "free.onnx"
KOREAN_FILE: Final = "korean.onnx"
BLEND_FILE: Final = "blend.npz"
MOVES_FILE: Final = "moves.npz"
OWN: Final = 0.375
"""Share of its own mean that is taken from a text that is moved: what a pair's tokens have in common says little of its stance."""
LANGUAGES: Final = (Language.ENGLISH, Language.KOREAN, Language.CHINESE)
"""Order of the blend's language inputs."""

_SUPPORTED, _REFUTED, _UNSURE = 0, 1, 2
_BOUNDS: Final[Mapping[Language, tuple[float, float]]] = {
    Language.ENGLISH: (0.4, 0.8),
    Language.KOREAN: (0.6, 0.9),
    Language.CHINESE: (0.4, 0.8),
}
"""Shares of aligned tokens at which a claim is no copy of its passage, and a near one. Korean words are long and few: half of
them are soon shared."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the files mean. languages: those measured to be judged better than by lexical overlap.

    files: SHA-256 of our own files. shared: of the classifier's files that are used as well. features: names of the
    explicit comparison's floats that the blend was made for.
    """

    version: str
    languages: tuple[Language, ...]
    files: dict[str, str]
    shared: dict[str, str]
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Blend:
    """From the encoder's logits and the explicit comparison to three probabilities.

    The encoder's calibrated logits, and a correction by one hidden layer that counts the more, the more the claim is a
    near copy of the passage: there one changed word decides, and the comparison sees it. Where claim and passage agree in
    all but a number, unit or date, the pair is not left open; where one denies in the same words what the other says, the
    claim is not supported; where it says where and the passage when, it is not refuted.

    Inputs of the correction: 3 logits, the floats of FEATURES, one for each of LANGUAGES. scale: (1,). shift: (3,).
    mean, spread: (I,). hidden: (H, I). hidden_bias: (H,). out: (3, H). straight: (3, I). straight_bias: (3,).
    """

    scale: Floats
    shift: Floats
    mean: Floats
    spread: Floats
    hidden: Floats
    hidden_bias: Floats
    out: Floats
    straight: Floats
    straight_bias: Floats

    def chances(self, logits: npt.ArrayLike, features: npt.ArrayLike, language: Language) -> npt.NDArray[np.float64]:
        """Probabilities of supported, refuted, unsure, shape (3,)."""
        here = [float(language is one) for one in LANGUAGES]
        raw = np.asarray(logits, dtype=np.float32)
        x = (np.concatenate([raw, np.asarray(features), here]).astype(np.float32) - self.mean) / self.spread
        correction = self.out @ np.tanh(self.hidden @ x + self.hidden_bias) + self.straight @ x + self.straight_bias
        said = self.scale * raw + self.shift + nearness(features, language) * correction
        raised = np.exp(said.astype(np.float64) - float(said.max()))
        found: npt.NDArray[np.float64] = raised / raised.sum()
        if _has(features, "denied_only"):
            found[_REFUTED] += found[_SUPPORTED]
            found[_SUPPORTED] = 0.0
        if _has(features, "amount_only"):  # then there is nothing left that could be open
            found[_REFUTED] += found[_UNSURE]
            found[_UNSURE] = 0.0
        if _has(features, "other_kind"):  # what stands there answers another question
            found[_UNSURE] += found[_REFUTED]
            found[_REFUTED] = 0.0
        return found


def _has(features: npt.ArrayLike, name: str) -> bool:
    """Whether the comparison found something that decides by itself; not when the combination does not know it. features: (F,)."""
    floats, at = np.asarray(features), FEATURES.index(name)
    return at < len(floats) and bool(floats[at] >= 1.0)


def nearness(features: npt.ArrayLike, language: Language) -> float:
    """How much a claim is a near copy of its passage, in [0, 1]. features: (F,). language: the claim's."""
    floats = np.asarray(features, dtype=np.float64)
    aligned, contained = floats[FEATURES.index("aligned")], floats[FEATURES.index("contained")]
    far, near = _BOUNDS.get(language, _BOUNDS[Language.ENGLISH])
    return float(max(min(max((aligned - far) / (near - far), 0.0), 1.0), contained))


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the files in `folder`.

    Raises:
        WeightsMissing, WeightsUnreadable.
    """
    path = folder / MANIFEST
    try:
        said = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise WeightsMissing(f"{path} does not exist", hint="reinstall haechi") from error
    except (OSError, ValueError) as error:
        raise WeightsUnreadable(f"{path} cannot be read", hint="reinstall haechi") from error
    try:
        found = Manifest(
            str(said["version"]),
            tuple(Language(one) for one in said["languages"]),
            {str(k): str(v) for k, v in said["files"].items()},
            {str(k): str(v) for k, v in said["shared"].items()},
            tuple(str(name) for name in said["features"]),
        )
        ours = said["format"] == FORMAT and found.features == FEATURES[: len(found.features)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WeightsUnreadable(f"{path} lacks what it must say", hint="reinstall haechi") from error
    if not ours:
        raise WeightsUnreadable(
            f"{path} is of format {said['format']!r} or made for another comparison",
            hint="use weights made by this version",
        )
    return found


def verified(path: Path, digest: str | None) -> bytes:
    """The content of a file whose SHA-256 is known.

    Raises:
        WeightsMissing, WeightsAltered.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsMissing(f"{path} cannot be read", hint="reinstall haechi") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise WeightsAltered(
            f"{path} is not the file that {MANIFEST} names",
            hint="reinstall haechi; somebody may have changed the guard",
        )
    return content


def read_blend(content: bytes) -> Blend:
    """The combination from its file's content.

    Raises:
        WeightsUnreadable.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return Blend(**{name: arrays[name].astype(np.float32) for name in Blend.__dataclass_fields__})
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise WeightsUnreadable(f"{BLEND_FILE} is damaged", hint="reinstall haechi") from error


def write_blend(folder: Path, blend: Blend) -> None:
    """The combination into its file; the same numbers give the same bytes."""
    np.savez_compressed(folder / BLEND_FILE, **{name: getattr(blend, name) for name in Blend.__dataclass_fields__})


def read_moves(content: bytes) -> Mapping[Language, Floats]:
    """What is added to the lower layers' output for a text before the layers for claims in words of their own, by language, (D,).

    Raises:
        WeightsUnreadable.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {Language(name): arrays[name].astype(np.float32) for name in arrays.files}
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise WeightsUnreadable(f"{MOVES_FILE} is damaged", hint="reinstall haechi") from error


def write_moves(folder: Path, moves: Mapping[Language, Floats]) -> None:
    """Those numbers into their file."""
    arrays: dict[str, Any] = {str(language): move for language, move in moves.items()}
    np.savez_compressed(folder / MOVES_FILE, **arrays)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """The manifest into its file."""
    said = {
        "format": FORMAT,
        "version": manifest.version,
        "languages": [str(one) for one in manifest.languages],
        "files": manifest.files,
        "shared": manifest.shared,
        "features": list(manifest.features),
    }
    (folder / MANIFEST).write_text(json.dumps(said, indent=1, sort_keys=True) + "\n", "utf-8")
