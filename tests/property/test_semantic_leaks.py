"""What gets out before a bad sentence is judged: nothing in `strict`, little in `balanced`, however the text is cut."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.checker import SafetyChecker
from guard.policy import Policy, PolicyDocument, RuleDocument, SemanticDocument, StreamMode
from guard.registry import Detector
from guard.verdict import Action, Category

HARMLESS = (
    "All is well. ", "Dr. Kim paid 3.14 for it! ", "1. Take the bread\n", "오늘은 날씨가 좋습니다. ", "내일은 비가 온다고 합니다 ",
    "今天天气很好。", "我们去公园吧！", "“Really?” she asked. ", "```\ncode. here\n```\n", "No end in sight and ", "- one\n- two\n",
)  # fmt: skip
BAD = (
    "This is pure venom here. ",
    "정말 지독한 venom 같은 말이다. ",
    "这是毒液venom一样的话。",
    "venom\n",
    "x " * 150 + "venom " + "y " * 120 + ". ",
)


class Judge:
    """Finds one word bad."""

    name = "judge"
    categories = frozenset({Category.TOXICITY})
    reads_context = False

    def score(self, text: str, context: str = "") -> Mapping[Category, float]:
        return {Category.TOXICITY: 0.97 if "venom" in text else 0.01}


def guard(mode: StreamMode) -> SafetyChecker:
    document = PolicyDocument(
        1, "judged", "2026-11", ("judge",), streaming=mode, semantic=SemanticDocument(window_ms=60_000),
        both={Category.TOXICITY: RuleDocument()},
    )  # fmt: skip
    return SafetyChecker(Policy(document), {"judge": Detector("judge", (), (Judge(),))})


CHECKERS = {mode: guard(mode) for mode in StreamMode}
texts = st.lists(st.sampled_from(HARMLESS), max_size=6).map("".join)
sizes = st.lists(st.integers(1, 40), min_size=1, max_size=8)


def streamed(checker: SafetyChecker, text: str, cuts: list[int]) -> tuple[str, Action, int]:
    """What came out, what was decided, how much was counted as leaked."""
    stream = checker.stream()
    out, at, turn = "", 0, 0
    while at < len(text) and not stream.blocked:
        size = cuts[turn % len(cuts)]
        out += stream.feed(text[at : at + size])
        at, turn = at + size, turn + 1
    end = stream.finish()
    return out + end.text, end.verdict.action, end.verdict.released


@settings(max_examples=150, deadline=None)
@given(texts, st.sampled_from(BAD), texts, sizes)
def test_strict_lets_nothing_of_a_bad_sentence_out(before: str, bad: str, after: str, cuts: list[int]) -> None:
    """Not one character of the window that holds it; the verdict is that on the whole text."""
    out, action, leaked = streamed(CHECKERS[StreamMode.STRICT], before + bad + after, cuts)
    assert (action, leaked) == (Action.BLOCK, 0)
    assert "venom" not in out
    assert before.startswith(out) or len(bad) > 200
    assert CHECKERS[StreamMode.STRICT].check(before + bad + after, direction="output").action is action


@settings(max_examples=150, deadline=None)
@given(texts, st.sampled_from(BAD), texts, sizes)
def test_what_balanced_and_async_leak_is_what_they_count(before: str, bad: str, after: str, cuts: list[int]) -> None:
    """The count is from where the finding begins to the last character that was out."""
    for mode in (StreamMode.BALANCED, StreamMode.ASYNC):
        out, action, leaked = streamed(CHECKERS[mode], before + bad + after, cuts)
        assert action is Action.BLOCK
        assert (before + bad + after).startswith(out)
        assert 0 <= leaked <= len(out)
        if mode is StreamMode.BALANCED and "venom" in out:
            assert len(out) - out.index("venom") <= 200


@pytest.mark.parametrize("mode", list(StreamMode))
@settings(max_examples=60, deadline=None)
@given(text=texts, cuts=sizes)
def test_harmless_text_comes_out_as_it_is(mode: StreamMode, text: str, cuts: list[int]) -> None:
    """Every mode, every cut."""
    assert streamed(CHECKERS[mode], text, cuts) == (text, Action.ALLOW, 0)
