"""Models in a policy: ensembles, wrong entries, what a missing model means."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from guard.backends.document import EnsembleRule
from guard.backends.ensemble import Ensemble
from guard.backends.errors import ModelFileMissing, NotCovered
from guard.checker import SafetyChecker
from guard.errors import DetectorNotLoaded, InvalidPolicyValue, UnknownDetector, UnknownPolicyKey
from guard.policy import Policy
from guard.policy_file import parse
from guard.verdict import Category

BASE = "schema: 1\nname: m\nversion: 2026-11\ndetectors: [both]\nboth:\n  toxicity: {}\nmodels:\n"
PIN = "sha256: {config.json: " + "a" * 64 + "}"
ONE = f"  one: {{kind: qwen3guard-gen, path: nowhere, {PIN}}}\n"
TWO = "  two: {kind: qwen3guard-gen, url: 'http://127.0.0.1:9/v1', model: m}\n"


class Fixed:
    """A classifier that always says the same."""

    def __init__(self, name: str, scores: Mapping[Category, float]) -> None:
        self.name = name
        self.categories = frozenset(scores)
        self._scores = scores

    def score(self, text: str, context: str = "") -> Mapping[Category, float]:
        if "?" in text:
            raise NotCovered("not this one")
        return self._scores


@pytest.mark.parametrize(
    ("rule", "votes", "toxicity"),
    [
        (EnsembleRule.MAX, {}, 0.9),
        (EnsembleRule.MEAN, {}, 0.6),
        (EnsembleRule.ANY, {}, 1.0),
        (EnsembleRule.ALL, {}, 0.0),
        (EnsembleRule.ALL, {"low": 0.3}, 1.0),
        (EnsembleRule.ANY, {"high": 0.95}, 0.0),
    ],
)
def test_an_ensemble_follows_its_rule(rule: EnsembleRule, votes: Mapping[str, float], toxicity: float) -> None:
    """max and mean of probabilities, any and all of votes; a category of one member is that member's."""
    low = Fixed("low", {Category.TOXICITY: 0.3})
    high = Fixed("high", {Category.TOXICITY: 0.9, Category.HATE: 0.9})
    ensemble = Ensemble("both", {"low": [low], "high": [high]}, rule, votes)
    scores = ensemble.score("x")
    assert scores[Category.TOXICITY] == pytest.approx(toxicity)
    assert ensemble.categories == {Category.TOXICITY, Category.HATE}


def test_a_silent_member_silences_the_ensemble() -> None:
    """Half the judges are not a milder judgement."""
    ensemble = Ensemble("both", {"a": [Fixed("a", {Category.HATE: 0.1})]}, EnsembleRule.MAX, {})
    with pytest.raises(NotCovered):
        ensemble.score("x?")


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ("  both: {kind: ensemble, of: [one]}\n" + ONE, "two or more"),
        ("  both: {kind: ensemble, of: [one, three]}\n" + ONE, "three"),
        ("  both: {kind: ensemble, of: [one, two], votes: {one: 0.5}}\n" + ONE + TWO, "any and all"),
        ("  both: {kind: ensemble, of: [one, two], rule: any, votes: {three: 0.5}}\n" + ONE + TWO, "votes"),
        ("  both: {kind: detoxify, path: x}\n", "sha256"),
        (f"  both: {{kind: detoxify, path: x, {PIN}}}\n", "variant"),
        (f"  both: {{kind: sequence-classifier, path: x, {PIN}}}\n", "labels"),
        ("  both: {kind: sequence-classifier, hub: a/b, labels: {x: hate}}\n", "revision"),
        ("  both: {kind: qwen3guard-gen}\n", "path and hub"),
        ("  both: {kind: qwen3guard-gen, url: 'http://x/v1'}\n", "needs model"),
        (f"  both: {{kind: qwen3guard-stream, path: x, {PIN}, labels: {{x: hate}}}}\n", "takes no labels"),
        (f"  lexicon: {{kind: qwen3guard-stream, path: x, {PIN}}}\n", "taken"),
    ],
)
def test_a_wrong_entry_is_said_when_the_policy_is_read(models: str, said: str) -> None:
    """Before anything is loaded."""
    with pytest.raises(InvalidPolicyValue, match=said):
        parse(BASE + models, "p")


def test_a_misspelt_key_or_name_has_its_line() -> None:
    """As anywhere in a policy."""
    with pytest.raises(UnknownPolicyKey, match="p:8"):
        parse(BASE + "  both: {kind: ensemble, off: [one]}\n", "p")
    with pytest.raises(InvalidPolicyValue, match="p:8"):
        parse(BASE + "  both: {kind: detoxyfy}\n", "p")
    with pytest.raises(UnknownDetector, match="both"):
        parse(BASE.replace("models:\n", ""), "p")


def test_a_model_that_is_not_there_stops_the_start() -> None:
    """A guard without a detector that its policy names would call everything safe."""
    text = BASE + "  both: {kind: ensemble, of: [one, two]}\n" + ONE + TWO
    with pytest.raises(ModelFileMissing):
        SafetyChecker(Policy(parse(text, "p")))


def test_an_ensemble_is_of_classifiers() -> None:
    """A word list gives no probabilities to join."""
    text = BASE + "  both: {kind: ensemble, of: [lexicon, two]}\n" + TWO
    with pytest.raises(DetectorNotLoaded, match="lexicon"):
        SafetyChecker(Policy(parse(text, "p")))
