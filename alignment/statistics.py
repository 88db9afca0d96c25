"""Figures with their uncertainty: shares, agreement at equal length, calibration, correlation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """A share of n cases with its 95 % interval (Wilson's). NaN throughout when n is 0."""

    value: float
    low: float
    high: float
    n: int


def share(hits: float, n: int, *, z: float = 1.959964) -> Share:
    """Wilson's score interval, which stays inside 0..1 and is right near its ends. hits may hold halves (ties)."""
    if n == 0:
        return Share(math.nan, math.nan, math.nan, 0)
    p = hits / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Share(p, max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half)), n)  # rounding at 0 and 1


def accuracy(margins: Sequence[float]) -> Share:
    """Share of pairs whose preferred answer scores higher; a tie counts half."""
    return share(sum(1.0 if m > 0 else 0.5 if m == 0 else 0.0 for m in margins), len(margins))


def length_matched(margins: Sequence[float], lengths: Sequence[tuple[int, int]], *, tolerance: float = 0.1) -> Share:
    """The same among pairs whose answers differ by at most `tolerance` of the longer one, where length tells nothing."""
    kept = [m for m, (a, b) in zip(margins, lengths, strict=True) if abs(a - b) <= tolerance * max(a, b)]
    return accuracy(kept)


def by_length(margins: Sequence[float], lengths: Sequence[tuple[int, int]]) -> tuple[Share, Share]:
    """The same where the preferred answer is the longer one, and where it is the shorter one.

    Far apart, they say that a model goes by length, and which way; `n` says which way the data goes.
    """
    pairs = list(zip(margins, lengths, strict=True))
    return accuracy([m for m, (a, b) in pairs if a > b]), accuracy([m for m, (a, b) in pairs if a < b])


def calibration_error(margins: Sequence[float], *, bins: int = 10) -> float:
    """Expected calibration error of sigmoid(margin) as the probability that the order is right; 0 is perfect, NaN empty.

    Each pair is seen from the side the model prefers, so probabilities lie in 0.5..1.
    """
    if not margins:
        return math.nan
    cells: list[list[tuple[float, float]]] = [[] for _ in range(bins)]
    for margin in margins:
        p = 1 / (1 + math.exp(-min(abs(margin), 700.0)))
        right = 1.0 if margin > 0 else 0.5 if margin == 0 else 0.0
        cells[min(int((p - 0.5) * 2 * bins), bins - 1)].append((p, right))
    gaps = (abs(sum(p for p, _ in cell) - sum(right for _, right in cell)) for cell in cells if cell)
    return sum(gaps) / len(margins)


def correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Pearson's r of two sequences of equal length; NaN when one of them does not vary."""
    n = len(first)
    if n < 2:
        return math.nan
    mean_a, mean_b = sum(first) / n, sum(second) / n
    a, b = [x - mean_a for x in first], [y - mean_b for y in second]
    spread = math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / spread if spread > 0 else math.nan


def correlation_interval(r: float, n: int, *, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a correlation over n independent cases (Fisher's z); NaN when n is below 4 or r is none."""
    if n < 4 or not abs(r) < 1:
        return math.nan, math.nan
    middle, half = math.atanh(r), z / math.sqrt(n - 3)
    return math.tanh(middle - half), math.tanh(middle + half)


def calibration_interval(margins: Sequence[float], *, rounds: int = 400) -> tuple[float, float]:
    """95 % interval of `calibration_error` by resampling pairs (percentiles); of few pairs it is high by nature."""
    if not margins:
        return math.nan, math.nan
    import torch

    given = torch.tensor(margins, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    drawn = (torch.randint(len(given), (len(given),), generator=generator) for _ in range(rounds))
    errors = sorted(calibration_error(given[rows].tolist()) for rows in drawn)
    return errors[round(0.025 * (rounds - 1))], errors[round(0.975 * (rounds - 1))]


def ratio_interval(sums: Sequence[float], counts: Sequence[int], *, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of sum(sums) / sum(counts) over independent cases (linearised); NaN for a single one."""
    n, total = len(sums), sum(counts)
    if n < 2:
        return math.nan, math.nan
    ratio = math.fsum(sums) / total
    spread = math.fsum((s - ratio * c) ** 2 for s, c in zip(sums, counts, strict=True)) * n / (n - 1)
    half = z * math.sqrt(spread) / total
    return ratio - half, ratio + half
