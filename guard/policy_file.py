"""Read a policy file and say where it is wrong, to the line.

YAML is composed into nodes first, because only nodes know their line; a duplicated key, which a plain loader would
silently overwrite, is an error here.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TypeVar

import msgspec
import yaml

from guard.backends.document import STANCE_KINDS, ModelKind, check
from guard.errors import (
    InvalidPolicyValue,
    NoDetector,
    PolicyNotFound,
    PolicyUnreadable,
    UnknownDetector,
    UnknownPolicyKey,
)
from guard.policy import DEFAULT_OPERATOR, Calibrated, Operator, Policy, PolicyDocument, RuleDocument, Thresholds
from guard.registry import BUILT_IN, CLAIMS, STANCES, entities
from guard.verdict import Direction
from haechi.base.errors import nearest
from haechi.base.resources import policies_dir

Document = TypeVar("Document", bound=msgspec.Struct)
_Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def shipped() -> dict[str, Path]:
    """Name and file of every shipped policy."""
    return {path.stem: path for path in sorted(policies_dir().glob("*.yaml"))}


def find(name: str | Path) -> Path:
    """The file of a shipped name or of a path.

    Raises:
        PolicyNotFound: when there is neither.
    """
    known = shipped()
    if isinstance(name, str) and name in known:
        return known[name]
    path = Path(name)
    if not path.is_file():
        raise PolicyNotFound(str(name), known)
    return path


def load_policy(name: str | Path) -> Policy:
    """See Policy.load."""
    path = find(name)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyUnreadable(f"{path}: {error}", hint="a policy is a readable UTF-8 file") from error
    return Policy(parse(text, str(path)), path)


def parse(text: str, where: str) -> PolicyDocument:
    """The document in a YAML text; `where` names it in errors."""
    document = read_document(text, PolicyDocument, where)
    _check_detectors(document, where)
    return document


def read_document(text: str, expected: type[Document], where: str) -> Document:
    """A YAML text as a struct, with the line in every error.

    Raises:
        PolicyUnreadable, UnknownPolicyKey, InvalidPolicyValue.
    """
    node = compose(text, where)
    if not isinstance(node, yaml.MappingNode):
        raise InvalidPolicyValue(f"{where}: the file must be a mapping", hint="see docs/policies.md")
    _check(node, expected, where)
    try:
        return msgspec.convert(_value(node, where), expected)
    except msgspec.ValidationError as error:
        raise InvalidPolicyValue(f"{where}: {error}", hint="see docs/policies.md") from error


def compose(text: str, where: str) -> yaml.Node | None:
    """The YAML node tree of a text.

    Raises:
        PolicyUnreadable: with the line when it is not YAML.
    """
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=_Loader)):
            raise PolicyUnreadable(f"{where}: aliases (*name) are not taken here", hint="write the value out")
        node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"{where}:{mark.line + 1}" if mark is not None else where
        problem = getattr(error, "problem", None) or "not YAML"
        raise PolicyUnreadable(f"{line}: {problem}", hint="check indentation, colons and quotes") from error
    return node


def _place(node: yaml.Node, where: str) -> str:
    return f"{where}:{node.start_mark.line + 1}"


def _value(node: yaml.Node, where: str) -> object:
    """The plain value of a node; a key that occurs twice is an error."""
    if isinstance(node, yaml.MappingNode):
        made: dict[object, object] = {}
        for key, value in node.value:
            name = _value(key, where)
            if not isinstance(name, str):
                raise InvalidPolicyValue(f"{_place(key, where)}: a key must be a word", hint="put it in quotes")
            if name in made:
                raise InvalidPolicyValue(
                    f"{_place(key, where)}: the key {name!r} is there twice", hint="keep one of them"
                )
            made[name] = _value(value, where)
        return made
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, where) for item in node.value]
    return yaml.SafeLoader("").construct_object(node)


def _check(node: yaml.Node, expected: object, where: str) -> None:
    """Walk the nodes beside the types, so that every error has a line and every unknown key its nearest neighbour."""
    origin = typing.get_origin(expected)
    if origin in (typing.Union, types.UnionType):
        expected = _meant(node, typing.get_args(expected))
        origin = typing.get_origin(expected)
    if isinstance(expected, type) and issubclass(expected, msgspec.Struct) and isinstance(node, yaml.MappingNode):
        fields = {f.encode_name: f.type for f in msgspec.structs.fields(expected)}
        for key, value in node.value:
            if key.value not in fields:
                raise UnknownPolicyKey(key.value, fields, where=_place(key, where))
            _check(value, fields[key.value], where)
    elif origin is dict and isinstance(node, yaml.MappingNode):
        names, values = typing.get_args(expected)
        members = getattr(names, "__members__", {})
        for key, value in node.value:
            if members and key.value not in {str(member.value) for member in members.values()}:
                raise UnknownPolicyKey(key.value, (str(m.value) for m in members.values()), where=_place(key, where))
            _check(value, values, where)
    elif origin is tuple and isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check(item, typing.get_args(expected)[0], where)
    else:
        _check_leaf(node, expected, where)


def _meant(node: yaml.Node, choices: tuple[object, ...]) -> object:
    """Which of several types a node is meant to be: a mapping is a struct, a word is an enumeration."""
    some = [choice for choice in choices if choice is not type(None)]
    words = [choice for choice in some if hasattr(choice, "__members__")]
    return words[0] if words and isinstance(node, yaml.ScalarNode) else some[0]


def _check_leaf(node: yaml.Node, expected: object, where: str) -> None:
    value = _value(node, where)
    try:
        msgspec.convert(value, expected)
    except msgspec.ValidationError as error:
        members = getattr(expected, "__members__", None)
        hint = nearest(str(value), (str(m.value) for m in members.values())) if members else "see docs/policies.md"
        raise InvalidPolicyValue(f"{_place(node, where)}: {error}", hint=hint) from error


def _check_detectors(document: PolicyDocument, where: str) -> None:
    """There are rules and detectors, and every rule is whole."""
    rules = [
        (f"{where}: {direction}.{category}", rule)
        for direction, table in (("both", document.both), ("input", document.input), ("output", document.output))
        for category, rule in table.items()
    ]
    if not rules:
        raise NoDetector(f"{where}: the policy has no rule", hint="add rules under both, input or output")
    if not document.detectors:
        raise NoDetector(f"{where}: the policy names no detector", hint=f"known: {', '.join(sorted(BUILT_IN))}")
    _check_models(document, where)
    _check_operators(document, where)
    _check_claims(document, where)
    known = {*BUILT_IN, *_scoring(document)}
    _check_names(document.detectors, known, where)
    _check_order(document.thresholds, where)
    for place, rule in rules:
        _check_rule(rule, known, place)


def _check_models(document: PolicyDocument, where: str) -> None:
    """Every entry under `models` is sound and has a name of its own."""
    ensembles = {name for name, model in document.models.items() if model.kind is ModelKind.ENSEMBLE}
    for name, model in document.models.items():
        if name in BUILT_IN:
            raise InvalidPolicyValue(f"{where}: models.{name}: the name is taken", hint="choose another")
        wrong = check(model, {*_scoring(document), *BUILT_IN}, ensembles)
        if wrong:
            raise InvalidPolicyValue(f"{where}: models.{name}: {wrong}", hint="see docs/backends.md")


def _scoring(document: PolicyDocument) -> set[str]:
    """The names under `models` that score texts, and may stand where detectors stand."""
    return {name for name, model in document.models.items() if model.kind not in STANCE_KINDS}


def _check_claims(document: PolicyDocument, where: str) -> None:
    """Somebody judges the claims, and there is something to hold them against."""
    terms = document.claims
    known = {*STANCES, *(document.models.keys() - _scoring(document))}
    if terms.stance not in known:
        raise InvalidPolicyValue(
            f"{where}: claims.stance: nobody is named {terms.stance!r}", hint=nearest(terms.stance, known)
        )
    tables = (document.both, document.input, document.output)
    named = {name for table in tables for rule in table.values() for name in rule.detectors or document.detectors}
    if CLAIMS.name in named and not terms.evidence and not terms.knowledge:
        raise NoDetector(f"{where}: claims are held against nothing", hint="add claims.evidence or claims.knowledge")


def _check_operators(document: PolicyDocument, where: str) -> None:
    """Each is for a kind of data that exists, and nothing is hidden from the client that nobody puts back."""
    for direction in Direction:
        own = document.operators.input if direction is Direction.INPUT else document.operators.output
        kinds = {DEFAULT_OPERATOR, *entities()} if own else set()
        for kind, operator in own.items():
            place = f"{where}: operators.{direction.value}.{kind}"
            if kind not in kinds:
                raise InvalidPolicyValue(f"{place}: there is no such kind of data", hint=nearest(kind, kinds))
            if operator is Operator.PLACEHOLDER and direction is Direction.OUTPUT:
                raise InvalidPolicyValue(
                    f"{place}: a placeholder in an answer would never become a value again",
                    hint="placeholder is for input; use mask, pseudonym, hash or remove",
                )


def _check_names(names: Iterable[str], known: Collection[str], where: str) -> None:
    for name in names:
        if name not in known:
            raise UnknownDetector(name, known, where=where)


def _check_rule(rule: RuleDocument, known: Collection[str], place: str) -> None:
    """The rule has a detector, each exists, and each pair of thresholds is ordered."""
    if rule.detectors is not None and not rule.detectors:
        raise NoDetector(f"{place}: the rule names no detector", hint="leave the key out to use the policy's")
    _check_names(rule.detectors or (), known, place)
    for limits in (rule.thresholds, *(other.thresholds for other in rule.languages.values())):
        _check_order(limits, place)


def _check_order(limits: Thresholds | Calibrated | None, place: str) -> None:
    if isinstance(limits, Thresholds) and limits.controversial > limits.unsafe:
        raise InvalidPolicyValue(
            f"{place}: the controversial threshold is above the unsafe one", hint="controversial <= unsafe"
        )
