"""The readable page of a person's export: no script, nothing from outside, every stored string escaped."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from audit.rights.consult import Consultation

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Your data</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>body{font:1rem/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}pre{white-space:pre-wrap;
overflow-wrap:anywhere;background:#f4f4f4;padding:.6rem}table{border-collapse:collapse}td,th{border:1px solid #999;
padding:.2rem .6rem;text-align:left}@media print{body{margin:0}}</style></head><body>
"""


def subject_page(
    facts: Mapping[str, Any], records: Sequence[Mapping[str, Any]], consulted: Sequence[Consultation]
) -> str:
    """A page of everything that is stored, and of when and why it was looked at."""
    parts = [
        _HEAD,
        "<h1>Your data · 귀하의 개인정보 · 您的个人信息</h1>",
        f"<p>{len(records)} records out of {safe(facts['log'])} up to record {safe(facts['size'])}, "
        f"made {utc(facts['made_us'])}. The file <code>records.json</code> holds the same for machines.</p>",
    ]
    for one in records:
        parts.append(f"<h2>{utc(one['time_us'])} · {safe(one['type'])} · {safe(one['decision'])}</h2>")
        parts.append(f"<p>{safe(one['request'])} · {safe(one['model'])}</p>")
        parts += [f"<h3>{safe(part['name'])}</h3><pre>{safe(part['text'])}</pre>" for part in one["segments"]]
    rows = "".join(
        f"<tr><td>{utc(one.at_us)}</td><td>{safe(one.kind)}</td><td>{safe(one.purpose)}</td></tr>" for one in consulted
    )
    parts.append("<h1>Consultations · 열람 기록 · 查阅记录</h1>")
    parts.append(f"<table><tr><th>time</th><th>what</th><th>purpose</th></tr>{rows}</table></body></html>\n")
    return "".join(parts)


def safe(value: object) -> str:
    """A string as text of a page; control and direction characters are made visible."""
    return html.escape("".join(visible(char) for char in str(value)))


def visible(char: str) -> str:
    """A character that a reader sees, or its number: hidden ones could make a text read as another."""
    hidden = (ord(char) < 32 and char not in "\n\t") or 0x7F <= ord(char) < 0xA0 or char in _DIRECTION
    return f"\\u{ord(char):04x}" if hidden else char


_DIRECTION = frozenset(
    "\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
)


def utc(at_us: int) -> str:
    """A time in UTC, to the second."""
    return datetime.fromtimestamp(at_us / 1e6, tz=UTC).isoformat(timespec="seconds")
