"""Names of persons, organisations, works and places as a text writes them. Heuristics, no model.

Rules of this file
1. English: runs of capitalised words, and words with a capital or digit inside; the first word of a sentence only when
   another capitalised word follows or it is no everyday word.
2. Korean and Chinese have no capitals: titles (교수, 总统) after a surname, endings of places and bodies (시, 大学), the
   characters that foreign names are written with, what stands in title marks, and Latin names.
3. Places from the table are cues already (guard/claims/cues.py); `places` gives them their key in all languages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from guard.claims.cues import Cue, Kind

_STOP: Final = frozenset(
    [
        "a",
        "an",
        "the",
        "this",
        "that",
        "these",
        "those",
        "he",
        "she",
        "it",
        "they",
        "we",
        "you",
        "i",
        "his",
        "her",
        "its",
        "their",
        "our",
        "my",
        "your",
        "who",
        "what",
        "when",
        "where",
        "which",
        "why",
        "how",
        "in",
        "on",
        "at",
        "by",
        "for",
        "from",
        "to",
        "of",
        "with",
        "without",
        "under",
        "over",
        "after",
        "before",
        "during",
        "since",
        "until",
        "while",
        "as",
        "if",
        "although",
        "though",
        "because",
        "and",
        "or",
        "but",
        "nor",
        "so",
        "yet",
        "not",
        "no",
        "yes",
        "there",
        "here",
        "then",
        "than",
        "some",
        "many",
        "most",
        "all",
        "any",
        "each",
        "every",
        "both",
        "either",
        "neither",
        "several",
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
        "first",
        "second",
        "third",
        "new",
        "old",
        "other",
        "another",
        "such",
        "only",
        "also",
        "however",
        "moreover",
        "furthermore",
        "therefore",
        "thus",
        "hence",
        "meanwhile",
        "according",
        "despite",
        "among",
        "between",
        "within",
        "about",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "has",
        "have",
        "had",
        "do",
        "does",
        "did",
        "can",
        "could",
        "may",
        "might",
        "must",
        "shall",
        "should",
        "will",
        "would",
        "let",
        "more",
        "less",
        "few",
        "little",
        "much",
        "very",
        "now",
        "today",
        "yesterday",
        "tomorrow",
        "people",
        "person",
        "everyone",
        "nobody",
        "nothing",
        "something",
        "january",
        "february",
        "march",
        "april",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ]
)
_CAPITAL: Final = re.compile(
    r"(?:[A-Z][\w’'-]*|[a-z]+[A-Z]\w*)(?:(?:[ ](?:of|the|de|van|von|der|al|bin|la|le|du)(?:[ ](?:the))?)?[ ](?:[A-Z][\w’'-]*|[A-Z]\.))*"
)
_TITLES_KO: Final = "씨|교수|박사|대통령|총리|의원|장관|시장|사장|회장|감독|선수|작가|기자|대표|판사|검사|여사|선생|배우|가수|화가|시인|장군|대왕|왕|황제|목사|신부"
_SURNAME_KO: Final = "김이박최정강조윤장임한오서신권황안송류전홍고문양손배백허유남심노하곽성차주우구민진나지엄채원천방공현함변염여추도소석선설마길연위표명기반왕금옥육인맹제모탁국어은편용"
_SURNAME_ZH: Final = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦"
    "邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
_TITLES_ZH: Final = "先生|女士|教授|博士|总统|主席|总理|部长|市长|省长|县长|经理|院长|校长|导演|董事长|总裁|委员|书记|司令|将军|院士|医生|老师|记者|法官|律师|队长|教练|外长|首相"
_TRANSLITERATED: Final = (
    "阿埃艾安奥巴贝比波伯布查达德迪蒂丁多恩尔法菲费佛弗夫盖戈格古哈海赫霍基吉加杰卡凯科克库拉莱兰朗劳勒雷里利莉列林隆卢鲁伦罗洛马玛迈麦曼梅蒙米莫姆穆纳奈内尼涅诺"
    "帕佩皮珀普奇齐乔切热瑞若撒萨塞瑟森沙莎舍什史斯索塔坦汤特提图托瓦万威维温沃乌西希夏谢辛休雅亚耶伊因约泽扎詹珍朱兹祖佐"
)
_ASIAN: Final = re.compile(
    rf"(?P<title>《[^》]{{1,30}}》|『[^』]{{1,30}}』|「[^」]{{1,30}}」|<[^<>\n]{{1,30}}>)|"
    rf"(?P<ko_person>(?<![가-힣])[{_SURNAME_KO}][가-힣]{{1,2}}(?=[ ]?(?:전 |부)?(?:{_TITLES_KO})))|"
    r"(?P<ko_place>(?<![가-힣])[가-힣]{1,5}(?:특별시|광역시|시|군|구|읍|면|도|강|산|섬|역|해협|반도)(?=[은는이가을를의에와과로도,. ]|에서|으로|$))|"
    r"(?P<ko_body>(?<![가-힣])[가-힣A-Za-z]{2,8}(?:대학교|대학|전자|은행|그룹|병원|연구소|연구원|위원회|법원|협회|공사|청|재단|박물관|미술관|방송|신문|사|당)(?=[은는이가을를의에와과로도,. ]|에서|으로|$))|"
    r"(?P<dotted>[\u4e00-\u9fff]{1,8}(?:[·•・][\u4e00-\u9fff]{1,8})+)|"
    rf"(?P<zh_person>(?<![\u4e00-\u9fff])[{_SURNAME_ZH}][\u4e00-\u9fff]{{1,2}}(?=(?:{_TITLES_ZH}|[，。、说在是于出曾因被]))|[{_SURNAME_ZH}][\u4e00-\u9fff]{{0,2}}(?=(?:{_TITLES_ZH})))|"
    rf"(?P<foreign>[{_TRANSLITERATED}]{{3,10}})|"
    r"(?P<zh_body>[\u4e00-\u9fff]{2,4}(?:大学|学院|公司|银行|集团|医院|研究所|研究院|委员会|法院|协会|博物馆|电视台|日报|党))|"
    r"(?P<zh_place>(?<![\u4e00-\u9fff])[\u4e00-\u9fff]{2,3}(?:省|市|县|区|州|镇|村|河|江|湖|山|岛|海|洲)(?=[的位在是于，。、]))|"
    r"(?P<latin>(?<![A-Za-z])[A-Z][A-Za-z0-9.+-]*(?:[ ][A-Z][A-Za-z0-9.+-]*)*)"
)
_PLACE_BEFORE: Final = re.compile(r"\b(?:in|at|near|from|to|into|of|outside|across|around)[ ](?:the[ ])?$", re.I)
_SENTENCE_START: Final = re.compile(r"(?:^|[.!?:;\n\"“(][\"'”’)]*)[\s\"“'(*-]*$")
_ENDING_PLACES: Final = ("ko_place", "zh_place")


@dataclass(frozen=True, slots=True)
class Name:
    """A name. key: its words in lower case; for a place of the table the table's key. place: names a place."""

    key: tuple[str, ...]
    start: int
    end: int
    place: bool

    def same(self, other: Name) -> bool:
        """Whether one may stand for the other: all words of the shorter occur in the longer, or it is its initials."""
        mine, others = set(self.key), set(other.key)
        return mine <= others or others <= mine or _initials(self.key, other.key) or _initials(other.key, self.key)


def _initials(short: tuple[str, ...], long: tuple[str, ...]) -> bool:
    if len(short) != 1 or len(long) < 2:
        return False
    spelled = "".join(word[0] for word in long if word not in _STOP)
    return short[0].replace(".", "") in (spelled, "".join(word[0] for word in long))


def names(text: str, found: list[Cue]) -> list[Name]:
    """The names of a text in order. found: the cues of the same text."""
    places = [Name((c.meaning.key,), c.start, c.end, True) for c in found if c.meaning.kind is Kind.PLACE]
    taken = [(place.start, place.end) for place in places]
    others = [n for n in _written(text) if not any(n.start < end and start < n.end for start, end in taken)]
    return sorted((*places, *others), key=lambda name: name.start)


def _written(text: str) -> Iterator[Name]:
    if text.isascii() or not re.search("[가-힣\u3400-\u9fff]", text):
        yield from _english(text)
        return
    for match in _ASIAN.finditer(text):
        written = match[0].strip("《》『』「」<>")
        yield Name((written.lower(),), match.start(), match.end(), match.lastgroup in _ENDING_PLACES)


def _english(text: str) -> Iterator[Name]:
    for match in _CAPITAL.finditer(text):
        start, end = match.span()
        words = match[0].split(" ")
        # A leading everyday word belongs to the sentence, not to the name: "The Eiffel Tower", "In Paris".
        while words and words[0].lower().split("'")[0].split("’")[0] in _STOP:
            start += len(words.pop(0)) + 1
        if not words or (len(words) == 1 and start == match.start() and _opens_sentence(text, match, words[0])):
            continue
        key = tuple(w for w in (_plain(word) for word in words) if w and w not in _STOP)
        if key:
            yield Name(key, start, end, _PLACE_BEFORE.search(text, max(0, start - 16), start) is not None)


def _plain(word: str) -> str:
    return word.lower().removesuffix("'s").removesuffix("’s").strip(".'’-")


def _opens_sentence(text: str, match: re.Match[str], word: str) -> bool:
    """Whether a single capitalised word may be capitalised only because a sentence begins."""
    if any(sign.isupper() or sign.isdigit() for sign in word[1:]):
        return False
    return _SENTENCE_START.search(text, max(0, match.start() - 8), match.start()) is not None
