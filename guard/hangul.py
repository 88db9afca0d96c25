"""Put Hangul syllables together from loose letters (ㅅㅣㅂㅏㄹ -> 시발).

A consonant followed by a vowel opens a syllable; otherwise it closes the one before it. Loose consonants stay as
they are, because initials alone (ㅅㅂ) are written on purpose and are lexicon entries of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

ONSETS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
CODAS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_FIRST_SYLLABLE = 0xAC00

# Conjoining letters (U+1100 block) that stand alone after composition, as the compatibility letters people type.
CONJOINING = (
    {0x1100 + i: c for i, c in enumerate(ONSETS)}
    | {0x1161 + i: c for i, c in enumerate(VOWELS)}
    | {0x11A7 + i: c for i, c in enumerate(CODAS) if i}
)
# Half-width letters (U+FFA1 ...): the order of the old Korean standard with gaps, spelt out.
_HALF_CONSONANTS = "ㄱㄲㄳㄴㄵㄶㄷㄸㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅃㅄㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
HALF_WIDTH = {0xFFA1 + i: c for i, c in enumerate(_HALF_CONSONANTS)} | {
    start + i: VOWELS[first + i]
    for start, first, count in ((0xFFC2, 0, 6), (0xFFCA, 6, 6), (0xFFD2, 12, 6), (0xFFDA, 18, 3))
    for i in range(count)
}


@dataclass(frozen=True, slots=True)
class Composed:
    """One code point made of letters [start, end) of the run."""

    text: str
    start: int
    end: int


def _syllable(onset: str, vowel: str, coda: str) -> str:
    return chr(_FIRST_SYLLABLE + (ONSETS.index(onset) * 21 + VOWELS.index(vowel)) * 28 + CODAS.index(coda))


def compose(run: str) -> list[Composed]:
    """Syllables and left-over letters of a run of compatibility letters, in order, covering the whole run."""
    made: list[Composed] = []
    at = 0
    while at < len(run):
        if at + 1 < len(run) and run[at] in ONSETS and run[at + 1] in VOWELS:
            end = at + 2
            closes = end < len(run) and run[end] in CODAS and not (end + 1 < len(run) and run[end + 1] in VOWELS)
            coda = run[end] if closes else " "
            end += closes
            made.append(Composed(_syllable(run[at], run[at + 1], coda), at, end))
        else:
            end = at + 1
            made.append(Composed(run[at], at, end))
        at = end
    return made
