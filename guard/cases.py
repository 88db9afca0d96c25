"""The cases beside a policy pack: texts with the action they must get. `haechi policy test` runs them.

A case says which rule it is for; one that expects an action is positive, one that expects `allow` is negative. A pack
without both for each rule fails `haechi policy lint`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from guard.errors import PolicyCasesFailed, PolicyUnreadable
from guard.policy import Name, Policy
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


class CaseDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document of a knowledge base, for the cases alone. Dates are ISO dates, empty when unknown."""

    name: str
    text: str
    valid_from: str = ""
    valid_to: str = ""


class CaseFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of cases. knowledge: what the knowledge bases that the policy names hold while the cases are run."""

    cases: tuple[Case, ...]
    knowledge: dict[Name, tuple[CaseDocument, ...]] = {}


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
    """The cases of a pack. Raises what `read_case_file` raises."""
    return read_case_file(policy).cases


def read_case_file(policy: Policy) -> CaseFile:
    """The cases of a pack, and the documents that they are held against.

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
    return document


@contextmanager
def case_checker(policy: Policy) -> Iterator[SafetyChecker]:
    """A checker whose knowledge bases hold the documents of the pack's cases.

    Raises:
        What `read_case_file`, `SafetyChecker` and a knowledge base raise.
    """
    from guard.checker import SafetyChecker
    from guard.knowledge import About, Shelf
    from guard.knowledge.passages import Section

    documents = read_case_file(policy).knowledge
    with tempfile.TemporaryDirectory(prefix="haechi-cases-") as folder:
        shelf = Shelf(Path(folder))
        for base, held in documents.items():
            with shelf.writer(base, make=True) as writer:
                for one in held:
                    about = About("cases", "", one.valid_from, one.valid_to)
                    writer.put("", one.name, [Section("", one.text, 0)], about, "")
        yield SafetyChecker(policy, knowledge=shelf)


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
    document = read_case_file(policy)
    cases = document.cases
    named = policy.document.claims.knowledge
    problems = [
        f"the cases hold no document of knowledge base {base!r}" for base in named if base not in document.knowledge
    ]
    problems += [
        f"no rule asks the knowledge base {base!r} of the cases" for base in document.knowledge if base not in named
    ]
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
