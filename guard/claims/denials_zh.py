"""Whether a Chinese claim denies what a passage says in the same words, or says what the passage denies: `没有召开`, `召开了`.

Rules of this file
1. Words alone: of two sentences one has a single denial and the other none; whatever else the claim says stands in the passage's
   sentence, the denied word included.
2. What is planned, wanted, asked or supposed is no denial of what is, nor is a sentence that says "only", "all" or "but".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

_SENTENCE: Final = re.compile(r"[^。！？!?；;\n]+[？?]?")
_CLAUSE: Final = re.compile(r"[^，,：:]+")
_NOT: Final = re.compile(
    "从来没有|從來沒有|从来不|從來不|从没有|从没|從沒|从未|從未|从不|從不|并没有|並沒有|并没|並沒|并未|並未|并不是|並不是|并不|並不|并非|並非|尚未|未曾|未能|没能|沒能|"
    "没有|沒有|没|沒|未|不是|不能|不会|不會|不可以|不需要|无法|無法|不|无|無|非"
)
_NO_DENIAL: Final = re.compile(
    "不过|不過|不但|不仅|不僅|不同|不断|不斷|不少|不久|不论|不論|不管|不得不|不只|不光|不良|不满|不滿|不足|不等|不惜|不禁|不时|不時|不止|不如|不一|不料|不妨|不动产|不動產|"
    "不锈钢|不鏽鋼|不明|不安|不幸|不当|不當|不法|不利|不错|不錯|差不多|不知|不得|不必|不用|无论|無論|无数|無數|无线|無線|无疑|無疑|无锡|無錫|无人|無人|无缘|无奈|无穷|无形|无意|"
    "非常|非洲|非法|非遗|非凡|非正式|除非|是非|未来|未來|未婚|未成年|未必|没收|沒收|没落|沉没|淹没|出没|埋没|南非|北非|中非|否|莫|勿|别"
)
"""Signs of a denial that are part of another word, or deny more or less than the sentence."""
_UNREAL: Final = re.compile(
    "如果|假如|要是|若|除非|计划|計劃|打算|准备|準備|预计|預計|拟|擬|希望|要求|建议|建議|可能|也许|也許|或许|或許|大概|应该|應該|应当|應當|必须|必須|想|愿|願|"
    "将|將|即将|尽管|但|却|卻|只|仅|僅|才|除了|除|以外|之前|再|都|全部|所有|每|有的|有些|一些|部分|大多|几乎|幾乎|很少|拒绝|拒絕|禁止|否认|否認|避免|停止|取消|否决|否決|失败|失敗|难|難|谎|謠|谣|吗|嗎|？|还是|還是|"
    "相信|规定|規定|直到|需要|忘|让|讓|叫|请|請|阻止|不惜|据说|據說|声称|聲稱|认为|認為|以为|以為"
)
_LINK: Final = re.compile(
    "已经|已經|曾经|曾經|正在|当时|當時|最终|最終|后来|後來|确实|確實|可以|[的地得了过過着著在于於是被把给給对對向从從到已曾也就还還又和与與及很太有为為会會能个個位名这這那其之所一]"
)
"""What may be in a claim and not in the passage."""
_SIGN: Final = re.compile(r"[\u3400-\u9fff0-9A-Za-z]")
_SAID: Final = 3
"""Signs that both must share."""
Place = tuple[int, int]


def denies_passage(claim: str, passage: str) -> bool:
    """Whether a clause of the passage says what a Chinese claim denies, or denies what the claim says, in the claim's words."""
    mine = _denials(claim)
    if mine is None or len(mine) > 1 or _UNREAL.search(claim) or claim.rstrip("。.!！ ") in passage:
        return False
    sentences = (found[0] for found in _SENTENCE.finditer(passage))
    clauses = (found[0] for one in sentences if not _UNREAL.search(one) for found in _CLAUSE.finditer(one))
    return any(_denies(claim, mine, clause) for clause in clauses)


def _denies(claim: str, mine: Sequence[Place], clause: str) -> bool:
    theirs = _denials(clause)
    if theirs is None or len(mine) + len(theirs) != 1:
        return False
    denying, affirming, place = (claim, clause, mine[0]) if mine else (clause, claim, theirs[0])
    word = _after(denying, place[1])
    said = bool(word) and _plain(denying).count(word) <= _plain(affirming).count(word)
    return said and _said_in(_without(claim, mine), _plain(clause)) >= _SAID


def _denials(text: str) -> list[Place] | None:
    """Places of the denials in a clause; None where one is not understood."""
    return None if _NO_DENIAL.search(text) else [found.span() for found in _NOT.finditer(text)]


def _plain(text: str) -> str:
    """The text without marks of aspect, which stand inside a verb too (`道了歉`)."""
    return re.sub("[了过過着著]", "", text)


def _after(text: str, place: int) -> str:
    """The two signs that are denied, or the one that is left."""
    rest = re.match(r"(?:再|被|把|在|有|能|会|會|对|對|向|给|給)?([\u3400-\u9fff]{1,2})", _plain(text[place:]))
    return rest[1] if rest else ""


def _without(claim: str, denials: Sequence[Place]) -> str:
    """The claim with a blank where it denies."""
    return f"{claim[: denials[0][0]]} {claim[denials[0][1] :]}" if denials else claim


def _said_in(claim: str, clause: str) -> int:
    """How many signs of a claim stand in a clause: in parts of two or more, or alone between others; 0 when some do not."""
    best: dict[int, int] = {0: 0}
    for start in range(len(claim)):
        if start not in best:
            continue
        for end, signs in _steps(claim, start, clause):
            best[end] = max(best.get(end, 0), best[start] + signs)
    return best.get(len(claim), 0)


def _steps(claim: str, start: int, clause: str) -> Iterator[tuple[int, int]]:
    """Where the reading of a claim can go on, and how many signs it has passed that the clause has too."""
    if not _SIGN.match(claim, start):
        yield start + 1, 0
    if link := _LINK.match(claim, start):
        yield link.end(), 0
    end = start + 2
    while end <= len(claim) and claim[start:end] in clause:
        yield end, end - start
        end += 1
    alone = not _SIGN.match(claim, start - 1) if start else True
    if (
        alone
        and claim[start] in clause
        and (start + 1 == len(claim) or not _SIGN.match(claim, start + 1) or _LINK.match(claim, start + 1))
    ):
        yield start + 1, 1
