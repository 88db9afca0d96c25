"""Differences between two models measured on the same items, with intervals that are honest at small n.

Shares: Tango's score interval for paired proportions (Statistics in Medicine 17, 1998), which does not collapse to zero
width when no item differs. Means over clusters: Student's t over cluster means, weighted by size, with the correction
C / (C - 1). Where both apply the wider one counts. Every interval here is two-sided 90 %: each of its ends is a
one-sided 95 % bound, which is what a non-inferiority test reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

Z_95 = 1.6448536269514722  # one-sided 95 %


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean of (first - second) over n items in `clusters` clusters, with its 90 % interval; NaN when n is 0."""

    value: float
    low: float
    high: float
    n: int
    clusters: int


def difference_of_shares(
    first: Sequence[bool], second: Sequence[bool], clusters: Sequence[Hashable] | None = None
) -> Difference:
    """Share of True in `first` minus share of True in `second`, item by item.

    clusters: which items belong together (translations, fillings of one template); none: every item alone.
    """
    n = len(first)
    only_first = sum(a and not b for a, b in zip(first, second, strict=True))
    only_second = sum(b and not a for a, b in zip(first, second, strict=True))
    if n == 0:
        return Difference(math.nan, math.nan, math.nan, 0, 0)
    score = tango(only_first, only_second, n)
    if clusters is None:
        return score
    clustered = clustered_mean([float(a) - float(b) for a, b in zip(first, second, strict=True)], clusters)
    return Difference(
        score.value, min(score.low, clustered.low), max(score.high, clustered.high), n, clustered.clusters
    )


def tango(only_first: int, only_second: int, n: int, *, z: float = Z_95) -> Difference:
    """The score interval of (only_first - only_second) / n, for n > 0 pairs of which so many differ each way."""
    value = (only_first - only_second) / n

    def statistic(delta: float) -> float:
        a, b = 2 * n, -only_first - only_second + (2 * n - only_first + only_second) * delta
        c = -only_second * delta * (1 - delta)
        q = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
        spread = n * (2 * q + delta * (1 - delta))
        return (only_first - only_second - n * delta) / math.sqrt(spread) if spread > 0 else 0.0

    low = _root(lambda delta: z - statistic(delta), -1.0, value)
    high = _root(lambda delta: -z - statistic(delta), value, 1.0)
    return Difference(value, low, high, n, n)


def clustered_mean(values: Sequence[float], clusters: Sequence[Hashable], *, level: float = 0.95) -> Difference:
    """The mean of values, and t-bounds from how the clusters' means vary. One cluster alone bounds nothing.

    level: of each one-sided bound.
    """
    n = len(values)
    if n == 0:
        return Difference(math.nan, math.nan, math.nan, 0, 0)
    mean = math.fsum(values) / n
    groups: dict[Hashable, list[float]] = {}
    for value, cluster in zip(values, clusters, strict=True):
        groups.setdefault(cluster, []).append(value)
    count = len(groups)
    if count < 2:
        return Difference(mean, -math.inf, math.inf, n, count)
    # Each cluster counts with its share of the items; its deviation is that of its own mean.
    squares = math.fsum((len(g) / n) ** 2 * (math.fsum(g) / len(g) - mean) ** 2 for g in groups.values())
    half = t_quantile(level, count - 1) * math.sqrt(count / (count - 1) * squares)
    return Difference(mean, mean - half, mean + half, n, count)


def exact_upper(hits: int, n: int, *, level: float = 0.95) -> float:
    """Clopper and Pearson's one-sided upper bound of a share of n > 0 cases."""
    return 1.0 if hits >= n else _root(lambda p: _beta(p, hits + 1, n - hits) - level, 0.0, 1.0)


def t_quantile(p: float, df: int) -> float:
    """The value that Student's t with df degrees of freedom stays below with probability p, 0.5 <= p < 1."""
    return _root(lambda t: t_below(t, df) - p, 0.0, 1e3)


def t_below(t: float, df: int) -> float:
    """P(T <= t) of Student's t for t >= 0, from the regularised incomplete beta function."""
    return 1 - 0.5 * _beta(df / (df + t * t), df / 2, 0.5)


def _beta(x: float, a: float, b: float) -> float:
    """I_x(a, b) by Lentz's continued fraction (Numerical Recipes 6.4)."""
    if x in {0.0, 1.0}:
        return x
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    f, c, d = 1.0, 1.0, 0.0
    for i in range(1000):
        m = i // 2
        if i == 0:
            term = 1.0
        elif i % 2 == 0:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        else:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / (1 + term * d)
        c = 1 + term / c
        f *= c * d
        if abs(1 - c * d) < 1e-13:
            break
    return front * (f - 1)


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function passes zero between low and high, by halving; the nearer end when it does not."""
    for _ in range(200):
        middle = 0.5 * (low + high)
        if rising(middle) > 0:
            high = middle
        else:
            low = middle
    return 0.5 * (low + high)
