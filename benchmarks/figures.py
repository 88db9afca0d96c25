"""How a benchmark reports: one JSON object a line on standard output, read by `benchmarks.run`.

Times are ratios to something measured in the same run, or CPU time of a process tree; wall time on a shared machine
is printed only where nothing else can be said.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.

    name: what was measured. value, unit: the number. bar: what it must reach, None if it only informs.
    better: `lower` or `higher`.
    """

    name: str
    value: float
    unit: str
    bar: float | None = None
    better: str = "lower"

    @property
    def reached(self) -> bool:
        """Whether the bar holds; a figure without a bar always does."""
        if self.bar is None:
            return True
        return self.value <= self.bar if self.better == "lower" else self.value >= self.bar


def report(name: str, value: float, unit: str, *, bar: float | None = None, better: str = "lower") -> Figure:
    """Print the figure for the collector, and return it."""
    figure = Figure(name, round(float(value), 6), unit, bar, better)
    sys.stdout.write(json.dumps(asdict(figure), ensure_ascii=False) + "\n")
    sys.stdout.flush()
    return figure
