"""Words that turn what a sentence says: negations, quantifiers, words with an opposite, and names of places.

Rules of this file
1. One table for each kind, three languages in one line where they mean the same; one automaton finds them all.
2. A Latin word stands alone; a Hangul entry begins a word; Han characters have no boundaries. The longest entry wins, so
   that a harmless carrier (`不过`, `nothing but`) hides the cue inside it.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from guard.claims.opposites import COMPARATIVES, OPPOSITES
from guard.claims.places import PLACES
from guard.terms import TermIndex


class Kind(enum.Enum):
    """What a cue does."""

    NEGATION = enum.auto()
    DENIAL = enum.auto()
    QUANTIFIER = enum.auto()
    COMPARATIVE = enum.auto()
    OPPOSITE = enum.auto()
    PLACE = enum.auto()
    CARRIER = enum.auto()


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an entry stands for. key: which pair, class or place. side: 0 or 1 of a pair; 0 for other kinds."""

    kind: Kind
    key: str
    side: int = 0


@dataclass(frozen=True, slots=True)
class Cue:
    """A cue in a text."""

    meaning: Meaning
    start: int
    end: int


_NEGATIONS: Final = """
not n't n’t never no cannot neither nor nobody nothing none without hardly barely scarcely nowhere unable fails failed
fail lack lacks lacked refuse refuses refused
않 못하 못한 못했 못할 못해 아니 아닌 아닙 아녜 없 안 못
不 没 沒 未 无 無 非 勿 莫 毫无 并非 并不 从不 从未 未能 无法 不能 不会 不是 没有 沒有 未曾
"""
_DENIALS: Final = """
myth false untrue incorrect hoax misconception debunked disproved disproven refuted fabricated
거짓 허위 사실무근 오해 가짜뉴스 속설 사실과_다르
谣言 謠言 不实 虚假 误传 误解 错误的 辟谣 子虚乌有
"""
_QUANTIFIERS: Final = {
    "all": "all every each everyone everybody everything always entire entirely 모든 모두 전부 항상 언제나 누구나 所有 全部 全都 一切 每个 每一 总是 始终 均",
    "most": "most majority mostly usually 대부분 대다수 대체로 주로 大多数 大部分 多数 大多 通常",
    "some": "some several sometimes partly partially certain 일부 몇몇 때때로 가끔 부분적 어떤 一些 部分 有些 有的 有时 某些 若干",
    "few": "few rarely seldom 극소수 소수 드물 少数 极少 很少 罕见",
    "none": "none nobody no_one 아무도 전혀 결코 没有任何 无一 毫无 没有一",
    "only": "only solely exclusively 오직 유일하 유일한 단지 只有 仅有 唯一 仅仅",
}
_CARRIERS: Final = """
not only|not just|not merely|no doubt|no longer than|no. |nothing but|nonetheless|nevertheless|most of all|
not least|whether or not|if not|why not|at all|after all|first of all|above all|all right|almost all|not all|not every|each other|
뿐만 아니라|뿐 아니라|아니라|틀림없|끊임없|변함없|상관없|관계없|다름없|수밖에 없|안전|안정|안내|안녕|안보|안과|안경|안팎|안쪽|안에|안의|안으로|못지않|아니면|
없애|없앴|아니나|안건|안타|안동|안산|안양|안드로이드|안중근|안철수|안무|안방|안심|안색|안치|안티|안데스|안나|안개|안도|안락|안면|안목|안성|안착|
不过|不但|不仅|不同|不断|不少|不久|不论|不管|不得不|不可不|不只|不光|不良|不满|不足|不等|不惜|不禁|不时|不止|不如|不一|不料|不妨|不动产|
不锈钢|不明|不安|不幸|不当|不法|不利|无论|无数|无线|无疑|无锡|无人机|无缘|无奈|无穷|无形|无意|非常|非洲|非法|非遗|非凡|非正式|除非|并非不|是非|
未来|未婚|未成年|未必|莫斯科|莫名|莫非|没收|没落|沉没|淹没|出没|埋没|大部分|大多数|部分地区|不可思议|无形资产|否则|南非|北非|中非|西非|东非|
"""
_LATIN_BEFORE = re.compile(r"[A-Za-z]")
_HANGUL = re.compile(r"[가-힣]")
_PLACE_END = re.compile(
    "(?:시|도|인|군|산|내|측|어|정부|시민|국민)?(?:에서는|에서도|에서|에는|에도|에|까지|부터|보다|으로|로|은|는|이|가|을|를|의|와|과|도|만|이다|이며|이고|"
    "이었다|였다|입니다|이나|나)?(?![가-힣])"
)
_ANYWHERE: Final = frozenset(["않", "없", "못하", "못한", "못했", "못할", "못해", "아니", "아닌", "아닙", "사실무근"])
_ALONE: Final = frozenset(["안", "못"])


def _entries() -> dict[str, list[Meaning]]:
    table: dict[str, list[Meaning]] = {}

    def enter(words: str, meaning: Meaning) -> None:
        for word in words.split():
            table.setdefault(word.replace("_", " "), []).append(meaning)

    enter(_NEGATIONS, Meaning(Kind.NEGATION, "not"))
    enter(_DENIALS, Meaning(Kind.DENIAL, "denied"))
    for key, words in _QUANTIFIERS.items():
        enter(words, Meaning(Kind.QUANTIFIER, key))
    for kind, pairs in ((Kind.COMPARATIVE, COMPARATIVES), (Kind.OPPOSITE, OPPOSITES)):
        for line in pairs.strip().splitlines():
            sides = line.split(" | ")
            for side, words in enumerate(sides):
                enter(words, Meaning(kind, sides[0].split()[0] + kind.name[0], side))
    for line in PLACES.strip().splitlines():
        enter(line, Meaning(Kind.PLACE, line.split()[0]))
    for carrier in filter(None, _CARRIERS.replace("\n", "").split("|")):
        table[carrier] = [Meaning(Kind.CARRIER, carrier)]
    return table


@lru_cache(maxsize=1)
def _index() -> TermIndex[Meaning]:
    return TermIndex(_entries())


def cues(text: str, lowered: str) -> list[Cue]:
    """The cues of a text, the longest at each place, in order. lowered: the text in lower case, of the same length.

    One entry may have two meanings (`none` negates and quantifies): then both are there.
    """
    found = sorted(
        (one for one in _index().find(lowered) if _stands_alone(lowered, one.start, one.end)),
        key=lambda one: (one.start, -one.end),
    )
    result: list[Cue] = []
    reached = 0
    for one in found:
        if one.start >= reached:
            reached = one.end
            result.extend(Cue(meaning, one.start, one.end) for meaning in one.meanings)
    return [cue for cue in result if cue.meaning.kind is not Kind.CARRIER and not _is_lower_place(text, cue)]


def _is_lower_place(text: str, cue: Cue) -> bool:
    """Whether an entry of a place is part of another word: us, turkey, chile written small; 세종 in 세종대왕."""
    if cue.meaning.kind is not Kind.PLACE:
        return False
    if not text[cue.start].isascii():
        return _HANGUL.match(text[cue.start]) is not None and _PLACE_END.match(text, cue.end) is None
    return not text[cue.start].isupper() or (text[cue.start : cue.end] == "Us")


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether an entry is a word here, by the script of its first and last character."""
    first, last = text[start], text[end - 1]
    if first.isascii() and first.isalpha() and start and _LATIN_BEFORE.match(text[start - 1]):
        return text[start:end] == "n't"
    if last.isascii() and last.isalpha() and end < len(text) and _LATIN_BEFORE.match(text[end]):
        return False
    if not _HANGUL.match(first):
        return True
    entry = text[start:end]
    if entry in _ALONE:
        return not (start and _HANGUL.match(text[start - 1])) and text[end : end + 1] in (" ", "")
    return entry in _ANYWHERE or not (start and _HANGUL.match(text[start - 1]))
