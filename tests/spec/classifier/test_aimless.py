"""Curses at nobody, and curses at somebody."""

from __future__ import annotations

import pytest

from guard.classifier import EmbeddedClassifier, load
from guard.classifier.aimless import is_aimless
from guard.verdict import Category

AT_NOBODY = (
    "What the fuck, the printer is jammed again.",
    "Holy shit, we won the contract!",
    "So fucking tired today",
    "No fucking way!",
    "아 시발 깜짝이야",
    "ㅅㅣㅂㅏㄹ 또 졌네",
    "他妈的，打印机又坏了",
)
AT_SOMEBODY = (
    "What the fuck is wrong with you",
    "Holy shit, you are a worthless idiot",
    "fuck you",
    "fucking immigrants",
    "Holy shit, immigrants are vermin",
    "씨발 새끼야 꺼져",
    "아 씨발 네가 왜 여기 있어",
    "他妈的，你是个傻逼",
)


@pytest.fixture(scope="module")
def classifier() -> EmbeddedClassifier:
    return load()


@pytest.mark.parametrize("text", AT_NOBODY)
def test_a_curse_at_nobody_is_never_unsafe(classifier: EmbeddedClassifier, text: str) -> None:
    """Its score says that it is a curse; its threshold for unsafe lies where no score is."""
    assert is_aimless(text)
    for head in (Category.TOXICITY, Category.HARASSMENT):
        limits = classifier.own_limits(head, text)
        assert limits is not None
        assert limits[0] < 1.0 < limits[1]
    hate = classifier.own_limits(Category.HATE, text)
    assert hate is not None
    assert hate[1] <= 1.0


@pytest.mark.parametrize("text", AT_SOMEBODY)
def test_a_curse_at_somebody_keeps_its_thresholds(classifier: EmbeddedClassifier, text: str) -> None:
    """A person or a group that is named makes it abuse."""
    assert not is_aimless(text)
    limits = classifier.own_limits(Category.TOXICITY, text)
    assert limits is not None
    assert limits[1] <= 1.0
