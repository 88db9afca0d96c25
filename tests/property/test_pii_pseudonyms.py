"""Reversible pseudonyms: what went out comes back, wherever the text is cut, and nobody can ask for another's value."""

from __future__ import annotations

import re
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard import SafetyChecker
from guard.pii.errors import SealBroken, SealExpired
from guard.pii.samples import MAKERS
from guard.placeholders import Placeholders
from guard.scrub import Scrubber
from guard.scrub_pseudonyms import Pseudonyms

SCRUBBER = Scrubber()
FORGED = "<PHONE_NUMBER_1_deadbeef>"


def in_pieces(pseudonyms: Pseudonyms, pieces: list[str], *, agree: bool = False) -> str:
    stream = pseudonyms.restoring(agree=agree)
    return "".join(stream.feed(piece) for piece in pieces) + stream.finish()


@pytest.mark.parametrize("rule", sorted(MAKERS))
def test_what_was_scrubbed_comes_back_at_every_split(rule: str) -> None:
    """restore(scrub(x)) == x for every kind, whole, by single characters, and cut once at every position."""
    rng = np.random.default_rng(zlib.crc32(rule.encode()))
    sample, other = MAKERS[rule](rng), MAKERS["email"](rng)
    text = f"제 값은 {sample.lead}{sample.value}이고 {FORGED} 메일은 {other.value}. {sample.lead}{sample.value} <b> \\<"
    pseudonyms = Pseudonyms(SCRUBBER)
    sent = pseudonyms.scrub(text).text
    assert sample.value not in sent
    assert pseudonyms.restore(sent) == text
    assert in_pieces(pseudonyms, list(sent)) == text
    for cut in range(len(sent)):
        assert in_pieces(pseudonyms, [sent[:cut], sent[cut:]]) == text


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=12),
            st.sampled_from(
                ["<", ">", "\\", FORGED, "＜", "010-1234-5678", "kim@example.com", "<PERSON_1_", "은", "900101-1234568"]
            ),
        ),
        max_size=12,
    ),
    st.integers(0, 400),
)
def test_any_text_comes_back(parts: list[str], cut: int) -> None:
    """Whatever stands around the values: brackets, halves of placeholders, other scripts."""
    text = "".join(parts)
    pseudonyms = Pseudonyms(SCRUBBER)
    sent = pseudonyms.scrub(text).text
    assert in_pieces(pseudonyms, [sent[:cut], sent[cut:]]) == text


def test_the_same_value_has_one_placeholder_in_a_conversation_and_another_in_the_next() -> None:
    """A model can tell two persons apart and cannot tie two conversations together."""
    text = "010-1234-5678, 010-8765-4321, 010-1234-5678"
    first, second = Pseudonyms(SCRUBBER), Pseudonyms(SCRUBBER)
    sent = first.scrub(text).text.split(", ")
    assert sent[0] == sent[2] != sent[1]
    assert first.scrub("다시 010-1234-5678").text == f"다시 {sent[0]}"
    assert second.scrub(text).text.split(", ")[0] != sent[0]


def test_no_placeholder_looks_like_a_value() -> None:
    """Whatever the secret, what protects a value on its way back is not taken for one itself."""
    checker = SafetyChecker.load("fast")
    kinds = sorted(SCRUBBER.entities)
    for number in range(3000):
        made = Placeholders(number.to_bytes(32, "big")).name(kinds[number % len(kinds)], "value")
        assert checker.check(f"번호는 {made}이고", direction="output").findings == ()


def test_a_forged_placeholder_reveals_nothing() -> None:
    """A number without the conversation's tag stays as it was typed, by the user or by the model."""
    pseudonyms = Pseudonyms(SCRUBBER)
    sent = pseudonyms.scrub("010-1234-5678").text
    tag = re.search("_([a-p]{8})>", sent)
    assert tag is not None
    for forged in (
        "<PHONE_NUMBER_1_aaaaaaaa>",
        "<PHONE_NUMBER_1>",
        f"<PERSON_1_{tag[1]}>",
        f"<PHONE_NUMBER_2_{tag[1]}>",
    ):
        assert pseudonyms.restore(f"call {forged} now") == f"call {forged} now"
    other = Pseudonyms(SCRUBBER)
    other.scrub("010-9999-8888")
    assert "9999" not in other.restore(sent)


@pytest.mark.parametrize("form", ["**{}**", '{{"phone": "{}"}}', "`{}`", "「{}」", "- {}\n"])
def test_wrapping_does_not_hide_a_placeholder(form: str) -> None:
    """Markdown, JSON and quotes around it; escapes and the brackets of other languages in it."""
    pseudonyms = Pseudonyms(SCRUBBER)
    sent = pseudonyms.scrub("010-1234-5678").text
    escaped = sent.replace("_", "\\_").replace("<", "\\<").replace(">", "\\>")
    wide = sent.replace("<", "＜").replace(">", "＞")
    for written in (sent, escaped, wide):
        text = form.format(written)
        assert in_pieces(pseudonyms, list(text)) == form.format("010-1234-5678")


def test_particles_agree_with_the_word_that_comes_back() -> None:
    """A model that wrote 은 after a placeholder meant 는 after a vowel."""
    pseudonyms = Pseudonyms(Scrubber(entities=["ADDRESS"]))
    sent = pseudonyms.scrub("서울특별시 강남구 테헤란로 123 3층").text
    for written, right in (
        ("은 좋다", "은 좋다"),
        ("는 좋다", "은 좋다"),
        ("로 간다", "으로 간다"),
        ("를", "을"),
        ("와 나", "과 나"),
        ("로서", "로서"),
    ):
        assert in_pieces(pseudonyms, list(sent + written), agree=True) == "서울특별시 강남구 테헤란로 123 3층" + right


def test_a_sealed_map_opens_with_its_key_in_its_conversation_in_time() -> None:
    """Nothing of the values stands in the seal; another key, conversation, byte or hour does not open it."""
    pseudonyms = Pseudonyms(SCRUBBER)
    sent = pseudonyms.scrub("메일 kim@example.com").text
    key = bytes(range(32))
    seal = pseudonyms.seal(key, conversation="c1", expires_s=1000)
    assert b"kim" not in seal.content
    opened = Pseudonyms.unseal(seal, key, SCRUBBER, conversation="c1", now_s=999)
    assert opened.restore(sent) == "메일 kim@example.com"
    assert opened.scrub("메일 kim@example.com").text == sent
    with pytest.raises(SealExpired):
        Pseudonyms.unseal(seal, key, SCRUBBER, conversation="c1", now_s=1000)
    for wrong_key, conversation in ((key[::-1], "c1"), (key, "c2"), (b"short", "c1")):
        with pytest.raises(SealBroken):
            Pseudonyms.unseal(seal, wrong_key, SCRUBBER, conversation=conversation, now_s=0)
