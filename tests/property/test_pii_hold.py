"""What has not been released cannot leak: every pattern, every split, every neighbour."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from guard import secrets
from guard.fold import build_views
from guard.pii import scanners
from guard.pii.samples import MAKERS, Sample
from guard.scanner import Match, Scanner
from guard.secrets.samples import MAKERS as SECRET_MAKERS

SCANNERS: tuple[Scanner, ...] = (*scanners(), *secrets.scanners())
NEIGHBOURS = (
    ("", ""),
    (" ", " "),
    ("그의 번호는", "입니다"),
    ("我的是", "，谢谢"),
    ("これは", "です"),
    ("(", ")."),
    ("see: ", ", ok"),
    ("값=", "을 보내"),
    ("\n", "\n"),
)
ALL = {**MAKERS, **SECRET_MAKERS}
LABELLED = "reach 50-98-28-96-Office or 9885 1152 (fax), 033 93 31-Home"


def rng_of(rule: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(rule.encode()))


def matches(text: str) -> list[Match]:
    views = build_views(text)
    return [match for scanner in SCANNERS for match in scanner.scan(views)]


def released(text: str) -> int:
    """How much of the beginning of a stream both scanners let go."""
    views = build_views(text)
    return len(text) - max(scanner.hold(views) for scanner in SCANNERS)


def is_hangul(char: str) -> bool:
    return "가" <= char <= "힣"


def planted(sample: Sample, left: str, right: str) -> str:
    return f"오늘 本文 text {left}{sample.lead}{sample.value}{right} 그리고 end"


@pytest.mark.parametrize("rule", sorted(ALL))
def test_no_part_of_a_match_is_released_before_it_is_complete(rule: str) -> None:
    """At every split position, the released part ends before the first match that the split cuts."""
    rng = rng_of(rule)
    for left, right in NEIGHBOURS:
        sample = ALL[rule](rng)
        if is_hangul(left[-1:]) and is_hangul(sample.value[0]):
            continue  # a Korean address begins a word
        text = planted(sample, left, right)
        found = matches(text)
        start = text.index(sample.value)
        assert any(
            m.entity == sample.entity and m.start <= start and m.end >= start + len(sample.value) for m in found
        ), (sample, text, [(m.rule, text[m.start : m.end]) for m in found])
        for split in range(1, len(text)):
            let_go = released(text[:split])
            cut = [m for m in found if m.start < split < m.end]
            assert all(let_go <= m.start for m in cut), (split, text[:split], text[:let_go], cut)


@pytest.mark.parametrize("rule", sorted(ALL))
def test_disguised_digits_and_hidden_characters_are_held_too(rule: str) -> None:
    """Full-width characters and zero-width characters inside a value change neither the finding nor the hold."""
    sample = ALL[rule](rng_of(rule))
    if not sample.value.isascii() or "\n" in sample.value:
        sample = Sample("PHONE_NUMBER", "010-1234-5678")
    wide = "".join(chr(ord(c) + 0xFEE0) if c.isdigit() or c == "@" else c for c in sample.value)
    hidden = "\u200b".join(sample.value)
    for value in (wide, hidden):
        text = f"번호는 {sample.lead}{value}입니다"
        found = [m for m in matches(text) if m.entity == sample.entity]
        start = text.index(value)
        assert any(m.start <= start and m.end >= start + len(value) for m in found), (text, matches(text))
        for split in range(1, len(text)):
            let_go = released(text[:split])
            assert all(let_go <= m.start for m in found if m.start < split < m.end), (split, text[:split])


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("오늘은 날씨가 좋아서 친구와 함께 공원을 걸었습니다 그리고 저녁을 먹었어요", 3),
        ("今天天气很好我们一起去公园散步然后吃了晚饭大家都很开心", 3),
    ],
)
def test_ordinary_korean_and_chinese_flow_freely(text: str, most: int) -> None:
    """Almost every position of ordinary text can be released at once; the rest waits for a character or two."""
    holds = [split - released(text[:split]) for split in range(1, len(text) + 1)]
    assert max(holds) <= most
    assert sum(h > 0 for h in holds) <= len(holds) // 5


def test_ordinary_english_waits_for_the_word() -> None:
    """In English the word being written is held, for it may become an e-mail address."""
    text = "The weather was nice today so we walked through the park and had dinner with friends"
    for split in range(1, len(text) + 1):
        word = text[:split].rpartition(" ")[2]
        assert split - released(text[:split]) <= len(word)


def test_a_number_waits_for_the_word_after_it() -> None:
    """What only the word behind a number makes a telephone number is held until that word is decided."""
    found = [m for m in matches(LABELLED) if m.entity == "PHONE_NUMBER"]
    assert [LABELLED[m.start : m.end] for m in found] == ["50-98-28-96", "9885 1152", "033 93 31"]
    for split in range(1, len(LABELLED)):
        let_go = released(LABELLED[:split])
        assert all(let_go <= m.start for m in found if m.start < split < m.end + 3), (split, LABELLED[:let_go])
