"""What SafetyChecker promises to its users."""

from __future__ import annotations

import threading

import pytest

from guard import Direction, Policy, SafetyChecker
from guard.errors import NoDetector, StreamClosed
from guard.policy import FailMode, PolicyDocument, RuleDocument, StreamMode
from guard.registry import Detector, load_detector
from guard.scanner import Match
from guard.verdict import Action, Category, Severity
from guard.views import TextViews

STRANGE = {
    "empty": "",
    "blank": " \n\t ",
    "lone surrogate": "a\ud800b\udfff",
    "NUL": "a\x00b\x00",
    "controls": "".join(map(chr, range(32))),
    "directions": "abc \u202eשלום\u202c مرحبا \u2067x\u2069",
    "emoji": "😀👨‍👩‍👧‍👦🏳️‍🌈" * 300,
    "combining": "e" + "\u0301" * 5000,
    "tags": "hi" + "".join(chr(0xE0000 + ord(c)) for c in "hello"),
    "noncharacters": "\uffff\ufffe\U0010ffff",
    "one long word": "a" * 100_000,
    "digits": "1" * 100_000,
    "laughter": "ㅋ" * 20_000,
    "loose letters": "ㅇㅏ" * 5_000,
    "decomposed": "\u110b\u1161" * 5_000,
    "separators": ". " * 50_000,
}


@pytest.fixture(scope="module")
def checker() -> SafetyChecker:
    return SafetyChecker.load("fast")


@pytest.mark.parametrize("name", STRANGE)
def test_strange_text_gets_a_clear_verdict(checker: SafetyChecker, name: str) -> None:
    """No text crashes the guard; what holds nothing bad is allowed and was looked at to its last character."""
    verdict = checker.check(STRANGE[name])
    assert verdict.action is Action.ALLOW
    assert verdict.coverage.checked == verdict.coverage.total == len(STRANGE[name])
    assert verdict.unavailable == ()


@pytest.mark.parametrize("name", STRANGE)
def test_strange_text_comes_out_of_a_stream_as_it_went_in(checker: SafetyChecker, name: str) -> None:
    """A stream changes nothing that the policy does not mask."""
    text = STRANGE[name]
    stream = checker.stream()
    out = "".join(stream.feed(text[i : i + 4097]) for i in range(0, len(text), 4097))
    assert out + stream.finish().text == text


def test_a_million_characters_are_judged_to_the_end(checker: SafetyChecker) -> None:
    """The last words of a long text count like the first."""
    verdict = checker.check("All is well. " * 80_000 + "you fucking idiot")
    assert verdict.action is Action.BLOCK
    assert verdict.findings[0].start == 13 * 80_000


def test_positions_are_code_points_of_the_original(checker: SafetyChecker) -> None:
    """Whatever folding did, start and end point into the text as it was received."""
    text = "😀 f\u200bｕｃk you"
    (finding, *_) = checker.check(text).findings
    assert text[finding.start : finding.end] == "f\u200bｕｃk you"


def test_scores_are_there_for_what_was_looked_for_and_for_nothing_else(checker: SafetyChecker) -> None:
    """Zero means looked for and not found; a category without a rule is absent, and so is misinformation without evidence."""
    scores = checker.check("hello").scores
    assert set(scores) == set(checker.policy.rules[Direction.INPUT]) - {Category.MISINFORMATION}
    assert set(scores.values()) == {0.0}
    assert Category.MISINFORMATION in checker.check("hello", evidence=["Hello is a greeting."]).scores


def test_the_verdict_names_the_policy_that_decided(checker: SafetyChecker) -> None:
    """Name and content digest travel with every verdict."""
    verdict = checker.check("hello")
    assert (verdict.policy, verdict.policy_digest) == ("fast", checker.policy.digest)
    assert checker.policy.digest.startswith("sha256:")


def test_one_checker_serves_many_threads(checker: SafetyChecker) -> None:
    """Streams of one checker do not disturb each other."""
    wrong: list[str] = []

    def talk(text: str, action: Action) -> None:
        for _ in range(50):
            stream = checker.stream()
            for char in text:
                stream.feed(char)
            if stream.finish().verdict.action is not action:
                wrong.append(text)

    jobs = [
        ("you fucking idiot", Action.BLOCK),
        ("오늘 날씨가 좋다", Action.ALLOW),
        ("你这个傻逼", Action.BLOCK),
        ("fine", Action.ALLOW),
    ]
    threads = [threading.Thread(target=talk, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_blocked_stream_says_nothing_more(checker: SafetyChecker) -> None:
    """After the block, feeding is harmless and yields nothing; the verdict stays."""
    stream = checker.stream()
    stream.feed("you fucking idiot, ")
    assert stream.blocked
    assert stream.feed("and more") == ""
    end = stream.finish()
    assert (end.text, end.verdict.action) == ("", Action.BLOCK)


def test_an_aborted_stream_releases_nothing_and_claims_no_more_than_it_judged(checker: SafetyChecker) -> None:
    """When the other side went away, what was held was not judged to its end, and coverage says so."""
    stream = checker.stream()
    out = stream.feed("well, how to ma")
    end = stream.abort()
    assert end.text == ""
    assert end.verdict.coverage.checked == len(out) < end.verdict.coverage.total == 15


def test_an_ended_stream_is_not_fed_again(checker: SafetyChecker) -> None:
    """A stream is for one text."""
    stream = checker.stream()
    stream.finish()
    with pytest.raises(StreamClosed):
        stream.feed("x")
    with pytest.raises(StreamClosed):
        stream.finish()


class Broken:
    """A scanner that fails on a word."""

    name = "broken"
    categories = frozenset({Category.PII})
    reach = 10

    def scan(self, views: TextViews) -> list[Match]:
        if "boom" in views.raw:
            raise RuntimeError(views.raw)
        return []

    def hold(self, views: TextViews) -> int:
        return 0


def with_broken(fail: FailMode) -> SafetyChecker:
    document = PolicyDocument(1, "broken", "2026-11", ("pii",), fail=fail, both={Category.PII: RuleDocument()})
    return SafetyChecker(Policy(document), {"pii": Detector("pii", (Broken(),))})


def test_a_detector_that_fails_has_not_said_safe() -> None:
    """By default its silence blocks; the verdict says which detector was silent, and quotes nothing."""
    verdict = with_broken(FailMode.CLOSED).check("boom secret")
    assert verdict.action is Action.BLOCK
    assert [(u.detector, u.reason) for u in verdict.unavailable] == [("broken", "RuntimeError")]
    assert verdict.coverage.checked < verdict.coverage.total


def test_an_open_rule_goes_on_but_flags() -> None:
    """A rule may be told to fail open; that is recorded as a flag, never as nothing."""
    verdict = with_broken(FailMode.OPEN).check("boom")
    assert verdict.action is Action.FLAG
    assert verdict.unavailable


def test_a_stream_stops_when_its_detector_fails_midway() -> None:
    """What came before the failure is out, what comes after is not."""
    stream = with_broken(FailMode.CLOSED).stream("output")
    assert stream.feed("all fine ") == "all fine "
    assert stream.feed("boom") == ""
    assert stream.blocked


def test_a_rule_that_nothing_can_serve_is_a_configuration_error() -> None:
    """Zero detectors for a category would mean that everything passes."""
    document = PolicyDocument(1, "blind", "2026-11", ("lexicon",), both={Category.MISINFORMATION: RuleDocument()})
    with pytest.raises(NoDetector, match="misinformation"):
        SafetyChecker(Policy(document))


def test_a_shadow_rule_is_evaluated_and_not_enforced() -> None:
    """Its findings are in `shadow`, and the text passes."""
    rule = RuleDocument(shadow=True)
    checker = SafetyChecker(
        Policy(PolicyDocument(1, "shadow", "2026-11", ("lexicon",), both={Category.HARASSMENT: rule}))
    )
    verdict = checker.check("you fucking idiot")
    assert (verdict.action, verdict.findings) == (Action.ALLOW, ())
    assert [f.action for f in verdict.shadow] == [Action.BLOCK]


def test_a_rewritten_sentence_is_replaced_as_a_whole_also_in_a_stream() -> None:
    """`rewrite` replaces the sentence that holds the finding by the policy's words."""
    rule = RuleDocument(unsafe=Action.REWRITE)
    document = PolicyDocument(1, "soft", "2026-11", ("lexicon",), replacement="[…]", both={Category.HARASSMENT: rule})
    checker = SafetyChecker(Policy(document))
    stream = checker.stream()
    out = "".join(stream.feed(c) for c in "Good day. You know, you stupid bitch are late. See you.")
    assert out + stream.finish().text == "Good day. […] See you."


class Judge:
    """A classifier that finds one word bad, and is uneasy about another."""

    name = "judge"
    categories = frozenset({Category.TOXICITY})

    def __init__(self) -> None:
        self.seen: list[str] = []

    def score(self, text: str, context: str = "") -> dict[Category, float]:
        self.seen.append(text)
        return {Category.TOXICITY: 0.97 if "venom" in text else 0.3 if "thorn" in text else 0.01}


def judged(mode: StreamMode) -> tuple[SafetyChecker, Judge]:
    judge = Judge()
    document = PolicyDocument(
        1, "judged", "2026-11", ("classifier",), streaming=mode, both={Category.TOXICITY: RuleDocument()}
    )
    return SafetyChecker(Policy(document), {"classifier": Detector("classifier", (), (judge,))}), judge


TALK = "A rose. A thorn here. Pure venom now. The end."


@pytest.mark.parametrize(
    ("mode", "released"),
    [
        (StreamMode.STRICT, "A rose. A thorn here. "),
        (StreamMode.BALANCED, "A rose. A thorn here. "),
        (StreamMode.ASYNC, "A rose. A thorn here. Pure venom now."),
    ],
)
def test_streaming_modes_differ_in_what_is_out_before_a_bad_sentence_is_judged(mode: StreamMode, released: str) -> None:
    """strict holds each sentence, balanced only after something suspicious, async never; the leak is counted."""
    checker, _ = judged(mode)
    stream = checker.stream()
    out = "".join(stream.feed(c) for c in TALK)
    end = stream.finish()
    assert stream.blocked
    assert out.rstrip() == released.rstrip()
    assert end.verdict.released == max(0, len(out) - TALK.index("Pure"))


def test_every_sentence_is_judged_once_and_whole() -> None:
    """A classifier never sees a truncated tail, and no character twice."""
    checker, judge = judged(StreamMode.BALANCED)
    text = "One two. 세 넷이다. 三四。Five"
    stream = checker.stream()
    for char in text:
        stream.feed(char)
    stream.finish()
    assert "".join(judge.seen) == text
    assert len(judge.seen) == 4


def test_whole_text_and_stream_agree() -> None:
    """The verdict on a text is the verdict on its pieces."""
    checker, _ = judged(StreamMode.STRICT)
    stream = checker.stream()
    for char in TALK:
        stream.feed(char)
    whole, streamed = checker.check(TALK, direction="output"), stream.finish().verdict
    assert (whole.action, whole.severity) == (streamed.action, streamed.severity) == (Action.BLOCK, Severity.UNSAFE)


def test_detectors_are_loaded_once_per_process() -> None:
    """A reloaded policy shares the detectors of the one before."""
    assert load_detector("lexicon") is load_detector("lexicon")


def test_long_streams_cost_no_more_per_character_than_short_ones(checker: SafetyChecker) -> None:
    """The window that is looked at does not grow with what was released."""
    stream = checker.stream()
    for _ in range(2000):
        stream.feed("This is fine. ")
    assert len(stream._open) < 1000
    assert stream.finish().verdict.coverage.total == 28_000
