"""Where names begin and end: what the tagger sees piece by piece becomes whole names, without what is appended."""

from __future__ import annotations

import numpy as np
import pytest

from guard.pii.names.boundaries import fitted, whole_addresses
from guard.pii.names.decode import Name, names
from guard.pii.names.pieces import Pieces, pieces
from guard.pii.names.tagger import WINDOW, load, windows
from haechi.base.text import Language

KINDS = ("PERSON", "ORGANIZATION")
LIMITS = {language: dict.fromkeys(KINDS, 0.25) for language in Language}


def decoded(text: str, parts: list[tuple[str, float, float]]) -> list[tuple[str, str]]:
    """parts: piece, probability that a person begins with it, that it is inside of one."""
    made = Pieces([], [], [])
    at = 0
    for piece, _, _ in parts:
        at = text.index(piece, at)
        made.ids.append(9)
        made.starts.append(at)
        made.ends.append(at + len(piece))
        at += len(piece)
    tags = np.array([[1 - b - i, b, i, 0, 0] for _, b, i in parts], dtype=np.float32)
    return [(n.kind, text[n.start : n.end]) for n in names(text, made, tags, KINDS, LIMITS)]


def test_a_latin_word_is_judged_as_a_whole() -> None:
    """Its pieces together decide, and its first piece says whether a name begins."""
    parts = [("So", 0.9, 0.0), ("os", 0.0, 0.3), ("ki", 0.1, 0.5), ("said", 0.0, 0.1)]
    assert decoded("Sooski said", parts) == [("PERSON", "Sooski")]


def test_one_doubtful_piece_does_not_divide_a_name() -> None:
    """What stands on both sides of it speaks for it."""
    assert decoded("李巾凡来", [("李", 0.9, 0.0), ("巾", 0.0, 0.4), ("凡", 0.0, 0.9), ("来", 0.0, 0.01)]) == [
        ("PERSON", "李巾凡")
    ]


def test_a_name_that_begins_clearly_ends_the_one_before() -> None:
    """Two names that touch stay two."""
    parts = [("王", 0.9, 0.05), ("伟", 0.0, 0.95), ("李", 0.9, 0.05), ("娜", 0.0, 0.95)]
    assert decoded("王伟李娜", parts) == [("PERSON", "王伟"), ("PERSON", "李娜")]


def test_a_korean_name_stands_at_the_beginning_of_its_word() -> None:
    """A piece in the middle of a word is none by itself; a weak first piece is taken along."""
    assert decoded("요하네스는", [("요", 0.0, 0.01), ("하", 0.7, 0.1), ("네스", 0.0, 0.1), ("는", 0.0, 0.0)]) == []
    assert decoded("앤더슨은", [("앤", 0.4, 0.0), ("더슨", 0.1, 0.8), ("은", 0.0, 0.01)]) == [("PERSON", "앤더슨")]


def test_a_latin_word_in_a_korean_text_needs_what_korean_names_need() -> None:
    """The higher of both limits counts; in an English text the word's own does."""
    limits = {language: dict.fromkeys(KINDS, 0.25) for language in Language} | {
        Language.KOREAN: dict.fromkeys(KINDS, 0.8)
    }
    made = Pieces([9, 9, 9], [0, 4, 6], [3, 6, 8])
    tags = np.array([[0.5, 0.5, 0, 0, 0], [1, 0, 0, 0, 0], [1, 0, 0, 0, 0]], dtype=np.float32)
    assert list(names("UFC 경기장에", made, tags, KINDS, limits)) == []
    assert [n.kind for n in names("UFC is on", made, tags, KINDS, limits)] == ["PERSON"]


def test_a_name_ends_before_a_mail_address() -> None:
    """What stands before the @ looks like a name and is none; the name before it is whole."""
    name = [("홍", 0.9, 0.0), ("길", 0.0, 0.9), ("동", 0.0, 0.9)]
    mail = [("hong", 0.0, 0.4), ("@", 0.0, 0.0), ("ex", 0.0, 0.0)]
    assert decoded("홍길동 hong@ex", name + mail) == [("PERSON", "홍길동")]
    long = [("kim", 0.0, 0.9), (".", 0.0, 0.9), ("hong", 0.0, 0.9), ("@", 0.0, 0.0), ("ex", 0.0, 0.0)]
    assert decoded("홍길동 kim.hong@ex", name + long) == [("PERSON", "홍길동")]
    assert decoded("Tom @ex", [("Tom", 0.9, 0.0), ("@", 0.0, 0.0), ("ex", 0.0, 0.0)]) == [("PERSON", "Tom")]


@pytest.mark.parametrize(
    ("text", "found", "name"),
    [
        ("Dr. Jane Miller's car", "Dr. Jane Miller's", "Jane Miller"),
        ("(Tom Baker)", "(Tom Baker)", "Tom Baker"),
        ("Acme Inc. paid", "Acme Inc.", "Acme Inc."),
        ("왔다. 김철수의 차", "김철수의", "김철수"),
        ("왔다. 김철수 의원", "김철수 의원", "김철수"),
        ("김모(33)씨", "김모", "김"),
        ("이나은", "이나은", "이나은"),
    ],
)
def test_what_is_appended_is_no_part_of_a_name(text: str, found: str, name: str) -> None:
    """Titles, possessives, particles, brackets."""
    start = text.index(found)
    kind = "ORGANIZATION" if "Inc" in name else "PERSON"
    ((fit),) = fitted(text, Name(kind, 0.9, start, start + len(found)))
    assert text[fit.start : fit.end] == name


def test_the_place_that_one_is_in_is_named_without_the_word_for_in() -> None:
    """在上海."""
    ((fit),) = fitted("他在上海", Name("LOCATION", 0.9, 1, 4))
    assert (fit.start, fit.end) == (2, 4)


def test_a_person_in_brackets_behind_another_is_one_more() -> None:
    """A part and who plays it; an organisation's short form is left where it is."""
    text = "주인공 글로리아(샤론스톤)가"
    found = fitted(text, Name("PERSON", 0.95, 4, 13))
    assert [text[n.start : n.end] for n in found] == ["글로리아", "샤론스톤"]
    text = "Acme (UK) Ltd paid"
    assert [text[n.start : n.end] for n in fitted(text, Name("ORGANIZATION", 0.9, 0, 13))] == ["Acme (UK) Ltd"]


@pytest.mark.parametrize(
    ("text", "kind"), [("the", "PERSON"), ("...", "PERSON"), ("12", "ORGANIZATION"), ("Somewhere", "ADDRESS")]
)
def test_what_is_written_like_none_is_none(text: str, kind: str) -> None:
    """Ordinary words, signs, numbers; an address has a number or a road in it."""
    assert list(fitted(text, Name(kind, 0.9, 0, len(text)))) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [("슬로바키아어로 썼다", ""), ("슬로바키아 말", "슬로바키아"), ("슬로바키아어선이 왔다", "슬로바키아")],
)
def test_a_language_is_no_place(text: str, name: str) -> None:
    """A country and 어, with or without a particle; a word that begins with 어 is another matter."""
    found = fitted(text, Name("LOCATION", 0.9, 0, len("슬로바키아")))
    assert [text[n.start : n.end] for n in found] == ([name] if name else [])


@pytest.mark.parametrize(
    ("text", "found", "name"),
    [
        ("我是土生土长的", "土长", False),
        ("昆仑奴是谁", "昆仑", False),
        ("他说土生很好", "土生", True),
        ("수녀님이 왔다", "수", False),
        ("수씨가 왔다", "수", True),
    ],
)
def test_a_part_of_an_ordinary_word_is_no_name(text: str, found: str, *, name: bool) -> None:
    """Of a Chinese phrase or listed word; the first syllable of a Korean word, unless a title or particle follows."""
    start = text.index(found)
    assert bool(list(fitted(text, Name("PERSON", 0.95, start, start + len(found))))) is name


def test_a_user_name_is_not_a_name() -> None:
    """What follows an at sign."""
    assert list(fitted("@johnsmith hi", Name("PERSON", 0.9, 1, 10))) == []


def test_the_lines_of_an_address_are_one() -> None:
    """Signs and a line end between them; a person does not join."""
    text = "12 Mill Road,\nLeeds"
    parts = [Name("ADDRESS", 0.8, 0, 12), Name("LOCATION", 0.7, 14, 19)]
    assert [(n.kind, n.start, n.end) for n in whole_addresses(text, parts)] == [("ADDRESS", 0, 19)]
    apart = [Name("PERSON", 0.8, 0, 12), Name("LOCATION", 0.7, 14, 19)]
    assert list(whole_addresses(text, apart)) == apart


@pytest.mark.parametrize("text", ["한 문장이다. " * 90, "word " * 400, "字" * 700, "a" * 900, "One.\nTwo three. " * 60])
def test_windows_cover_every_piece_once_and_fit(text: str) -> None:
    """Whatever the text is made of."""
    every = pieces(load().words.tokenizer, text)
    cut = list(windows(text, every))
    assert [i for window in cut for i in window.ids] == every.ids
    assert [at for window in cut for at in window.starts] == every.starts
    assert all(0 < len(window.ids) <= WINDOW for window in cut)


@pytest.mark.parametrize(
    "text", ["김재원의 차", "韩佳人的歌", "Kaylee's \u200b cat", "\u1100\u1161", "👍🏽 Tom", "a\ud83d", "  ", ""]
)
def test_pieces_lie_in_the_text_in_order(text: str) -> None:
    """None is empty, none begins with a space, none overlaps the next."""
    made = pieces(load().words.tokenizer, text)
    assert all(start < end and not text[start].isspace() for start, end in zip(made.starts, made.ends, strict=True))
    assert all(end <= start for end, start in zip(made.ends, made.starts[1:], strict=False))


def test_a_particle_is_a_piece_of_its_own() -> None:
    """So that a name can end before it."""
    text = "김재원의"
    made = pieces(load().words.tokenizer, text)
    assert text[made.starts[-1] : made.ends[-1]] == "의"


@pytest.mark.parametrize(
    ("text", "name", "score", "is_one"),
    [
        ("소수가 반대했다", "소수", 0.8, False),
        ("지민이 왔다", "지민", 0.95, True),
        ("지민 언니가 왔다", "지민", 0.6, True),
        ("추 전 장관은", "추", 0.6, True),
        ("김 의원은", "김", 0.6, True),
        ("홍모(20)씨가", "홍", 0.6, True),
        ("여 당은", "여", 0.6, False),
        ("윤석열이 말했다", "윤석열", 0.6, True),
        ("李娜来了", "李娜", 0.6, False),
        ("李娜来了", "李娜", 0.8, True),
        ("张伟明来了", "张伟明", 0.5, True),
        ("Al said", "Al", 0.5, True),
        ("john said", "john", 0.7, False),
        ("john said", "john", 0.9, True),
    ],
)
def test_a_name_that_looks_like_a_word_needs_more_than_its_looks(
    text: str, name: str, score: float, is_one: bool
) -> None:
    """A title, a relation, an age or near certainty; longer names and capitals are left as they are."""
    found = [text[n.start : n.end] for n in fitted(text, Name("PERSON", score, 0, len(name)))]
    assert found == ([name] if is_one else [])


@pytest.mark.parametrize(
    ("text", "found", "kind", "is_one"),
    [
        ("정부는 발표했다", "정부", "ORGANIZATION", False),
        ("사회주의 혁명", "사회주", "PERSON", False),
        ("정부 부처가", "정부 부처", "ORGANIZATION", False),
        ("정부가 나섰다", "정부가", "PERSON", False),
        ("정부경 씨는", "정부경", "PERSON", True),
        ("이유진이 왔다", "이유진", "PERSON", True),
        ("국회의원 선거", "국회", "PERSON", False),
        ("국회가 열렸다", "국회", "ORGANIZATION", True),
        ("저 사람은 안다", "저 사", "PERSON", False),
        ("두 사람이 왔다", "두 사람", "PERSON", False),
        ("이 정도경은", "이 정도경", "PERSON", True),
        ("總之不回家", "總之", "PERSON", False),
        ("the call center", "call center", "ORGANIZATION", False),
    ],
)
def test_ordinary_words_are_no_names(text: str, found: str, kind: str, is_one: bool) -> None:
    """A listed word, several, one with its particle, or the beginning of a longer one; what begins like one stays."""
    start = text.index(found)
    assert bool(list(fitted(text, Name(kind, 0.95, start, start + len(found))))) is is_one


@pytest.mark.parametrize(
    ("text", "seen", "whole"),
    [
        ("황교안 봤다", "황교", "황교안"),
        ("이연걸은 출연했다", "이연", "이연걸"),
        ("고은이 썼다", "고은", "고은"),
        ("정우형 왔어", "정우", "정우"),
        ("조국 장관", "조국", "조국"),
        ("지민누나랑", "지민", "지민"),
        ("유진이에게", "유진", "유진"),
    ],
)
def test_a_korean_name_seen_by_half_is_made_whole(text: str, seen: str, whole: str) -> None:
    """Particles, titles and relations stay outside."""
    assert [text[n.start : n.end] for n in fitted(text, Name("PERSON", 0.95, 0, len(seen)))] == [whole]


@pytest.mark.parametrize(
    ("text", "seen", "kind", "whole"),
    [
        ("맥도날드에서 먹었다", "맥도날", "ORGANIZATION", "맥도날드"),
        ("맥도날드 알려줘", "맥도날", "ORGANIZATION", "맥도날드"),
        ("검찰청으로 갔다", "검찰", "ORGANIZATION", "검찰청"),
        ("삼성전자가 밝혔다", "삼성전자", "ORGANIZATION", "삼성전자"),
        ("공군참모총장이 왔다", "공군", "ORGANIZATION", "공군"),
        ("제이크질렌할은 젊다", "제이크질", "PERSON", "제이크질렌할"),
        ("웨스앤더슨의영화", "웨스앤더슨", "PERSON", "웨스앤더슨"),
        ("류덕환완전멋있어요", "류덕환", "PERSON", "류덕환"),
        ("백두산에 갔다", "백두", "LOCATION", "백두산"),
        ("미국산 쇠고기", "미국", "LOCATION", "미국"),
        ("일본아가씨들의", "일본", "LOCATION", "일본"),
    ],
)
def test_a_korean_name_does_not_end_inside_of_its_word(text: str, seen: str, kind: str, whole: str) -> None:
    """An organisation or a long name of a person takes in the rest of the word, a place what kind of place it is."""
    assert [text[n.start : n.end] for n in fitted(text, Name(kind, 0.95, 0, len(seen)))] == [whole]


@pytest.mark.parametrize(
    ("text", "seen", "person"),
    [("그리고 루터의 책", "그리고 루터", "루터"), ("전현무 ㅋ", "전현무 ㅋ", "전현무"), ("ㅋ형준이", "ㅋ형준", "형준")],
)
def test_a_korean_person_stands_apart_from_what_is_around_it(text: str, seen: str, person: str) -> None:
    """Ordinary words before and behind, and letters that are no syllable."""
    assert [text[n.start : n.end] for n in fitted(text, Name("PERSON", 0.95, 0, len(seen)))] == [person]


def test_part_of_a_user_name_is_no_name() -> None:
    """Also behind an underscore, where a word of its own seems to begin."""
    text = "RT @Vidal_Lucia called"
    assert list(fitted(text, Name("PERSON", 0.9, text.index("Lucia"), text.index(" called")))) == []
