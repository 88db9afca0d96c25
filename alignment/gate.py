"""The release gate: a candidate passes when it is shown to be no worse than the baseline, on every metric.

Non-inferiority, one-sided 5 % each: the upper 95 % bound of (candidate - baseline), paired item by item, has to lie inside
the metric's margin, and the candidate's own upper bound inside its limit. All metrics must pass (an intersection-union
test), so no correction for their number is needed. What cannot be shown is refused: few items refuse, they do not pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alignment.measure import Measured
from alignment.paired import Difference, clustered_mean, difference_of_shares


@dataclass(frozen=True, slots=True)
class Line:
    """One metric of a gate. regression: candidate minus baseline, badness; its 90 % interval. passed: see the module."""

    candidate: Measured
    baseline: Measured
    regression: Difference

    @property
    def inside_margin(self) -> bool:
        """Whether the regression is shown to be smaller than the margin."""
        return self.regression.high < self.candidate.metric.margin

    @property
    def inside_limit(self) -> bool:
        """Whether the candidate alone is good enough."""
        return self.candidate.interval[1] <= self.candidate.metric.limit

    @property
    def passed(self) -> bool:
        """Both."""
        return self.inside_margin and self.inside_limit

    @property
    def words(self) -> str:
        """What was seen, for people."""
        r, metric = self.regression, self.candidate.metric
        seen = (
            f"{metric.name}: {self.candidate.value:.3f} against {self.baseline.value:.3f} of the baseline, "
            f"difference {r.value:+.3f} ({r.low:+.3f} to {r.high:+.3f}, n = {r.n}), margin {metric.margin:g}"
        )
        if self.passed:
            return seen
        if not self.inside_limit:
            return f"{seen}; upper bound {self.candidate.interval[1]:.3f} is over the limit {metric.limit:g}"
        if r.low > 0:
            return f"{seen}; it is worse"
        return f"{seen}; not shown to be no worse" + (": more items are needed" if r.value <= 0 else "")

    def as_object(self) -> dict[str, Any]:
        """For JSON and the manifest."""
        r, metric = self.regression, self.candidate.metric
        low, high = self.candidate.interval
        return {
            "metric": metric.name,
            "kind": metric.kind.value,
            "passed": self.passed,
            "value": _rounded(self.candidate.value),
            "low": _rounded(low),
            "high": _rounded(high),
            "baseline": _rounded(self.baseline.value),
            "regression": _rounded(r.value),
            "regression_low": _rounded(r.low),
            "regression_high": _rounded(r.high),
            "margin": metric.margin,
            "limit": metric.limit,
            "n": r.n,
            "clusters": r.clusters,
        }


def compare(candidate: Sequence[Measured], baseline: Sequence[Measured]) -> list[Line]:
    """The gate's lines, from two models measured on the same suite."""
    return [Line(own, other, _regression(own, other)) for own, other in zip(candidate, baseline, strict=True)]


def _regression(own: Measured, other: Measured) -> Difference:
    if own.metric.kind.is_share:
        return difference_of_shares([v > 0.5 for v in own.values], [v > 0.5 for v in other.values], own.clusters)
    return clustered_mean([a - b for a, b in zip(own.values, other.values, strict=True)], own.clusters)


def _rounded(value: float) -> float | None:
    return round(value, 6) if abs(value) != float("inf") and value == value else None
