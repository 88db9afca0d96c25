"""Folding never loses the way back."""

from __future__ import annotations

import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from guard import hangul, hanzi
from guard.fold import build_views
from guard.tight import tighten
from guard.views import MappedText

MIXED = st.text(
    alphabet=st.one_of(
        st.sampled_from(
            "abcXYZ 019.,-*\n\t시발ㅅㅣㅂㅏㄹ씨他這妈ｆＵ１，。éÅﬁ½ⓐ🅱\u200b\u0301\u1109\u1175\u11af\u3164\ud800\U000e0041ﾤ"
        ),
        st.characters(),
    ),
    max_size=60,
)


def check_map(raw: str, view: MappedText) -> None:
    """Ranges are inside the original, ordered, and none where the view is the original itself."""
    if view.starts is None or view.ends is None:
        assert len(view.text) == len(raw)
        return
    assert len(view.starts) == len(view.ends) == len(view.text)
    assert list(view.starts) == sorted(view.starts)
    assert all(0 <= a < b <= len(raw) for a, b in zip(view.starts, view.ends, strict=True))


@settings(max_examples=400, deadline=None)
@given(MIXED)
def test_every_position_of_every_view_maps_into_the_original(text: str) -> None:
    """Also for lone surrogates, controls, marks without a base and letters without a syllable."""
    views = build_views(text)
    check_map(text, views.plain)
    check_map(text, views.folded)
    tight = tighten(views.folded.text)
    if tight is not None:
        check_map(text, views.folded.over(tight))


@settings(max_examples=200, deadline=None)
@given(MIXED, st.sampled_from(["needle", "바늘", "针眼"]), MIXED)
def test_a_planted_word_is_found_and_its_range_covers_what_was_planted(before: str, word: str, after: str) -> None:
    """Zero-width characters inside the word are covered by the range, the neighbours are not."""
    planted = "\u200b".join(word)
    text = f"{before} | {planted} | {after}"
    views = build_views(text)
    at = views.folded.text.index(f"| {word} |") + 2
    span = views.folded.to_raw(at, at + len(word))
    assert text[span.start : span.end] == planted


@given(st.text(alphabet=st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=1, max_size=20))
def test_hangul_is_the_same_however_it_was_put_together(text: str) -> None:
    """Precomposed and decomposed syllables fold alike, and so do loose letters wherever reading them is unambiguous."""
    assert build_views(unicodedata.normalize("NFD", text)).folded.text == text
    loose = "".join(p.text for p in hangul.compose("ㅅㅣㅂㅏㄹ"))
    assert loose == "시발"


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyzABCXYZ 0123456789", max_size=40))
def test_full_width_text_folds_to_what_ascii_folds_to(text: str) -> None:
    """NFKC and case."""
    wide = "".join(chr(ord(c) + 0xFEE0) if c != " " else "\u3000" for c in text)
    assert build_views(wide).folded.text == build_views(text).folded.text


def test_the_table_of_traditional_characters_maps_to_simplified_ones() -> None:
    """No simplified character is itself a key: folding twice changes nothing."""
    assert len(hanzi.SIMPLIFIED) > 500
    assert not {ord(c) for c in hanzi.SIMPLIFIED.values()} & set(hanzi.SIMPLIFIED)
