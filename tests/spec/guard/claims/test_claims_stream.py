"""Claims of a text that arrives in pieces: what is held, what goes out, what is said when there was no time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.checker import SafetyChecker
from guard.claims.rules import RuleStance
from guard.errors import InvalidPolicyValue, NoDetector
from guard.policy import (
    ClaimsDocument,
    EvidenceFrom,
    FailMode,
    Policy,
    PolicyDocument,
    RuleDocument,
    StreamMode,
    Thresholds,
)
from guard.policy_file import parse
from guard.registry import STANCES, Factory
from guard.verdict import Action, Category, ClaimOutcome, Direction
from haechi.base.text import Language

EVIDENCE = (
    "The Eiffel Tower was completed in 1889 and is 330 metres tall.",
    "에펠탑은 1889년에 완공되었고 높이는 330미터이다.",
    "埃菲尔铁塔于1889年建成，高330米。",
)
TRUE = "The Eiffel Tower was completed in 1889. "
FALSE = "The Eiffel Tower was completed in 1899. "
OTHER = "Bananas are rich in potassium. "
ANSWER = "Sure. " + TRUE + FALSE + "I hope that helps! " + OTHER


class Slow(RuleStance):
    """The rules, after a wait that the test ends."""

    name = version = "slow"

    def __init__(self, works: Callable[[], None]) -> None:
        self.works = works
        self.asked = 0

    def judge(self, claim: str, evidence: Sequence[str], *, language: Language) -> Any:
        self.asked += 1
        self.works()
        return super().judge(claim, evidence, language=language)


def checker(
    *,
    unsafe: Action = Action.BLOCK,
    mode: StreamMode = StreamMode.BALANCED,
    fail: FailMode = FailMode.CLOSED,
    shadow: bool = False,
    knowledge: Path = Path("nowhere"),
    detectors: tuple[str, ...] = ("claims",),
    **terms: Any,
) -> SafetyChecker:
    """A policy about misinformation alone."""
    rule = RuleDocument(
        unsafe=unsafe,
        controversial=Action.FLAG,
        thresholds=Thresholds(0.5, 0.9),
        detectors=("claims",),
        streaming=mode,
        fail=fail,
        shadow=shadow,
    )
    rules = {Category.MISINFORMATION: rule}
    if detectors != ("claims",):
        rules[Category.PII] = RuleDocument(unsafe=Action.REDACT, controversial=Action.REDACT, detectors=detectors)
    document = PolicyDocument(1, "grounded", "2026-11", ("claims",), claims=ClaimsDocument(**terms), output=rules)
    return SafetyChecker(Policy(document), knowledge=knowledge)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a stance model beside the rules for one test."""

    def put(works: Callable[[], None]) -> Slow:
        model = Slow(works)
        monkeypatch.setitem(STANCES, "slow", Factory("tests", "unused"))
        monkeypatch.setattr("guard.checker.load_stance", lambda *named: model)
        return model

    return put


def streamed(guard: SafetyChecker, pieces: Sequence[str]) -> tuple[str, Any]:
    stream = guard.stream(Direction.OUTPUT, evidence=EVIDENCE)
    out = "".join(stream.feed(piece) for piece in pieces)
    end = stream.finish()
    return out + end.text, end.verdict


def test_a_refuted_claim_stops_the_answer_and_is_cited() -> None:
    """The verdict has the claim's place, the passage, and why."""
    verdict = checker().check(ANSWER, direction="output", evidence=EVIDENCE)
    assert verdict.action is Action.BLOCK
    wrong = next(f for f in verdict.findings if f.action is Action.BLOCK)
    assert ANSWER[wrong.start : wrong.end] == FALSE.strip()
    assert wrong.evidence is not None
    assert EVIDENCE[0][wrong.evidence.start : wrong.evidence.end] == wrong.evidence.quote
    assert verdict.scores[Category.MISINFORMATION] >= 0.9
    outcomes = [claim.outcome for claim in verdict.claims]
    assert outcomes == [ClaimOutcome.SUPPORTED, ClaimOutcome.REFUTED, ClaimOutcome.NOT_ENOUGH]
    assert verdict.claims[1].reasons == ("date",)


@settings(max_examples=60, deadline=None)
@given(cuts=st.sets(st.integers(1, len(ANSWER) - 1), max_size=12))
def test_in_strict_mode_nothing_of_a_refuted_claim_gets_out_wherever_it_is_cut(cuts: set[int]) -> None:
    """And the verdict is that of the whole text, but for what comes behind the block."""
    places = [0, *sorted(cuts), len(ANSWER)]
    out, verdict = streamed(checker(mode=StreamMode.STRICT), [ANSWER[a:b] for a, b in pairwise(places)])
    assert verdict.action is Action.BLOCK
    assert ("Sure. " + TRUE).startswith(out)
    assert "1899" not in out
    assert verdict.released == 0


@settings(max_examples=40, deadline=None)
@given(cuts=st.sets(st.integers(1, len(ANSWER) - 1), max_size=12))
def test_what_is_only_flagged_goes_out_unchanged(cuts: set[int]) -> None:
    """In every cut the whole answer, with the same claims and findings as in one piece."""
    places = [0, *sorted(cuts), len(ANSWER)]
    guard = checker(unsafe=Action.FLAG)
    out, verdict = streamed(guard, [ANSWER[a:b] for a, b in pairwise(places)])
    whole = guard.check(ANSWER, direction="output", evidence=EVIDENCE)
    assert out == ANSWER
    assert (verdict.claims, verdict.findings, verdict.scores) == (whole.claims, whole.findings, whole.scores)


def test_while_a_claim_is_judged_a_balanced_stream_goes_on(slow: Any) -> None:
    """Generation is not stopped by the check; the end waits for it."""
    gate = threading.Event()
    slow(lambda: (gate.wait(20), None)[1])
    stream = checker(unsafe=Action.FLAG, budget_ms=20_000).stream(Direction.OUTPUT, evidence=EVIDENCE)
    assert stream.feed(TRUE) == TRUE
    assert stream.feed(OTHER) == OTHER
    gate.set()
    assert [claim.outcome for claim in stream.finish().verdict.claims] == [
        ClaimOutcome.SUPPORTED,
        ClaimOutcome.NOT_ENOUGH,
    ]


def test_after_the_first_doubt_a_balanced_stream_holds_each_sentence_until_it_is_judged() -> None:
    """What is unfinished stays back; what was judged goes out."""
    stream = checker(unsafe=Action.FLAG).stream(Direction.OUTPUT, evidence=EVIDENCE)
    out = stream.feed(FALSE + "Well")
    deadline = time.monotonic() + 10
    while not stream.verdict().findings and time.monotonic() < deadline:
        out += stream.feed(".")
        time.sleep(0.01)
    assert stream.verdict().findings
    assert "The Eiffel Tower is" not in out + stream.feed(" \nThe Eiffel Tower is 330")
    assert stream.feed(" metres tall. And").endswith("The Eiffel Tower is 330 metres tall. ")
    assert stream.finish().text == "And"


@pytest.mark.parametrize(("fail", "action"), [(FailMode.CLOSED, Action.BLOCK), (FailMode.OPEN, Action.FLAG)])
def test_over_the_budget_claims_are_unavailable_and_the_fail_mode_decides(
    slow: Any, fail: FailMode, action: Action
) -> None:
    """All claims of a text share one time; it is not waited longer, and nothing is silent."""
    gate = threading.Event()
    slow(lambda: (gate.wait(20), None)[1])
    began = time.monotonic()
    verdict = checker(fail=fail, budget_ms=100).check(TRUE * 5, direction="output", evidence=EVIDENCE)
    assert time.monotonic() - began < 5
    gate.set()
    assert verdict.action is action
    assert {claim.outcome for claim in verdict.claims} == {ClaimOutcome.UNAVAILABLE}
    assert [(u.detector, u.reason) for u in verdict.unavailable] == [("claims", "deadline")]


def test_a_missing_knowledge_base_is_unavailable(tmp_path: Path) -> None:
    """Closed: nothing is let through; the verdict names the base."""
    guard = SafetyChecker(
        Policy(
            PolicyDocument(
                1,
                "grounded",
                "2026-11",
                ("claims",),
                claims=ClaimsDocument(knowledge=("medical",)),
                output={Category.MISINFORMATION: RuleDocument()},
            )
        ),
        knowledge=tmp_path,
    )
    found = guard.check(TRUE, direction="output")
    assert found.action is Action.BLOCK
    assert [(u.detector, u.reason) for u in found.unavailable] == [("claims", "KnowledgeMissing: medical")]


def test_without_evidence_nothing_is_looked_for_and_no_score_is_given() -> None:
    """A score of 0 would say that somebody looked."""
    verdict = checker().check(FALSE, direction="output")
    assert (verdict.action, verdict.claims) == (Action.ALLOW, ())
    assert Category.MISINFORMATION not in verdict.scores


def test_where_the_policy_counts_tools_an_answer_without_them_is_counted_as_not_checkable() -> None:
    """It is said, claim by claim."""
    verdict = checker(evidence=(EvidenceFrom.REQUEST, EvidenceFrom.TOOLS)).check(FALSE, direction="output")
    assert verdict.action is Action.ALLOW
    assert [claim.outcome for claim in verdict.claims] == [ClaimOutcome.NOT_CHECKABLE]


def test_a_sentence_can_be_rewritten_to_what_the_evidence_says() -> None:
    """With its source; the sentences around it stay."""
    out, verdict = streamed(checker(unsafe=Action.REWRITE), [TRUE, FALSE, "It is 330 metres tall."])
    assert verdict.action is Action.REWRITE
    assert out == f"{TRUE}{EVIDENCE[0]} [evidence[0]] It is 330 metres tall."


def test_a_note_with_the_citation_stands_behind_what_is_flagged() -> None:
    """In the claim's language; what has no evidence says so."""
    text = FALSE + "에펠탑은 1899년에 완공되었다. " + OTHER
    out, _ = streamed(checker(unsafe=Action.FLAG, note=True), [text])
    assert f"1899. [not in line with evidence[0]: “{EVIDENCE[0]}”]" in out
    assert f"완공되었다. [근거와 다름: evidence[1]: “{EVIDENCE[1]}”]" in out
    assert "potassium. [no evidence found]" in out


def test_words_of_the_evidence_pass_the_same_scanners_as_the_answer() -> None:
    """A resident number in a passage does not get out through a citation."""
    secret = "The Eiffel Tower was completed in 1889, says 900101-1234568."
    guard = checker(unsafe=Action.REWRITE, detectors=("pii",))
    stream = guard.stream(Direction.OUTPUT, evidence=[secret])
    out = stream.feed(FALSE) + stream.finish().text
    assert "1234568" not in out
    assert "[removed]" in out


def test_a_shadow_rule_changes_nothing_and_is_recorded() -> None:
    """The finding is among the shadows."""
    out, verdict = streamed(checker(shadow=True), [ANSWER])
    assert (out, verdict.action, verdict.findings) == (ANSWER, Action.ALLOW, ())
    assert {f.category for f in verdict.shadow} == {Category.MISINFORMATION}


def test_an_aborted_stream_says_which_claims_were_judged() -> None:
    """Nothing is waited for; what was not judged is not called supported."""
    stream = checker().stream(Direction.OUTPUT, evidence=EVIDENCE)
    stream.feed(TRUE)
    assert stream.abort().text == ""


def test_a_single_sentence_with_evidence_is_judged_however_it_is_worded() -> None:
    """Who hands over a sentence and evidence asks about it; a greeting, a question, and the user stay out of it."""
    guard = checker()
    hedged = guard.check("Perhaps the Eiffel Tower was completed in 1899.", direction="output", evidence=EVIDENCE)
    assert hedged.claims[0].outcome is ClaimOutcome.REFUTED
    for text in ("Hello there!", "Was the Eiffel Tower completed in 1899?", "Your name is Eiffel and you are 1899."):
        assert guard.check(text, direction="output", evidence=EVIDENCE).claims == ()


WRONG = [
    ("claims: {stance: nobody}", InvalidPolicyValue, "claims.stance: nobody is named 'nobody'"),
    ("claims: {evidence: []}", NoDetector, "claims are held against nothing"),
    ("claims: {evidence: [tool]}", InvalidPolicyValue, ":5"),
    ("claims: {budget_ms: 0}", InvalidPolicyValue, ":5"),
    ("claims: {passages: 51}", InvalidPolicyValue, ":5"),
]


@pytest.mark.parametrize(("line", "error", "words"), WRONG)
def test_a_policy_that_cannot_check_claims_is_refused(line: str, error: type[Exception], words: str) -> None:
    """With the place and what is wrong."""
    text = "schema: 1\nname: x\nversion: 2026-11\ndetectors: [claims]\n" + line + "\nboth:\n  misinformation: {}\n"
    with pytest.raises(error) as refused:
        parse(text, "x.yaml")
    assert words in str(refused.value)


def test_only_its_own_rule_is_served_by_the_detector() -> None:
    """A rule about toxicity cannot count on claims."""
    document = PolicyDocument(1, "x", "2026-11", ("claims",), both={Category.TOXICITY: RuleDocument()})
    with pytest.raises(NoDetector):
        SafetyChecker(Policy(document))
