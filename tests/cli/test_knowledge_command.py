"""`haechi knowledge` as its user meets it: what is wrong with a document, a base or a server is said, with an exit code."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from haechi.cli.main import main
from tests.postgres_server import fresh_database

GOOD = "The Han river is 494 km long."


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    return folder


def knowledge(data: Path, *words: str, database: str = "sqlite") -> int:
    return main(["knowledge", *words, "--data-dir", str(data), "--database", database, "--base", "kb"])


def locked_pdf(path: Path, password: str) -> None:
    from pypdf import PdfReader, PdfWriter
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(path))
    canvas.drawString(72, 720, GOOD)
    canvas.save()
    writer = PdfWriter(clone_from=PdfReader(path))
    writer.encrypt(user_password=password, owner_password="owner", algorithm="AES-256")
    writer.write(path)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("utf16.txt", GOOD.encode("utf-16"), "iconv -f UTF-16"),
        ("utf16-without-mark.txt", GOOD.encode("utf-16-le"), "iconv -f UTF-16"),
        ("euckr.txt", "한강은 길다.".encode("euc-kr"), "not UTF-8 at byte 0"),
        ("gbk.md", "长江很长。".encode("gb18030"), "iconv -f"),
        ("empty.html", b"<script>only()</script>", "no text in it"),
        ("cut.pdf", b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog", "broken PDF"),
        ("row.jsonl", b'{"text": "a b"}\n{"txt": "c"}\n', "line 2 has no `text`"),
        ("field.csv", b'text\n"' + b"x" * 200_000 + b'"\n', "field limit"),
        ("zip.docx", b"PK\x03\x04", "this kind is not read"),
    ],
)
def test_a_document_that_cannot_be_read_is_named_with_how_to_mend_it(
    docs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, data: bytes, said: str
) -> None:
    """Exit code 2, one line that names the file; the documents beside it are added."""
    (docs / name).write_bytes(data)
    (docs / "good.txt").write_text(GOOD, "utf-8")
    assert knowledge(tmp_path / "data", "add", str(docs / name), str(docs / "good.txt")) == 2
    out = capsys.readouterr()
    assert "added: 1" in out.out
    assert name in out.err
    assert said in out.err
    assert knowledge(tmp_path / "data", "search", "Han river 494 km", "--json") == 0
    assert [one["evidence"]["text"] for one in json.loads(capsys.readouterr().out)["found"]] == [GOOD]


def test_a_pdf_behind_a_password_is_refused_and_one_that_only_forbids_printing_is_read(
    docs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An owner's password does not keep readers out."""
    locked_pdf(docs / "locked.pdf", "secret")
    locked_pdf(docs / "noprint.pdf", "")
    assert knowledge(tmp_path / "data", "add", str(docs)) == 2
    out = capsys.readouterr()
    assert "added: 1" in out.out
    assert "locked.pdf: this PDF opens with a password only" in out.err


def test_markdown_without_a_heading_and_a_name_that_is_no_text(
    docs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first is read; the second is named in escapes."""
    (docs / "plain.md").write_text(GOOD, "utf-8")
    Path(os.fsdecode(os.fsencode(docs) + b"/bad-\xff.txt")).write_text(GOOD, "utf-8")
    assert knowledge(tmp_path / "data", "add", str(docs)) == 2
    out = capsys.readouterr()
    assert "added: 1" in out.out
    assert "bad-\\udcff.txt" in out.err


def test_a_missing_and_an_emptied_base_cannot_tell(
    docs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3 and how to fill it; a typing error in the name does not make a base."""
    data = tmp_path / "data"
    assert knowledge(data, "search", "anything") == 3
    assert "haechi knowledge add --base kb" in capsys.readouterr().err
    assert knowledge(data, "list") == 3
    assert main(["knowledge", "list", "--data-dir", str(data)]) == 0
    assert capsys.readouterr().out.strip() == ""
    (docs / "good.txt").write_text(GOOD, "utf-8")
    assert knowledge(data, "add", str(docs)) == 0
    assert knowledge(data, "remove", "good.txt") == 0
    assert knowledge(data, "search", "anything") == 3
    assert "is empty" in capsys.readouterr().err


def test_an_outdated_document_is_shown_with_its_dates_and_not_found_on_a_later_day(
    docs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And a day that is none is refused before anything changes."""
    data = tmp_path / "data"
    (docs / "good.txt").write_text(GOOD, "utf-8")
    assert knowledge(data, "add", str(docs), "--valid-to", "2025-13-01") == 2
    assert knowledge(data, "add", str(docs), "--valid-from", "2020-01-01", "--valid-to", "2024-12-31") == 0
    capsys.readouterr()
    assert knowledge(data, "list") == 0
    assert "2020-01-01 to 2024-12-31" in capsys.readouterr().out
    assert knowledge(data, "search", "Han river", "--at", "2024-12-31") == 0
    assert GOOD in capsys.readouterr().out
    assert knowledge(data, "search", "Han river", "--at", "2026-01-01") == 0
    assert GOOD not in capsys.readouterr().out


def test_the_same_commands_work_on_postgresql(
    docs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By option or variable; nothing is written to the data folder, and a wrong password is in no message."""
    (docs / "good.txt").write_text(GOOD, "utf-8")
    data = tmp_path / "data"
    with fresh_database() as url:
        assert knowledge(data, "add", str(docs), "--licence", "CC0", database=url) == 0
        (docs / "good.txt").write_text("The Nakdong river is 510 km long.", "utf-8")
        (docs / "more.txt").write_text(GOOD, "utf-8")
        assert knowledge(data, "sync", str(docs), database=url) == 0
        capsys.readouterr()
        monkeypatch.setenv("HAECHI_DATABASE", url)
        assert main(["knowledge", "list", "--base", "kb", "--json", "--data-dir", str(data)]) == 0
        listed = json.loads(capsys.readouterr().out)["documents"]
        assert [(one["name"], one["version"]) for one in listed] == [("good.txt", 2), ("more.txt", 1)]
        assert main(["knowledge", "list", "--data-dir", str(data)]) == 0
        assert capsys.readouterr().out.strip() == "kb"
        assert knowledge(data, "remove", "more.txt", database=url) == 0
        assert knowledge(data, "remove", "more.txt", database=url) == 2
    assert not (data / "knowledge").exists()
    assert knowledge(data, "list", database="postgresql://u:hunter2@127.0.0.1:1/none") == 3
    assert "hunter2" not in capsys.readouterr().err


HOSTILE = {
    "sentence.txt": GOOD + " ",
    "letters.txt": "x",
    "blank.txt": "\n \n",
    "hash.md": "#",
    "marks.md": " #",
    "comments.html": "<!--",
    "tags.html": "<a ",
    "closed.html": "<a b='>",
    "deep.html": "<div>",
}
"""Texts that, said often enough, make careless readers take a time that grows with the square of their length."""


@pytest.mark.parametrize("name", HOSTILE)
def test_five_megabytes_of_anything_are_read_in_bounded_time_and_memory(docs: Path, name: str) -> None:
    """Twice the bytes cost about twice the time; a process of its own says what memory it took.

    From /proc: the peak that `getrusage` tells begins with that of whoever started the process.
    """
    code = (
        "import sys, time; from pathlib import Path\n"
        "from guard.knowledge.errors import UnreadableDocument; from guard.knowledge.passages import passages\n"
        "from guard.knowledge.readers import read\n"
        "for path in sys.argv[1:]:\n"
        "    begun = time.process_time()\n"
        "    try: sum(1 for _ in passages(read(Path(path))))\n"
        "    except UnreadableDocument: pass\n"
        "    print(time.process_time() - begun)\n"
        "status = Path('/proc/self/status').read_text().splitlines()\n"
        "print(next(int(line.split()[1]) / 1024 for line in status if line.startswith('VmHWM')))"
    )
    whole, half = docs / name, docs / f"half-{name}"
    for path, size in ((half, 2_500_000), (whole, 5_000_000)):
        path.write_text("words\n\n" + HOSTILE[name] * (size // len(HOSTILE[name])), "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", code, str(half), str(whole)], capture_output=True, text=True, check=True, timeout=200
    )
    first, second, megabytes = map(float, done.stdout.split())
    assert second < 3 * first + 0.5
    assert megabytes < 1_024


@pytest.mark.slow
def test_a_document_of_five_megabytes_is_added_and_found(docs: Path, tmp_path: Path) -> None:
    """From file to search, at 200 passages a second at least on any machine."""
    lines = (
        f"Station {number} lies {number * 7 % 1000} km from the sea and was opened in {1800 + number % 200}."
        for number in range(70_000)
    )
    with (docs / "stations.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["text"], *([line] for line in lines)])
    assert (docs / "stations.csv").stat().st_size > 4_000_000
    begun = time.process_time()
    assert knowledge(tmp_path / "data", "add", str(docs)) == 0
    assert time.process_time() - begun < 70_000 / 200
    assert knowledge(tmp_path / "data", "search", "Station 54321") == 0
