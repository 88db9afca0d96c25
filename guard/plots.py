"""Figures of an evaluation as a picture: ROC, precision and recall, calibration.

A row for each category, a line for each language. Needs matplotlib (`haechi[plots]`); nothing is shown on a screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from guard.evaluation import Result, calibration, precision_recall, roc
from haechi.base.errors import MissingExtra, UnwritableOutput

KINDS: Final = (".svg", ".png", ".pdf")
_COLOURS: Final = {"en": "#1f6feb", "ko": "#d1242f", "zh": "#1a7f37", "other": "#57606a"}
_PANELS: Final = (
    ("ROC", "false positive rate", "recall"),
    ("precision and recall", "recall", "precision"),
    ("calibration", "mean score", "share of positives"),
)


def draw(results: Sequence[Result], target: Path) -> None:
    """Write the picture; its kind goes by the file's suffix.

    Raises:
        MissingExtra: matplotlib is not installed. UnwritableOutput: the suffix is none of KINDS, or the file cannot be
            written.
    """
    if target.suffix not in KINDS:
        raise UnwritableOutput(f"{target}: not a picture that can be drawn", hint=f"end it in {' or '.join(KINDS)}")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("drawing", "plots") from error
    categories = list(dict.fromkeys(result.category for result in results))
    figure = Figure(figsize=(12, 3.6 * max(1, len(categories))), layout="constrained")
    for row, category in enumerate(categories):
        some = [result for result in results if result.category is category]
        for column, (name, across, up) in enumerate(_PANELS):
            axes = figure.add_subplot(len(categories), len(_PANELS), row * len(_PANELS) + column + 1)
            axes.set(
                title=f"{category.value}: {name}", xlabel=across, ylabel=up, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02)
            )
            _panel(axes, name, some)
    try:
        figure.savefig(target, format=target.suffix[1:], dpi=120)
    except OSError as error:
        raise UnwritableOutput(f"{target}: {error.strerror}", hint="name a file that can be written") from error


def _panel(axes: Any, name: str, results: Sequence[Result]) -> None:
    """One panel: the lines of every language, and what they are to be compared with."""
    if name != "precision and recall":
        axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8, linestyle="--")
    for result in results:
        scores, labels = np.array(result.scores), np.array(result.labels)
        points = {"ROC": roc, "precision and recall": precision_recall, "calibration": calibration}[name](
            scores, labels
        )
        label = {
            "ROC": f"{result.language.value}: AUROC {result.auroc:.3f} ± {result.spread:.3f}, n = {result.rows}",
            "precision and recall": f"{result.language.value}: {result.positives} of {result.rows} positive",
            "calibration": f"{result.language.value}: ECE {result.error:.3f}",
        }[name]
        marker = "o" if name == "calibration" else None
        colour = _COLOURS[result.language.value]
        axes.plot(*zip(*points, strict=True), color=colour, linewidth=1.2, marker=marker, markersize=3, label=label)
    axes.legend(fontsize=7, loc="lower right" if name != "precision and recall" else "lower left")
