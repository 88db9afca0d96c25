"""What the deterministic lane costs: CPU milliseconds per 1,000 characters, and per streamed answer of 60 chunks.

Process CPU time, the least of several runs, on texts written for this file. The lexicon holds 20,000 entries: the
shipped ones and generated ones of the same lengths and scripts. Run: `python -m benchmarks.guard_cost`. What a
guarded stream may cost in all is a bar of `gateway_cost`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from itertools import product

from benchmarks.figures import report
from guard.checker import SafetyChecker
from guard.fold import build_views
from guard.lexicon import Boundary, Entry, Lexicon, read_entries
from guard.policy import Policy, PolicyDocument, RuleDocument
from guard.registry import load_detector
from guard.verdict import Category, Severity
from haechi.base.resources import policies_dir

ENTRIES = 20_000
TEXTS = {
    "en": "The committee met on Tuesday to discuss the new library, and most members agreed that longer opening hours would "
    "help students who work during the day. A second report, due in March, will look at the cost of heating the old hall. ",
    "ko": "위원회는 화요일에 모여 새 도서관 문제를 논의했고, 대부분의 위원은 개관 시간을 늘리면 낮에 일하는 학생들에게 도움이 될 것이라고 "
    "말했다. 두 번째 보고서는 오래된 강당의 난방 비용을 다룰 예정이다. ",
    "zh": "委员会周二开会讨论新图书馆的问题，多数委员认为延长开放时间会帮助白天工作的学生。第二份报告将研究旧礼堂的取暖费用，"
    "预计三月完成。居民们也提出了一些建议，希望周末能够增加座位。",
}
BARS = {"lexicon with folding": 0.15, "pii and secrets": 0.5}


def cpu_ms(work: Callable[[], object], *, repeat: int = 20, rounds: int = 7) -> float:
    """The least CPU time of one call, in milliseconds."""
    best = float("inf")
    for _ in range(rounds):
        begun = time.process_time()
        for _ in range(repeat):
            work()
        best = min(best, (time.process_time() - begun) / repeat)
    return best * 1000


def big_lexicon() -> Lexicon:
    """The shipped entries, filled up with generated ones to 20,000."""
    entries = [e for path in sorted((policies_dir() / "lexicons").glob("*.tsv")) for e in read_entries(path)]
    known = {e.term for e in entries}
    latin = (
        "".join(p)
        for p in product(("br", "cl", "dr", "gl", "kr", "st"), ("a", "e", "i", "o"), "bdfgklmnprt", "aeiou", "xzqvk")
    )
    korean = (
        "".join(p) for p in product("괘늉됴럅뮤뱌쇼쥬퀘턔픔휴", "갹늑둑룩믁북숙", "걋늣둣릇뭇븟숫", "각낙닥락막박삭작")
    )
    chinese = ("".join(p) for p in product("魑魍魉魃犄犟狺猁猗", "嗥噱嚯囫圄圉垭", "堙堞塄塍墉", "娉娌娠娴媾嫔嬗孀"))
    for term in (*korean, *chinese, *latin):
        if len(known) >= ENTRIES:
            break
        if term not in known:
            known.add(term)
            edge = Boundary.WORD if term.isascii() else Boundary.START
            entries.append(Entry(term, Category.TOXICITY, Severity.CONTROVERSIAL, edge, "generated", 0.6))
    return Lexicon(entries)


def per_thousand(work: Callable[[str], object]) -> dict[str, float]:
    """Cost per 1,000 characters of each language."""
    return {lang: cpu_ms(lambda text=(sample * 12)[:1000]: work(text)) for lang, sample in TEXTS.items()}  # type: ignore[misc]


def stream_ms(checker: SafetyChecker, text: str) -> float:
    """CPU of one answer of 60 chunks through the guard, in milliseconds."""
    size = 5 if text.isascii() else 2
    chunks = [text[i : i + size] for i in range(0, 60 * size, size)]

    def run() -> None:
        stream = checker.stream("output")
        for chunk in chunks:
            stream.feed(chunk)
        stream.finish()

    return cpu_ms(run, repeat=5)


def measure() -> dict[str, dict[str, float]]:
    """Every figure, in milliseconds."""
    lexicon = big_lexicon()
    if lexicon.size < ENTRIES:
        raise SystemExit(f"the lexicon has {lexicon.size} entries, {ENTRIES} are wanted")
    patterns = [s for name in ("pii", "secrets") for s in load_detector(name).scanners]
    rules = {category: RuleDocument() for category in load_detector("lexicon").categories}
    lexicon_only = SafetyChecker(Policy(PolicyDocument(1, "lexicon", "2026-11", ("lexicon",), both=rules)))
    whole = SafetyChecker.load("fast")
    return {
        "folding": per_thousand(build_views),
        "lexicon with folding": per_thousand(lambda text: lexicon.scan(build_views(text))),
        "pii and secrets": per_thousand(lambda text: [s.scan(v) for v in [build_views(text)] for s in patterns]),
        "check, policy fast": per_thousand(whole.check),
        "stream of 60 chunks, lexicon": {k: stream_ms(lexicon_only, t * 3) for k, t in TEXTS.items()},
        "stream of 60 chunks, policy fast": {k: stream_ms(whole, t * 3) for k, t in TEXTS.items()},
    }


def main() -> int:
    """Print the mean over the three languages, and each language to standard error."""
    for name, row in measure().items():
        print(name, "  ".join(f"{lang} {value:.3f}" for lang, value in row.items()), file=sys.stderr)
        unit = "ms" if name.startswith("stream") else "ms/1k chars"
        report(f"{name}, CPU, mean of en, ko, zh", sum(row.values()) / len(row), unit, bar=BARS.get(name))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
