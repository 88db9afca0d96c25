"""Hangul initials: a curse where they stand by themselves, any word where other letters stand with them."""

from __future__ import annotations

import pytest

from guard.checker import SafetyChecker
from guard.verdict import Category

CURSES = (
    "ㅅㅂ",
    "아 ㅅㅂ 또 졌네",
    "ㅅㅂㅋㅋㅋ",
    "ㅅㅅㅂㅂ",
    "ㅅ ㅂ",
    "ㅈㄴㅅㅂ",
    "ㅅㅂㅅㄲ",
    "ㅂㅅ같은 게",
    "ㅅㅂ년",
    "ㅆㅂ새끼야",
)
WORDS = (
    "ㅅㅂㄷ 받았다",
    "ㅈㄴㄱ 있는 것 같네요",
    "이런 ㄱㅅ ㅂㄴㄴ 이유가 뭘까",
    "ㅇㅅㅂ 찾기네요",
    "버스로 ㅂㅅㄱ ㅈㅇ",
    "ㅅㄱㅎㅅㅇ",
)


@pytest.fixture(scope="module")
def checker() -> SafetyChecker:
    """A policy that reads lexicons and asks no classifier."""
    return SafetyChecker.load("fast")


@pytest.mark.parametrize("text", CURSES)
def test_initials_of_curses_are_found(checker: SafetyChecker, text: str) -> None:
    """Alone, drawn out, set apart, laughed behind, joined to other curses, and before a syllable."""
    assert {f.category for f in checker.check(text).findings} & {Category.TOXICITY, Category.HARASSMENT}


@pytest.mark.parametrize("text", WORDS)
def test_initials_among_others_are_no_curse(checker: SafetyChecker, text: str) -> None:
    """Two letters of a longer word say nothing."""
    assert not checker.check(text).findings


@pytest.mark.parametrize("text", [*CURSES, *WORDS])
def test_a_stream_finds_what_the_whole_text_holds(checker: SafetyChecker, text: str) -> None:
    """A run of initials may still grow, so it is held until it is whole."""
    stream = checker.stream(direction="output")
    released = "".join(stream.feed(char) for char in text)
    last = stream.finish()
    found = {f.category for f in last.verdict.findings}
    assert found == {f.category for f in checker.check(text, direction="output").findings}
    assert last.verdict.blocked or released + last.text == text
