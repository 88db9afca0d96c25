"""Write the golden scores of the shipped stance model: run by hand when new weights are shipped."""

from __future__ import annotations

import json
from pathlib import Path

from guard.claims.stance import load
from haechi.base.text import Language

PAIRS = [
    ("en", "The tower was finished in 1889.", "The tower is 324 metres tall and was finished in 1889."),
    ("en", "The tower was finished in 1989.", "The tower is 324 metres tall and was finished in 1889."),
    ("en", "The tower is in Paris.", "The tower is 324 metres tall and was finished in 1889."),
    ("en", "The drug helps children.", "The trial showed no effect of the drug in children."),
    ("en", "A woman is outdoors.", "A woman walks her dog in the park."),
    ("en", "All members voted for the plan.", "Most members voted for the plan, three voted against it."),
    ("ko", "이 탑은 1889년에 완공되었다.", "이 탑은 높이가 324미터이며 1889년에 완공되었다."),
    ("ko", "이 탑은 1989년에 완공되었다.", "이 탑은 높이가 324미터이며 1889년에 완공되었다."),
    ("ko", "회의는 열리지 않았다.", "지난 월요일 서울에서 회의가 열렸다."),
    ("ko", "수출이 감소했다.", "올해 수출은 지난해보다 7퍼센트 증가했다."),
    ("ko", "그 배우는 부산에서 태어났다.", "그 배우는 2019년에 영화제에서 상을 받았다."),
    ("zh", "这座塔于1889年完工。", "这座塔高324米，于1889年完工。"),
    ("zh", "这座塔于1989年完工。", "这座塔高324米，于1889年完工。"),
    ("zh", "会议没有举行。", "上周一，会议在北京举行，三百人参加。"),
    ("zh", "出口下降了。", "今年的出口比去年增长了百分之七。"),
    ("zh", "这位演员出生在上海。", "这位演员2019年在电影节上获奖。"),
]


def main() -> None:
    """Judge and write."""
    model = load()
    pairs = []
    for lang, claim, evidence in PAIRS:
        if Language(lang) in model.languages():
            said = model.judge(claim, [evidence], language=Language(lang))[0]
            scores = [round(p, 4) for p in (said.supported, said.refuted, said.unsure)]
            pairs.append({"lang": lang, "claim": claim, "evidence": evidence, "scores": scores})
    Path(__file__).with_name("stance_scores.json").write_text(
        json.dumps({"version": model.version, "pairs": pairs}, ensure_ascii=False, indent=1) + "\n", "utf-8"
    )


if __name__ == "__main__":
    main()
