"""The cases beside a policy pack: texts with the action they must get. `haechi policy test` runs them.

A case says which rule it is for; one that expects an action is positive, one that expects `allow` is negative. A pack
without both for each rule fails `haechi policy lint`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from guard.errors import PolicyCasesFailed, PolicyUnreadable
from guard.policy import Policy
from guard.policy_file import read_document
from guard.verdict import Action, Category, Direction

if TYPE_CHECKING:
    from guard.checker import SafetyChecker


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One text. direction: both when absent. redacted: what must be left of the text after masking, when given.

    evidence: what its claims are held against. question: what it answers.
    """

    rule: Category
    name: str
    text: str
    action: Action
    direction: Direction | None = None
    redacted: str | None = None
    evidence: tuple[str, ...] = ()
    question: str = ""

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The directions in which the case is run."""
        return (self.direction,) if self.direction is not None else tuple(Direction)


class CaseFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of cases."""

    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that got something else."""

    case: Case
    direction: Direction
    got: str


def cases_path(policy: Policy) -> Path:
    """Where the cases of a pack lie: `cases/` beside its file.

    Raises:
        PolicyCasesFailed: for a policy that is not a file.
    """
    if policy.path is None:
        raise PolicyCasesFailed("a policy made in memory has no cases", hint="save it to a file")
    return policy.path.parent / "cases" / policy.path.name


def read_cases(policy: Policy) -> tuple[Case, ...]:
    """The cases of a pack.

    Raises:
        PolicyCasesFailed: when there are none.
        PolicyUnreadable, UnknownPolicyKey, InvalidPolicyValue: when the file is not right.
    """
    path = cases_path(policy)
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as error:
        raise PolicyCasesFailed(f"policy {policy.name!r} has no cases: {path} is missing", hint="write them") from error
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyUnreadable(f"{path}: {error}", hint="cases are a readable UTF-8 file") from error
    document = read_document(text, CaseFile, str(path))
    if not document.cases:
        raise PolicyCasesFailed(f"{path}: there is no case in it", hint="add a positive and a negative case per rule")
    return document.cases


def run_cases(checker: SafetyChecker, cases: Sequence[Case]) -> list[Failure]:
    """Judge every case in its directions; what came out differently.

    A positive case must also be found by its own rule: another rule that happens to act is no proof.
    """
    failures: list[Failure] = []
    for case in cases:
        for direction in case.directions:
            if case.rule not in checker.policy.rules[direction]:
                continue
            got = _judge(checker, case, direction)
            if got is not None:
                failures.append(Failure(case, direction, got))
    return failures


def _judge(checker: SafetyChecker, case: Case, direction: Direction) -> str | None:
    verdict = checker.check(case.text, direction=direction, evidence=case.evidence, question=case.question)
    if verdict.action is not case.action:
        return verdict.action.value
    if case.action is not Action.ALLOW and not any(f.category is case.rule for f in verdict.findings):
        return f"{verdict.action.value}, but not by the rule {case.rule.value}"
    if case.redacted is not None and checker.redact(case.text, verdict) != case.redacted:
        return f"redacted to {checker.redact(case.text, verdict)!r}"
    return None


def lint(policy: Policy) -> list[str]:
    """Which rules lack a positive or a negative case; and what cannot be right about the cases."""
    cases = read_cases(policy)
    problems: list[str] = []
    for direction in Direction:
        for category in policy.rules[direction]:
            own = [c for c in cases if c.rule is category and direction in c.directions]
            if not any(c.action is not Action.ALLOW for c in own):
                problems.append(f"{direction.value}.{category.value}: no positive case")
            if not any(c.action is Action.ALLOW for c in own):
                problems.append(f"{direction.value}.{category.value}: no negative case")
    ruled = {category for rules in policy.rules.values() for category in rules}
    problems += [f"case {c.name!r} is for {c.rule.value}, which has no rule" for c in cases if c.rule not in ruled]
    names = [c.name for c in cases]
    problems += [f"two cases are named {name!r}" for name in sorted({n for n in names if names.count(n) > 1})]
    return problems
