"""What checking claims costs: one claim end to end over a large knowledge base, and the end of a streamed answer.

`python -m benchmarks.claims_cost [--data DATA]`; DATA is a folder of `*.jsonl.gz` files with `text` and `lang`, without it
the passages are made of invented words. A knowledge base of 50,000 passages is built; a claim is one sentence of a passage; its
time runs from the sentence to the verdict: search, stance of five passages, citation. The stream is an answer of ten sentences
at 30 tokens a second, guarded with and without its claims being checked; what counts is how long the end takes after the last
token. Times are CPU time of this process where it says so, and wall time for the stream, which is real time.
"""

from __future__ import annotations

import argparse
import random  # noqa: TID251 - a seeded generator
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import report
from benchmarks.knowledge import TEMPLATES, filled, invented, texts_of
from guard.checker import SafetyChecker
from guard.claims.judge import ClaimJudge
from guard.claims.split import claims_of
from guard.knowledge import About, Shelf
from guard.knowledge.passages import Section
from guard.policy import ClaimsDocument, Policy
from guard.registry import load_stance

ASKED = 120
TOKENS_A_SECOND = 30
ROUNDS = 3
YEARS = range(1881, 1891)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of *.jsonl.gz files")
    parser.add_argument("--stance", default=ClaimsDocument().stance, help="who says how a passage stands to a claim")
    args = parser.parse_args()
    dice = random.Random(11)
    with tempfile.TemporaryDirectory() as folder:
        _end_to_end(Path(folder), args.data, args.stance, dice)
    _streamed()
    return 0


def _end_to_end(folder: Path, data: Path | None, stance: str, dice: random.Random) -> None:
    """From a claim to its verdict over 50,000 passages."""
    texts = {lang: list(dict.fromkeys(texts_of(data, lang) if data else invented(lang, dice))) for lang in TEMPLATES}
    kept = filled(texts, dice)
    with Shelf(folder, "sqlite").writer("bench", make=True) as writer:
        for number, (lang, text) in enumerate(kept):
            writer.put("/", f"{lang}-{number}", [Section("", text, 0)], About(), "")
    judge = ClaimJudge(load_stance(stance, {}, Path()), sources=[Shelf(folder, "sqlite").open("bench")])
    today = datetime.now(UTC).date().isoformat()
    for lang, of in texts.items():
        claims = [found[0] for text in dice.sample(of, min(len(of), 6 * ASKED)) if (found := claims_of(text))][:ASKED]
        times = []
        for claim in claims:
            begun = time.process_time()
            judge.judge(claim, at=today)
            times.append(1000 * (time.process_time() - begun))
        if not times:  # invented words make no claims
            continue
        times.sort()
        name = f"claims, one over {len(kept)} passages {lang} (n={len(times)}, stance {stance})"
        report(f"{name} p50", times[len(times) // 2], "ms CPU", bar=60)
        report(f"{name} p95", times[len(times) * 95 // 100], "ms CPU")


def _streamed() -> None:
    """How much later the end of an answer comes with its claims checked."""
    facts = [
        f"The bridge number {n} of the city was opened to traffic in the year {year}." for n, year in enumerate(YEARS)
    ]
    tokens = [token + " " for fact in facts for token in fact.split(" ")]
    checker = SafetyChecker(Policy.load("default"))
    checker.check(facts[0], direction="output", evidence=facts)  # models are loaded, threads are there
    ends: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(ROUNDS):
        for checked in (False, True):
            ends[checked].append(_end_ms(checker, tokens, facts if checked else []))
    off, on = (statistics.median(ends[checked]) for checked in (False, True))
    report(f"claims, end of a streamed answer of {len(facts)} sentences, unchecked", off, "ms")
    report("claims, the same, checked: later by", on - off, "ms", bar=150)


def _end_ms(checker: SafetyChecker, tokens: Sequence[str], evidence: Sequence[str]) -> float:
    stream = checker.stream("output", evidence=evidence)
    begun = time.monotonic()
    for number, token in enumerate(tokens):
        time.sleep(max(0.0, begun + number / TOKENS_A_SECOND - time.monotonic()))
        stream.feed(token)
    last = time.monotonic()
    verdict = stream.finish().verdict
    ended = 1000 * (time.monotonic() - last)
    if evidence and len(verdict.claims) != len(evidence):
        raise RuntimeError(f"{len(verdict.claims)} claims were checked, not {len(evidence)}")
    return ended


if __name__ == "__main__":
    raise SystemExit(main())
