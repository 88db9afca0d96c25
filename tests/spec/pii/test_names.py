"""Names by rules and taggers: what is announced is found, scripts stay apart, and what is missing is said."""

from __future__ import annotations

import pytest

from guard.fold import build_views
from guard.pii.evaluation import Labelled, as_rows, evaluate
from guard.pii.names.rules import by_rule
from guard.pii.names.scanner import HOLD, NameScanner
from guard.pii.names.tagger import load
from guard.scrub import Scrubber
from haechi.base.text import Language


@pytest.mark.parametrize(
    ("language", "text", "name"),
    [
        (Language.KOREAN, "어제 김철수 씨가 왔다", "김철수"),
        (Language.KOREAN, "박영희 교수는 말했다", "박영희"),
        (Language.KOREAN, "이름은 홍길동입니다", "홍길동"),
        (Language.KOREAN, "예금주: 남궁민수", "남궁민수"),
        (Language.CHINESE, "王小明先生来了", "王小明"),
        (Language.CHINESE, "我叫张伟，很高兴", "张伟"),
        (Language.CHINESE, "联系人：欧阳娜娜", "欧阳娜娜"),
        (Language.ENGLISH, "I met Dr. Jane Miller yesterday", "Jane Miller"),
        (Language.ENGLISH, "My name is Tom Baker.", "Tom Baker"),
    ],
)
def test_a_title_or_an_announcement_gives_a_name_away(language: Language, text: str, name: str) -> None:
    """The rules find exactly the name, without title or particle."""
    assert name in {text[n.start : n.end] for n in by_rule(text, language)}


@pytest.mark.parametrize(
    "text", ["김치 씨앗을 심었다", "이것은 좋은 말이다", "先生们，女士们", "The name is required", "고맙습니다 선생님"]
)
def test_rules_leave_ordinary_words_alone(text: str) -> None:
    """Words that begin like a name are no name."""
    for language in Language:
        assert list(by_rule(text, language)) == []


@pytest.mark.parametrize("language", [Language.KOREAN, Language.CHINESE, Language.ENGLISH])
def test_every_language_has_a_tagger_that_knows_persons(language: Language) -> None:
    """The models ship with the package."""
    tagger = load(language)
    assert tagger is not None
    assert "PERSON" in tagger.kinds


def test_a_language_without_tagger_is_named() -> None:
    """What could not be looked for is said, not passed over."""
    assert Scrubber().missing == ()
    assert NameScanner([Language.OTHER]).missing == ()


def test_offsets_are_of_the_original() -> None:
    """A zero-width character inside a name belongs to it."""
    text = "이름은 홍\u200b길동입니다"
    found = [(m.start, m.end) for m in NameScanner().scan(build_views(text)) if m.entity == "PERSON"]
    assert (4, 8) in found


def test_a_stream_holds_the_sentence_that_is_being_written() -> None:
    """Up to a limit, the words since the last sentence may still be a name."""
    scanner = NameScanner()
    assert scanner.hold(build_views("끝났다. 그리고 김")) == len("그리고 김")
    assert scanner.hold(build_views("끝났다. ")) == 0
    assert scanner.hold(build_views("가" * 500)) == HOLD


def test_evaluation_counts_kinds_and_characters() -> None:
    """A right range of the right kind counts; covered characters count whatever the kind."""
    rows = [
        Labelled("mail kim@example.com now", "en", frozenset({(5, 20, "EMAIL_ADDRESS")})),
        Labelled("call 010-1234-5678", "ko", frozenset({(5, 18, "US_SSN")})),
    ]
    figures = as_rows(evaluate(rows, Scrubber(languages=[])))
    assert {
        "language": "en",
        "kind": "EMAIL_ADDRESS",
        "counted": "exact",
        "n": 1,
        "precision": 1.0,
        "recall": 1.0,
        "f2": 1.0,
    } in figures
    korean = [f for f in figures if f["language"] == "ko"]
    assert any(f["kind"] == "US_SSN" and f["recall"] == 0.0 for f in korean)
    assert any(f["counted"] == "characters" and f["recall"] == 1.0 for f in korean)
