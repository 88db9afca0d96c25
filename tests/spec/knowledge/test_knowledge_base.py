"""Documents of knowledge bases: each kind is read, what cannot be read is named. See tests/contract/knowledge too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guard.knowledge import About, Shelf
from guard.knowledge.errors import UnreadableDocument
from guard.knowledge.passages import LONG, Section, passages
from guard.knowledge.readers import read
from guard.knowledge.terms import terms
from haechi.cli.main import main
from tests.cost import least_cpu

TEXTS = {
    "en.txt": "Paracetamol is taken at most four times a day. The highest dose is 4,000 mg.",
    "ko.txt": "경복궁은 1395년에 처음 지어졌다. 조선의 법궁이었다.",
    "zh.txt": "长江全长约6300公里，是亚洲最长的河流。",
}


def test_passages_are_short_and_stand_where_they_say() -> None:
    """Five million characters too; offsets are code points of the document."""
    text = "첫 문장이다. Second sentence! 第三句。\n\n" * 2000 + "x" * 5000
    found = list(passages([Section("t", text, 0)]))
    assert all(0 < len(one.text) <= LONG and text[one.start : one.start + len(one.text)] == one.text for one in found)
    assert "".join("".join(one.text.split()) for one in found) == "".join(text.split())


def test_each_kind_of_document_is_read_with_its_titles(tmp_path: Path) -> None:
    """txt, md, html, jsonl, csv."""
    files = {
        "a.md": "# Kings\nSejong made Hangul.\n## Rivers\nHan",
        "a.html": "<title>T</title><script>evil()</script><h1>Kings</h1><p>Sejong made&nbsp;Hangul.</p>",
        "a.jsonl": json.dumps({"title": "Kings", "text": "Sejong made Hangul."}) + "\n",
        "a.csv": 'title,text\nKings,"Sejong made Hangul."\n',
        "b.csv": "king,made\nSejong,Hangul\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")
        sections = read(tmp_path / name)
        assert any("Sejong" in s.text and s.title == ("b" if name == "b.csv" else "Kings") for s in sections)
        assert all("evil" not in s.text for s in sections)


def test_a_pdf_is_read_page_by_page(tmp_path: Path) -> None:
    """The title says the page."""
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(tmp_path / "a.pdf"))
    canvas.drawString(72, 720, "Sejong made Hangul in 1443")
    canvas.save()
    (section,) = read(tmp_path / "a.pdf")
    assert section.title == "a, page 1"
    assert "1443" in section.text


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.pdf", b"%PDF-1.7 broken"),
        ("a.txt", b"\xff\xfe\x00"),
        ("a.txt", b"   "),
        ("a.jsonl", b'{"text": 1}'),
        ("a.jsonl", b"[" * 100_000),
        ("a.exe", b"x"),
    ],
)
def test_a_broken_document_is_named(tmp_path: Path, name: str, data: bytes) -> None:
    """The message names the file."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UnreadableDocument, match=name):
        read(tmp_path / name)


def test_terms_of_the_index_are_those_of_the_query() -> None:
    """Particles, plurals, case, width and separators fall away."""
    assert list(terms("경복궁에서 Ｐｏｌｉｃｉｅｓ 4,000.5")) == [
        "경복궁",
        "경복",
        "복궁",
        "궁에",
        "에서",
        "policy",
        "4000.5",
    ]
    assert list(terms("河流长")) == ["河流", "流长"]


def test_add_sync_and_remove_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A broken file is refused with exit code 2 while the others are added; sync takes over only what changed."""
    docs, data = tmp_path / "docs", ["--base", "kb", "--data-dir", str(tmp_path / "data"), "--json"]
    docs.mkdir()
    for name, text in TEXTS.items():
        (docs / name).write_text(text, "utf-8")
    (docs / "bad.pdf").write_bytes(b"broken")

    def told(*argv: str) -> tuple[int, dict[str, object]]:
        return main(["knowledge", *argv, *data]), json.loads(capsys.readouterr().out)

    code, answer = told("add", str(docs), "--licence", "CC0", "--valid-to", "2030-12-31")
    assert (code, answer["added"], len(answer["refused"])) == (2, sorted(TEXTS), 1)  # type: ignore[arg-type]
    (docs / "bad.pdf").unlink()
    (docs / "en.txt").unlink()
    (docs / "ko.txt").write_text("창덕궁은 1405년에 지어졌다.", "utf-8")
    code, answer = told("sync", str(docs))
    assert (code, answer["added"], answer["removed"], answer["unchanged"]) == (0, ["ko.txt"], ["en.txt"], 1)
    assert [(d["name"], d["version"]) for d in told("list")[1]["documents"]] == [("ko.txt", 2), ("zh.txt", 1)]  # type: ignore[attr-defined,index]
    assert told("search", "창덕궁 1405년")[1]["found"]
    assert told("remove", "zh.txt")[0] == 0
    assert main(["knowledge", "remove", "zh.txt", *data]) == 2
    assert main(["knowledge", "sync", str(tmp_path / "none"), *data]) == 2


def test_a_dated_search_costs_about_what_an_undated_one_costs(tmp_path: Path) -> None:
    """Also in a base of some thousand passages: what does not hold is left out without a look at each passage."""
    with Shelf(tmp_path).writer("kb", make=True) as writer:
        for number in range(3_000):
            text = f"The bridge number {number} of the city was opened to traffic in the year {1000 + number}."
            writer.put("/docs", f"{number}.txt", [Section("", text, 0)], About(), "")
    base = Shelf(tmp_path).open("kb")

    def cost(at: str) -> float:
        queries = [f"The bridge number {number} was opened." for number in range(10)]
        return least_cpu(lambda: [base.search(query, at=at) for query in queries])

    assert all(base.search("The bridge number 7 was opened.", at=at) for at in ("", "2026-01-01"))
    assert cost("2026-01-01") < 4 * cost("")
    base.close()
