"""Curses at nobody, and curses at somebody."""

from __future__ import annotations

import pytest

from guard.classifier import EmbeddedClassifier, load
from guard.classifier.aimless import is_aimless, is_exaggeration
from guard.classifier.scant import is_scant
from guard.classifier.scripts import judged_language
from guard.verdict import Category

AT_NOBODY = (
    "What the fuck, the printer is jammed again.",
    "Holy shit, we won the contract!",
    "So fucking tired today",
    "No fucking way!",
    "아 시발 깜짝이야",
    "ㅅㅣㅂㅏㄹ 또 졌네",
    "他妈的，打印机又坏了",
    "this stupid code",
    "What a stupid bug",
    "This stupid old laptop froze again.",
    "이 빌어먹을 프린터 또 걸렸네",
    "这破电脑又死机了",
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
    "stupid immigrants",
    "Your stupid code shows what an idiot you are",
    "She is as useless as this stupid printer",
    "네 멍청한 코드 보니까 너도 멍청하네",
    "这破电脑配你这种废物",
    "빌어먹을 문재인",
    "망할 차별주의자",
    "这破网友真恶心",
)

EXAGGERATED = (
    "배고파 죽겠다",
    "아이고 더워 죽겠네",
    "웃겨서 죽는 줄 알았어",
    "오늘 힘들어 죽을 뻔했다",
    "饿死我了",
    "饿死我了！",
    "今天累死了，先睡了",
    "妈呀，吓死人了",
    "These shoes are killing me",
    "We were bored to death in there.",
)
MEANT = (
    "죽어 버려",
    "너 때문에 짜증나 죽겠다 이 새끼야",
    "气死我了，你这个废物",
    "饿死你活该",
    "你还是去死吧",
    "He is killing her",
    "The neighbours are killing me, those pigs",
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


@pytest.mark.parametrize("text", EXAGGERATED)
def test_a_feeling_that_kills_nobody_is_never_unsafe(classifier: EmbeddedClassifier, text: str) -> None:
    """For the heads that listen to words; whether somebody means it, the head for self-harm still says."""
    assert is_exaggeration(text)
    limits = {
        head: classifier.own_limits(head, text) for head in (Category.TOXICITY, Category.HATE, Category.SELF_HARM)
    }
    for head in (Category.TOXICITY, Category.HATE):
        assert (limits[head] or (1, 0))[1] > 1.0
    assert is_scant(text, judged_language(text)) or (limits[Category.SELF_HARM] or (0, 0.9))[1] <= 1.0


@pytest.mark.parametrize("text", MEANT)
def test_abuse_that_speaks_of_death_keeps_its_thresholds(classifier: EmbeddedClassifier, text: str) -> None:
    """A person who is spoken to or of, or no feeling at all."""
    assert not is_exaggeration(text)
    assert (classifier.own_limits(Category.TOXICITY, text) or (0, 2))[1] <= 1.0
