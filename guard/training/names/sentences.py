"""Made-up sentences with the names of people, places and organisations in them, and sentences without any.

Sentence patterns and the words in them are ours: `guard/training/phrases/names-*.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

import yaml

from guard.training.names import people, places
from guard.training.names.people import Rng, one
from guard.training.names.rows import Part, Row, Span
from guard.training.names.words import FOLDER, split, words
from haechi.base.text import Language

SOURCE: Final = "own_names"
_SLOT = re.compile(r"\{([A-Za-z]+)\}")
_NAMED: Mapping[str, str] = {
    "person": "PERSON", "given": "PERSON", "givenopen": "PERSON", "family": "PERSON", "foreign": "PERSON", "nick": "PERSON", "titled": "PERSON", "someone": "PERSON",
    "org": "ORGANIZATION", "place": "LOCATION", "address": "ADDRESS",
}  # fmt: skip
# Particles after a closed and after an open syllable.
_PARTICLES = (
    ("이라고", "라고"), ("이라는", "라는"), ("이랑", "랑"), ("으로", "로"), ("은", "는"), ("이", "가"), ("을", "를"), ("과", "와"), ("아", "야"),
)  # fmt: skip
_JOINED = {Language.KOREAN: 0.25, Language.CHINESE: 0.4, Language.ENGLISH: 0.25}
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789_"


def sentence(rng: Rng, language: Language) -> Row:
    """A made-up sentence, now and then several in a row."""
    text, spans = _filled(rng, language)
    while rng.random() < _JOINED[language]:
        between = one(rng, ("\n", " ", "", "", "，") if language is Language.CHINESE else ("\n", " ", " ", "  "))
        more, others = _filled(rng, language)
        offset = len(text) + len(between)
        text, spans = text + between + more, [*spans, *((s + offset, e + offset, k) for s, e, k in others)]
    return Row(text, tuple(spans), language, SOURCE, Part.TRAIN)


def _filled(rng: Rng, language: Language) -> tuple[str, list[Span]]:
    """One pattern with its slots filled."""
    frame = one(rng, _patterns(language))
    text, at = "", 0
    spans: list[Span] = []
    for slot in _SLOT.finditer(frame):
        text += frame[at : slot.start()]
        value = _value(rng, language, slot[1])
        kind = _NAMED.get(slot[1])
        if kind is not None:
            spans.append((len(text), len(text) + len(value), kind))
        text += value
        at = slot.end()
        if language is Language.KOREAN:
            particle, at = _agreeing(value, frame, at)
            text += particle
    return text + frame[at:], spans


def _value(rng: Rng, language: Language, slot: str) -> str:
    made = _MADE.get(slot)
    if made is not None:
        return made(rng, language)
    value = one(rng, _words(language)[slot.lower()])
    return value[:1].upper() + value[1:] if slot[0].isupper() else value


def _person(rng: Rng, language: Language) -> str:
    chance = rng.random()
    if language is Language.KOREAN:
        return people.korean_foreign(rng) if chance < 0.1 else people.korean(rng)
    if language is Language.CHINESE:
        return people.chinese_foreign(rng) if chance < 0.1 else people.chinese(rng)
    return people.family(rng) if chance < 0.04 else people.latin(rng)


def _given(rng: Rng, language: Language) -> str:
    if language is Language.KOREAN:
        while True:
            name = people.korean_given(rng)
            if _closed(name):
                return name
    return people.chinese_given(rng) if language is Language.CHINESE else people.given(rng)


def _given_open(rng: Rng, language: Language) -> str:
    while True:
        name = people.korean_given(rng)
        if not _closed(name):
            return name


def _family(rng: Rng, language: Language) -> str:
    if language is Language.KOREAN:
        return people.korean_family(rng)
    return one(rng, words("zh-family")) if language is Language.CHINESE else people.family(rng)


def _foreign(rng: Rng, language: Language) -> str:
    return people.korean_foreign(rng) if language is Language.KOREAN else people.chinese_foreign(rng)


def _nick(rng: Rng, language: Language) -> str:
    return people.chinese_nick(rng)


def _titled(rng: Rng, language: Language) -> str:
    """A Chinese family name with a title, which together stand for the name."""
    return _family(rng, language) + one(rng, _words(language)["title"])


def _someone(rng: Rng, language: Language) -> str:
    return _family(rng, language) + one(rng, ("某", "某某"))


def _number(rng: Rng, language: Language) -> str:
    return str(int(rng.integers(1, 10 ** int(rng.integers(1, 7)))))


def _age(rng: Rng, language: Language) -> str:
    return str(int(rng.integers(3, 95)))


def _phone(rng: Rng, language: Language) -> str:
    digits = "".join(str(int(d)) for d in rng.integers(0, 10, 8))
    forms = {Language.KOREAN: f"010-{digits[:4]}-{digits[4:]}", Language.CHINESE: f"138{digits}"}
    return forms.get(language, f"({digits[:3]}) 555-{digits[3:7]}")


def _handle(rng: Rng, language: Language) -> str:
    return "".join(_LETTERS[int(i)] for i in rng.integers(0, len(_LETTERS), int(rng.integers(4, 11))))


def _email(rng: Rng, language: Language) -> str:
    return f"{_handle(rng, language)}@{_handle(rng, language)}.com"


_MADE: Mapping[str, Callable[[Rng, Language], str]] = {
    "person": _person, "given": _given, "givenopen": _given_open, "family": _family, "foreign": _foreign, "nick": _nick, "titled": _titled, "someone": _someone, "org": places.organisation,
    "place": places.place, "address": places.address, "number": _number, "age": _age, "phone": _phone, "handle": _handle, "tag": _handle,
    "email": _email,
}  # fmt: skip


def _closed(word: str) -> bool:
    """Whether a Korean word ends in a consonant."""
    return (ord(word[-1]) - 0xAC00) % 28 != 0


def _agreeing(value: str, frame: str, at: int) -> tuple[str, int]:
    """The particle that fits the value instead of the one in the pattern, and where the pattern goes on."""
    if not "가" <= value[-1] <= "힣":
        return "", at
    for closed, opened in _PARTICLES:
        for written in (closed, opened):
            end = at + len(written)
            if frame.startswith(written, at) and not "가" <= frame[end : end + 1] <= "힣":
                return closed if _closed(value) else opened, end
    return "", at


@cache
def _document(language: Language) -> Mapping[str, object]:
    stored: Mapping[str, object] = yaml.safe_load((FOLDER / f"names-{language.value}.yaml").read_text("utf-8"))
    return stored


@cache
def _patterns(language: Language) -> tuple[str, ...]:
    return tuple(str(_document(language)["sentences"]).splitlines())


@cache
def _words(language: Language) -> Mapping[str, tuple[str, ...]]:
    slots: Mapping[str, str] = _document(language)["slots"]  # type: ignore[assignment]  # a mapping of texts, see the file
    return {slot: split(listed) for slot, listed in slots.items()}
