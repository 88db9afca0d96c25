"""What a policy file may say, and how it is told when it is wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest

from guard import Policy, SafetyChecker
from guard.cases import CaseFile, case_checker, lint, read_cases, run_cases
from guard.errors import (
    InvalidPolicyValue,
    NoDetector,
    PolicyCasesFailed,
    PolicyNotFound,
    PolicyUnreadable,
    UnknownDetector,
    UnknownPolicyKey,
)
from guard.policy import Calibrated, FailMode, PolicyDocument, Thresholds
from guard.policy_file import parse, read_document, shipped
from guard.reload import ReloadingChecker
from guard.verdict import Action, Category, Direction, Severity
from haechi.base.clock import FixedClock
from haechi.base.errors import HaechiError
from haechi.base.resources import policies_dir
from haechi.base.text import Language

GOOD = """\
schema: 1
name: mine
version: 2026-11
detectors: [lexicon]
both:
  toxicity: {unsafe: block}
"""


def test_the_smallest_policy_has_the_documented_defaults() -> None:
    """Fail closed, flag the controversial, thresholds 0.5 and 0.8, both directions."""
    policy = Policy(parse(GOOD, "mine.yaml"))
    for direction in Direction:
        rule = policy.rules[direction][Category.TOXICITY]
        assert (rule.unsafe, rule.controversial, rule.fail) == (Action.BLOCK, Action.FLAG, FailMode.CLOSED)
        assert rule.thresholds == Thresholds(0.5, 0.8)


WRONG: dict[str, tuple[str, str, type[HaechiError], str, str]] = {
    "key": ("detectors", "detecters", UnknownPolicyKey, ":4:", "'detectors'"),
    "rule key": ("{unsafe", "{unsave", UnknownPolicyKey, ":6:", "'unsafe'"),
    "category": ("toxicity", "toxicty", UnknownPolicyKey, ":6:", "'toxicity'"),
    "action": ("block", "blok", InvalidPolicyValue, ":6:", "'block'"),
    "schema": ("schema: 1", "schema: 2", InvalidPolicyValue, ":1:", ""),
    "name": ("name: mine", "name: My Policy", InvalidPolicyValue, ":2:", ""),
    "version": ("2026-11", "first", InvalidPolicyValue, ":3:", ""),
    "type": ("[lexicon]", "lexicon", InvalidPolicyValue, ":4:", ""),
    "missing key": ("version: 2026-11\n", "", InvalidPolicyValue, "version", ""),
    "twice": ("name: mine\n", "name: mine\nname: yours\n", InvalidPolicyValue, ":3:", ""),
    "detector": ("[lexicon]", "[lexikon]", UnknownDetector, "lexikon", "'lexicon'"),
    "no detector": ("[lexicon]", "[]", NoDetector, "detector", "lexicon"),
    "no detector in a rule": ("{unsafe: block}", "{detectors: []}", NoDetector, "toxicity", ""),
    "no rule": ("both:\n  toxicity: {unsafe: block}\n", "", NoDetector, "rule", ""),
    "range": ("{unsafe: block}", "{thresholds: {unsafe: 1.5}}", InvalidPolicyValue, ":6:", ""),
    "order": (
        "{unsafe: block}",
        "{thresholds: {unsafe: 0.2, controversial: 0.6}}",
        InvalidPolicyValue,
        "controversial",
        "",
    ),
    "language": ("{unsafe: block}", "{languages: {kr: {}}}", UnknownPolicyKey, ":6:", ""),
    "syntax": ("{unsafe: block}", "{unsafe: block", PolicyUnreadable, ":", ""),
    "alias": ("{unsafe: block}", "&a {unsafe: block}\n  hate: *a", PolicyUnreadable, "alias", ""),
    "not a mapping": (GOOD, "- a\n", InvalidPolicyValue, "mapping", ""),
    "empty": (GOOD, "", InvalidPolicyValue, "mapping", ""),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_policy_says_where_and_what_was_meant(name: str) -> None:
    """Each mistake has its own error, the line where there is one, and the nearest right word."""
    old, new, error, place, hint = WRONG[name]
    assert old in GOOD
    with pytest.raises(error) as caught:
        parse(GOOD.replace(old, new, 1), "mine.yaml")
    assert place in caught.value.message
    assert hint in caught.value.hint


def test_an_unknown_policy_names_the_nearest() -> None:
    """A misspelt name is not a file that happens to be missing."""
    with pytest.raises(PolicyNotFound) as caught:
        Policy.load("defualt")
    assert "'default'" in caught.value.hint


def test_a_policy_that_is_not_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are an error, not replaced."""
    path = tmp_path / "p.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PolicyUnreadable):
        Policy.load(path)


def test_the_digest_is_of_what_is_said_and_not_of_how(tmp_path: Path) -> None:
    """Comments and order do not change it; a changed action does."""
    same = GOOD.replace("name: mine\nversion: 2026-11\n", "version: 2026-11  # note\nname: mine\n")
    other = GOOD.replace("block", "flag")
    digests = [Policy(parse(text, "p")).digest for text in (GOOD, same, other)]
    assert digests[0] == digests[1] != digests[2]


def test_a_language_may_have_its_own_rule() -> None:
    """What the override leaves out stays as the rule says."""
    text = GOOD.replace("{unsafe: block}", "{unsafe: block, languages: {ko: {controversial: block}}}")
    checker = SafetyChecker(Policy(parse(text, "p")))
    assert checker.check("what the fuck").action is Action.FLAG
    assert checker.check("아 시발 뭐야").action is Action.BLOCK
    rule = checker.policy.rules[Direction.INPUT][Category.TOXICITY]
    assert rule.action(Severity.UNSAFE, Language.KOREAN) is Action.BLOCK


def test_thresholds_may_be_left_to_the_detectors() -> None:
    """`calibrated` says it for the policy, a rule or a language; numbers in a rule win over the policy's word."""
    text = GOOD.replace("both:", "thresholds: calibrated\nboth:")
    text += "  hate: {thresholds: {controversial: 0.2, unsafe: 0.3}, languages: {ko: {thresholds: calibrated}}}\n"
    policy = Policy(parse(text, "p"))
    toxicity, hate = (policy.rules[Direction.INPUT][c] for c in (Category.TOXICITY, Category.HATE))
    assert toxicity.asked() is Calibrated.CALIBRATED
    assert toxicity.limits() == Thresholds()
    assert toxicity.limits(own=Thresholds(0.6, 0.9)) == Thresholds(0.6, 0.9)
    assert hate.limits(own=Thresholds(0.6, 0.9)) == Thresholds(0.2, 0.3)
    assert hate.limits(Language.KOREAN, Thresholds(0.6, 0.9)) == Thresholds(0.6, 0.9)


def test_a_word_that_is_no_threshold_names_the_one_that_is() -> None:
    """The error has the line and the word that was meant."""
    with pytest.raises(InvalidPolicyValue, match=r":[0-9]+:") as caught:
        parse(GOOD.replace("both:", "thresholds: calibratd\nboth:"), "p")
    assert "calibrated" in str(caught.value.hint)


def test_a_direction_replaces_the_rule_of_both() -> None:
    """`output` wins over `both` for its category."""
    policy = Policy(parse(GOOD + "output:\n  toxicity: {unsafe: flag}\n", "p"))
    assert policy.rules[Direction.INPUT][Category.TOXICITY].unsafe is Action.BLOCK
    assert policy.rules[Direction.OUTPUT][Category.TOXICITY].unsafe is Action.FLAG


def test_the_schema_is_that_of_the_code() -> None:
    """policies/schema.json is generated from the structs and kept equal to them."""
    wanted = json.loads(json.dumps(msgspec.json.schema(PolicyDocument)))
    found = json.loads((policies_dir() / "schema.json").read_text("utf-8"))
    assert {k: found[k] for k in wanted} == wanted


def test_there_are_policies_to_test() -> None:
    """An empty folder would make the tests below green."""
    assert set(shipped()) >= {"default", "strict", "record-only"}


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_case_of_a_shipped_policy_holds_and_every_rule_has_both_kinds(name: str) -> None:
    """The cases beside each pack are executed, and none is missing."""
    policy = Policy.load(name)
    with case_checker(policy) as checker:
        assert run_cases(checker, read_cases(policy)) == []
    assert lint(policy) == []


@pytest.mark.parametrize("name", ["medical", "legal", "finance", "election"])
def test_a_preset_lets_no_claim_through_before_its_knowledge_base_is_filled(name: str, tmp_path: Path) -> None:
    """Missing evidence is not support: the answer is stopped and the detector named. Its other rules are the default's."""
    checker = SafetyChecker.load(name, knowledge=tmp_path)
    verdict = checker.check("The base rate of the central bank is 2.5 percent.", direction="output")
    assert verdict.action is Action.BLOCK
    assert {one.detector for one in verdict.unavailable} == {"claims"}
    assert checker.check("How can I help you?", direction="output").action is Action.ALLOW
    assert checker.policy.document.claims.knowledge == (name,)


@pytest.mark.parametrize("name", ["medical", "legal", "finance", "election"])
def test_a_preset_is_the_default_in_everything_but_claims(name: str) -> None:
    """Each file is read alone by who answers for it, so the rules stand in each; they may not drift apart."""
    preset, default = Policy.load(name), Policy.load("default")
    for direction in Direction:
        ours, theirs = (
            {
                category: rule
                for category, rule in policy.rules[direction].items()
                if category is not Category.MISINFORMATION
            }
            for policy in (preset, default)
        )
        assert ours == theirs
    for key in ("detectors", "thresholds", "fail", "streaming", "semantic", "history", "operators", "models"):
        assert getattr(preset.document, key) == getattr(default.document, key)


def test_cases_bring_the_documents_of_the_bases_that_the_policy_names(tmp_path: Path) -> None:
    """One that no rule asks, and one that is named and empty, are problems."""
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD + "claims: {knowledge: [towers]}\n", "utf-8")
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "mine.yaml").write_text(
        "knowledge:\n  bridges: [{name: a, text: b}]\ncases:\n"
        "  - {rule: toxicity, name: a, action: flag, text: what the fuck}\n"
        "  - {rule: toxicity, name: b, action: allow, text: a}\n",
        "utf-8",
    )
    assert lint(Policy.load(path)) == [
        "the cases hold no document of knowledge base 'towers'",
        "no rule asks the knowledge base 'bridges' of the cases",
    ]


def test_record_only_never_acts() -> None:
    """Its strictest action is a flag, whatever happens."""
    policy = Policy.load("record-only")
    actions = {a for rules in policy.rules.values() for rule in rules.values() for a in rule.actions}
    assert actions == {Action.FLAG}
    assert all(rule.fail is FailMode.OPEN for rules in policy.rules.values() for rule in rules.values())


def test_a_pack_without_cases_fails(tmp_path: Path) -> None:
    """Missing, empty and one-sided cases are told apart from success."""
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD, "utf-8")
    with pytest.raises(PolicyCasesFailed):
        read_cases(Policy.load(path))
    (tmp_path / "cases").mkdir()
    cases = tmp_path / "cases" / "mine.yaml"
    cases.write_text("cases: []\n", "utf-8")
    with pytest.raises(PolicyCasesFailed):
        read_cases(Policy.load(path))
    cases.write_text("cases:\n  - {rule: toxicity, name: a, action: flag, text: what the fuck}\n", "utf-8")
    assert lint(Policy.load(path)) == ["input.toxicity: no negative case", "output.toxicity: no negative case"]


def test_a_case_that_another_rule_satisfies_is_no_proof(tmp_path: Path) -> None:
    """A positive case must be found by its own rule."""
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace("both:", "both:\n  hate: {unsafe: block}"), "utf-8")
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "mine.yaml").write_text(
        "cases:\n  - {rule: hate, name: a, action: flag, text: what the fuck}\n", "utf-8"
    )
    checker = SafetyChecker.load(path)
    assert [f.got for f in run_cases(checker, read_cases(checker.policy))] == ["flag, but not by the rule hate"] * 2


def test_a_changed_file_is_used_and_a_broken_one_is_not(tmp_path: Path) -> None:
    """Hot reload: the newest good version answers; a file that went wrong loosens nothing."""
    path, clock = tmp_path / "mine.yaml", FixedClock()
    path.write_text(GOOD, "utf-8")
    reloading = ReloadingChecker(path, clock=clock)
    first = reloading.current()
    path.write_text(GOOD.replace("block", "flag"), "utf-8")
    assert reloading.current() is first
    clock.advance(1.1)
    second = reloading.current()
    assert second.policy.digest != first.policy.digest
    path.write_text("nonsense: [", "utf-8")
    os.utime(path, ns=(1, 1))
    clock.advance(1.1)
    assert reloading.current() is second
    path.unlink()
    clock.advance(1.1)
    assert reloading.current() is second


def test_the_examples_of_the_manual_are_true() -> None:
    """The policy in docs/policies.md loads, and its cases hold under the default policy."""
    page = (Path(__file__).resolve().parents[3] / "docs" / "policies.md").read_text("utf-8")
    policy, cases = (block.split("```")[0] for block in page.split("```yaml\n")[1:])
    SafetyChecker(Policy(parse(policy, "docs/policies.md")))
    examples = read_document(cases, CaseFile, "docs/policies.md").cases
    assert run_cases(SafetyChecker.load("default"), examples) == []
