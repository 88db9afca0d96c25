"""Read through disguises: leetspeak, letters set apart, separators inside words, drawn-out letters.

Rules of this file
1. `tighten` takes a folded text. It changes letters one for one or takes code points out; it never adds any.
2. `tails` is the other half of the promise that a stream leaks nothing: whatever `tighten` may make of a text once
   more of it has arrived, each prefix of a disguised word is a suffix of one of the forms that `tails` gives now.
   A new disguise is added in both functions or in none.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from guard import hangul
from guard.lookalikes import LEET
from guard.views import MappedText

_SEPARATORS = " .-_*~|/\\,'`\"·•+^=:;#&"
_SEPARATOR = "[" + re.escape(_SEPARATORS) + "]"
# One separator, or the same one twice: ": " between two letters is punctuation and no disguise.
_BETWEEN = "(?:" + "|".join(f"{re.escape(c)}{{1,2}}" for c in _SEPARATORS) + ")"
_GAP_SIGN = r".\-_*~|/\\'`\"·•+^=#@!♡♥★☆"
_HANGUL = "가-힣ㄱ-ㅣ"
_HAN = "\u3400-\u9fff\U00020000-\U0003ffff"
_MAX_TAIL = 96  # code points; longer than any disguised entry that is still readable, see Lexicon.reach

_SPACED = re.compile(rf"(?<![a-z0-9])[a-z@$](?:{_BETWEEN}[a-z0-9@$!]){{2,}}(?![a-z0-9])")
_ANY_SPACED = re.compile(rf"{_SEPARATOR}(?<=[a-z@$].)(?<![a-z0-9][a-z@$].)")
_LEET_SIGN = re.compile(r"[0-9@$!|]")
# Patterns begin with a small class where they can: the engine then skips to candidates instead of trying each position.
_LEET_HIT = re.compile(r"[0-9@$!|](?:(?=[a-z])|(?<=[a-z][0-9@$]))")
_LEET_WORD = re.compile(r"[a-z0-9@$!|]{1,64}")
_DRAWN = re.compile(r"([a-z])\1\1+")
_BLANK = re.compile(r" {2,8}")
_ANY_CJK = re.compile(rf"[{_HANGUL}\u3400-\u9fff]|[\U00020000-\U0003ffff]")
_ANY_JAMO = re.compile(r"[ㄱ-ㅣ]")
_JAMO = re.compile(rf"[ㄱ-ㅣ](?:{_BETWEEN}[ㄱ-ㅣ])+")
_ANY_APART = re.compile(r" (?<=[가-힣] )(?<![가-힣]{2} )(?= ?[가-힣](?![가-힣]))")
_APART = re.compile(r"(?<![가-힣])[가-힣](?: {1,2}[가-힣])+(?![가-힣])")
_GAP = re.compile(rf"[{_GAP_SIGN}0-9](?<=[{_HANGUL}{_HAN}].)[{_GAP_SIGN}]{{0,5}}(?=[{_HANGUL}{_HAN}])")
_BLANK_GAP = re.compile(rf" (?<=[{_HAN}] )[ {_GAP_SIGN}]{{0,5}}(?=[{_HAN}])")
_LEET_TABLE = {ord(sign): letter for sign, letter in LEET.items()}

_TAIL_SPACED = re.compile(rf"(?<![a-z0-9])[a-z@$](?:{_BETWEEN}[a-z0-9@$!])*{_BETWEEN}?$")
_TAIL_ALONE = re.compile(rf"(?<![a-z0-9])[a-z0-9@$!]{_SEPARATOR}{{0,2}}$")
_TAIL_GAP = re.compile(rf"[ {_GAP_SIGN}0-9](?<=[{_HANGUL}{_HAN}].)[ {_GAP_SIGN}0-9]{{0,7}}$")
_TAIL_APART = re.compile(r"(?<![가-힣])[가-힣](?: {1,2}[가-힣])* {0,2}$")
_TAIL_JAMO = re.compile(rf"[ㄱ-ㅣ](?:{_SEPARATOR}{{0,2}}[ㄱ-ㅣ])*{_SEPARATOR}{{0,2}}$")


def _disguises(text: str, joins: frozenset[str] | None) -> list[tuple[int, int, str]]:
    """Start, end and kind of every disguise, in order and without overlap. A set-apart word wins over what is in it."""
    found: list[tuple[int, int, str]] = []
    if _ANY_SPACED.search(text) is not None:
        found += [(m.start(), m.end(), "spaced") for m in _SPACED.finditer(text)]
    if _LEET_SIGN.search(text) is not None:
        found += _leet_words(text)
    found += [(m.start(), m.end(), "drawn") for m in _DRAWN.finditer(text)]
    if "  " in text:
        found += [(m.start(), m.end(), "blank") for m in _BLANK.finditer(text)]
    if not text.isascii():
        found += _cjk_disguises(text, joins)
    if len(found) > 1:
        found.sort()
    return found


def _cjk_disguises(text: str, joins: frozenset[str] | None) -> list[tuple[int, int, str]]:
    found: list[tuple[int, int, str]] = []
    if _ANY_CJK.search(text) is None:
        return found
    if _ANY_JAMO.search(text) is not None:
        found += [(m.start(), m.end(), "jamo") for m in _JAMO.finditer(text)]
    if _ANY_APART.search(text) is not None:
        found += [(m.start(), m.end(), "spaced") for m in _APART.finditer(text)]
    for gap in itertools.chain(_GAP.finditer(text), _BLANK_GAP.finditer(text)):
        begin, end = gap.span()
        if joins is None or text[begin - 1] + text[end] in joins:
            found.append((begin, end, "gap"))
    return found


def _leet_words(text: str) -> list[tuple[int, int, str]]:
    """Words in which a digit or sign touches a letter."""
    found: list[tuple[int, int, str]] = []
    last = 0
    for hit in _LEET_HIT.finditer(text):
        begin = hit.start()
        if begin < last:
            continue
        floor = max(last, begin - 24)
        while begin > floor and (text[begin - 1] in LEET or "a" <= text[begin - 1] <= "z"):
            begin -= 1
        word = _LEET_WORD.match(text, begin)
        last = word.end() if word is not None else hit.end()
        found.append((begin, last, "leet"))
    return found


def _replacement(found: str, kind: str, begin: int) -> list[tuple[str, int, int]]:
    """What stands for a disguise that begins at `begin`: code points and the range of the folded text behind each."""
    if kind == "leet":
        return [(c, begin + i, begin + i + 1) for i, c in enumerate(found.translate(_LEET_TABLE))]
    if kind in ("drawn", "blank"):
        return [(found[0], begin, begin + len(found))]
    if kind == "gap":
        return []
    if kind == "jamo":
        kept = [i for i, c in enumerate(found) if "ㄱ" <= c <= "ㅣ"]
        made = hangul.compose("".join(found[i] for i in kept))
        return [(c.text, begin + kept[c.start], begin + kept[c.end - 1] + 1) for c in made]
    # Set apart: at every position that holds no separator stands one letter.
    return [(c.translate(_LEET_TABLE), begin + i, begin + i + 1) for i, c in enumerate(found) if _is_letter(c)]


def _is_letter(char: str) -> bool:
    return char.isalnum() or char in "@$!"


def tighten(text: str, joins: frozenset[str] | None = None) -> MappedText | None:
    """The tight view of a folded text, mapped to the folded text; None when nothing is disguised.

    joins: pairs of Korean or Chinese characters worth joining over a separator, because some entry holds them side by
        side; None joins all.
    """
    disguises = _disguises(text, joins)
    if not disguises:
        return None
    out: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    for begin, end, kind in disguises:
        if begin < at:
            continue
        out.append(text[at:begin])
        starts.extend(range(at, begin))
        ends.extend(range(at + 1, begin + 1))
        for char, start, stop in _replacement(text[begin:end], kind, begin):
            out.append(char)
            starts.append(start)
            ends.append(stop)
        at = end
    out.append(text[at:])
    starts.extend(range(at, len(text)))
    ends.extend(range(at + 1, len(text) + 1))
    return MappedText("".join(out), tuple(starts), tuple(ends))


@dataclass(frozen=True, slots=True)
class Tail:
    """One way to read the end of a folded text.

    text: the reading. origin: index i gives the position in the folded text where `text[i]` begins.
    """

    text: str
    origin: tuple[int, ...] | range


def loose_letters_at_end(text: str) -> int:
    """How many code points at the end of a plain text are loose Hangul letters that may yet form a syllable."""
    if not text or text.isascii():
        return 0
    found = _TAIL_JAMO.search(text, max(0, len(text) - _MAX_TAIL))
    return len(text) - found.start() if found is not None else 0


def tails(tail: str, first: int, inner: MappedText | None) -> Iterator[Tail]:
    """Every way in which the end of a folded text may be read once more text arrives.

    tail: the end, which begins at `first` in the folded text. inner: its tight view.
    """
    plain = Tail(tail, range(first, first + len(tail)))
    yield plain
    tight = plain
    if inner is not None:
        tight = Tail(inner.text, tuple([first + i for i in inner.starts or ()]))
        yield tight
    if tail:
        yield from _open_ends(tail, tight, first)


def _open_ends(tail: str, tight: Tail, first: int) -> Iterator[Tail]:
    """Readings in which a disguise at the very end is not complete yet."""
    text, origin = tight.text, tight.origin
    if _LEET_SIGN.search(tail) is not None:
        yield Tail(text.translate(_LEET_TABLE), origin)
    last = tail[-1]
    if len(tail) > 1 and last == tail[-2] and "a" <= last <= "z":
        kept = len(text.rstrip(last)) + 1
        yield Tail(text[:kept].translate(_LEET_TABLE), origin[:kept])
    if len(text) > 1 and text[-1] == " " and text[-2] == " ":
        kept = len(text.rstrip(" ")) + 1
        yield Tail(text[:kept], origin[:kept])
    alone = _TAIL_ALONE.search(tail, max(0, len(tail) - 3)) is not None
    spaced = _TAIL_SPACED.search(tail, max(0, len(tail) - _MAX_TAIL)) if alone else None
    if spaced is not None:
        yield from _set_apart(tail, first, spaced.start())
    if tail.isascii():
        return
    gap = _TAIL_GAP.search(text, max(0, len(text) - 10))
    if gap is not None:
        yield Tail(text[: gap.start()], origin[: gap.start()])
    apart = _TAIL_APART.search(tail, max(0, len(tail) - _MAX_TAIL))
    if apart is not None:
        yield from _set_apart(tail, first, apart.start())


def _set_apart(tail: str, first: int, begin: int) -> Iterator[Tail]:
    """Letters set apart up to the end; the last one may turn out to begin a word of its own."""
    kept = [i for i in range(begin, len(tail)) if _is_letter(tail[i])]
    before = list(range(begin))
    letters = "".join([tail[i] for i in kept]).translate(_LEET_TABLE)
    for drop in (0, 1):
        count = len(kept) - drop
        if count > 0:
            yield Tail(tail[:begin] + letters[:count], tuple([first + i for i in before + kept[:count]]))
