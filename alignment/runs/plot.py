"""Curves of a run, one small panel per metric, as SVG, PNG or a single HTML file."""

from __future__ import annotations

import html
import io
from pathlib import Path
from typing import Any

from alignment.errors import NoRun
from alignment.runs.folder import RunFolder
from haechi.base.errors import InvalidSetting, MissingExtra, UnwritableOutput

_FORMATS = (".svg", ".png", ".html")
_COLUMNS = 3


def draw(run: RunFolder, output: Path) -> Path:
    """Draw every metric of a run over its steps into a file named by its suffix.

    Raises:
        NoRun: the run has no finished step yet.
        InvalidSetting: a suffix that is none of .svg, .png, .html.
        MissingExtra: matplotlib is not installed.
    """
    if output.suffix not in _FORMATS:
        raise InvalidSetting(
            f"--output: cannot draw a {output.suffix or 'nameless'} file", hint=f"takes: {', '.join(_FORMATS)}"
        )
    history = run.history()
    if not history:
        raise NoRun(f"{run.path} has no finished step yet", hint="wait for the first step")
    figure = _figure(run, history)
    try:
        if output.suffix == ".html":
            drawn = io.StringIO()
            figure.savefig(drawn, format="svg", metadata={"Date": None})
            output.write_text(_page(run.path.name, drawn.getvalue()), "utf-8")
        else:
            metadata = {"Date": None} if output.suffix == ".svg" else {"Software": None}
            figure.savefig(output, metadata=metadata)
    except OSError as error:
        raise UnwritableOutput(f"cannot write {output}: {error.strerror}") from error
    return output


def _figure(run: RunFolder, history: list[dict[str, float]]) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("drawing curves", "train") from error
    names = [name for name in history[-1] if name != "step"]
    rows = -(-len(names) // _COLUMNS)
    figure = Figure(figsize=(4 * _COLUMNS, 2.2 * rows), layout="constrained")
    figure.suptitle(run.path.name)
    for i, name in enumerate(names):
        axes = figure.add_subplot(rows, _COLUMNS, i + 1)
        known = [entry for entry in history if name in entry]
        axes.plot([entry["step"] for entry in known], [entry[name] for entry in known], linewidth=1)
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
    return figure


def _page(title: str, svg: str) -> str:
    start = svg.index("<svg")
    return f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>{svg[start:]}</html>\n'
