"""Stage 1 takes shortcuts; what it answers is what the plain way of saying it answers, for any text."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guard import hanzi
from guard.classifier import folding
from guard.classifier.folding import fold
from guard.classifier.hashing import LENGTHS, codes_of, slots_of
from guard.classifier.linear import BLOCK, WINDOW, LinearHeads

PIECES = [
    *"aezAZ013457@$!+|.,·*_-/~^' \t\n\r\x00\x0b\x1c\x85\u2028\u3000…½™ﬀßæİΣς\u0301\u20e3\u0483\u09be",
    *"가나\u1100\u1161\u11a8ㄱㅋㄳㅏㅠ㉠㉮㈀ﾡￂ你好個這亻口女\u200b\ufe0f\u00ad\ud800\u3164😀🅰🇰Ａ１！аоé€ไع\U00020000\U0001d6ba\ua722",
    *[
        "i d i o t",
        "a, b, c",
        "a  b  c",
        "f.u.c.k",
        "개.새.끼",
        "개 . 새 . 끼",
        "x·y·z",
        "a_b_c",
        "it's a b",
        "U.S.A.",
        " ",
    ],
    *[
        "sh1t",
        "1st",
        "a$$",
        "b00b",
        "5pm",
        "l33t!!a",
        "一.二",
        "제1회",
        "씨..발",
        "ㅅㅣㅂㅏㄹ",
        "ㅋㅋㅋ",
        "ㅠㅠ",
        "女马",
        "www.a b",
        "@name ",
        "aaaa",
    ],
]
"""What folding knows, what stands in its way, and pieces of words that the searches are for."""
disguised = st.lists(st.sampled_from(PIECES) | st.characters(codec=None), max_size=30).map("".join)

_CJK_SIGN = re.compile(r"[*·_\-^|/\\~`.+=@#$%&!1;:'\"]{1,2}")
_CJK = re.compile("[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3\u4e00-\u9fff]")


def folded_plainly(text: str) -> str:
    """Folding without tables and without searches: every step, always."""
    text = folding._by_rules(text)
    if not text.isprintable():
        text = re.sub(r"\s+", " ", folding._CONTROL.sub("", text))
    text = folding._USER.sub("user", folding._LINK.sub(" url ", text))
    text = re.sub(r"(.)\1\1+", r"\1\1", text, flags=re.DOTALL)
    apart = "".join("s" if char in folding._SEPARATORS else "o" for char in text)
    if "ososo" in apart or "  " in text:
        text = folding._SPACED.sub(lambda found: found[0].replace(found[1], ""), text)
    text = folding._SIGN.sub(folding._unleet, _CJK_SIGN.sub(gap_closed, text))
    return re.sub(r"\s+", " ", text).strip()


def gap_closed(found: re.Match[str]) -> str:
    text, start, end = found.string, found.start(), found.end()
    inside = start > 0 and end < len(text) and _CJK.match(text, start - 1) and _CJK.match(text, end)
    return "" if inside else found[0]


@settings(max_examples=1500, deadline=None)
@given(disguised)
@example("가·b·c d")
@example("“a b c” \ua722 b c")
@example("ㅋ\u200bㅏ ㅠㅠ")
@example("亻…尔")
@example("ΑΣ αΣα Σ")
def test_folding_is_every_step_one_after_the_other(text: str) -> None:
    """No table and no search that passes over a step changes what a text folds to."""
    assert fold(text) == folded_plainly(text)


def test_every_character_folds_by_itself_and_beside_others_as_the_rules_say() -> None:
    """The tables know each character, and say where they do not know what becomes of it beside a letter, a mark or a syllable."""
    known = 0
    for code in range(0x20000):
        text = "a{0}é가{0}ㄱ{0}ㅠ你{0}.{0}".format(chr(code))
        found = folding._CHARACTERS.folded(text)
        known += found is not None
        if found is not None:
            assert found == folding._by_rules(text)
    assert known > 40_000


def test_ordinary_text_needs_no_rules() -> None:
    """Text of each language, with its punctuation, is looked up."""
    for text in (
        "“Café”, she said… it’s 20 €",
        "그래서 “좋다”고 했어요 ㅋㅋㅋ ㅠㅠ… 😀",
        "他说：“好的，谢谢！”（笑）个個",
    ):
        assert folding._CHARACTERS.folded(text) == folding._by_rules(text)
    for char in hanzi.RADICALS:
        assert folding._CHARACTERS.folded(f"你{char}好") is None


def heads_of(columns: int, seed: int) -> LinearHeads:
    """Any weights, the outermost among them, for a table of 64 rows."""
    rng = np.random.default_rng(seed)
    weights = rng.choice([-128, -127, 0, 3, 127], size=(64, columns)).astype(np.int8)
    rarity = rng.choice([0, 1, 59, 255], size=64).astype(np.uint8)
    units, offsets = rng.normal(size=(2, columns)).astype(np.float32)
    return LinearHeads(6, weights, rarity, units, offsets)


def plain_logits(heads: LinearHeads, folded: str) -> np.ndarray:
    """Logits by window, n-gram by n-gram."""
    codes = codes_of(folded)
    starts = [0] if codes.size <= WINDOW + 2 else range(0, codes.size - BLOCK, BLOCK)
    width = WINDOW + 2 if codes.size <= WINDOW + 2 else WINDOW
    logits = []
    for start in starts:
        mine = np.concatenate([slots[start : start + width] for slots in slots_of(codes, heads.bits)])
        sums = heads.weights[mine].sum(axis=0, dtype=np.int64).astype(np.float32)
        square = heads.rarity[mine].sum(dtype=np.int64).astype(np.float32)
        logits.append(sums / np.sqrt(square / np.float32(16) + np.float32(1e-6)) * heads.units + heads.offsets)
    return np.array(logits)


@settings(max_examples=150, deadline=None)
@given(
    st.text(alphabet="ab가나你 ", max_size=9),
    st.sampled_from(
        [0, 1, 2, 3, 60, 254, 255, 256, 257, 258, 259, 382, 383, 384, 2046, 2047, 2048, 2176, 2177, 4096, 4222]
    ),
    st.sampled_from([1, 3, 8, 11, 16]),
    st.integers(0, 99),
)
def test_a_window_sums_the_weights_of_its_n_grams(text: str, size: int, columns: int, seed: int) -> None:
    """Whatever the weights, how many heads there are and where a text ends, to the last bit."""
    folded = (text * size)[:size] if text else "a" * size
    heads = heads_of(columns, seed)
    assert heads.window_logits(folded).tobytes() == plain_logits(heads, folded).tobytes()


@pytest.mark.parametrize("worst", [-128, 127])
def test_the_outermost_weights_do_not_run_over(worst: int) -> None:
    """Sums of blocks full of the lowest or the highest weight are exact."""
    one = np.ones(8, dtype=np.float32)
    heads = LinearHeads(6, np.full((64, 8), worst, dtype=np.int8), np.full(64, 255, dtype=np.uint8), one, 0 * one)
    for size in (10, 256, 257, 3000):
        assert heads.window_logits("a" * size).tobytes() == plain_logits(heads, "a" * size).tobytes()


def test_slots_are_the_hash_of_each_n_gram() -> None:
    """The numbers that the shipped weights were trained on: computed here one n-gram at a time."""
    text, bits = " 욕 you你😀 ", 18
    for n, slots in zip(LENGTHS, slots_of(codes_of(text[1:-1]), bits), strict=True):
        for at, slot in enumerate(slots.tolist()):
            mixed = 0
            for char in text[at : at + n]:
                mixed = (mixed * 0x01000193 + ord(char) * 0x9E3779B1) & 0xFFFFFFFF
            mixed = ((mixed ^ mixed >> 15) + n * 0x85EBCA6B) & 0xFFFFFFFF
            mixed = ((mixed * 0x9E3779B1 & 0xFFFFFFFF) ^ mixed >> 15) * 0x01000193 & 0xFFFFFFFF
            assert slot == mixed >> (32 - bits)
