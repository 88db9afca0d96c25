"""Scrubber: what it replaces, by what, and where it says it did."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

import guard.pii.operators
import guard.scrub
from guard.pii.errors import UnknownEntity, WeakPseudonymKey
from guard.pii.operators import Mode
from guard.pii.samples import CHECKED, MAKERS, near_miss
from guard.scrub import Entity, Scrubber, disjoint

KEY = bytes(range(32))


def kinds(text: str) -> list[tuple[str, str]]:
    return [(entity.type, text[entity.start : entity.end]) for entity in Scrubber().find(text)]


@pytest.mark.parametrize("module", [guard.scrub, guard.pii.operators])
def test_examples_in_docstrings_are_true(module: object) -> None:
    """Whatever a reader can copy works."""
    outcome = doctest.testmod(module)  # type: ignore[arg-type]
    assert outcome.attempted
    assert not outcome.failed


def test_an_entity_may_be_the_whole_text_its_start_or_its_end() -> None:
    """The edges of the text are boundaries."""
    for text in ("010-1234-5678", "010-1234-5678 끝", "앞 010-1234-5678"):
        assert kinds(text) == [("PHONE_NUMBER", "010-1234-5678")]
    assert Scrubber().scrub("").text == ""


def test_what_was_hidden_inside_a_value_goes_with_it() -> None:
    """Zero-width characters and combining marks inside or on a value do not survive the mask."""
    scrubbed = Scrubber().scrub("번호 0\u200b10-12\u200d34-567\u03018\u0301 끝")
    assert scrubbed.text == "번호 ***-****-**** 끝"
    assert [(e.start, e.end) for e in scrubbed.entities] == [(3, 20)]


def test_overlapping_readings_leave_nothing_uncovered() -> None:
    """The stronger keeps its range; what sticks out of the weaker is covered too; nothing overlaps."""
    found = disjoint(
        [
            Entity("A", 0, 10, 0.9),
            Entity("B", 5, 20, 0.7),
            Entity("C", 18, 22, 0.95),
            Entity("D", 30, 31, 0.5),
            Entity("E", 2, 4, 0.6),
        ]
    )
    assert [(e.type, e.start, e.end) for e in found] == [("A", 0, 10), ("B", 10, 18), ("C", 18, 22), ("D", 30, 31)]


def test_a_key_makes_replacements_repeatable_and_another_key_other_ones() -> None:
    """Hashes and pseudonyms depend on the key alone; masks on nothing."""
    text = "kim@example.com, 010-1234-5678, 900101-1234568"
    for mode in (Mode.HASH, Mode.PSEUDONYM):
        first = Scrubber(mode, key=KEY).scrub(text).text
        assert first == Scrubber(mode, key=KEY).scrub(text).text
        assert first != Scrubber(mode, key=KEY[::-1]).scrub(text).text
        assert first != Scrubber(mode).scrub(text).text


@pytest.mark.parametrize("rule", sorted(MAKERS))
def test_a_pseudonym_keeps_script_and_length(rule: str) -> None:
    """A pseudonym has the length and the signs of the original (an e-mail address: its form), and is not it."""
    rng = np.random.default_rng(3)
    sample = MAKERS[rule](rng)
    made = guard.pii.operators.pseudonym(sample.entity, sample.value, KEY)
    assert made != sample.value
    if sample.entity == "EMAIL_ADDRESS":
        assert made.endswith("@example.com")
        return
    assert len(made) == len(sample.value)
    assert [c.isalnum() for c in made] == [c.isalnum() for c in sample.value]


@pytest.mark.parametrize("rule", CHECKED)
def test_check_digits_tell_values_from_near_misses(rule: str) -> None:
    """On made-up values: all of the right ones are found, none of those with a wrong last digit."""
    rng = np.random.default_rng(11)
    right = wrong = 0
    for _ in range(200):
        sample = MAKERS[rule](rng)
        right += (sample.entity, sample.value) in kinds(f"값 {sample.lead}{sample.value} 끝")
        miss = near_miss(sample)
        wrong += any(kind == sample.entity for kind, _ in kinds(f"값 {miss.lead}{miss.value} 끝"))
    assert right >= 198
    assert wrong <= 2


def test_ordinary_prose_is_left_alone() -> None:
    """Dates, prices, versions, scores and quantities are not personal data."""
    text = (
        "2024년 3월 15일 오후 3시 30분, 코스피는 2,650.35로 1.2% 올랐다. 제품은 12,900원이고 10개 묶음은 99,000원이다. "
        "Version 2.10.3 was released on 2023-11-05; 1,234,567 downloads in 24 hours, see chapter 3.2.1, page 128-135. "
        "2023年GDP增长5.2%，达到126.06万亿元，人口14.1亿，面积960万平方公里。比分是3:2，时间是19:30。"
    )
    assert Scrubber(languages=[]).find(text) == ()


def test_only_the_kinds_asked_for() -> None:
    """`entities` restricts; a misspelt kind is refused."""
    text = "kim@example.com 010-1234-5678"
    assert Scrubber(entities=["EMAIL_ADDRESS"]).scrub(text).text == "[EMAIL_ADDRESS] 010-1234-5678"
    with pytest.raises(UnknownEntity):
        Scrubber(entities=["EMAIL"])


def test_a_guessable_key_is_refused() -> None:
    """Fewer than sixteen bytes can be tried out."""
    with pytest.raises(WeakPseudonymKey):
        Scrubber("hash", key=b"secret")
