"""Where a name that the tagger saw begins and ends, and whether it is written like one.

Rules of this file
1. Signs and spaces at its ends, Korean letters that are no syllable (ㅋㅋ), a title before it and what is appended to it
   (`'s`, a Korean particle) are no part of a name; nor is an ordinary word before or behind a Korean person (`그리고 루터`), nor 在
   before a Chinese place.
2. What is only ordinary words or a part of a Chinese one (昆仑 of 昆仑奴), begins inside of a Chinese phrase (`土生土长`), a lone letter,
   or a user's handle is none; nor is a country in the Korean name of its language (`슬로바키아어로`), nor the first syllable of
   a longer Korean word.
3. What looks like any word is a person's name only when the tagger is surer than it must be elsewhere: small letters, two
   Chinese characters, and, unless a title or a relation follows, one or two Korean syllables.
4. A person in brackets behind another is one more.
5. A Korean family name and one more syllable take in a third one that is neither a particle nor a title: the tagger sees some
   names by half (`황교` of 황교안). So does an organisation, or a person of four syllables or more, that ends inside of a word:
   it takes in the rest without its particles (`맥도날` of 맥도날드에서).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from guard.pii.names import lists
from guard.pii.names.decode import Name, script_of
from guard.pii.names.ordinary import is_ordinary, is_part_of_a_word
from haechi.base.text import Language

_APPENDED = re.compile("['’](?:s|S)$")
_PARTICLE = re.compile("(?:에게서|에게|한테|으로|이라고|이라는|이라|라고|라는|은|는|을|를|의)$")
_TITLE = re.compile("(?i:(?:mr|mrs|ms|dr|prof|professor|sir|miss|madam|mister)\\.?\\s+)")
_KOREAN_TITLE = re.compile(
    "(?<=[가-힣A-Z])(?:(?: ?(?:의원|교수|대표|사장|회장|부장|과장|감독|선수|기자|대통령|총리|장관|선생님?|박사|변호사|씨|님))|"
    " (?:군|양|이사|대리|시장|검사|판사|팀장|실장|원장|일병|상병|병장|형사|목사|작가|배우|가수|코치|위원장?|지사))$"
)
_FOLLOWED = re.compile(
    " ?(?:전 |신임 |[(])?(?:모 ?[(]|[0-9]{1,2}[)]|씨|님|군|양|의원|교수|대표|사장|회장|부장|과장|차장|감독|선수|기자|대통령|총리|장관|총장|후보|선생|박사|변호사|"
    "이사|대리|시장|지사|검사|판사|팀장|실장|국장|소장|원장|위원장|의장|총재|작가|배우|가수|코치|목사|여사|전무|상무|"
    "언니|오빠|누나|형|이모|삼촌|할머니|할아버지|쌤|선배|후배)"
)
_GOES_ON = re.compile(
    "(?:(?:은|는|이|가|을|를|의|에게서|에게|에서|에|한테|께서|께|와|과|도|랑|아|야|만|까지|처럼|보다|으로|로|라고|라는|라며|란|나|며|고|다|였다|입니다|인|예요|에요|"
    "부터|마다|면|든|뿐|마저|조차|밖에|같은|같이|인데|인가|일|하고|죠|지|잖아|들|쌤|측|팬|역|네){0,4}(?![가-힣])|"
    "씨|님|군|양|의원|교수|대표|사장|회장|부장|과장|감독|선수|기자|대통령|총리|장관|총장|후보|선생|박사|변호사|배우|가수|대장|장군|팀|정권|정부|"
    "일가|부부|형|언니|오빠|누나|이모|모|할머니)"
)
_REST = re.compile(
    "(?![은는을를의과와])[가-힣]{1,5}?(?=(?:(?:은|는|이|가|을|를|의|에|에서|에게|에겐|에는|에선|도|와|과|로|으로|만|부터|까지|보다|처럼|나|이나|랑|이랑|라|이라|라는|이라는)?(?![가-힣])))"
)
_FEATURE = re.compile(
    "(?:산(?=에|으로|까지)|(?:강|섬|공항)(?=(?:은|는|이|가|을|를|의|에|에서|으로|과|도|까지|부터)?(?![가-힣])))"
)
_LANGUAGE = re.compile(
    "어(?:(?:은|는|이|가|을|를|로|의|와|과|도|만|에|라|판|권|사전|학원|교재|번역)(?:는|도|만|의)?)?(?![가-힣])"
)
_MOST_REST = 3  # syllables, of an organisation; what is longer is a word of its own
_LONG = 4  # syllables of a person that is no family name with a given name
_HANDLE = re.compile("@[A-Za-z0-9_]*$")
_SHORT = 2  # syllables
_NEARLY_CERTAIN = 0.9
_SHORT_CHINESE = 0.75
_SMALL_LETTERS = 0.8
"""Probabilities. Of names in small letters under this one in six is right where limits are chosen, above it nine in ten."""
_MOST_BETWEEN = 4
_FAMILY_AND_MO = 2
_LEAST_KOREAN = 3  # syllables that stay when a particle is taken off
_NUMBER_OR_ROAD = re.compile("[0-9]|(?i:street|avenue|road|lane|drive|square|boulevard|box|suite|apt)")


def is_one_address(text: str, first: tuple[int, int, str], second: tuple[int, int, str]) -> bool:
    """Whether two neighbours (start, end, kind) are parts of one address: signs and line ends alone lie between."""
    kinds = {first[2], second[2]}
    between = text[first[1] : second[0]]
    return (
        "ADDRESS" in kinds
        and kinds <= {"ADDRESS", "LOCATION"}
        and len(between) <= _MOST_BETWEEN
        and not any(map(str.isalnum, between))
        and between.count("\n") < 2
    )


def whole_addresses(text: str, found: Iterable[Name]) -> Iterator[Name]:
    """The names in order, the parts of an address put together."""
    last: Name | None = None
    for name in found:
        if last is not None and is_one_address(
            text, (last.start, last.end, last.kind), (name.start, name.end, name.kind)
        ):
            last = Name("ADDRESS", max(last.score, name.score), last.start, name.end, last.rule)
            continue
        if last is not None:
            yield last
        last = name
    if last is not None:
        yield last


def fitted(text: str, name: Name) -> Iterator[Name]:
    """The name with its proper ends; nothing when it is none, and two where a person stands in brackets behind another."""
    bracket = text.find("(", name.start + 1, name.end - 1) if name.kind == "PERSON" else -1
    if bracket < 0:
        yield from _fitted(text, name)
    else:
        yield from _fitted(text, replace(name, end=bracket))
        yield from _fitted(text, replace(name, start=bracket + 1))


def _fitted(text: str, name: Name) -> Iterator[Name]:
    start, end = _trimmed(text, *_of_one_kind_of_line(text, name))
    title = _TITLE.match(text, start, end) if name.kind == "PERSON" else None
    if title is not None:
        start = title.end()
    end = _without_appended(text, start, end)
    if name.kind == "LOCATION" and end - start > _SHORT and text[start] == "在":
        start += 1
    if name.kind == "PERSON":
        start, end = _in_one_script(text, start, end)
        end = _without_title(text, start, end)
        start, end = _without_ordinary_words(text, start, end)
    start, end = _trimmed(text, start, end)
    if start < end and _is_name(text, start, end, name.kind) and _is_borne_out(text, start, end, name):
        end = _whole(text, start, end, name.kind)
        if not _is_cut_off(text, start, end, name.kind):
            yield Name(name.kind, name.score, start, end, name.rule)


def _of_one_kind_of_line(text: str, name: Name) -> tuple[int, int]:
    """Only an address goes over a line's end, and it begins in a line with a number or a road."""
    start, line = name.start, text.find("\n", name.start, name.end)
    if name.kind != "ADDRESS":
        return start, name.end if line < 0 else line
    while line >= 0 and _NUMBER_OR_ROAD.search(text, start, line) is None:
        start, line = line + 1, text.find("\n", line + 1, name.end)
    return start, name.end


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Without spaces and signs at the ends; a full stop stays behind an initial, a closing bracket with its opening."""
    while start < end and not _is_letter(text[start]):
        start += 1
    while end > start and not (_is_letter(text[end - 1]) or _belongs(text, start, end)):
        end -= 1
    return start, end


def _is_letter(char: str) -> bool:
    return char.isalnum() and not "\u3131" <= char <= "\u318e"


def _belongs(text: str, start: int, end: int) -> bool:
    """Whether the sign at the end is part of the name: `Acme Inc.`, `J.R.`."""
    return (
        text[end - 1] == "."
        and text[end - 2 : end - 1].isalpha()
        and (" " in text[start:end] or "." in text[start : end - 1])
    )


def _in_one_script(text: str, start: int, end: int) -> tuple[int, int]:
    """A Chinese person without Latin letters and digits before or behind: a nickname or a number that was run on."""
    if not any("\u4e00" <= char <= "\u9fff" for char in text[start:end]):
        return start, end
    while end > start and text[end - 1].isascii():
        end -= 1
    while start < end and text[start].isascii():
        start += 1
    return start, end


def _without_appended(text: str, start: int, end: int) -> int:
    appended = _APPENDED.search(text, start, end)
    if appended is not None:
        return appended.start()
    if "가" <= text[end - 1] <= "힣" and not "가" <= text[end : end + 1] <= "힣":
        particle = _PARTICLE.search(text, start, end)
        if particle is not None and particle.start() - start >= _LEAST_KOREAN:
            end = particle.start()
    return end


def _without_title(text: str, start: int, end: int) -> int:
    """Without what Korean puts behind a person's name; 모 behind a family name means that the rest is not told."""
    title = _KOREAN_TITLE.search(text, start, end)
    if title is not None:
        end = title.start()
    if end - start == _FAMILY_AND_MO and text[end - 1] == "모" and text[end : end + 1] in ("(", "씨", " "):
        end -= 1
    return end


def _without_ordinary_words(text: str, start: int, end: int) -> tuple[int, int]:
    """A Korean person of several words without those at the ends that are nobody's name."""
    if script_of(text[start : start + 1] or " ") is not Language.KOREAN or is_ordinary(text, start, end):
        return start, end
    while (space := text.find(" ", start, end)) > start and is_ordinary(text, start, space):
        start = space + 1
    while (space := text.rfind(" ", start, end)) > start and is_ordinary(text, space + 1, end):
        end = space
    return start, end


def _is_borne_out(text: str, start: int, end: int, name: Name) -> bool:
    """Whether a person's name that looks like any word is one by more than its looks."""
    if name.kind != "PERSON":
        return True
    value = text[start:end]
    if value.isascii():
        return name.score >= _SMALL_LETTERS or not value.islower()
    if len(value) > _SHORT:
        return True
    if script_of(value[0]) is Language.KOREAN:
        return name.score >= _NEARLY_CERTAIN or _FOLLOWED.match(text, end) is not None
    return name.score >= _SHORT_CHINESE or script_of(value[0]) is not Language.CHINESE


def _whole(text: str, start: int, end: int, kind: str) -> int:
    """The end of a Korean name of which the tagger saw the beginning."""
    if script_of(text[end - 1]) is not Language.KOREAN or _GOES_ON.match(text, end) is not None:
        return end
    if kind == "PERSON" and end - start == _SHORT and text[start] in lists.KOREAN_FAMILY:
        return end + 1
    if kind == "LOCATION":
        feature = _FEATURE.match(text, end)
        return end if feature is None else feature.end()
    rest = _REST.match(text, end)
    if kind == "ORGANIZATION":
        wanting = rest is not None and len(rest[0]) <= _MOST_REST
    else:
        wanting = kind == "PERSON" and end - start - text.count(" ", start, end) >= _LONG
    return rest.end() if rest is not None and wanting else end


def _is_cut_off(text: str, start: int, end: int, kind: str) -> bool:
    """Whether a Korean word goes on behind the range in a way that no name does."""
    if script_of(text[start]) is not Language.KOREAN:
        return False
    if kind == "LOCATION" and _LANGUAGE.match(text, end) is not None:
        return True
    return end - start == 1 and _GOES_ON.match(text, end) is None


def _is_name(text: str, start: int, end: int, kind: str) -> bool:
    value = text[start:end]
    latin = script_of(value[0]) is Language.ENGLISH
    if text[end : end + 1] == "@" or (latin and _HANDLE.search(text, max(0, start - 30), start) is not None):
        return False  # the beginning of a mail address, or a user's handle; in Han that is often a name
    if kind != "ADDRESS" and (is_ordinary(text, start, end) or is_part_of_a_word(text, start, end)):
        return False
    if not latin:
        return kind != "PERSON" or not (
            value in lists.CHINESE_RELATIVES or (len(value) == 1 and "\u3400" <= value <= "\u9fff")
        )
    words = value.split()
    if kind == "ADDRESS":
        return len(words) > 1 and _NUMBER_OR_ROAD.search(value) is not None
    if not any(map(str.isalpha, value)) or (len(value) == 1 and kind != "PERSON"):
        return False
    return not all(word.strip(".,'’").lower() in lists.ENGLISH_ORDINARY for word in words)
