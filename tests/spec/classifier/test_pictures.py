"""Emoji without a word: what says how somebody feels is judged, what tells a story is refused."""

from __future__ import annotations

import pytest

from guard.classifier.errors import LanguageNotCovered
from guard.classifier.model import EmbeddedClassifier, load
from guard.classifier.scripts import judged_language
from haechi.base.text import Language


@pytest.fixture(scope="module")
def classifier() -> EmbeddedClassifier:
    return load()


@pytest.mark.parametrize(
    "text",
    [
        "👍",
        "😂😂😂",
        "❤️🎉🥳",
        "🙏🏽👍🏿",
        "🎂🎉 !!!",
        "🐶🐶🐶",
        "🇰🇷 🇨🇳 🇬🇧",
        "🔪",
        "★★★★☆",
        "→ ✓ ─",
        "12 🍎 + 3 🍐 = 15",
    ],
)
def test_feelings_a_single_thing_and_signs_are_no_story(text: str) -> None:
    """They are sent all day, and mean what they show."""
    assert judged_language(text) is Language.ENGLISH


@pytest.mark.parametrize("text", ["🧕💣", "👨‍👩‍👧🔪🔪", "🏳️‍🌈🔫", "🐒 🍌 😂", "🇨🇳🐷", "👳🏿‍♂️ ✈️ 🏢"])
def test_a_story_in_pictures_is_refused(classifier: EmbeddedClassifier, text: str) -> None:
    """It is not called safe: heads that learnt from words cannot tell."""
    with pytest.raises(LanguageNotCovered, match="emoji"):
        classifier.score(text)


@pytest.mark.parametrize("text", ["dinner 🍕🍺", "피자 🍕🍺 먹자", "去吃🍕🍺", "x 🧕💣"])
def test_one_letter_beside_pictures_makes_it_a_text(text: str) -> None:
    """The heads have learnt emoji among words."""
    assert judged_language(text) in {Language.ENGLISH, Language.KOREAN, Language.CHINESE}
