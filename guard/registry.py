"""Which detectors exist: one explicit table, imported on first use.

A detector that a policy names and that cannot be loaded stops the start: a guard that silently runs without it
would call everything safe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from pathlib import Path

import msgspec

from guard.backends.document import ModelDocument, ModelKind
from guard.backends.ensemble import ensemble
from guard.claims.ports import StanceModel
from guard.classify import Classifier
from guard.errors import DetectorNotLoaded
from guard.scanner import Scanner
from guard.verdict import Category
from haechi.base.errors import HaechiError, MissingExtra


@dataclass(frozen=True, slots=True)
class Factory:
    """Where a detector is made: a module and a function without arguments.

    The function answers scanners, a classifier, or a sequence of either.
    extra: the optional part of the distribution that brings its packages.
    """

    module: str
    function: str
    extra: str = "guard"


@dataclass(frozen=True, slots=True)
class Detector:
    """A loaded detector under the name that policies use."""

    name: str
    scanners: tuple[Scanner, ...] = ()
    classifiers: tuple[Classifier, ...] = ()
    checks_claims: bool = False

    @property
    def categories(self) -> frozenset[Category]:
        """Everything it can find."""
        scanned = frozenset[Category]().union(*(s.categories for s in self.scanners))
        claimed = frozenset({Category.MISINFORMATION} if self.checks_claims else ())
        return scanned.union(claimed, *(c.categories for c in self.classifiers))


CLAIMS = Detector("claims", checks_claims=True)
"""Holds claims against evidence; which evidence, and by whom, is said by the policy's key `claims`."""


DETECTORS: dict[str, Factory] = {
    "lexicon": Factory("guard.lexicon", "scanners"),
    "pii": Factory("guard.pii", "scanners"),
    "secrets": Factory("guard.secrets", "scanners"),
    "names": Factory("guard.pii.names.scanner", "scanners"),
    "classifier": Factory("guard.classifier", "classifiers"),
}
BUILT_IN: frozenset[str] = frozenset({*DETECTORS, CLAIMS.name})
NO_MODEL = "rules"
"""The stance that has nothing to load."""
STANCES: dict[str, Factory] = {
    NO_MODEL: Factory("guard.claims.rules", "RuleStance"),
    "embedded": Factory("guard.claims.stance", "load"),
}


def _mend(error: Exception, extra: str) -> str:
    """What to do about a part that could not be loaded: what its error says, where it says something."""
    if isinstance(error, HaechiError) and error.hint:
        return error.hint
    return f'pip install "haechi[{extra}]"' if isinstance(error, ImportError) else "run: haechi doctor"


@cache
def load_detector(name: str) -> Detector:
    """The detector of that name; made once per process.

    Raises:
        DetectorNotLoaded: with what stood in the way.
    """
    if name == CLAIMS.name:
        return CLAIMS
    factory = DETECTORS[name]
    try:
        made = getattr(import_module(factory.module), factory.function)()
    except (ImportError, AttributeError, OSError, ValueError, HaechiError) as error:
        hint = _mend(error, factory.extra)
        raise DetectorNotLoaded(f"detector {name!r} could not be loaded: {error}", hint=hint) from error
    parts: Sequence[object] = made if isinstance(made, Sequence) else (made,)
    scanners = tuple(p for p in parts if hasattr(p, "scan"))
    classifiers = tuple(p for p in parts if hasattr(p, "score") and not hasattr(p, "scan"))
    if not parts or len(scanners) + len(classifiers) != len(parts):
        raise DetectorNotLoaded(f"detector {name!r} answered nothing that scans or scores", hint="run: haechi doctor")
    return Detector(name, scanners, classifiers)  # type: ignore[arg-type]  # told apart by their one method just above


BACKENDS: dict[ModelKind, Factory] = {
    ModelKind.DETOXIFY: Factory("guard.backends.detoxify", "load", "local"),
    ModelKind.SEQUENCE: Factory("guard.backends.sequence", "load", "local"),
    ModelKind.QWEN3GUARD_GEN: Factory("guard.backends.qwen3guard_gen", "load", "local"),
    ModelKind.QWEN3GUARD_STREAM: Factory("guard.backends.qwen3guard_stream", "load", "local"),
}


def load_model(name: str, models: Mapping[str, ModelDocument], base: Path) -> Detector:
    """The detector of an entry under a policy's `models`. base: where its relative paths begin.

    Raises:
        DetectorNotLoaded: a member of an ensemble has no classifier.
        MissingExtra, and what guard/backends/errors.py lists.
    """
    document = models[name]
    if document.kind is not ModelKind.ENSEMBLE:
        return Detector(name, (), (_load_backend(name, msgspec.json.encode(document), base),))
    members = {one: load_model(one, models, base) if one in models else load_detector(one) for one in document.of}
    mute = [one for one, detector in members.items() if not detector.classifiers]
    if mute:
        raise DetectorNotLoaded(f"{name!r}: {', '.join(mute)} gives no scores", hint="an ensemble is of classifiers")
    asked = {one: detector.classifiers for one, detector in members.items()}
    return Detector(name, (), (ensemble(name, asked, document.rule, document.votes),))


@lru_cache(maxsize=8)
def _load_backend(name: str, document: bytes, base: Path) -> Classifier:
    """Loaded once for each entry; a policy that is reloaded with the same entry keeps its model."""
    model = msgspec.json.decode(document, type=ModelDocument)
    factory = BACKENDS[model.kind]
    try:
        load: Callable[[str, ModelDocument, Path], Classifier] = getattr(
            import_module(factory.module), factory.function
        )
    except ImportError as error:
        raise MissingExtra(f"the model {name}", factory.extra) from error
    return load(name, model, base)


STANCE_BACKENDS: dict[ModelKind, Factory] = {
    ModelKind.NLI: Factory("guard.backends.stance_pair", "load", "local"),
    ModelKind.MINICHECK: Factory("guard.backends.stance_pair", "load", "local"),
    ModelKind.STANCE_JUDGE: Factory("guard.backends.stance_judge", "load", "local"),
}


def load_stance(name: str, models: Mapping[str, ModelDocument], base: Path) -> StanceModel:
    """Who says how a passage stands to a claim, by its name in `STANCES` or under a policy's `models`.

    base: where relative paths begin.

    Raises:
        DetectorNotLoaded: with what stood in the way. MissingExtra, and what guard/backends/errors.py lists.
    """
    if name in models:
        return _load_stance_backend(name, msgspec.json.encode(models[name]), base)
    return _load_own_stance(name)


@lru_cache(maxsize=8)
def _load_stance_backend(name: str, document: bytes, base: Path) -> StanceModel:
    """As `_load_backend`."""
    model = msgspec.json.decode(document, type=ModelDocument)
    factory = STANCE_BACKENDS[model.kind]
    try:
        load: Callable[[str, ModelDocument, Path], StanceModel] = getattr(
            import_module(factory.module), factory.function
        )
    except ImportError as error:
        raise MissingExtra(f"the model {name}", factory.extra) from error
    return load(name, model, base)


@cache
def _load_own_stance(name: str) -> StanceModel:
    factory = STANCES[name]
    try:
        stance: StanceModel = getattr(import_module(factory.module), factory.function)()
    except (ImportError, AttributeError, OSError, ValueError, HaechiError) as error:
        hint = _mend(error, factory.extra)
        raise DetectorNotLoaded(f"the stance model {name!r} could not be loaded: {error}", hint=hint) from error
    return stance


@cache
def load_mask() -> Callable[[str, str], str]:
    """`mask(entity, original) -> str` of the personal data part: what stands in a text instead of a value."""
    mask: Callable[[str, str], str] = import_module("guard.pii").mask
    return mask


@cache
def entities() -> frozenset[str]:
    """Every kind of personal data and secrets that some detector looks for."""
    found = [import_module(name).entities() for name in ("guard.pii", "guard.secrets", "guard.pii.names.scanner")]
    return frozenset[str]().union(*found)
