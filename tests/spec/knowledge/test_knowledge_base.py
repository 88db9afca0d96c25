"""Knowledge bases: what is added is found, what is removed is gone, what cannot be read is named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guard.knowledge import About, KnowledgeEmpty, KnowledgeMissing, KnowledgeWriter, UnusableKnowledge, open_base
from guard.knowledge.errors import InvalidKnowledgeName, UnknownDocument, UnreadableDocument
from guard.knowledge.passages import LONG, Section, passages
from guard.knowledge.readers import read
from guard.knowledge.terms import terms
from haechi.cli.main import main

TEXTS = {
    "en.txt": "Paracetamol is taken at most four times a day. The highest dose is 4,000 mg.",
    "ko.txt": "경복궁은 1395년에 처음 지어졌다. 조선의 법궁이었다.",
    "zh.txt": "长江全长约6300公里，是亚洲最长的河流。",
}


def filled(folder: Path, texts: dict[str, str] = TEXTS, about: About | None = None) -> None:
    with KnowledgeWriter("kb", folder, make=True) as writer:
        for name, text in texts.items():
            writer.put("/docs", name, [Section(name, text, 0)], about or About(), "")


@pytest.mark.parametrize(
    ("claim", "name"),
    [
        ("Paracetamols highest dose is 4000 mg", "en.txt"),
        ("경복궁에서는 1395년부터", "ko.txt"),
        ("亚洲最长的河是长江", "zh.txt"),
    ],
)
def test_a_claim_finds_its_passage_in_other_words_forms(tmp_path: Path, claim: str, name: str) -> None:
    """Plurals, particles and separators do not hide a passage; the citation says where it stands."""
    filled(tmp_path)
    best = open_base("kb", tmp_path).search(claim)[0]
    assert best.evidence.source == f"kb:kb/{name}#1"
    assert TEXTS[name][best.evidence.start :].startswith(best.evidence.text)
    assert 0 < best.score <= 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.text("가나다라마바사아자차카타파하", min_size=4, max_size=6), min_size=1, max_size=2),
    st.lists(st.text("龘靐齉爩鱻麤龗灪", min_size=2, max_size=5), min_size=1, max_size=2),
    st.lists(st.text("qxzjvw", min_size=5, max_size=9), min_size=1, max_size=2),
)
def test_whatever_is_added_is_found_by_its_rare_words_and_never_after_removal(
    tmp_path_factory: pytest.TempPathFactory, korean: list[str], chinese: list[str], english: list[str]
) -> None:
    """The index and the query cut words alike in every language."""
    folder = tmp_path_factory.mktemp("kb")
    filled(folder, TEXTS | {"rare.txt": " and ".join([*korean, *chinese, *english])})
    base = open_base("kb", folder)
    for word in (*korean, *chinese, *english):
        assert base.search(word)[0].evidence.source == "kb:kb/rare.txt#1"
    with KnowledgeWriter("kb", folder) as writer:
        writer.remove("rare.txt")
    for word in (*korean, *chinese, *english):
        assert all("rare" not in found.evidence.source for found in base.search(word))
    base.close()


@pytest.mark.parametrize("replaced", [False, True])
def test_removed_text_is_not_in_the_bytes_of_the_files(tmp_path: Path, replaced: bool) -> None:
    """Neither the text nor a term of it stays in the database, its log or free pages."""
    filled(tmp_path, TEXTS | {"gone.txt": "zyxwvutsrq " * 2000 + "쀍뛟쀍뛟 龘靐齉爩"})
    with KnowledgeWriter("kb", tmp_path) as writer:
        if replaced:
            writer.put("/docs", "gone.txt", [Section("new", "something else", 0)], About(), "")
        else:
            writer.remove("gone.txt")
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert "경복궁".encode() in held
    for word in ("zyxwvutsrq", "쀍뛟", "龘靐"):
        assert word.encode() not in held


def test_a_change_that_fails_leaves_the_old_state(tmp_path: Path) -> None:
    """A command changes everything it names, or nothing."""
    filled(tmp_path)

    def remove_both() -> None:
        with KnowledgeWriter("kb", tmp_path) as writer:
            writer.remove("en.txt")
            writer.remove("no.txt")

    with pytest.raises(UnknownDocument):
        remove_both()
    assert len(open_base("kb", tmp_path).documents()) == 3


def test_a_process_killed_in_the_middle_leaves_the_old_state(tmp_path: Path) -> None:
    """Kill -9 between the first document and the end of the command."""
    filled(tmp_path)
    code = (
        "import os, signal, sys; from pathlib import Path; from guard.knowledge import *;"
        "from guard.knowledge.passages import Section\n"
        "w = KnowledgeWriter('kb', Path(sys.argv[1])); w.remove('ko.txt');"
        "w.put('/', 'n', [Section('t', 'word ' * 200000, 0)], About(), '');"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    base = open_base("kb", tmp_path)
    assert sorted(one.name for one in base.documents()) == sorted(TEXTS)
    assert base.search("경복궁")


def test_a_reader_sees_what_is_written_meanwhile(tmp_path: Path) -> None:
    """A gateway that runs follows the command line."""
    filled(tmp_path)
    base = open_base("kb", tmp_path)
    with KnowledgeWriter("kb", tmp_path) as writer:
        writer.put("/docs", "new.txt", [Section("", "zebras graze", 0)], About(), "")
        assert base.search("zebra") == ()
    assert base.search("zebra")[0].evidence.text == "zebras graze"


def test_outdated_documents_are_left_out_of_a_dated_search_and_marked_otherwise(tmp_path: Path) -> None:
    """valid_to is the last day that a document holds."""
    filled(tmp_path, about=About(valid_from="2020-01-01", valid_to="2024-12-31"))
    base = open_base("kb", tmp_path)
    assert base.search("경복궁", at="2024-12-31")
    assert base.search("경복궁", at="2025-01-01") == base.search("경복궁", at="2019-12-31") == ()
    assert base.search("경복궁")[0].evidence.valid_to == "2024-12-31"


def test_a_missing_an_empty_and_a_broken_knowledge_base_are_errors_of_their_own(tmp_path: Path) -> None:
    """None of them is a search that finds nothing."""
    with pytest.raises(KnowledgeMissing):
        open_base("kb", tmp_path)
    filled(tmp_path, {})
    with pytest.raises(KnowledgeEmpty):
        open_base("kb", tmp_path)
    (tmp_path / "bad.db").write_bytes(b"not a database" * 100)
    with pytest.raises(UnusableKnowledge):
        open_base("bad", tmp_path)
    with pytest.raises(InvalidKnowledgeName):
        open_base("../kb", tmp_path)


@pytest.mark.parametrize("claim", ["", "?!", '" OR NEAR(a b) *', "a\x00b", "경" * 5000, "1 " * 2000, "\ud800"])
def test_any_claim_can_be_searched(tmp_path: Path, claim: str) -> None:
    """No claim is read as query syntax, and none is too long."""
    filled(tmp_path)
    assert len(open_base("kb", tmp_path).search(claim)) <= 5


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
