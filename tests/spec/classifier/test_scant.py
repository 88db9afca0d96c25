"""A word by itself is judged by the word lists alone."""

from __future__ import annotations

import pytest

from guard.classifier.scant import is_scant
from haechi import SafetyChecker
from haechi.base.text import Language

CHECKER = SafetyChecker.load("default")
WORDS = ("Black", "coach", "City", "보이스피싱", "여성의", "렌터카", "楼顶", "纳凉", "浦发", "Dorothy!", "피싱?")
HARMFUL_WORDS = ("faggot", "kys", "깜둥이", "씨발놈아", "黑鬼", "操你妈")


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("direction", ["input", "output"])
def test_an_ordinary_word_passes(word: str, direction: str) -> None:
    """Somebody who searches for one word is no attacker."""
    assert CHECKER.check(word, direction=direction).action == "allow"


@pytest.mark.parametrize("word", HARMFUL_WORDS)
def test_a_word_that_harms_by_itself_is_blocked(word: str) -> None:
    """Whatever the heads would say."""
    assert CHECKER.check(word, direction="input").action == "block"


def test_words_set_apart_by_full_stops_are_still_read_together() -> None:
    """Each is scant, the text is not."""
    assert CHECKER.check("Worthless. Stupid. Vermin. Go. Die. Already.", direction="input").action != "allow"


@pytest.mark.parametrize("text", ["너같은쓰레기는죽어야해", "흑인은전부벌레만도못하다"])
def test_a_sentence_without_blanks_is_no_word(text: str) -> None:
    """Many write Korean so."""
    assert CHECKER.check(text, direction="input").action != "allow"


@pytest.mark.parametrize(
    ("text", "language", "scant"),
    [
        ("", Language.ENGLISH, True),
        ("don't", Language.ENGLISH, True),
        ("a boat", Language.ENGLISH, True),
        ("go away", Language.ENGLISH, False),
        ("꺼져라!!", Language.KOREAN, True),
        ("너 꺼져", Language.KOREAN, False),
        ("너같은쓰레기는죽어야해", Language.KOREAN, False),
        ("youareworthlessanddie", Language.ENGLISH, False),
        ("滚出去!", Language.CHINESE, True),
        ("你们滚出去", Language.CHINESE, False),
    ],
)
def test_scant_is_a_word_or_four_characters(text: str, language: Language, scant: bool) -> None:
    """Signs do not count."""
    assert is_scant(text, language) is scant
