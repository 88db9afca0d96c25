"""`haechi policy`: list, show, lint, test, explain, diff."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from haechi.base.errors import ExitCode
from haechi.cli._options import KNOWLEDGE_OPTIONS, add_settings, settings_of, shelf_of

if TYPE_CHECKING:
    from guard.engine import Plan
    from guard.policy import Policy, Rule
    from guard.verdict import Finding

Answer = tuple[dict[str, object], list[str], ExitCode]


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser and its verbs."""
    parser = commands.add_parser("policy", help="look at, test and compare policies")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    _verb(verbs, "list", list_policies, "shipped policies")
    _verb(verbs, "show", show, "a policy with its defaults filled in", policy=True)
    _verb(
        verbs, "lint", lint, "check a policy file, and that every rule has a positive and a negative case", policy=True
    )
    _verb(verbs, "test", run_tests, "run the cases beside a policy (all shipped ones by default)", many=True)
    explain_parser = _verb(verbs, "explain", explain, "which rule decides about a text, and why")
    explain_parser.add_argument("text", help="the text, or - for standard input")
    explain_parser.add_argument("--policy", default="default", metavar="NAME|FILE")
    explain_parser.add_argument("--direction", choices=["input", "output"], default="input")
    explain_parser.add_argument(
        "--evidence",
        action="append",
        default=[],
        metavar="FILE",
        help="a text to hold the claims against; may be repeated",
    )
    explain_parser.add_argument("--question", default="", help="what the text answers")
    add_settings(explain_parser, KNOWLEDGE_OPTIONS)
    diff_parser = _verb(verbs, "diff", diff, "what another policy does differently")
    diff_parser.add_argument("old", metavar="NAME|FILE")
    diff_parser.add_argument("new", metavar="NAME|FILE")


def _verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    work: Callable[[argparse.Namespace], Answer],
    text: str,
    *,
    policy: bool = False,
    many: bool = False,
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    if policy:
        parser.add_argument("policy", metavar="NAME|FILE")
    if many:
        parser.add_argument("policies", metavar="NAME|FILE", nargs="*")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    parser.set_defaults(run=lambda args: _answer(work(args), as_json=args.json))
    return parser


def _answer(answer: Answer, *, as_json: bool) -> int:
    entry, lines, code = answer
    print(json.dumps(entry, ensure_ascii=True) if as_json else "\n".join(lines))
    return int(code)


def list_policies(args: argparse.Namespace) -> Answer:
    """Name, version, digest and description of each shipped policy."""
    from guard.policy import Policy
    from guard.policy_file import shipped

    policies = [Policy.load(path) for path in shipped().values()]
    entries = [
        {"name": p.name, "version": p.version, "digest": p.digest, "description": p.document.description}
        for p in policies
    ]
    lines = [f"{p.name:14} {p.version:10} {p.digest[:19]}  {p.document.description.strip()}" for p in policies]
    return {"policies": entries}, lines, ExitCode.OK


def _rule_line(rule: Rule) -> str:
    from guard.policy import Thresholds

    limits = rule.thresholds
    extras = [
        f"from {limits.controversial:g}/{limits.unsafe:g}"
        if isinstance(limits, Thresholds)
        else "from calibrated limits",
        f"by {', '.join(rule.detectors)}",
        f"fail {rule.fail.value}",
    ]
    extras += [rule.streaming.value] + (["shadow"] if rule.shadow else [])
    extras += [f"differs for {language.value}" for language in rule.languages]
    return (
        f"{rule.direction.value:7} {rule.category.value:15} controversial: {rule.controversial.value:7} "
        f"unsafe: {rule.unsafe.value:7} ({'; '.join(extras)})"
    )


def _rules(policy: Policy) -> list[Rule]:
    return [rule for rules in policy.rules.values() for rule in rules.values()]


def show(args: argparse.Namespace) -> Answer:
    """Every rule with its defaults filled in."""
    import msgspec

    from guard.policy import Policy

    policy = Policy.load(args.policy)
    entry = {
        "name": policy.name,
        "version": policy.version,
        "digest": policy.digest,
        "document": msgspec.to_builtins(policy.document),
    }
    head = [f"{policy.name} {policy.version}  {policy.digest}", policy.document.description.strip(), ""]
    return entry, head + [_rule_line(rule) for rule in _rules(policy)], ExitCode.OK


def lint(args: argparse.Namespace) -> Answer:
    """Problems of a policy file; an error in the file itself ends the command with its line."""
    from guard.cases import lint as find_problems
    from guard.checker import SafetyChecker

    checker = SafetyChecker.load(args.policy)
    problems = find_problems(checker.policy)
    lines = [f"{checker.policy.name}: {p}" for p in problems] or [f"{checker.policy.name}: nothing to complain about"]
    code = ExitCode.FOUND if problems else ExitCode.OK
    return {"policy": checker.policy.name, "digest": checker.policy.digest, "problems": problems}, lines, code


def run_tests(args: argparse.Namespace) -> Answer:
    """Run the cases; a run without a case is an error."""
    from guard.cases import case_checker, read_cases, run_cases
    from guard.errors import PolicyCasesFailed
    from guard.policy import Policy
    from guard.policy_file import shipped

    results: list[dict[str, object]] = []
    lines: list[str] = []
    code = ExitCode.OK
    for name in args.policies or sorted(shipped()):
        policy = Policy.load(name)
        cases = read_cases(policy)
        with case_checker(policy) as checker:
            failures = run_cases(checker, cases)
        lines.append(f"{policy.name}: {len(cases)} cases, {len(failures)} failed")
        wrong = [
            {"case": f.case.name, "direction": f.direction.value, "expected": f.case.action.value, "got": f.got}
            for f in failures
        ]
        lines += [f"  {w['case']} ({w['direction']}): expected {w['expected']}, got {w['got']}" for w in wrong]
        results.append({"policy": policy.name, "cases": len(cases), "failures": wrong})
        code = ExitCode.FOUND if failures else code
    if not results:
        raise PolicyCasesFailed("there was no policy to test", hint="name one")
    return {"results": results}, lines, code


def explain(args: argparse.Namespace) -> Answer:
    """Which findings there are, what each rule makes of them, and which one decides."""
    from guard.checker import SafetyChecker
    from guard.verdict import Category
    from haechi.cli.check import as_entry, claim_lines, exit_code, read_evidence, read_lines

    text = "".join(read_lines("-")) if args.text == "-" else args.text
    checker = SafetyChecker.load(args.policy, knowledge=shelf_of(settings_of(args)))
    evidence = read_evidence(args.evidence)
    verdict = checker.check(text, direction=args.direction, evidence=evidence, question=args.question)
    plan = checker.plan(args.direction)
    names = [seat.detector for seat in plan.scanners] + [seat.detector for seat in plan.classifiers]
    names += ["claims"] if verdict.claims else []
    looked = ", ".join(dict.fromkeys(names))
    lines = [f"{verdict.action.value}: policy {verdict.policy}, {args.direction}, looked at by {looked}"]
    undecided = {(claim.start, claim.end): _UNDECIDED[claim.outcome.value] for claim in verdict.claims
                 if claim.outcome.value in _UNDECIDED}  # fmt: skip
    lines += [_reason(f, plan, text, undecided, decides=f.action is verdict.action) for f in verdict.findings]
    lines += [f"  shadow: {_reason(f, plan, text, undecided, decides=False).strip()}" for f in verdict.shadow]
    lines += claim_lines(verdict, text)
    if plan.claims is not None and Category.MISINFORMATION not in verdict.scores:
        lines.append("  claims were not checked: there is nothing to hold them against, see --evidence")
    lines += [f"  {u.detector} could not answer ({u.reason}); rules fail as they say" for u in verdict.unavailable]
    if not verdict.findings and not verdict.unavailable:
        lines.append("  no rule was touched")
    return as_entry(None, verdict, scores=True), lines, exit_code([verdict])


_UNDECIDED = {
    "not_enough_evidence": "no evidence says it, for which the policy has claims.unsupported",
    "contradictory_evidence": "the evidence disagrees on it, for which the policy has claims.contradictory",
}
"""Outcomes of claims on which no threshold decides, in words."""


def _reason(finding: Finding, plan: Plan, text: str, undecided: Mapping[tuple[int, int], str], *, decides: bool) -> str:
    from haechi.cli.check import shown

    limits = plan.limits_of(finding, text)
    limit = limits.unsafe if finding.severity.value == "unsafe" else limits.controversial
    rule = f"{plan.rules[finding.category].direction.value}.{finding.category.value}"
    why = f"score {finding.score:.2f} >= {limit:g} is {finding.severity.value}"
    if finding.detector == "claims":
        why = undecided.get((finding.start, finding.end), why)
    return (
        f"  {rule}: {shown(text[finding.start : finding.end])} at {finding.start}-{finding.end} by {finding.detector}, "
        f"{why}, which means {finding.action.value}" + ("  <- decides" if decides else "")
    )


_FOR_ALL_RULES = ("history", "semantic", "claims", "replacement", "operators", "models")


def diff(args: argparse.Namespace) -> Answer:
    """Rules that are added, removed or different, and what holds for all rules."""
    import msgspec

    from guard.policy import Policy

    old, new = Policy.load(args.old), Policy.load(args.new)
    before = {(r.direction.value, r.category.value): _rule_line(r) for r in _rules(old)}
    after = {(r.direction.value, r.category.value): _rule_line(r) for r in _rules(new)}
    changes: list[dict[str, object]] = []
    lines: list[str] = []
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key), after.get(key)
        if was != now:
            changes.append({"direction": key[0], "category": key[1], "old": was, "new": now})
            lines += [f"- {was}"] * (was is not None) + [f"+ {now}"] * (now is not None)
    for name in _FOR_ALL_RULES:
        was, now = (
            json.dumps(msgspec.to_builtins(getattr(one.document, name)), ensure_ascii=False) for one in (old, new)
        )
        if was != now:
            changes.append({"key": name, "old": json.loads(was), "new": json.loads(now)})
            lines += [f"- {name}: {was}", f"+ {name}: {now}"]
    entry: dict[str, object] = {"old": old.digest, "new": new.digest, "changes": changes}
    return entry, lines or ["no difference"], ExitCode.FOUND if changes else ExitCode.OK
