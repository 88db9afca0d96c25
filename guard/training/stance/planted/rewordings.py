"""Ways to say a sentence otherwise that leave it true: shortened, merged, reworded.

Rules of this file
1. What comes out follows from the sentence and, for a merged one, its neighbour; nothing is added.
2. Reorderings, too, have a taught and a held-out form.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from guard.hanzi import SIMPLIFIED
from guard.training.stance.planted.edits import Workshop, put
from haechi.base.text import Language

_BRACKETS = re.compile(r"[ ]?[(（][^()（）]{2,60}[)）]")
_TAIL = re.compile(r",\s(?:who|which|where|although|while|as|including|with|after|and)\b[^,]{8,}(?=\.$)")
_FRONT: Final = re.compile(
    r"^((?:In|On|At|During|After|Before|Since|By|From|Until|Throughout) [^,]{3,40}), ((?:the |a |an |his |her |its |their )?\w.*)\.$"
)
_BACK: Final = re.compile(
    r"^(\w[^,;]{15,}) ((?:in|on|during|since) (?:(?:early |late )?\d{4}|[A-Z]\w+ \d{4}|[A-Z]\w+ \d{1,2}, \d{4}|[A-Z]\w+day))\.$"
)
_US_DATE: Final = re.compile(
    r"(January|February|March|April|May|June|July|August|September|October|November|December) (\d{1,2}), (\d{4})"
)
_DIGITS: Final = {
    "2": "two",
    "3": "three",
    "4": "four",
    "5": "five",
    "6": "six",
    "7": "seven",
    "8": "eight",
    "9": "nine",
}
_KOREAN_ORDER: Final = re.compile(
    r"^([가-힣A-Za-z]{2,12}(?:은|는|이|가)) ([가-힣A-Za-z0-9]{2,12}(?:에서|에|까지|부터|에게)) (?=\S)"
)
_KOREAN_COMMA: Final = re.compile(r"^[^,]{6,50}(?:에서|에|때|으로|면서|지만|는데|며|고), ?")
_CHINESE_CLAUSE: Final = re.compile(r"^[^，。]{4,40}，")
_CHINESE_TIME: Final = re.compile(
    r"^((?:\d{4}年)?(?:\d{1,2}月)?(?:\d{1,2}日)?)，?([\u4e00-\u9fff]{2,8})(?=在|是|将|与|对|于|宣布|表示)"
)
_TRADITIONAL: Final = {ord(simple): code for code, simple in reversed(list(SIMPLIFIED.items()))}
_CAPITAL: Final = re.compile(r"^(?:The|A|An|In|On|At|It|This|These|He|She|They|His|Her|Their|There)\b")


def shortened(text: str, shop: Workshop) -> str | None:
    """Without what stands in brackets, without a clause at the end or before the first comma."""
    without = _BRACKETS.sub("", text)
    if shop.tables.language is Language.ENGLISH:
        tail = _TAIL.sub("", without) if not shop.tables.held_out else without
        front = _FRONT.match(without) if shop.tables.held_out else None
        short = _capital(f"{front[2]}.") if front else tail
    elif shop.tables.language is Language.KOREAN:
        short = _KOREAN_COMMA.sub("", without) if len(without) > 40 else without
    else:
        short = without
        if len(without) > 30:
            rest = _CHINESE_CLAUSE.sub("", without)
            short = (
                rest if shop.tables.held_out else without[: without.rindex("，")] + "。" if "，" in without else rest
            )
    return short if short != text and len(short) >= 12 else None


def reworded(text: str, shop: Workshop) -> str | None:
    """Synonyms, another order, another way to write numbers, other words of the reporter: one to three of them."""
    new, done = text, 0
    for step in shop.dice.shuffled(_STEPS[shop.tables.language, shop.tables.held_out]):
        changed = step(new, shop)
        if changed is not None and changed != new:
            new, done = changed, done + 1
        if done == 2:
            break
    return new if done else None


def merged(first: str, second: str, shop: Workshop) -> str:
    """Two sentences as one."""
    joiner = shop.dice.pick(shop.tables.joiners)
    if shop.tables.language is Language.ENGLISH:
        head = first.rstrip(".!")
        return head + joiner + (_small(second) if _CAPITAL.match(second) else second)
    if shop.tables.language is Language.KOREAN:
        return first.rstrip() + joiner + second
    return first.rstrip("。！") + joiner + second


def added(text: str, shop: Workshop) -> str | None:
    """With a detail that stands nowhere: what evidence says nothing about."""
    detail = shop.dice.pick(shop.tables.additions)
    if shop.tables.language is Language.ENGLISH:
        return text[:-1] + detail + "." if text.endswith(".") and detail.strip() not in text else None
    if shop.tables.language is Language.KOREAN:
        cut = re.match(r"^\S+(?:은|는|이|가) ", text)
        return None if cut is None or detail in text else put(text, cut.end(), cut.end(), detail)
    cut = re.search(r"(?<=[\u4e00-\u9fff])(?=在|对|将|已|被|与|从|向|于)", text)
    return None if cut is None or detail in text else put(text, cut.start(), cut.start(), detail)


def _synonym(text: str, shop: Workshop) -> str | None:
    places = list(shop.tables.places("synonym", text))
    if not places:
        return None
    start, end, instead = shop.dice.pick(places)
    return put(text, start, end, instead)


def _prefixed(text: str, shop: Workshop) -> str | None:
    if shop.dice.chance(0.6):
        return None
    prefix = shop.dice.pick(shop.tables.prefixes)
    small = shop.tables.language is Language.ENGLISH and _CAPITAL.match(text)
    return prefix + (_small(text) if small else text)


def _without_commas(text: str, shop: Workshop) -> str | None:
    new = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    return new if new != text else None


def _to_the_end(text: str, shop: Workshop) -> str | None:
    match = _FRONT.match(text)
    return None if match is None else _capital(f"{match[2]} {_small(match[1])}.")


def _to_the_front(text: str, shop: Workshop) -> str | None:
    match = _BACK.match(text)
    if match is None:
        return None
    return f"{_capital(match[2])}, {_small(match[1]) if _CAPITAL.match(match[1]) else match[1]}."


def _spelled(text: str, shop: Workshop) -> str | None:
    new = re.sub(r"(?<![\d.,$-])([2-9])(?= [a-z]{3,})", lambda m: _DIGITS[m[1]], text, count=1)
    return new if new != text else None


def _day_first(text: str, shop: Workshop) -> str | None:
    new = _US_DATE.sub(r"\2 \1 \3", text)
    return new if new != text else None


def _korean_order(text: str, shop: Workshop) -> str | None:
    new = _KOREAN_ORDER.sub(r"\2 \1 ", text)
    return new if new != text else None


def _chinese_order(text: str, shop: Workshop) -> str | None:
    match = _CHINESE_TIME.match(text)
    return None if match is None or not match[1] else f"{match[2]}{match[1]}{text[match.end() :]}"


def _traditional(text: str, shop: Workshop) -> str | None:
    if shop.dice.chance(0.8):
        return None
    return text.translate(_TRADITIONAL)


def _small(text: str) -> str:
    return text[:1].lower() + text[1:]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


Step = Callable[[str, Workshop], str | None]
_STEPS: Final[dict[tuple[Language, bool], tuple[Step, ...]]] = {
    (Language.ENGLISH, False): (_synonym, _synonym, _prefixed, _without_commas, _to_the_end),
    (Language.ENGLISH, True): (_synonym, _synonym, _prefixed, _spelled, _day_first, _to_the_front),
    (Language.KOREAN, False): (_synonym, _synonym, _prefixed, _without_commas),
    (Language.KOREAN, True): (_synonym, _synonym, _prefixed, _korean_order),
    (Language.CHINESE, False): (_synonym, _synonym, _prefixed, _without_commas),
    (Language.CHINESE, True): (_synonym, _synonym, _prefixed, _chinese_order, _traditional),
}
