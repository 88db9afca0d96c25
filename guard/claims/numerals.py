"""Read numbers as they are written in Korean, Chinese and English: digits with magnitudes, and number words.

Rules of this file
1. A word that is a number only sometimes (한, 일, 一, one) is read as one where a counter or a unit follows.
2. Nothing here raises on text; what cannot be read is no number.
"""

from __future__ import annotations

import re
from typing import Final

_MAGNITUDES: Final[dict[str, float]] = {
    "조": 1e12, "억": 1e8, "만": 1e4, "천": 1e3, "백": 1e2, "兆": 1e12, "亿": 1e8, "億": 1e8, "万": 1e4, "萬": 1e4, "千": 1e3,
    "百": 1e2, "hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12, "bn": 1e9, "mn": 1e6,
    "dozen": 12.0, "k": 1e3,
}  # fmt: skip
_SMALL: Final = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
}
_TENS: Final = {
    word: 10 * value
    for value, word in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2)
}
_ORDINALS: Final = {
    word: value
    for value, word in enumerate(
        [
            "first",
            "second",
            "third",
            "fourth",
            "fifth",
            "sixth",
            "seventh",
            "eighth",
            "ninth",
            "tenth",
            "eleventh",
            "twelfth",
        ],
        1,
    )
}
_NATIVE: Final = {
    word: value
    for value, words in enumerate(
        ["한/하나", "두/둘", "세/셋/석", "네/넷/넉", "다섯", "여섯", "일곱", "여덟", "아홉", "열"], 1
    )
    for word in words.split("/")
}
_NATIVE_TENS: Final = {
    "열": 10, "스물": 20, "스무": 20, "서른": 30, "마흔": 40, "쉰": 50, "예순": 60, "일흔": 70, "여든": 80, "아흔": 90,
}  # fmt: skip
_DIGITS_KO: Final = {sign: value for value, sign in enumerate("영일이삼사오육칠팔구")}
_DIGITS_ZH: Final = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "兩": 2}
_UNITS_KO: Final = {"십": 10, "백": 100, "천": 1000}
_UNITS_ZH: Final = {"十": 10, "百": 100, "千": 1000}
_GROUPS: Final = {"만": 10**4, "억": 10**8, "조": 10**12, "万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}

_DIGIT_RUN: Final = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
_SCALED: Final = (
    rf"(?:{_DIGIT_RUN}[ ]?[多余餘여]?(?:조|억|만|천(?!연)|백(?!신)|兆|亿|億|万|萬|千(?![克米瓦])|百(?!分)))"
)
_ENGLISH_WORD: Final = "|".join(sorted((*_SMALL, *_TENS), key=len, reverse=True))
_ENGLISH: Final = (
    rf"\b(?:{_ENGLISH_WORD})(?:[- ](?:{_ENGLISH_WORD}))*"
    rf"(?:[ ](?:hundred|thousand|million|billion|trillion|dozen)(?:(?:[ ]and)?[ ](?:{_ENGLISH_WORD})(?:[- ](?:{_ENGLISH_WORD}))*)?)*(?:[ ]and[ ]a[ ]half)?\b"
)
_ORDINAL: Final = rf"\b(?:{'|'.join(_ORDINALS)})\b(?!s)"
COUNTERS_KO: Final = (
    "사람|가지|차례|그루|명|개|마리|번|살|시간|달|대|권|곳|배|잔|병|장|채|척|해|주|시|분의|분|초|년|월|일|원|세기|세|퍼센트|프로|도|회|점|위|층|"
    "미터|킬로|그램|톤|인|군데|건|편|곡|골|승|패|차|째|쌍|벌|단계|종|국|호"
)
COUNTERS_ZH: Final = (
    "个百分点|个|個|名|人|次|岁|歲|年|月|日|号|天|周|小时|分钟|秒|米|公里|千米|厘米|克|公斤|千克|吨|元|块|美元|度|届|位|家|所|座|条|本|部|"
    "辆|台|架|艘|只|头|匹|种|项|倍|成|层|楼|点|分|票|场|局|轮|代|世纪|万|亿|枚|颗|支|首|篇|章|集|期|省|国|州|县|市|大|强|户|组|对|双|套|批|箱|盒|瓶|杯|袋|张|份|册|间|栋|处|款|类|队|宗|桩"
)
_KOREAN: Final = (
    rf"(?<![가-힣])(?:(?:열|스물|스무|서른|마흔|쉰|예순|일흔|여든|아흔)(?:한|하나|두|둘|세|셋|네|넷|다섯|여섯|일곱|여덟|아홉)?|"
    rf"한|두|세|네|다섯|여섯|일곱|여덟|아홉|석|넉|[일이삼사오육칠팔구십백천만억조]+)(?=[ ]?(?:{COUNTERS_KO}))"
)
_CHINESE: Final = (
    rf"[〇零一二三四五六七八九十百千万亿两]*[〇零一二三四五六七八九十两][〇零一二三四五六七八九十百千万亿两]*(?=(?:{COUNTERS_ZH}))(?!分[^之])|"
    r"[〇零一二三四五六七八九两][〇零一二三四五六七八九十百千万亿两]+"
)
FEW: Final = {
    word: low
    for low, words in enumerate(
        [
            "한두 一两",
            "두세 两三 二三",
            "서너 三四",
            "네댓 四五",
            "대여섯 五六",
            "예닐곱 六七",
            "일고여덟 七八",
            "八九",
        ],
        1,
    )
    for word in words.split()
}
"""Words for a number or the next one, with the lower of both."""
_FEW_KO: Final = "|".join(word for word in FEW if "가" <= word[0] <= "힣")
_FEW_ZH: Final = "|".join(word for word in FEW if not "가" <= word[0] <= "힣")
_PARTS: Final = {
    "half": 2,
    "third": 3,
    "quarter": 4,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
    "tenth": 10,
}
_HAN_NUMBER: Final = "[〇零一二三四五六七八九十百千两]+"
_FRACTION: Final = (
    rf"\b(?:a|one|two|three|four|five|\d)[ -](?:{'|'.join(_PARTS)})s?(?=[ ]of\b)|(?:\d+|[이삼사오육칠팔구십]+)분의[ ]?(?:\d+|[일이삼사오육칠팔구십]+)|"
    rf"(?!百分之)(?:\d+|{_HAN_NUMBER})分之(?:\d+|{_HAN_NUMBER})"
)
_NOT_CHINESE: Final = frozenset(
    {"万一", "一一", "三三两两", "一二", "三五", "七七", "一千零一", "九一八", "五一", "十一"}
)
NUMBER: Final = re.compile(
    rf"(?P<fraction>{_FRACTION})|(?P<few>(?<![가-힣])(?:{_FEW_KO})(?=[ ]?(?:{COUNTERS_KO}))|(?:{_FEW_ZH})(?=(?:{COUNTERS_ZH})))|"
    rf"(?P<percent>百分之(?:{_DIGIT_RUN}|[〇零一二三四五六七八九十百千两]+))|(?P<digits>(?<!제)(?:{_SCALED}[ ]?)+(?:{_DIGIT_RUN}(?![ ]?[-/년月年월]))?(?<! )|{_DIGIT_RUN}(?:[ -]?(?:hundred|thousand|million|billion|"
    rf"trillion|dozen|bn|mn|k)\b)?)|(?P<ordinal>{_ORDINAL})|(?P<english>{_ENGLISH})|(?P<korean>{_KOREAN})|(?P<chinese>{_CHINESE})",
    re.I,
)
_PART: Final = re.compile(rf"({_DIGIT_RUN})[ -]?[多余餘여]?([^\d\s]*)")


def value_of(match: re.Match[str]) -> float | None:
    """The number that a match of NUMBER stands for; None where the words are no number."""
    if match["digits"]:
        return _of_digits(match[0].lower())
    if match["few"]:
        return float(FEW[match[0]])
    if match["fraction"]:
        return _of_fraction(match[0].lower())
    if match["percent"]:
        written = match[0].removeprefix("百分之")
        return _of_digits(written) if written[0].isdecimal() else _of_chinese(written)
    if match["ordinal"]:
        return float(_ORDINALS[match[0].lower()])
    if match["english"]:
        return _of_english(match[0].lower())
    return _of_korean(match[0]) if match["korean"] else _of_chinese(match[0])


def _of_fraction(text: str) -> float | None:
    """Two thirds, 3분의 2, 三分之二."""
    if "分之" in text or "분의" in text:
        below, above = (_whole(part) for part in re.split("分之|분의", text))
    else:
        above_word, below_word = re.split("[ -]", text)
        above, below = _of_english("one" if above_word == "a" else above_word), _PARTS[below_word.removesuffix("s")]
        above = float(above_word) if above_word.isdecimal() else above
    return above / below if below and above else None


def _whole(text: str) -> float:
    text = text.strip()
    if text.isdecimal():
        return float(text)
    return _by_place(text, _DIGITS_KO, _UNITS_KO) if "가" <= text[0] <= "힣" else _of_chinese(text) or 0.0


def _of_digits(text: str) -> float:
    total = 0.0
    for number, magnitude in _PART.findall(text):
        total += float(number.replace(",", "")) * _MAGNITUDES.get(magnitude.strip(), 1.0)
    return total


def _of_english(text: str) -> float:
    total = part = 0.0
    half = 0.5 if text.endswith(" and a half") else 0.0
    for word in re.findall("[a-z]+", text):
        if word in _SMALL:
            part += _SMALL[word]
        elif word in _TENS:
            part += _TENS[word]
        elif word == "hundred":
            part = (part or 1.0) * 100
        elif word in _MAGNITUDES:
            total += (part or 1.0) * _MAGNITUDES[word]
            part = 0.0
    return total + part + half


def _of_korean(text: str) -> float | None:
    if text in _NATIVE:
        return float(_NATIVE[text])
    for tens, value in _NATIVE_TENS.items():
        rest = text.removeprefix(tens)
        if rest != text and (not rest or rest in _NATIVE):
            return float(value + _NATIVE.get(rest, 0))
    return _by_place(text, _DIGITS_KO, _UNITS_KO)


def _of_chinese(text: str) -> float | None:
    if text in _NOT_CHINESE:
        return None
    if len(text) > 1 and all(sign in _DIGITS_ZH for sign in text):
        return float("".join(str(_DIGITS_ZH[sign]) for sign in text))
    return _by_place(text, _DIGITS_ZH, _UNITS_ZH)


def _by_place(text: str, digits: dict[str, int], units: dict[str, int]) -> float:
    """A number written with signs for ten, hundred, thousand inside groups of ten thousand."""
    total = group = 0
    digit = -1
    for sign in text:
        if sign in digits:
            digit = digits[sign]
        elif sign in units:
            group += (1 if digit < 0 else digit) * units[sign]
            digit = -1
        elif sign in _GROUPS:
            group += max(digit, 0)
            total = (total + (group or 1)) * _GROUPS[sign] if _GROUPS[sign] > 10**4 else total + (group or 1) * 10**4
            group, digit = 0, -1
    return float(total + group + max(digit, 0))
