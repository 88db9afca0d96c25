"""Deny a Korean sentence by its last verb, or affirm one that denies: `끝났다` and `끝나지 않았다`.

Rules of this file
1. Grammar alone, and only where one form follows from the other; an ending that is not here gives None.
2. Tense and level of speech stay what they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from guard.claims.style import plain_form

_HANGUL: Final = re.compile(r"[가-힣0-9A-Za-z]+")
_PARTICLE: Final = re.compile(r"(?<=[가-힣])(?:에서는|에서|에게|까지|부터|으로|은|는|이|가|을|를|에|로|도|의)$")
_FIRST: Final = 0xAC00
_VOWELS: Final = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_CODAS: Final = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_SENTENCE: Final = re.compile(r"(?P<body>.*[가-힣])(?P<end>[.!]*)\s*", re.S)
_PAST: Final = ("다", "습니다", "어요")
"""Endings after a past."""
_UNSURE_STEM: Final = "들물걸실이나누지부"
"""Syllables before 었 whose verb has several stems (`들었다`: 듣다, 들다)."""
_U_VERBS: Final = "배세채비키외싸치지피태재깨메바나겨미"
"""What stands before 우 in verbs whose past is 웠; in others it is a stem in ㅂ (`어려웠다`, 어렵다)."""
_DROPPED_EU: Final = {
    "썼": "쓰", "컸": "크", "떴": "뜨", "껐": "끄", "빴": "쁘", "팠": "프", "뻤": "쁘", "펐": "프", "폈": "펴", "켰": "켜",
}  # fmt: skip
_MADE: Final = {
    "든": "들", "만든": "만들", "운": "울", "연": "열", "판": "팔", "민": "밀", "안": "알", "산": "살", "논": "놀", "단": "달", "돈": "돌", "인": "이",
}  # fmt: skip
"""Last syllables before 다 whose verb has lost its ㄹ."""
_VERB_YEO: Final = ("기울", "움직", "바뀌", "걸리", *"보쓰모쌓높줄먹죽붙놓섞덮끓녹속들벌숙꺾밝")
"""What stands before 였 in verbs; after another word it says what something was (`의사였다`)."""
_NOT_ADJECTIVE: Final = "이있없않"
"""Last syllables before 다 of what is denied in another way."""

_BETWEEN, _BEFORE_IS = 3, 2
"""Words of a sentence before its verb, or before what says that there is something, in which the claim's last word before it stands."""


def denied(sentence: str) -> str | None:
    """A Korean sentence with its last verb denied, or affirmed where it denies; None where neither is known."""
    found = _SENTENCE.fullmatch(sentence)
    if found is None:
        return None
    said = _affirmed(found["body"]) or (None if _denies(found["body"]) else _denied(found["body"]))
    return None if said is None else said + found["end"]


def denies_passage(claim: str, passage: str) -> bool:
    """Whether a sentence of the passage says what a Korean claim denies, or denies what it says: its words, its verb the other way."""
    said = denied(claim)
    if said is None:
        return False
    *others, verb = said.rstrip(".! ").split(" ")
    at_end = [verb]
    if _denies(said.rstrip(".! ")) and others and verb[0] in "않아":
        at_end = [others.pop(), verb]
    stems = [_PARTICLE.sub("", word.strip(".,")) for word in others]
    return bool(stems) and any(_says(sentence, stems, at_end) for sentence in re.split(r"(?<=[.!?]) ", passage))


def _says(sentence: str, stems: Sequence[str], at_end: Sequence[str]) -> bool:
    """Whether a sentence has the last words as they are, whatever its level of speech, behind the last stem, and a word for each."""
    words = _HANGUL.findall(sentence)
    plain, wanted = [plain_form(word) for word in words], [plain_form(word) for word in at_end]
    reach = _BEFORE_IS if at_end[0][0] in "있없" else _BETWEEN
    ends = any(
        plain[i : i + len(wanted)] == wanted
        and any(word.startswith(stems[-1]) for word in words[max(0, i - reach) : i])
        for i in range(len(words))
    )
    return ends and all(any(word.startswith(stem) for word in words) for stem in stems)


def _denies(body: str) -> bool:
    return bool(re.search(r"(않|못|아니|아닙|안 [가-힣]+$|모르|몰랐|모릅)", body[-9:]))


def _parts(syllable: str) -> tuple[int, str, str]:
    code = ord(syllable) - _FIRST
    return code // 588, _VOWELS[code // 28 % 21], _CODAS[code % 28]


def _joined(onset: int, vowel: str, coda: str = " ") -> str:
    return chr(_FIRST + (onset * 21 + _VOWELS.index(vowel)) * 28 + _CODAS.index(coda))


def _bare(syllable: str) -> str:
    onset, vowel, _ = _parts(syllable)
    return _joined(onset, vowel)


def _closed(text: str) -> bool:
    """Whether the last syllable ends with a consonant."""
    return bool(text) and "가" <= text[-1] <= "힣" and _parts(text[-1])[2] != " "


_EXIST: Final = re.compile(
    r"(?P<stem>.*(?<![가-힣])(?:[가-힣]*[^재맛멋])?)(?P<is>있|없)(?P<rest>다|습니다|어요|었다|었습니다|었어요)"
)
_STATE: Final = re.compile(r"(?:고|어|아|여|해|져|려|쳐|겨|혀|켜|워|와|돼|춰|러|라가|나가|들어가) $")
"""Before 있다 when it says a state (`열려 있다`), not that something exists."""
_NOT_STATE: Final = {
    "다": "않다", "습니다": "않습니다", "어요": "않아요", "었다": "않았다", "었습니다": "않았습니다", "었어요": "않았어요",
}  # fmt: skip
_SKIPPED: Final = re.compile(r"(?:야 |도 )(?:하|한|합|해|했|되|된|됩|돼|됐)[가-힣]*$|알[았아][가-힣]+$|[가-힣]자$")
"""Duties and leave, whose denial is not made by the last verb, and knowing, which has a verb of its own for it."""
_COPULA: Final = (
    (re.compile(r"(?P<noun>.*[가-힣])입니다"), "아닙니다"),
    (re.compile(r"(?P<noun>.*[가-힣])(?:이에요|예요|이예요)"), "아니에요"),
    (re.compile(r"(?P<noun>.*[가-힣])이었다"), "아니었다"),
    (re.compile(r"(?P<noun>.*[가-힣])(?:이었습니다|였습니다)"), "아니었습니다"),
    (re.compile(r"(?P<noun>.*[가-힣])였다"), "아니었다"),
    (re.compile(r"(?P<noun>.*[가-힣])이다"), "아니다"),
)


def _denied(body: str) -> str | None:
    if _SKIPPED.search(body):
        return None
    if found := _EXIST.fullmatch(body):
        if _STATE.search(found["stem"]):
            return None if found["is"] == "없" else f"{found['stem']}있지 {_NOT_STATE[found['rest']]}"
        return found["stem"] + ("없" if found["is"] == "있" else "있") + found["rest"]
    return _past(body) or _not_noun(body) or _present(body)


def _not_noun(body: str) -> str | None:
    for pattern, instead in _COPULA:
        found = pattern.fullmatch(body)
        if found is not None:
            noun = found["noun"]
            return f"{noun}{'이' if _closed(noun) else '가'} {instead}"
    return None


def _past(body: str) -> str | None:
    for ending in _PAST:
        word = body.removesuffix(ending)
        if word != body and word and _parts(word[-1])[2] == "ㅆ" and word[-1] not in "있겠":
            stem = _stem_of_past(word)
            return None if stem is None else f"{stem}지 않았{ending}"
    return None


def _stem_of_past(word: str) -> str | None:
    """What the past of a verb is made of: `열렸` gives `열리`."""
    before, last = word[:-1], word[-1]
    onset, vowel, _ = _parts(last)
    if last in "했됐":
        return before + ("하" if last == "했" else "되")
    if last in _DROPPED_EU:
        return before + _DROPPED_EU[last]
    if last in "았었였":
        return _stem_before(before, last)
    if last in "랐렀" and before and _parts(before[-1])[2] == "ㄹ":
        return before[:-1] + _bare(before[-1]) + "르"
    if last == "웠":
        return _stem_in_b(before)
    if last == "왔" and before and before[-1] in "도고" and not before.endswith(("들어", "나")):
        return before[:-1] + _joined(*_parts(before[-1])[:2], "ㅂ")
    base = {"ㅕ": "ㅣ", "ㅘ": "ㅗ", "ㅝ": "ㅜ", "ㅙ": "ㅚ"}.get(vowel, vowel)
    return before + _joined(onset, base) if base in "ㅏㅓㅐㅔㅣㅗㅜㅚ" else None


def _stem_in_b(before: str) -> str | None:
    if not before or not "가" <= before[-1] <= "힣":
        return None
    if before[-1] in _U_VERBS or _closed(before):
        return before + "우"
    return before[:-1] + _joined(*_parts(before[-1])[:2], "ㅂ")


def _stem_before(before: str, last: str) -> str | None:
    if not before:
        return None
    if last == "였":
        if before[-1] == "하":
            return before
        return before + "이" if before.endswith(_VERB_YEO) else None
    if before[-1] in _UNSURE_STEM or not "가" <= before[-1] <= "힣":
        return None
    return before if _closed(before) or before[-1] in "되쉬뛰뀌" else None


def _present(body: str) -> str | None:
    if body.endswith("는다") and _closed(body[:-2]):
        return f"{body[:-2]}지 않는다"
    if body.endswith("습니다") and _closed(body[:-3]) and _parts(body[-4])[2] != "ㅆ":
        return f"{body[:-3]}지 않습니다"
    if body.endswith(("해요", "돼요")):
        return body[:-2] + ("하" if body.endswith("해요") else "되") + "지 않아요"
    if body.endswith(("아요", "어요")) and _closed(body[:-2]) and _parts(body[-3])[2] not in "ㅆㄹ":
        return f"{body[:-2]}지 않아요"
    last = body[-3:-2] if body.endswith("니다") else body[-2:-1]
    if not "가" <= last <= "힣":
        return None
    onset, vowel, coda = _parts(last)
    if body.endswith("니다") and coda == "ㅂ":
        return f"{body[:-3]}{_joined(onset, vowel)}지 않습니다"
    if body.endswith("다") and coda == "ㄴ":
        return f"{body[:-2]}{_MADE.get(last) or _joined(onset, vowel)}지 않는다"
    if body.endswith("다") and last not in _NOT_ADJECTIVE and (coda not in " ㅆ" or last in "하크싸르쁘프세리"):
        return f"{body[:-1]}지 않다"
    return None


_NOT: Final = re.compile(
    r"(?P<stem>.*[가-힣])지(?:는|도|를)? (?P<not>않|못하|못한|못했|못합)(?P<end>았다|았습니다|았어요|는다|다|습니다|니다|아요)"
)
_NO_NOUN: Final = re.compile(
    r"(?P<noun>.*[가-힣])(?:이|가|은|는) (?P<end>아니다|아닙니다|아니에요|아니었다|아니었습니다|아니었어요)"
)
_AFFIRMED_NOUN: Final = {
    "아니다": ("이다", "이다"), "아닙니다": ("입니다", "입니다"), "아니에요": ("이에요", "예요"),
    "아니었다": ("이었다", "였다"), "아니었습니다": ("이었습니다", "였습니다"), "아니었어요": ("이었어요", "였어요"),
}  # fmt: skip


def _affirmed(body: str) -> str | None:
    if found := _NO_NOUN.fullmatch(body):
        return found["noun"] + _AFFIRMED_NOUN[found["end"]][0 if _closed(found["noun"]) else 1]
    found = _NOT.fullmatch(body)
    if found is None:
        return None
    stem, ending = found["stem"], found["end"]
    past = found["not"] == "못했" or ending.startswith("았")
    level = "습니다" if ending.endswith("니다") else "어요" if ending.endswith("요") else "다"
    if past:
        said = _past_of(stem)
        return None if said is None else said + level
    return _present_of(stem, level, verb=ending == "는다" or found["not"] == "못한")


def _past_of(stem: str) -> str | None:
    """The past of a verb: `끝나` gives `끝났`."""
    last = stem[-1]
    onset, vowel, coda = _parts(last)
    if last == "하":
        return stem[:-1] + "했"
    if coda in "ㅂㄷㅅ" or last in "르쓰크뜨끄쁘프으짓":
        return None
    if coda != " ":
        return stem + ("았" if vowel in "ㅏㅗㅑ" else "었")
    merged = {"ㅣ": "ㅕ", "ㅗ": "ㅘ", "ㅜ": "ㅝ", "ㅚ": "ㅙ"}.get(vowel, vowel)
    return stem[:-1] + _joined(onset, merged, "ㅆ") if merged in "ㅏㅓㅐㅔㅕㅘㅝㅙ" else None


def _present_of(stem: str, level: str, *, verb: bool) -> str | None:
    onset, vowel, coda = _parts(stem[-1])
    if level == "어요":
        return stem[:-1] + "해요" if stem[-1] == "하" else None
    if level == "습니다":
        return stem + "습니다" if coda not in " ㄹ" else stem[:-1] + _joined(onset, vowel, "ㅂ") + "니다"
    if not verb:
        return stem + "다"
    return stem + "는다" if coda not in " ㄹ" else stem[:-1] + _joined(onset, vowel, "ㄴ") + "다"
