"""What looking for personal data and secrets costs, beside stock Presidio's pattern recognizers in the same run.

Text: ordinary sentences in Korean, Chinese and English with one value in about 80 characters, made by our generator.
Ours: building the views (folding) and every pattern. Theirs: AnalyzerEngine with the `no_op` language engine, which
runs pattern recognizers alone; its default English registry, on the English share of the text. Names: the tagger, by
language, and how many reads a stream takes that arrives ten code points at a time, against reading the text once.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.figures import report
from guard import secrets
from guard.fold import build_views
from guard.pii import scanners
from guard.pii.names.scanner import NameScanner
from guard.pii.samples import MAKERS

BAR_MS = 0.5
PLAIN = {
    "ko": (
        "오늘 회의는 3시에 시작하니 자료를 미리 읽어 주세요. ",
        "지난 분기 매출은 2024년보다 12.5% 늘었다고 합니다. ",
        "주말에는 가족과 함께 한강에서 자전거를 타기로 했어요. ",
    ),
    "zh": (
        "今天的会议在下午3点开始，请大家提前看一下资料。",
        "上个季度的销售额比2024年增长了12.5%，大家都很高兴。",
        "周末我们打算一起去公园骑自行车，天气应该不错。",
    ),
    "en": (
        "The meeting starts at 3 pm, so please read the slides in advance. ",
        "Sales in the last quarter grew by 12.5% compared with 2024, they say. ",
        "On the weekend we are going to ride our bicycles along the river. ",
    ),
}


def mixed(languages: Sequence[str], chars: int, seed: int = 7) -> str:
    """Sentences of the languages in turn, with a made-up value after every second one."""
    rng = np.random.default_rng(seed)
    rules = sorted(MAKERS)
    parts: list[str] = []
    size = 0
    while size < chars:
        number = len(parts)
        sentence = PLAIN[languages[number % len(languages)]][number % 3]
        if number % 2:
            sample = MAKERS[rules[int(rng.integers(len(rules)))]](rng)
            sentence += f"{sample.lead}{sample.value} "
        parts.append(sentence)
        size += len(sentence)
    return "".join(parts)


def cost_ms(text: str, work: Callable[[str], object]) -> float:
    """Process CPU time in milliseconds for each 1,000 characters: the best of seven."""
    work(text)
    best = float("inf")
    for _ in range(7):
        begun = time.process_time()
        work(text)
        best = min(best, time.process_time() - begun)
    return best * 1e6 / len(text)


def ours(text: str) -> int:
    """Fold the text and look for everything."""
    views = build_views(text)
    return sum(len(scanner.scan(views)) for scanner in (*scanners(), *secrets.scanners()))


def names(text: str) -> int:
    """Look for names alone."""
    return len(NameScanner().scan(build_views(text)))  # a new one remembers no text


def streamed(text: str) -> int:
    """Look for names in a text that arrives in pieces, keeping what a stream keeps."""
    scanner = NameScanner()  # it remembers nothing yet
    found = base = released = 0
    for end in range(10, len(text), 10):
        look = scanner.look(build_views(text[base:end]), released - base)
        found += len(look.matches)
        released = max(released, end - look.hold)
        base = max(base, released - scanner.lookbehind)
    return found


def presidio() -> Callable[[str], object] | None:
    """Stock Presidio without a language model; None where it is not installed."""
    try:
        import tldextract
        from presidio_analyzer import AnalyzerEngine
        from presidio_analyzer.nlp_engine import NlpEngineProvider
    except ImportError:
        return None
    # Presidio's e-mail recognizer would fetch the public suffix list at its first hit.
    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    engine = NlpEngineProvider(
        nlp_configuration={"nlp_engine_name": "no_op", "models": [{"lang_code": "en", "model_name": "no_op"}]}
    ).create_engine()
    analyzer = AnalyzerEngine(nlp_engine=engine, supported_languages=["en"])
    return lambda text: analyzer.analyze(text, language="en")


def main() -> int:
    """Measure and report."""
    everything = mixed(("ko", "zh", "en"), 20_000)
    english = mixed(("en",), 20_000)
    plain = "".join(PLAIN["ko"] + PLAIN["zh"] + PLAIN["en"]) * 100
    report("pii+secrets, three languages, incl. folding", cost_ms(everything, ours), "ms/1k chars", bar=BAR_MS)
    report("pii+secrets, text without personal data", cost_ms(plain, ours), "ms/1k chars", bar=BAR_MS)
    mine = cost_ms(english, ours)
    report("pii+secrets, English", mine, "ms/1k chars", bar=BAR_MS)
    for language in ("ko", "zh", "en"):
        text = mixed((language,), 4_000)
        whole = cost_ms(text, names)
        report(f"names, {language}", whole, "ms/1k chars")
        report(f"names streamed / whole, {language}", cost_ms(text, streamed) / whole, "ratio", bar=8.0)
    stock = presidio()
    if stock is None:
        print("presidio is not installed: no comparison", file=sys.stderr)
        return 0
    theirs = cost_ms(english, stock)
    report("presidio pattern recognizers, English", theirs, "ms/1k chars")
    report("ours / presidio, English", mine / theirs, "ratio", bar=0.5)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
