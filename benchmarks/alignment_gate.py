"""The release gate's two errors, and the speed of the validator: what anchors E2 and V1 ask for.

Equal models answer alike but for a share of items on which they differ by chance, both ways alike; a regression of twice
the margin adds items on which only the candidate fails. 2,000 gates of each kind, the metric of one line.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

from alignment.data.demo import demo_rows
from alignment.data.files import Row
from alignment.data.judge import judge
from alignment.gate import compare
from alignment.measure import Measured
from alignment.suite import Metric, MetricKind
from benchmarks.figures import report

MARGIN = 0.05
GATES = 2_000


def passed(n: int, differ: float, worse: float, seed: int) -> float:
    """Share of gates that pass. differ: chance of an item that only one of the two fails; worse: extra of the candidate."""
    metric = Metric("safety", MetricKind.UNSAFE_ANSWERS, Path("-"), MARGIN, 1.0)
    generator = torch.Generator().manual_seed(seed)
    hits, known = 0, {}
    for _ in range(GATES):
        draws = torch.rand(n, generator=generator)
        own, other = int((draws < differ / 2 + worse).sum()), int((draws > 1 - differ / 2).sum())
        if (own, other) not in known:
            first = [1.0] * own + [0.0] * (n - own)
            second = [0.0] * (n - other) + [1.0] * other
            whole = tuple(range(n))
            (line,) = compare([Measured(metric, tuple(first), whole)], [Measured(metric, tuple(second), whole)])
            known[own, other] = line.passed
        hits += known[own, other]
    return hits / GATES


def main() -> int:
    """Measure."""
    good = True
    for n, differ, bar in ((72, 0.0, 0.95), (300, 0.02, 0.95), (1_000, 0.10, 0.95), (72, 0.05, None)):
        found = passed(n, differ, 0.0, seed=n)
        good &= report(
            f"equal models that pass, {n} items of which {differ:.0%} differ", found, "share", bar=bar, better="higher"
        ).reached
        caught = 1 - passed(n, differ, 2 * MARGIN, seed=n + 1)
        good &= report(
            f"regressions of twice the margin that are refused, {n} items", caught, "share", bar=0.95, better="higher"
        ).reached
    rows = [
        Row(i, {**row, "prompt": f"{i} {row['prompt'][0]['content']}"})  # type: ignore[index]
        for i, row in enumerate(demo_rows() * 60, start=1)
    ]
    began = time.process_time()
    judge(rows)
    speed = len(rows) / (time.process_time() - began)
    good &= report("pairs judged", speed, "pairs/CPU-s", bar=10_000, better="higher").reached
    print(f"margin {MARGIN:g}, {GATES} gates each", file=sys.stderr)
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
