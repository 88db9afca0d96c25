"""Join a policy with its detectors: who looks at which direction, and what each rule makes of what they see.

Rules of this file
1. A detector that the policy names and that finds nothing of a rule's category cannot serve that rule; a rule that
   nobody serves is a configuration error.
2. Scanners and classifiers are called through `guarded`, which turns whatever goes wrong in them into a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from guard.classify import Classifier, SelfCalibrated
from guard.decide import judge
from guard.errors import NoDetector
from guard.language import language_of
from guard.pii.kinds import NAME_KINDS
from guard.policy import Calibrated, Policy, Rule, SemanticDocument, StreamMode, Thresholds
from guard.registry import CLAIMS, Detector
from guard.scanner import Look, Match, Scanner
from guard.verdict import Action, Category, Direction, Finding, Severity, Unavailable
from guard.views import TextViews
from haechi.base.text import Language

Answer = TypeVar("Answer")
MENTIONED = 0.6
"""Score at most of words on a list that are quoted, reported or denied."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Something a detector saw, in code points of the whole text. at_most: what its own severity allows."""

    category: Category
    at_most: Severity
    score: float
    start: int
    end: int
    source: str
    entity: str = ""
    text: str | None = None  # what a classifier judged; for scanners, whatever stands around the match


@dataclass(frozen=True, slots=True)
class ScannerSeat:
    """A scanner in a plan, with the rules' name for it and the context a stream must keep before the open text."""

    detector: str
    scanner: Scanner
    lookbehind: int
    look: Callable[[TextViews, int], Look]


@dataclass(frozen=True, slots=True)
class ClassifierSeat:
    """A classifier in a plan."""

    detector: str
    classifier: Classifier


@dataclass(frozen=True)
class Plan:
    """Everything that one direction needs."""

    rules: Mapping[Category, Rule]
    scanners: tuple[ScannerSeat, ...]
    classifiers: tuple[ClassifierSeat, ...]
    lookbehind: int
    streaming: StreamMode
    by_sentence: bool
    looked_for: frozenset[Category]
    suspicious: Mapping[Category, float] = field(default_factory=dict)
    calibrated: Mapping[str, SelfCalibrated] = field(default_factory=dict)
    semantic: SemanticDocument = field(default_factory=SemanticDocument)
    direction: Direction = Direction.INPUT
    digest: str = ""
    not_looked_for: tuple[str, ...] = ()
    claims: Rule | None = None

    @property
    def needs_evidence(self) -> frozenset[Category]:
        """What nobody looks for in a text that comes without anything to hold its claims against."""
        rule = self.claims
        return frozenset() if rule is None or rule.detectors != (CLAIMS.name,) else frozenset({rule.category})

    @property
    def slow(self) -> bool:
        """Whether a scanner's look may take milliseconds."""
        return any(getattr(seat.scanner, "slow", False) for seat in self.scanners)

    def rules_of(self, detector: str) -> tuple[Rule, ...]:
        """The rules that name a detector."""
        return tuple(rule for rule in self.rules.values() if detector in rule.detectors)

    def weight_of(self, match: Match) -> tuple[Severity, float]:
        """What a match counts for: words that are only mentioned are doubtful where a classifier judges them too."""
        if match.mention and match.category in self.suspicious:
            return min(match.severity, Severity.CONTROVERSIAL, key=lambda s: s.rank), min(match.score, MENTIONED)
        return match.severity, match.score

    def finding(self, seen: Observation, detector: str, text: Callable[[], str]) -> tuple[Finding, Rule] | None:
        """What the policy makes of an observation; None when no rule cares."""
        rule = self.rules.get(seen.category)
        if rule is None or detector not in rule.detectors:
            return None
        language = language_of(text()) if rule.languages else None
        own = self.own_limits(rule, seen.source, language, text)
        judged = judge(rule, seen.score, at_most=seen.at_most, language=language, own=own)
        if judged.severity is Severity.SAFE:
            return None
        return (
            Finding(
                seen.category,
                seen.score,
                judged.severity,
                seen.start,
                seen.end,
                seen.source,
                seen.entity,
                judged.action,
            ),
            rule,
        )

    def own_limits(
        self, rule: Rule, source: str, language: Language | None, text: Callable[[], str]
    ) -> Thresholds | None:
        """The thresholds of the classifier `source` itself, where the rule leaves them to it and it has some."""
        classifier = self.calibrated.get(source)
        if classifier is None or not isinstance(rule.asked(language), Calibrated):
            return None
        found = classifier.own_limits(rule.category, text())
        return None if found is None else Thresholds(*found)

    def limits_of(self, finding: Finding, text: str) -> Thresholds:
        """The thresholds that made a finding what it is; text: the whole text."""
        rule = self.rules[finding.category]
        around = text[max(0, finding.start - 40) : finding.end + 40]
        language = language_of(around) if rule.languages else None
        return rule.limits(language, self.own_limits(rule, finding.detector, language, lambda: around))


def guarded(name: str, call: Callable[[], Answer]) -> Answer | Unavailable:
    """The answer of a detector, or the fact that there is none."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001  # a detector may fail in any way; its silence is a value, see rule 2
        return Unavailable(name, type(error).__name__)


def _look_of(scanner: Scanner) -> Callable[[TextViews, int], Look]:
    """The scanner's own `look`, or its two answers put together."""
    own: Callable[[TextViews, int], Look] | None = getattr(scanner, "look", None)
    return own if own is not None else lambda views, released: Look(scanner.scan(views), scanner.hold(views))


def _strictest_mode(rules: list[Rule]) -> StreamMode:
    modes = {rule.streaming for rule in rules}
    for mode in (StreamMode.STRICT, StreamMode.BALANCED):
        if mode in modes:
            return mode
    return StreamMode.ASYNC


def make_plan(policy: Policy, direction: Direction, detectors: Mapping[str, Detector]) -> Plan:
    """The plan of one direction.

    Raises:
        NoDetector: when a rule's detectors cannot find its category.
    """
    rules = policy.rules[direction]
    for category, rule in rules.items():
        if not any(category in detectors[name].categories for name in rule.detectors):
            raise NoDetector(
                f"policy {policy.name!r}: {direction.value}.{category.value} has no detector that can find it",
                hint=f"it names {', '.join(rule.detectors)}",
            )
    named = dict.fromkeys(name for rule in rules.values() for name in rule.detectors)
    wanted = {name: {c for c, rule in rules.items() if name in rule.detectors} for name in named}
    scanners = tuple(
        ScannerSeat(name, scanner, int(getattr(scanner, "lookbehind", scanner.reach)), _look_of(scanner))
        for name in named
        for scanner in detectors[name].scanners
        if scanner.categories & wanted[name]
    )
    classifiers = tuple(
        ClassifierSeat(name, classifier)
        for name in named
        for classifier in detectors[name].classifiers
        if classifier.categories & wanted[name]
    )
    judged = [rule for rule in rules.values() if any(seat.detector in rule.detectors for seat in classifiers)]
    calibrated = {s.classifier.name: s.classifier for s in classifiers if isinstance(s.classifier, SelfCalibrated)}
    return Plan(
        rules,
        scanners,
        classifiers,
        max((seat.lookbehind for seat in scanners), default=0),
        _strictest_mode(judged),
        any(Action.REWRITE in rule.actions for rule in rules.values()),
        frozenset(rules),
        {rule.category: _suspicious(rule, calibrated.values()) for rule in judged},
        calibrated,
        policy.document.semantic,
        direction,
        policy.digest,
        _not_looked_for(scanners) if Category.PII in rules else (),
        _claims_rule(rules, detectors),
    )


def _claims_rule(rules: Mapping[Category, Rule], detectors: Mapping[str, Detector]) -> Rule | None:
    """The rule for which claims are held against evidence."""
    rule = rules.get(Category.MISINFORMATION)
    return rule if rule is not None and any(detectors[name].checks_claims for name in rule.detectors) else None


def _not_looked_for(scanners: Iterable[ScannerSeat]) -> tuple[str, ...]:
    """Kinds of names that no scanner finds, and languages in which one that does has no tagger."""
    found = [seat.scanner for seat in scanners if NAME_KINDS[0] in getattr(seat.scanner, "entities", ())]
    if not found:
        return NAME_KINDS
    missing = {language for scanner in found for language in getattr(scanner, "missing", ())}
    return tuple(sorted(f"{kind}:{language.value}" for language in missing for kind in NAME_KINDS))


def without_classifiers(plan: Plan) -> Plan:
    """The part of a plan that costs next to nothing; for ids and names, which are words and not sentences."""
    served = {seat.detector for seat in plan.scanners}
    rules = {category: rule for category, rule in plan.rules.items() if served.intersection(rule.detectors)}
    return replace(plan, rules=rules, classifiers=(), looked_for=frozenset(rules), suspicious={}, claims=None)


def _suspicious(rule: Rule, calibrated: Iterable[SelfCalibrated]) -> float:
    """The score from which a stream is watched closely: half of what would be controversial in some language."""
    asked = [rule.thresholds, *(o.thresholds for o in rule.languages.values() if o.thresholds is not None)]
    lowest = [limits.controversial for limits in asked if isinstance(limits, Thresholds)]
    if len(lowest) < len(asked):
        lowest += [Thresholds().controversial, *(source.least_limit(rule.category) for source in calibrated)]
    return min(lowest) / 2
