"""The classifier's files on disk: a manifest that names every other file with its hash, and arrays without code.

Rules of this file
1. No file is read before its SHA-256 is the one in the manifest; arrays are loaded with pickling off.
2. A missing file, a wrong hash and a damaged file are three different errors; none of them yields a classifier.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from guard.classifier.errors import WeightsAltered, WeightsMissing, WeightsUnreadable
from guard.classifier.linear import LinearHeads
from guard.verdict import Category
from haechi.base.text import Language

Part = TypeVar("Part")
FORMAT = 2
MANIFEST = "manifest.json"
LINEAR_FILE = "stage1.npz"
LOWER_FILE, UPPER_FILE = "stage2-lower.onnx", "stage2-upper.onnx"
"""The first layers of stage 2, and those above them."""
GLANCE_FILES = ("glance.npz", "glance-later.npz")
"""What may settle a window without the layers, and without the upper ones, where the files are there; see `glance.Glance`."""
"""Heads that take the place of those in the encoder's graph, where the file is there; see `encoder.Heads`."""
EMBEDDING_FILE = "stage2-words.npz"
TOKENIZER_FILE = "tokenizer.json"
FILES = (LINEAR_FILE, *GLANCE_FILES, LOWER_FILE, UPPER_FILE, EMBEDDING_FILE, TOKENIZER_FILE)


@dataclass(frozen=True, slots=True)
class Curve:
    """Probability of a head in one language: sigmoid(linear * stage 1 logit + encoder * stage 2 logit + offset)."""

    linear: float
    encoder: float
    offset: float


@dataclass(frozen=True, slots=True)
class Limits:
    """Probabilities from which a text counts as controversial and as unsafe."""

    controversial: float
    unsafe: float


@dataclass(frozen=True, slots=True)
class Exit:
    """What a glance settles by itself in one language: less doubt than `doubt`, and of each head less than `heads` says.

    heads: probabilities that the head's curve makes of the logits that the glance expects of stage 2.
    """

    doubt: float
    heads: Mapping[Category, float]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the files mean.

    heads: order of the columns. curves: which heads answer in which language, and how; a head without data in a
    language is absent there. alone: the curves for stage 1 without stage 2. settled: what each glance of GLANCE_FILES
    settles without asking the layers above it; a language that is absent always asks.
    limits: suggested severity thresholds. own_data_only: heads whose positives in a language are our own sentences.
    """

    version: str
    heads: tuple[Category, ...]
    curves: Mapping[Language, Mapping[Category, Curve]]
    alone: Mapping[Language, Mapping[Category, Curve]]
    settled: tuple[Mapping[Language, Exit], ...]
    limits: Mapping[Language, Mapping[Category, Limits]]
    own_data_only: Mapping[Language, tuple[Category, ...]]
    files: Mapping[str, str]


class Listing(Protocol):
    """A manifest of any model: which files belong to it, with the SHA-256 of each in hexadecimal."""

    @property
    def files(self) -> Mapping[str, str]:
        """By name."""
        ...


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the files in `folder`.

    Raises:
        WeightsMissing, WeightsUnreadable.
    """
    try:
        said = json.loads((folder / MANIFEST).read_text("utf-8"))
    except FileNotFoundError as error:
        raise WeightsMissing(f"{folder / MANIFEST} does not exist", hint="reinstall haechi") from error
    except (OSError, ValueError) as error:
        raise WeightsUnreadable(f"{folder / MANIFEST} cannot be read", hint="reinstall haechi") from error
    try:
        if said["format"] != FORMAT:
            raise WeightsUnreadable(
                f"{folder / MANIFEST} has format {said['format']!r}, this version reads {FORMAT}",
                hint="use weights made by this version",
            )
        return Manifest(
            version=str(said["version"]),
            heads=tuple(Category(h) for h in said["heads"]),
            curves=_by_head(said["curves"], Curve),
            alone=_by_head(said["alone"], Curve),
            settled=tuple({Language(k): _exit(v) for k, v in by_language.items()} for by_language in said["settled"]),
            limits=_by_head(said["limits"], Limits),
            own_data_only={Language(k): tuple(Category(c) for c in v) for k, v in said["own_data_only"].items()},
            files={str(k): str(v) for k, v in said["files"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WeightsUnreadable(f"{folder / MANIFEST} lacks what it must say", hint="reinstall haechi") from error


def verified(folder: Path, manifest: Listing, name: str) -> bytes:
    """The content of a file that the manifest names.

    Raises:
        WeightsMissing, WeightsAltered.
    """
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise WeightsMissing(f"{folder / name} cannot be read", hint="reinstall haechi") from error
    if hashlib.sha256(content).hexdigest() != manifest.files.get(name):
        raise WeightsAltered(
            f"{folder / name} is not the file that {MANIFEST} names",
            hint="reinstall haechi; somebody may have changed the guard",
        )
    return content


def read_linear(folder: Path, manifest: Manifest) -> LinearHeads:
    """Stage 1 from its file.

    Raises:
        WeightsMissing, WeightsAltered, WeightsUnreadable.
    """
    content = verified(folder, manifest, LINEAR_FILE)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            heads = LinearHeads(
                int(arrays["bits"]), arrays["weights"], arrays["rarity"], arrays["units"], arrays["offsets"]
            )
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise WeightsUnreadable(f"{folder / LINEAR_FILE} is damaged", hint="reinstall haechi") from error
    if heads.weights.shape != (1 << heads.bits, len(manifest.heads)) or heads.weights.dtype != np.int8:
        raise WeightsUnreadable(f"{folder / LINEAR_FILE} has other heads than its manifest", hint="reinstall haechi")
    return heads


def write_linear(folder: Path, heads: LinearHeads) -> None:
    """Stage 1 into its file; the same weights give the same bytes."""
    np.savez_compressed(
        folder / LINEAR_FILE,
        bits=np.int64(heads.bits),
        weights=heads.weights,
        rarity=heads.rarity,
        units=heads.units,
        offsets=heads.offsets,
    )


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """The manifest, with the hashes of the classifier's files that are in the folder now."""
    present = [n for n in FILES if (folder / n).is_file()]
    said = asdict(manifest) | {
        "format": FORMAT,
        "files": {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in present},
    }
    (folder / MANIFEST).write_text(json.dumps(said, indent=1, sort_keys=True) + "\n", "utf-8")


def _exit(said: Mapping[str, Any]) -> Exit:
    return Exit(float(said["doubt"]), {Category(head): float(bound) for head, bound in said["heads"].items()})


def _by_head(
    said: Mapping[str, Mapping[str, Mapping[str, float]]], kind: type[Part]
) -> dict[Language, dict[Category, Part]]:
    return {
        Language(language): {
            Category(head): kind(**{k: float(v) for k, v in values.items()}) for head, values in heads.items()
        }
        for language, heads in said.items()
    }
