"""A report as HTML, CSV, text, JSON or PDF. Every value is escaped for where it goes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from audit.errors import PartMissing
from audit.reports.document import Report, Table
from audit.rights.page import safe, utc, visible

_STYLE = (
    "body{font:0.95rem/1.5 sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#111}h1{font-size:1.5rem}"
    "h2{font-size:1.15rem;margin-top:1.6rem}table{border-collapse:collapse;width:100%}th,td{border:1px solid #888;"
    "padding:.25rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}th{background:#eee}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dt{font-weight:600}dd{margin:0;"
    "overflow-wrap:anywhere}footer{margin-top:2rem;font-size:.85rem}@media print{body{margin:0;max-width:none}}"
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_FONTS = {"en": "Helvetica", "ko": "HYGothic-Medium", "zh": "STSong-Light"}


def to_html(report: Report) -> str:
    """One page: no script, nothing from outside, printable."""
    facts = "".join(
        f"<dt>{safe(report.say(name))}</dt><dd>{safe(report.show(value))}</dd>" for name, value in report.facts
    )
    tables = "".join(_html_table(report, table) for table in report.tables)
    notes = "".join(f"<li>{safe(report.say(note))}</li>" for note in report.notes)
    title = safe(report.say(report.title))
    return (
        f'<!doctype html>\n<html lang="{report.language}"><head><meta charset="utf-8"><title>{title}</title>'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1><p>{safe(report.say('Made'))}: {utc(report.made_us)}</p>"
        f"<dl>{facts}</dl>{tables}<h2>{safe(report.say('What this says and what it does not'))}</h2><ul>{notes}</ul>"
        "</body></html>\n"
    )


def to_csv(report: Report) -> str:
    """Every table, one below the other. A cell that a spreadsheet would compute is led by an apostrophe."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\r\n")
    writer.writerow([report.say(report.title), utc(report.made_us)])
    for name, value in report.facts:
        writer.writerow([report.say(name), cell(report.show(value))])
    for table in report.tables:
        writer.writerow([])
        writer.writerow([report.say(table.title)])
        writer.writerow([report.say(column) for column in table.columns])
        writer.writerows([cell(report.show(value)) for value in row] for row in table.rows)
    return made.getvalue()


def to_text(report: Report) -> str:
    """For a terminal: control and direction characters are numbers, not orders."""
    lines = [report.say(report.title), utc(report.made_us), ""]
    lines += [f"{report.say(name)}: {plain(report.show(value))}" for name, value in report.facts]
    for table in report.tables:
        lines += ["", f"{report.say(table.title)}:"]
        lines += ["  " + " | ".join(report.say(column) for column in table.columns)] if table.rows else []
        rows = [[plain(report.show(value)) for value in row] for row in table.rows]
        lines += ["  " + " | ".join(row) for row in rows] or [f"  {report.say(table.empty)}"]
    return "\n".join([*lines, "", *(f"- {report.say(note)}" for note in report.notes)]) + "\n"


def to_json(report: Report) -> str:
    """For machines: phrases in English, values as they are."""
    return json.dumps({**asdict(report), "language": "en"}, ensure_ascii=True)


def to_pdf(report: Report, font: Path | None = None) -> bytes:
    """A PDF file. font: a TrueType font to embed; without one, fonts that PDF readers have for Korean and Chinese.

    Raises:
        PartMissing: the PDF library is not installed, or the font cannot be used.
    """
    try:
        from reportlab.lib.pagesizes import A4
        from reportlab.lib.styles import ParagraphStyle
        from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer
    except ImportError as error:
        raise PartMissing(
            "PDF files need a part that is not installed", hint="pip install 'haechi[reports]'"
        ) from error
    name = _font(report, font)
    body = ParagraphStyle("body", fontName=name, fontSize=9, leading=12.5, wordWrap="CJK")
    small = ParagraphStyle("cell", parent=body, fontSize=7.5, leading=9.5)
    head = ParagraphStyle("head", parent=body, fontSize=15, leading=20, spaceAfter=8)
    under = ParagraphStyle("under", parent=body, fontSize=11, leading=15, spaceBefore=10, spaceAfter=4)
    parts: list[Any] = [
        Paragraph(safe(report.say(report.title)), head),
        Paragraph(f"{safe(report.say('Made'))}: {utc(report.made_us)}", body),
        Spacer(1, 6),
    ]
    parts += [
        Paragraph(f"{safe(report.say(label))}: {safe(report.show(value))}", body) for label, value in report.facts
    ]
    for table in report.tables:
        parts.append(Paragraph(safe(report.say(table.title)), under))
        parts.append(_pdf_table(report, table, small) if table.rows else Paragraph(safe(report.say(table.empty)), body))
    parts.append(Paragraph(safe(report.say("What this says and what it does not")), under))
    parts += [Paragraph(f"• {safe(report.say(note))}", body) for note in report.notes]
    made = io.BytesIO()
    margins = {"leftMargin": 40, "rightMargin": 40, "topMargin": 44, "bottomMargin": 44}
    SimpleDocTemplate(made, pagesize=A4, title=report.say(report.title), invariant=1, **margins).build(parts)
    return made.getvalue()


def _pdf_table(report: Report, table: Table, style: Any) -> Any:
    from reportlab.lib import colors
    from reportlab.platypus import LongTable, Paragraph, TableStyle

    heads = [Paragraph(safe(report.say(column)), style) for column in table.columns]
    rows = [[Paragraph(safe(report.show(value)), style) for value in row] for row in table.rows]
    width = 515 / len(table.columns)
    made = LongTable([heads, *rows], repeatRows=1, colWidths=[width] * len(table.columns), splitInRow=1)
    grid = [("GRID", (0, 0), (-1, -1), 0.4, colors.grey), ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke)]
    made.setStyle(TableStyle([*grid, ("VALIGN", (0, 0), (-1, -1), "TOP")]))
    return made


def _font(report: Report, font: Path | None) -> str:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.ttfonts import TTFError, TTFont

    if font is not None:
        try:
            pdfmetrics.registerFont(TTFont(font.stem, str(font)))
        except (TTFError, OSError) as error:
            raise PartMissing(f"the font {font} cannot be embedded", hint="name a TrueType font (.ttf)") from error
        return font.stem
    name = (
        _FONTS[report.language] if report.language != "en" or _is_latin(report) else _FONTS["ko"]
    )  # which has Han and Latin, too
    if name != _FONTS["en"]:
        pdfmetrics.registerFont(UnicodeCIDFont(name))
    return name


def _is_latin(report: Report) -> bool:
    values = [value for _, value in report.facts]
    values += [value for table in report.tables for row in table.rows for value in row]
    return all(ord(char) < 0x100 for value in values for char in value)


def cell(value: str) -> str:
    """A value that a spreadsheet shows and does not compute."""
    text = plain(value)
    return f"'{text}" if text.startswith(_FORMULA) or value.startswith(_FORMULA) else text


def plain(value: str) -> str:
    """A value in one line, with nothing in it that a terminal obeys."""
    return "".join(_in_line(value))


def _in_line(value: str) -> Iterator[str]:
    for char in value:
        yield f"\\u{ord(char):04x}" if char in "\n\t" else visible(char)


def _html_table(report: Report, table: Table) -> str:
    title = f"<h2>{safe(report.say(table.title))}</h2>"
    if not table.rows:
        return f"{title}<p>{safe(report.say(table.empty))}</p>"
    heads = "".join(f'<th scope="col">{safe(report.say(column))}</th>' for column in table.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{safe(report.show(value))}</td>" for value in row) + "</tr>" for row in table.rows
    )
    return f"{title}<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
