"""Figures of merit, written out so that each is one screen of arithmetic."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def auroc(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Area under the ROC curve in [0, 1]: how often a positive outranks a negative, ties counting half.

    Returns NaN when one of the classes is absent.
    """
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(labels) > 0
    positives = int(y.sum())
    negatives = int(y.size - positives)
    if positives == 0 or negatives == 0:
        return float("nan")
    _, inverse, counts = np.unique(s, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle_rank = last - (counts - 1) / 2.0
    rank_sum = float(middle_rank[inverse][y].sum())
    return (rank_sum - positives * (positives + 1) / 2.0) / (positives * negatives)


def auroc_interval(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Half width of the 95 % interval of the AUROC (Hanley and McNeil 1982)."""
    y = np.asarray(labels) > 0
    n1, n0 = int(y.sum()), int((~y).sum())
    a = auroc(scores, labels)
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    variance = (a * (1 - a) + (n1 - 1) * (q1 - a * a) + (n0 - 1) * (q2 - a * a)) / max(n1 * n0, 1)
    return float(1.96 * np.sqrt(max(variance, 0.0)))


def calibration_error(probabilities: npt.ArrayLike, labels: npt.ArrayLike, bins: int = 15) -> float:
    """Expected calibration error in [0, 1] over bins of equal width, each weighted by its share of texts."""
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if p.size == 0:
        return float("nan")
    which = np.minimum((p * bins).astype(int), bins - 1)
    error = 0.0
    for b in range(bins):
        inside = which == b
        if inside.any():
            error += float(inside.mean()) * abs(float(p[inside].mean()) - float(y[inside].mean()))
    return error


def platt(scores: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike, steps: int = 50) -> tuple[float, float]:
    """Slope and offset of the logistic curve through the scores, with a slight pull to (1, 0).

    Newton steps, each halved until the loss falls: whole ones run away where positives are few and far from the others, and
    leave a step instead of a curve.
    """
    x, y, w = (np.asarray(v, dtype=np.float64) for v in (scores, labels, weights))
    design = np.stack([x, np.ones_like(x)], axis=1)
    start = np.array([1.0, 0.0])
    prior = 1e-3 * float(w.sum())

    def loss(beta: Array) -> float:
        logit = design @ beta
        return float(w @ (np.logaddexp(0, logit) - y * logit) + 0.5 * prior * np.square(beta - start).sum())

    beta, lost = start, loss(start)
    for _ in range(steps):
        p = 1.0 / (1.0 + np.exp(-np.clip(design @ beta, -500, 500)))
        gradient = design.T @ (w * (p - y)) + prior * (beta - start)
        hessian = design.T @ (design * (w * p * (1 - p))[:, None]) + prior * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        while (after := loss(beta - step)) > lost and np.abs(step).max() > 1e-9:
            step = step / 2
        if after >= lost:
            break
        beta, lost = beta - step, after
    return float(beta[0]), float(beta[1])
