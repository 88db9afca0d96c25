"""Made-up labelled texts in three languages: for tests, and for `haechi eval pii` where no labelled text is at hand.

Sentences, values and near-misses are ours; everything follows from the seed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from guard.pii.evaluation import Labelled
from guard.pii.samples import CHECKED, MAKERS, Rng, Sample, near_miss, pick
from haechi.base.text import Language

_FRAMES: dict[Language, tuple[str, ...]] = {
    Language.KOREAN: (
        "안녕하세요, {}입니다. 확인 부탁드려요.", "문의드린 내용은 {}로 되어 있습니다.", "{}를 등록해 주세요.", "기록에는 {} 라고 적혀 있었다.",
        "| 항목 | {} | 완료 |", "어제 보낸 것은 ({})이었고 오늘은 없습니다.",
    ),
    Language.CHINESE: (
        "您好，{}，请帮我确认一下。", "登记的是{}。", "请查看：{}；谢谢。", "记录上写着{}，没有别的。", "| 项目 | {} | 完成 |", "昨天发的是（{}），今天没有。",
    ),
    Language.ENGLISH: (
        "Hello, {} is what I was given.", "Please update it to {}.", "They wrote {}, nothing else.", "On file: {}; thanks.", "| item | {} | done |",
        "It said ({}) yesterday and nothing today.",
    ),
}  # fmt: skip
_PLAIN: dict[Language, tuple[str, ...]] = {
    Language.KOREAN: ("오늘은 3월 15일이고 회의는 오후 3시 30분에 있습니다.", "가격은 12,900원이며 10개를 사면 99,000원입니다.", "버전 2.10.3이 나왔다."),
    Language.CHINESE: ("今天是3月15日，会议在下午3点30分开始。", "价格是129元，买10个只要990元。", "版本2.10.3已经发布。"),
    Language.ENGLISH: ("Today is March 15 and we meet at 3:30 pm.", "It costs $129.00, or $990.00 for ten.", "Version 2.10.3 is out; see page 128-135."),
}  # fmt: skip
_NEAR_MISSES = 0.15  # share of rows
_NOTHING = 0.25


def rows(count: int, *, seed: int) -> Iterator[Labelled]:
    """Labelled texts, the three languages in turn: with a value, with a near-miss, or with neither."""
    rng = np.random.default_rng(seed)
    languages = tuple(_FRAMES)
    rules = sorted(MAKERS)
    for number in range(count):
        language = languages[number % len(languages)]
        chance = rng.random()
        if chance < _NOTHING:
            yield Labelled(pick(rng, _PLAIN[language]), language.value, frozenset())
        elif chance < _NOTHING + _NEAR_MISSES:
            yield _row(near_miss(MAKERS[pick(rng, CHECKED)](rng)), language, rng, labelled=False)
        else:
            yield _row(MAKERS[pick(rng, rules)](rng), language, rng, labelled=True)


def _row(sample: Sample, language: Language, rng: Rng, *, labelled: bool) -> Labelled:
    before, _, after = pick(rng, _FRAMES[language]).partition("{}")
    lead = f" {sample.lead}" if sample.lead else ""
    if not lead and sample.value[0] > "\u1100" and before[-1:].isalpha():
        before += " "
    text = f"{before}{lead}{sample.value}{after}"
    start = len(before) + len(lead)
    spans = {(start, start + len(sample.value), sample.entity)} if labelled else set()
    return Labelled(text, language.value, frozenset(spans))
