"""A report as one HTML file: tables, intervals and curves as SVG in the page, nothing fetched, no script."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from haechi.base.errors import UnwritableOutput

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#1a1a1a;background:#fff}"
    "table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #bbb;padding:.3em .6em;text-align:left}"
    ".bad{color:#a40000}.ok{color:#1b6b2f}figure{margin:1em 0}figcaption{color:#555}"
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure with its interval."""

    name: str
    value: float
    low: float
    high: float
    n: int


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """An HTML table."""
    top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )  # fmt: skip
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def intervals(bars: Sequence[Bar], *, caption: str) -> str:
    """Points with their intervals on one axis from 0 to 1."""
    width, left, row = 720, 250, 26
    height = row * len(bars) + 34

    def x(value: float) -> float:
        return left + (width - left - 20) * min(max(value, 0.0), 1.0)

    parts = [_svg_open(width, height, caption)]
    for tick in range(0, 11, 2):
        at = x(tick / 10)
        parts.append(f'<line x1="{at:.1f}" y1="0" x2="{at:.1f}" y2="{height - 24}" stroke="#ddd"/>')
        parts.append(f'<text x="{at:.1f}" y="{height - 8}" font-size="11" text-anchor="middle">{tick * 10} %</text>')
    for i, bar in enumerate(bars):
        y = row * i + 16
        label = html.escape(f"{bar.name} (n = {bar.n})")
        parts.append(f'<text x="{left - 10}" y="{y + 4}" font-size="12" text-anchor="end">{label}</text>')
        if all(map(math.isfinite, (bar.low, bar.value, bar.high))):
            parts.append(
                f'<line x1="{x(bar.low):.1f}" y1="{y}" x2="{x(bar.high):.1f}" y2="{y}" stroke="#30559c" stroke-width="3"/>'
                f'<circle cx="{x(bar.value):.1f}" cy="{y}" r="5" fill="#30559c"/>'
            )
    return _figure("".join(parts) + "</svg>", caption)


def curves(series: Mapping[str, Sequence[tuple[float, float]]], *, caption: str) -> str:
    """Lines over a common horizontal axis, each scaled to its own range, which the legend names."""
    width, height, left = 720, 220, 20
    colours = ("#30559c", "#a40000", "#1b6b2f", "#8a5a00", "#5b2a86")
    parts = [_svg_open(width, height, caption)]
    points = {name: [p for p in line if all(map(math.isfinite, p))] for name, line in series.items()}
    xs = [x for line in points.values() for x, _ in line]
    if not xs:
        return ""
    low_x, high_x = min(xs), max(xs)
    for i, (name, line) in enumerate(points.items()):
        ys = [y for _, y in line]
        low, high = (min(ys), max(ys)) if ys else (0.0, 0.0)
        path = " ".join(
            f"{left + (width - 2 * left) * (x - low_x) / ((high_x - low_x) or 1):.1f},"
            f"{height - 60 - (height - 80) * (y - low) / ((high - low) or 1):.1f}"
            for x, y in line
        )
        colour = colours[i % len(colours)]
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        legend = html.escape(f"{name}: {low:.3g} to {high:.3g}")
        at = left + 230 * (i % 3), height - 30 + 18 * (i // 3)
        parts.append(f'<text x="{at[0]}" y="{at[1]}" font-size="12" fill="{colour}">{legend}</text>')
    return _figure("".join(parts) + "</svg>", caption)


def write_page(path: Path, title: str, sections: Sequence[tuple[str, str]]) -> None:
    """Write the report. sections: headings and HTML made by the functions above.

    Raises:
        UnwritableOutput: the file cannot be written.
    """
    body = "".join(f"<h2>{html.escape(heading)}</h2>{content}" for heading, content in sections if content)
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{html.escape(title)}</h1>{body}</body></html>\n"
    )
    try:
        path.write_text(page, "utf-8")
    except OSError as error:
        raise UnwritableOutput(f"cannot write {path}: {error.strerror}") from error


def paragraph(text: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{html.escape(text)}</p>"


def _svg_open(width: int, height: int, caption: str) -> str:
    label = html.escape(caption, quote=True)
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" aria-label="{label}">'


def _figure(svg: str, caption: str) -> str:
    return f"<figure>{svg}<figcaption>{html.escape(caption)}</figcaption></figure>"
