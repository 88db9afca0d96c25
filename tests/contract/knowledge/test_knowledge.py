"""What every knowledge base does, in a file and in PostgreSQL: what is added is found, what is removed is gone."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guard.checker import SafetyChecker
from guard.knowledge import About, KnowledgeEmpty, KnowledgeMissing, Shelf, UnusableKnowledge
from guard.knowledge.errors import InvalidKnowledgeName, UnknownDocument
from guard.knowledge.passages import Section
from guard.policy import ClaimsDocument, Policy, PolicyDocument, RuleDocument
from guard.verdict import Category, ClaimOutcome
from tests.postgres_server import data_folder, execute, fresh_database

TEXTS = {
    "en.txt": "Paracetamol is taken at most four times a day. The highest dose is 4,000 mg.",
    "ko.txt": "경복궁은 1395년에 처음 지어졌다. 조선의 법궁이었다.",
    "zh.txt": "长江全长约6300公里，是亚洲最长的河流。",
}


@pytest.fixture(params=["sqlite", "postgresql"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    if request.param == "sqlite":
        yield Shelf(tmp_path / "knowledge")
    else:
        with fresh_database() as url:
            yield Shelf(tmp_path / "knowledge", url)


def fill(shelf: Shelf, texts: dict[str, str] = TEXTS, about: About | None = None, base: str = "kb") -> None:
    with shelf.writer(base, make=True) as writer:
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
def test_a_claim_finds_its_passage_in_other_words_forms(shelf: Shelf, claim: str, name: str) -> None:
    """Plurals, particles and separators do not hide a passage; the citation says where it stands."""
    fill(shelf)
    base = shelf.open("kb")
    best = base.search(claim)[0]
    base.close()
    assert best.evidence.source == f"kb:kb/{name}#1"
    assert TEXTS[name][best.evidence.start :].startswith(best.evidence.text)
    assert 0 < best.score <= 1


@pytest.mark.parametrize(
    ("claim", "right", "wrong"),
    [
        (
            "The bridge was shut because of a heavy storm.",
            "They closed the bridge when a violent gale came up.",
            "They sold the bridge when a rich collector came up.",
        ),
        ("그 의사는 환자에게 약을 처방했다.", "의사가 환자에게 알약을 내주었다.", "의사가 환자에게 노래를 불러주었다."),
        ("这家公司去年亏损严重。", "去年这家企业赔了很多钱。", "去年这家孩子读了很多书。"),
    ],
)
def test_of_passages_with_like_terms_the_one_that_says_the_same_comes_first(
    shelf: Shelf, claim: str, right: str, wrong: str
) -> None:
    """Half of a passage's rank is what it is about, so that synonyms count for something."""
    fill(shelf, {"wrong.txt": wrong, "right.txt": right})
    base = shelf.open("kb")
    assert [one.evidence.text for one in base.search(claim)] == [right, wrong]
    base.close()


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.text("가나다라마바사아자차카타파하", min_size=4, max_size=6), min_size=1, max_size=2),
    st.lists(st.text("龘靐齉爩鱻麤龗灪", min_size=2, max_size=5), min_size=1, max_size=2),
    st.lists(st.text("qxzjvw", min_size=5, max_size=9), min_size=1, max_size=2),
)
def test_whatever_is_added_is_found_by_its_rare_words_and_never_after_removal(
    shelf: Shelf, korean: list[str], chinese: list[str], english: list[str]
) -> None:
    """The index and the query cut words alike in every language."""
    fill(shelf, TEXTS | {"rare.txt": " and ".join([*korean, *chinese, *english])})
    base = shelf.open("kb")
    for word in (*korean, *chinese, *english):
        assert base.search(word)[0].evidence.source == "kb:kb/rare.txt#1"
    with shelf.writer("kb") as writer:
        writer.remove("rare.txt")
    for word in (*korean, *chinese, *english):
        assert all("rare" not in found.evidence.source for found in base.search(word))
    base.close()


@pytest.mark.parametrize("replaced", [False, True])
def test_removed_text_is_not_in_the_bytes_of_the_files(shelf: Shelf, replaced: bool) -> None:
    """Neither the text nor a term of it stays: SQLite's file, log and free pages; PostgreSQL's tables and indexes."""
    fill(shelf, TEXTS | {"gone.txt": "".join(f"zyxwvutsrq{n} " for n in range(3000)) + "쀍뛟쀍뛟 龘靐齉爩"})
    words = ("zyxwvutsrq", "쀍뛟", "龘靐")
    assert all(word.encode() in held(shelf) for word in words)
    with shelf.writer("kb") as writer:
        if replaced:
            writer.put("/docs", "gone.txt", [Section("new", "something else", 0)], About(), "")
        else:
            writer.remove("gone.txt")
    left = held(shelf)
    assert "경복궁".encode() in left
    assert [word for word in words if word.encode() in left] == []


def held(shelf: Shelf) -> bytes:
    """All bytes of the files that hold the base; of PostgreSQL, of its tables, after what is cached was written."""
    if shelf.database == "sqlite":
        return b"".join(path.read_bytes() for path in shelf.folder.iterdir())
    execute(shelf.database, "checkpoint")
    return b"".join(path.read_bytes() for path in (data_folder() / "base").rglob("*") if path.is_file())


def test_a_reader_that_holds_removed_bytes_is_named(shelf: Shelf) -> None:
    """Gone from every search, and an error says that bytes remain and what to do."""
    fill(shelf)
    base = shelf.open("kb")
    with snapshot(shelf):
        writer = shelf.writer("kb")
        writer.remove("ko.txt")
        with pytest.raises(UnusableKnowledge, match="removed, but"):
            writer.__exit__(None, None, None)
    assert all("ko.txt" not in one.evidence.source for one in base.search("경복궁"))
    base.close()
    with shelf.writer("kb") as again:
        again.remove("zh.txt")
    assert "경복궁".encode() not in held(shelf)


class snapshot:  # noqa: N801 - reads as a verb
    """Another client, in the middle of a long reading transaction."""

    def __init__(self, shelf: Shelf) -> None:
        if shelf.database == "sqlite":
            import sqlite3

            self.db: object = sqlite3.connect(shelf.folder / "kb.db", isolation_level=None)
            self.begin, self.read = "BEGIN", "SELECT count(*) FROM documents"
        else:
            import psycopg

            self.db = psycopg.connect(shelf.database, autocommit=True)
            self.begin, self.read = "begin isolation level repeatable read", "select now()"

    def __enter__(self) -> None:
        self.db.execute(self.begin)  # type: ignore[attr-defined]
        self.db.execute(self.read).fetchall()  # type: ignore[attr-defined]

    def __exit__(self, *failed: object) -> None:
        self.db.close()  # type: ignore[attr-defined]


def test_a_change_that_fails_leaves_the_old_state(shelf: Shelf) -> None:
    """A command changes everything it names, or nothing."""
    fill(shelf)

    def remove_both() -> None:
        with shelf.writer("kb") as writer:
            writer.remove("en.txt")
            writer.remove("no.txt")

    with pytest.raises(UnknownDocument):
        remove_both()
    base = shelf.open("kb")
    assert len(base.documents()) == 3
    assert base.search("Paracetamol")
    base.close()


def test_a_process_killed_in_the_middle_leaves_the_old_state(shelf: Shelf) -> None:
    """Kill -9 between the first document and the end of the command; the next writer is not kept waiting."""
    fill(shelf)
    code = (
        "import os, signal, sys; from pathlib import Path; from guard.knowledge import *;"
        "from guard.knowledge.passages import Section\n"
        "w = Shelf(Path(sys.argv[1]), sys.argv[2]).writer('kb'); w.remove('ko.txt');"
        "w.put('/', 'n', [Section('t', 'word ' * 200000, 0)], About(), '');"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(shelf.folder), shelf.database], check=False)
    base = shelf.open("kb")
    assert sorted(one.name for one in base.documents()) == sorted(TEXTS)
    assert base.search("경복궁")
    base.close()
    with shelf.writer("kb") as writer:
        assert writer.remove("ko.txt") == 1


def test_a_reader_sees_what_is_written_meanwhile(shelf: Shelf) -> None:
    """A gateway that runs follows the command line."""
    fill(shelf)
    base = shelf.open("kb")
    with shelf.writer("kb") as writer:
        writer.put("/docs", "new.txt", [Section("", "zebras graze", 0)], About(), "")
        assert base.search("zebra") == ()
    assert base.search("zebra")[0].evidence.text == "zebras graze"
    base.close()


def test_writers_queue_and_none_is_lost(shelf: Shelf) -> None:
    """Four commands on one base at once: each has its document in it afterwards, counted once."""
    fill(shelf, {})

    def add(number: int) -> None:
        with shelf.writer("kb", make=True) as writer:
            writer.put("/docs", f"{number}.txt", [Section("", f"common word{number}", 0)], About(), "")

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    base = shelf.open("kb")
    assert [one.name for one in base.documents()] == [f"{number}.txt" for number in range(4)]
    assert len(base.search("common")) == 4
    base.close()


def test_a_replaced_document_has_a_new_version_and_only_its_new_text(shelf: Shelf) -> None:
    """Two folders may hold files of one name; each has its own versions."""
    fill(shelf)
    with shelf.writer("kb") as writer:
        writer.put("/docs", "en.txt", [Section("", "Ibuprofen is another drug.", 0)], About("WHO", "CC0"), "ab")
        writer.put("/other", "en.txt", [Section("", "Aspirin too.", 0)], About(), "")
        found = {(one.root, one.name): one for one in writer.documents()}
    replaced = found["/docs", "en.txt"]
    assert (replaced.version, replaced.sha256, replaced.about) == (2, "ab", About("WHO", "CC0"))
    assert found["/other", "en.txt"].version == 1
    base = shelf.open("kb")
    assert base.search("paracetamol") == ()
    base.close()


ENGLISH = {
    "tower": "The Eiffel Tower in Paris was completed in 1889 and is 330 metres tall.",
    "medicine": "Paracetamol relieves pain and fever; adults take at most four grams a day.",
    "river": "The Yangtze is the longest river in Asia and flows into the East China Sea.",
    "bank": "The central bank raised its interest rate to five percent in September.",
    "moon": "The Moon orbits the Earth once every 27 days and causes the tides.",
    "school": "Children in Finland start school at the age of seven.",
    "football": "Brazil has won the football World Cup five times.",
}


@pytest.mark.parametrize(
    ("claim", "name"),
    [
        ("에펠탑은 파리에 있으며 1899년에 완공되었다.", "tower"),
        ("埃菲尔铁塔位于巴黎，高330米。", "tower"),
        ("성인은 통증과 열이 있을 때 하루에 최대 4그램을 복용한다.", "medicine"),
        ("长江是亚洲最长的河流。", "river"),
        ("중앙은행은 9월에 금리를 인상했다.", "bank"),
        ("月球围绕地球运行，引起潮汐。", "moon"),
        ("芬兰儿童七岁上学。", "school"),
        ("브라질은 월드컵 축구에서 다섯 번 우승했다.", "football"),
    ],
)
def test_a_claim_finds_its_passage_in_another_language(shelf: Shelf, claim: str, name: str) -> None:
    """By what both are about: they share no word, or a number at most."""
    fill(shelf, ENGLISH)
    base = shelf.open("kb")
    found = base.search(claim, limit=3)
    base.close()
    assert found[0].evidence.source == f"kb:kb/{name}#1"
    assert len({one.evidence.source for one in found}) == len(found)


def test_passages_in_other_languages_follow_what_is_written_and_hold_on_their_days_only(shelf: Shelf) -> None:
    """Added, removed and outdated ones, while the base is open."""
    claim = "에펠탑은 파리에 있다."
    fill(shelf, {name: text for name, text in ENGLISH.items() if name != "tower"})
    base = shelf.open("kb")
    assert all("tower" not in one.evidence.source for one in base.search(claim))
    fill(shelf, {"tower": ENGLISH["tower"]}, About(valid_to="2026-06-30"))
    assert base.search(claim, at="2026-06-30")[0].evidence.source == "kb:kb/tower#1"
    assert all("tower" not in one.evidence.source for one in base.search(claim, at="2026-07-01"))
    with shelf.writer("kb") as writer:
        writer.remove("tower")
    assert all("tower" not in one.evidence.source for one in base.search(claim))
    base.close()


def test_what_is_there_in_the_language_of_the_claim_comes_first(shelf: Shelf) -> None:
    """Where its own words find the passage, other languages are not looked at."""
    fill(shelf, {**ENGLISH, "탑": "에펠탑은 파리에 있으며 1889년에 완공되었다."})
    base = shelf.open("kb")
    found = base.search("에펠탑은 1889년에 완공되었다.")
    base.close()
    assert found[0].evidence.source == "kb:kb/탑#1"


def test_bases_do_not_see_each_other(shelf: Shelf) -> None:
    """Same document name, same words, two bases."""
    fill(shelf)
    fill(shelf, {"en.txt": "Paracetamol is a film."}, base="films")
    assert shelf.names() == ("films", "kb")
    base = shelf.open("films")
    assert [one.evidence.source for one in base.search("Paracetamol dose")] == ["kb:films/en.txt#1"]
    assert [one.passages for one in base.documents()] == [1]
    base.close()
    with shelf.writer("kb") as writer:
        writer.remove("en.txt")
    base = shelf.open("films")
    assert base.search("Paracetamol")
    base.close()


def test_outdated_documents_are_left_out_of_a_dated_search_and_marked_otherwise(shelf: Shelf) -> None:
    """valid_to is the last day that a document holds."""
    fill(shelf, about=About(valid_from="2020-01-01", valid_to="2024-12-31"))
    base = shelf.open("kb")
    assert base.search("경복궁", at="2024-12-31")
    assert base.search("경복궁", at="2025-01-01") == base.search("경복궁", at="2019-12-31") == ()
    assert base.search("경복궁")[0].evidence.valid_to == "2024-12-31"
    base.close()


def test_a_missing_an_empty_and_an_unusable_base_are_errors_of_their_own(shelf: Shelf) -> None:
    """None of them is a search that finds nothing."""
    with pytest.raises(KnowledgeMissing):
        shelf.open("kb")
    with pytest.raises(KnowledgeMissing):
        shelf.writer("kb")
    fill(shelf, {})
    with pytest.raises(KnowledgeEmpty):
        shelf.open("kb")
    with pytest.raises(InvalidKnowledgeName):
        shelf.open("../kb")
    if shelf.database == "sqlite":
        (shelf.folder / "bad.db").write_bytes(b"not a database" * 100)
        gone = shelf
    else:
        gone = Shelf(shelf.folder, "postgresql://user:hunter2@127.0.0.1:1/none")
    with pytest.raises(UnusableKnowledge) as caught:
        gone.open("bad")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "claim", ["", "?!", '" OR NEAR(a b) *', "a\x00b", "경" * 5000, "1 " * 2000, "\ud800", "%s $1 '"]
)
def test_any_claim_can_be_searched(shelf: Shelf, claim: str) -> None:
    """No claim is read as query syntax, and none is too long."""
    fill(shelf)
    base = shelf.open("kb")
    assert len(base.search(claim)) <= 5
    base.close()


def test_text_that_no_database_holds_is_kept_but_for_those_characters(shelf: Shelf) -> None:
    """NUL and lone surrogates, as JSON can spell them, become U+FFFD; positions stay."""
    fill(shelf, {"odd.txt": "zebra\x00s \ud800graze"})
    base = shelf.open("kb")
    assert base.search("zebra graze")[0].evidence.text == "zebra\ufffds \ufffdgraze"
    base.close()


def test_a_checker_holds_claims_against_it(shelf: Shelf) -> None:
    """From the policy's name of a base to the citation; what is outdated supports nothing."""
    fill(shelf, about=About(valid_to="2099-12-31"))
    document = PolicyDocument(
        1, "grounded", "2026-11", ("claims",), claims=ClaimsDocument(knowledge=("kb",)),
        output={Category.MISINFORMATION: RuleDocument()},
    )  # fmt: skip
    checker = SafetyChecker(Policy(document), knowledge=shelf)
    (claim,) = checker.check("The highest dose of paracetamol is 9,000 mg.", direction="output").claims
    assert claim.outcome is ClaimOutcome.REFUTED
    assert claim.citation is not None
    assert claim.citation.source == "kb:kb/en.txt#1"
    fill(shelf, about=About(valid_to="2020-12-31"))
    (claim,) = checker.check("The highest dose of paracetamol is 4,000 mg.", direction="output").claims
    assert claim.outcome is ClaimOutcome.NOT_ENOUGH
    assert claim.reasons == ("outdated",)


def test_a_server_that_was_restarted_is_asked_again(tmp_path: Path) -> None:
    """PostgreSQL ends the connection; the next search opens a new one."""
    with fresh_database() as url:
        shelf = Shelf(tmp_path, url)
        fill(shelf)
        base = shelf.open("kb")
        execute(
            url, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'haechi-knowledge'"
        )
        assert base.search("경복궁")
        base.close()
