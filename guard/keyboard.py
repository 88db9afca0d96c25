"""Hangul typed while the keyboard was set to Latin letters (tlqkf for 시발), and back.

The layout is the Korean standard two-set keyboard: consonants on the left, vowels on the right.
"""

from __future__ import annotations

import re

from guard.hangul import compose

_ROWS = "ㅂq ㅈw ㄷe ㄱr ㅅt ㅛy ㅕu ㅑi ㅐo ㅔp ㅁa ㄴs ㅇd ㄹf ㅎg ㅗh ㅓj ㅏk ㅣl ㅋz ㅌx ㅊc ㅍv ㅠb ㅜn ㅡm ㅃQ ㅉW ㄸE ㄲR ㅆT ㅒO ㅖP"
_DOUBLE = "ㅘhk ㅙho ㅚhl ㅝnj ㅞnp ㅟnl ㅢml ㄳrt ㄵsw ㄶsg ㄺfr ㄻfa ㄼfq ㄽft ㄾfx ㄿfv ㅀfg ㅄqt"

KEYS: dict[str, str] = {pair[0]: pair[1:] for pair in (*_ROWS.split(), *_DOUBLE.split())}
"""A Hangul letter to the keys that type it."""
_LETTER_OF = {pair[1]: pair[0] for pair in _ROWS.split()}
_VOWEL_PAIRS = {KEYS[v]: v for v in "ㅘㅙㅚㅝㅞㅟㅢ"}
_CODA_PAIRS = {KEYS[c]: c for c in "ㄳㄵㄶㄺㄻㄼㄽㄾㄿㅀㅄ"}
_WORD = re.compile(r"[A-Za-z]+")
_VOWEL_KEYS = frozenset("yuiophjklbnmOP")


def typed(word: str) -> str | None:
    """The Hangul that the keys of a word type; None unless they type whole syllables that are in use."""
    letters: list[str] = []
    at = 0
    while at < len(word):
        pair = word[at : at + 2]
        if pair in _VOWEL_PAIRS:
            letters.append(_VOWEL_PAIRS[pair])
            at += 2
        elif pair in _CODA_PAIRS and _closes(word, at + 2):
            letters.append(_CODA_PAIRS[pair])
            at += 2
        else:
            letters.append(_LETTER_OF.get(word[at]) or _LETTER_OF.get(word[at].lower(), ""))
            at += 1
    made = "".join(part.text for part in compose("".join(letters)))
    if not made or not all("가" <= c <= "힣" for c in made):
        return None
    try:
        made.encode("euc-kr")
    except UnicodeEncodeError:
        return None
    return made


def _closes(word: str, after: int) -> bool:
    """Whether a consonant before position `after` ends a syllable: no vowel follows."""
    return after >= len(word) or word[after] not in _VOWEL_KEYS


def untyped(text: str) -> str | None:
    """A text as Hangul when most of its Latin words are Hangul typed with the wrong layout; else None.

    Words of one syllable prove nothing; two thirds of the letters must be in words of two and more.
    """
    words = _WORD.findall(text)
    readings = {word: typed(word) for word in set(words)}
    letters = sum(map(len, words))
    proof = sum(len(w) for w in words if (made := readings[w]) is not None and len(made) > 1)
    if letters < 4 or proof * 3 < letters * 2:
        return None
    return _WORD.sub(lambda found: readings[found[0]] or found[0], text)
