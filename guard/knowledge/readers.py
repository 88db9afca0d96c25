"""Read documents: txt, md, html, pdf, jsonl, csv. What cannot be read is named, never half taken."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

from guard.knowledge.errors import UnreadableDocument
from guard.knowledge.passages import Section
from haechi.base.errors import MissingExtra

LARGEST: Final = 64 * 1024 * 1024
"""Bytes of a document."""
_HEADING = re.compile(r"^#{1,6}[ \t]+(\S.*)$", re.M)
_HIDDEN: Final = frozenset({"script", "style", "noscript", "template", "svg"})
_BLOCKS: Final = frozenset(
    [
        "p",
        "div",
        "li",
        "ul",
        "ol",
        "table",
        "tr",
        "br",
        "section",
        "article",
        "header",
        "footer",
        "blockquote",
        "pre",
        "dd",
        "dt",
    ]
)
_HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})


def read(path: Path) -> list[Section]:
    """The sections of a document, with their titles.

    Raises UnreadableDocument, which names the file; MissingExtra for a PDF without the reader of PDF.
    """
    if str(path).encode("utf-8", "replace").decode("utf-8") != str(path):
        raise UnreadableDocument(f"{str(path)!a}: the name is not UTF-8", hint="rename it")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise UnreadableDocument(f"{path}: this kind is not read", hint=f"known: {', '.join(sorted(_READERS))}")
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise UnreadableDocument(f"{path}: {size:,} bytes are too many", hint=f"split it; {LARGEST:,} are read")
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableDocument(f"{path}: {error.strerror or 'cannot be read'}") from error
    sections = reader(path, data)
    if not any(section.text.strip() for section in sections):
        raise UnreadableDocument(f"{path}: no text in it", hint="a scanned page needs character recognition first")
    return sections


def is_readable(path: Path) -> bool:
    """Whether files of this kind are read."""
    return path.suffix.lower() in _READERS


def _text(path: Path, data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise UnreadableDocument(f"{path}: not UTF-8 at byte {error.start}", hint=_convert(data)) from error
    if "\x00" in text:
        raise UnreadableDocument(f"{path}: not text, or UTF-16 without its mark", hint=_convert(data))
    return text


def _convert(data: bytes) -> str:
    """How to mend a text in another encoding."""
    coding = "UTF-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\x00" in data[:64] else "EUC-KR, GB18030, ..."
    return f"convert it: iconv -f {coding} -t UTF-8"


def _plain(path: Path, data: bytes) -> list[Section]:
    return [Section(path.stem, _text(path, data), 0)]


def _markdown(path: Path, data: bytes) -> list[Section]:
    text = _text(path, data)
    heads = list(_HEADING.finditer(text))
    sections = [Section(path.stem, text[: heads[0].start() if heads else len(text)], 0)]
    for number, head in enumerate(heads):
        end = heads[number + 1].start() if number + 1 < len(heads) else len(text)
        title = head[1].rstrip(" \t#") or head[1]
        sections.append(Section(title, text[head.end() : end], head.end()))
    return sections


class _Page(HTMLParser):
    """Visible text of a page, by headings."""

    def __init__(self, title: str) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[tuple[str, list[str]]] = [(title, [])]
        self._hidden = 0
        self._heading: list[str] | None = None
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag in _HEADINGS or tag == "title":
            self._heading = []
        elif tag in _BLOCKS:
            self.parts[-1][1].append("\n\n" if tag == "p" else "\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif (tag in _HEADINGS or tag == "title") and self._heading is not None:
            self.parts.append((" ".join("".join(self._heading).split()), []))
            self._heading = None

    def handle_data(self, data: str) -> None:
        if self._heading is not None:
            self._heading.append(data)
        elif not self._hidden:
            self.parts[-1][1].append(data)


def _html(path: Path, data: bytes) -> list[Section]:
    page = _Page(path.stem)
    text = _text(path, data)
    last = text.rfind(">") + 1
    page.feed(text[:last] + text[last:].replace("<", "&lt;"))  # the parser looks for the end of each "<" to the end
    page.close()
    page.handle_endtag("title")  # a heading that is never closed
    return _joined((title, "".join(texts)) for title, texts in page.parts)


def _pdf(path: Path, data: bytes) -> list[Section]:
    try:
        from pypdf import PdfReader
    except ImportError as error:
        raise MissingExtra("reading PDF", "knowledge") from error
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it warns of what the error says
    try:
        reader = PdfReader(io.BytesIO(data))
        locked = reader.is_encrypted and not reader.decrypt("")
        pages = [] if locked else [page.extract_text() for page in reader.pages]
    except Exception as error:  # of a damaged file, pypdf says anything
        raise UnreadableDocument(f"{path}: broken PDF", hint="open and save it anew") from error
    if locked:
        raise UnreadableDocument(f"{path}: this PDF opens with a password only", hint="save it without one")
    return _joined((f"{path.stem}, page {number}", text) for number, text in enumerate(pages, 1))


def _jsonl(path: Path, data: bytes) -> list[Section]:
    return _joined(_rows(path, _text(path, data)))


def _rows(path: Path, text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UnreadableDocument(f"{path}: line {number} is not JSON") from error
        if not isinstance(row, Mapping) or not isinstance(row.get("text"), str):
            raise UnreadableDocument(f"{path}: line {number} has no `text` that is a string")
        title = row.get("title")
        yield (title if isinstance(title, str) else path.stem, row["text"])


def _csv(path: Path, data: bytes) -> list[Section]:
    try:
        rows = list(csv.DictReader(io.StringIO(_text(path, data)), strict=True))
    except csv.Error as error:
        raise UnreadableDocument(f"{path}: not CSV ({error})") from error
    return _joined((row.get("title") or path.stem, row.get("text") or _cells(row)) for row in rows)


def _cells(row: Mapping[str, object]) -> str:
    """A row without a column `text` reads as its names and values."""
    return "; ".join(f"{name}: {value}" for name, value in row.items() if name and value)


def _joined(parts: Iterator[tuple[str, str]]) -> list[Section]:
    """Sections in a text that has each part after the other, a blank line between."""
    sections: list[Section] = []
    at = 0
    for title, text in parts:
        sections.append(Section(title, text, at))
        at += len(text) + 2
    return sections


_READERS: Final[Mapping[str, Callable[[Path, bytes], list[Section]]]] = {
    ".txt": _plain,
    ".md": _markdown,
    ".html": _html,
    ".htm": _html,
    ".pdf": _pdf,
    ".jsonl": _jsonl,
    ".csv": _csv,
}
