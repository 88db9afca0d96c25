"""A model as it stands in a policy: what it is, where its files lie, which files those have to be.

Rules of this file
1. One struct for every kind, so that a wrong key has its line; `check` says which keys a kind takes.
2. Nothing here reads a model.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Annotated, Final

import msgspec

from guard.verdict import Category
from haechi.base.text import Language

Probability = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Commit = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{40})?$")]
Seconds = Annotated[float, msgspec.Meta(gt=0.0, le=600.0)]


class ModelKind(enum.StrEnum):
    """What a model is, which says how it is loaded and asked."""

    DETOXIFY = "detoxify"
    SEQUENCE = "sequence-classifier"
    QWEN3GUARD_GEN = "qwen3guard-gen"
    QWEN3GUARD_STREAM = "qwen3guard-stream"
    ENSEMBLE = "ensemble"
    NLI = "nli"
    MINICHECK = "minicheck"
    STANCE_JUDGE = "stance-judge"


STANCE_KINDS: Final = frozenset({ModelKind.NLI, ModelKind.MINICHECK, ModelKind.STANCE_JUDGE})
"""What says how a passage stands to a claim, for `claims.stance`; none of them scores a text."""


class StanceWord(enum.StrEnum):
    """What a label of a model means for a claim."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    UNSURE = "unsure"


class Variant(enum.StrEnum):
    """Which of Detoxify's published models."""

    ORIGINAL = "original"
    UNBIASED = "unbiased"
    MULTILINGUAL = "multilingual"


class Precision(enum.StrEnum):
    """Number format of a model's weights."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


class Activation(enum.StrEnum):
    """How a sequence classifier's outputs become probabilities; `auto` goes by its configuration."""

    AUTO = "auto"
    SIGMOID = "sigmoid"
    SOFTMAX = "softmax"


class EnsembleRule(enum.StrEnum):
    """How several models' scores become one.

    max, mean: of the probabilities. any, all: of the members' votes, each a score that reaches the member's own vote; the
    answer is 1 or 0.
    """

    MAX = "max"
    MEAN = "mean"
    ANY = "any"
    ALL = "all"


class ModelDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry under `models`.

    path: file (detoxify) or folder, relative to the policy file. tokenizer: folder with config and tokenizer (detoxify).
    sha256: digest by file name. hub, revision: instead of path, a model in this machine's cache of a hub.
    labels, ignored: of a sequence classifier. stances: what the labels of an `nli` or `minicheck` model mean; without it,
    their usual names. languages: those it is asked about; without it, the kind's own.
    url, model, key_file, timeout_s: of an OpenAI-compatible server that answers as Qwen3Guard-Gen, or judges claims.
    of, rule, votes: of an ensemble.
    """

    kind: ModelKind
    path: str = ""
    tokenizer: str = ""
    sha256: dict[str, Digest] = {}
    hub: str = ""
    revision: Commit = ""
    variant: Variant | None = None
    labels: dict[str, Category] = {}
    ignored: tuple[str, ...] = ()
    stances: dict[str, StanceWord] = {}
    activation: Activation = Activation.AUTO
    languages: tuple[Language, ...] = ()
    precision: Precision = Precision.FP32
    device: str = "cpu"
    url: str = ""
    model: str = ""
    key_file: str = ""
    timeout_s: Seconds = 10.0
    of: tuple[str, ...] = ()
    rule: EnsembleRule = EnsembleRule.MAX
    votes: dict[str, Probability] = {}


_FILES: Final = frozenset({"path", "sha256", "hub", "revision", "languages", "precision", "device"})
_SERVER: Final = frozenset({"url", "model", "key_file", "timeout_s", "languages"})
_TAKES: Final = {
    ModelKind.DETOXIFY: _FILES | {"variant", "tokenizer"},
    ModelKind.SEQUENCE: _FILES | {"labels", "ignored", "activation"},
    ModelKind.QWEN3GUARD_GEN: _FILES | _SERVER,
    ModelKind.QWEN3GUARD_STREAM: _FILES,
    ModelKind.ENSEMBLE: frozenset({"of", "rule", "votes"}),
    ModelKind.NLI: _FILES | {"stances"},
    ModelKind.MINICHECK: _FILES | {"stances"},
    ModelKind.STANCE_JUDGE: _FILES | _SERVER,
}


def check(document: ModelDocument, others: Iterable[str], ensembles: Iterable[str]) -> str:
    """What is wrong with an entry; "" when it is sound.

    others: the names under `models`, and of the built-in classifiers, that score texts. ensembles: those of them that are
    ensembles.
    """
    given = {
        field.name
        for field in msgspec.structs.fields(ModelDocument)
        if field.name != "kind" and getattr(document, field.name) != field.default and getattr(document, field.name)
    }
    stray = sorted(given - _TAKES[document.kind])
    if stray:
        return f"{document.kind.value} takes no {', '.join(stray)}"
    if document.kind is ModelKind.ENSEMBLE:
        return _check_ensemble(document, set(others), set(ensembles))
    if document.kind in STANCE_KINDS and not document.languages:
        return f"{document.kind.value} needs languages: those of claims that it was measured in"
    if document.url:
        both = sorted(given & (_FILES - _SERVER))
        return f"with url there is no {', '.join(both)}" if both else "" if document.model else "url needs model"
    return _check_files(document)


def _check_files(document: ModelDocument) -> str:
    if bool(document.path) == bool(document.hub):
        return "exactly one of path and hub is needed"
    if document.hub and not document.revision:
        return "a model of a hub needs its revision, the 40 digits of a commit"
    if document.path and not document.sha256:
        return "a model needs sha256, the digest of each file"
    if document.kind is ModelKind.DETOXIFY:
        if document.hub:
            return "detoxify is loaded from a checkpoint file: use path"
        if document.variant is None or not document.tokenizer:
            return "detoxify needs variant and tokenizer"
    if document.kind is ModelKind.SEQUENCE and not document.labels:
        return "a sequence classifier needs labels"
    return ""


def _check_ensemble(document: ModelDocument, others: set[str], ensembles: set[str]) -> str:
    unknown = sorted(set(document.of) - others)
    if unknown:
        return f"no model named {', '.join(unknown)}"
    if len(set(document.of)) < 2 or len(set(document.of)) != len(document.of):
        return "an ensemble is of two or more different models"
    if set(document.of) & ensembles:
        return "an ensemble is not made of ensembles"
    if set(document.votes) - set(document.of):
        return "votes names a model that is not in the ensemble"
    if document.votes and document.rule not in {EnsembleRule.ANY, EnsembleRule.ALL}:
        return "votes belongs to the rules any and all"
    return ""
