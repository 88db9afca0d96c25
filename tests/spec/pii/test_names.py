"""Names by rules and taggers: what is announced is found, scripts stay apart, and what is missing is said."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from guard import SafetyChecker
from guard.classifier.errors import WeightsAltered, WeightsMissing, WeightsUnreadable
from guard.classifier.model import FOLDER as WORDS_FOLDER
from guard.errors import DetectorNotLoaded
from guard.fold import build_views
from guard.pii.evaluation import ANY_NUMBER, Labelled, as_rows, compare, evaluate, joined
from guard.pii.kinds import NAME_KINDS
from guard.pii.names.decode import Name
from guard.pii.names.pieces import pieces
from guard.pii.names.recent import Recent
from guard.pii.names.rules import by_rule
from guard.pii.names.scanner import HOLD, STEP, NameScanner
from guard.pii.names.scanner import scanners as names_scanners
from guard.pii.names.tagger import FOLDER, GRAPH_FILE, MANIFEST, load, read_tagger
from guard.registry import load_detector
from guard.scanner import Look
from guard.scrub import Scrubber
from guard.views import TextViews
from haechi.base.text import Language


@pytest.mark.parametrize(
    ("language", "text", "name"),
    [
        (Language.KOREAN, "어제 김철수 씨가 왔다", "김철수"),
        (Language.KOREAN, "박영희 교수는 말했다", "박영희"),
        (Language.KOREAN, "이름은 홍길동입니다", "홍길동"),
        (Language.KOREAN, "예금주: 남궁민수", "남궁민수"),
        (Language.KOREAN, "보육교사 김 모 씨(26)는", "김"),
        (Language.CHINESE, "王小明先生来了", "王小明"),
        (Language.CHINESE, "我叫张伟，很高兴", "张伟"),
        (Language.CHINESE, "联系人：欧阳娜娜", "欧阳娜娜"),
        (Language.CHINESE, "转发@林小萱 ：好看", "林小萱"),
        (Language.ENGLISH, "I met Dr. Jane Miller yesterday", "Jane Miller"),
        (Language.ENGLISH, "My name is Tom Baker.", "Tom Baker"),
    ],
)
def test_a_title_or_an_announcement_gives_a_name_away(language: Language, text: str, name: str) -> None:
    """The rules find exactly the name, without title or particle."""
    assert name in {text[n.start : n.end] for n in by_rule(text, language)}


@pytest.mark.parametrize(
    "text",
    [
        "김치 씨앗을 심었다",
        "주식 시장이 열렸다",
        "전직 대통령은",
        "서울시장 선거",
        "국가대표 선수",
        "이것은 좋은 말이다",
        "先生们，女士们",
        "The name is required",
        "고맙습니다 선생님",
        "모 씨가 말하길",
        "하나님이 보시기에",
        "차기 회장은 누가 될까",
        "담당자: 추후 공지",
    ],
)
def test_rules_leave_ordinary_words_alone(text: str) -> None:
    """Words that begin like a name are no name."""
    for language in Language:
        assert list(by_rule(text, language)) == []


def test_the_tagger_ships_and_knows_every_kind_of_name() -> None:
    """The model is in the package, with limits for every language and kind."""
    manifest = load().manifest
    assert set(NAME_KINDS) <= set(manifest.kinds)
    assert set(manifest.limits) == {Language.KOREAN, Language.CHINESE, Language.ENGLISH}
    assert all(set(limits) == set(manifest.kinds) for limits in manifest.limits.values())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("어제 배우 한지민이 부산에 왔다.", "한지민"),
        ("作家莫言昨天在上海参加了活动。", "莫言"),
        ("Yesterday Angela Merkel met reporters in Lisbon.", "Angela Merkel"),
    ],
)
def test_a_name_in_a_plain_sentence_is_found(text: str, name: str) -> None:
    """No rule covers these: the tagger does."""
    assert ("PERSON", name) in {(e.type, text[e.start : e.end]) for e in Scrubber().find(text)}


def test_a_language_that_was_not_asked_for_is_not_looked_at() -> None:
    """Whose a name is, its script says."""
    text = "김철수 씨와 Angela Merkel, 王小明先生"
    for language, name in (("ko", "김철수"), ("en", "Angela Merkel"), ("zh", "王小明")):
        found = Scrubber(languages=[language]).find(text)
        assert [text[e.start : e.end] for e in found if e.type == "PERSON"] == [name]


def test_what_cannot_be_looked_for_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the packages that run the tagger its kinds are missing, in words; rules and patterns go on."""
    load.cache_clear()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    scrubber = Scrubber(languages=["ko", "en"])
    assert scrubber.missing == tuple(sorted(f"{kind}:{name}" for kind in NAME_KINDS for name in ("en", "ko")))
    assert scrubber.scrub("이름은 홍길동, 010-1234-5678").text == "이름은 [PERSON], ***-****-****"
    load.cache_clear()


def test_a_policy_that_names_the_tagger_does_not_start_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector that a policy asks for is there, or nothing starts."""
    for kept in (load, names_scanners, load_detector):
        kept.cache_clear()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DetectorNotLoaded, match="names"):
        load_detector("names")
    load.cache_clear()


def test_altered_weights_are_refused(tmp_path: Path) -> None:
    """A tagger whose files are not those of its manifest finds nothing in silence: so it does not load."""
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    graph = tmp_path / GRAPH_FILE
    graph.write_bytes(graph.read_bytes()[:-1] + b"x")
    with pytest.raises(WeightsAltered):
        read_tagger(tmp_path, WORDS_FOLDER)
    (tmp_path / MANIFEST).write_text("{}")
    with pytest.raises(WeightsUnreadable):
        read_tagger(tmp_path, WORDS_FOLDER)
    (tmp_path / MANIFEST).unlink()
    with pytest.raises(WeightsMissing):
        read_tagger(tmp_path, WORDS_FOLDER)


@pytest.mark.parametrize("kind", ["PHONE_NUMBER", "PERSON", "LOCATION"])
def test_no_part_of_a_placeholder_is_a_name(kind: str) -> None:
    """Whatever letters its tag has, and whatever stands around it."""
    rng = np.random.default_rng(11)
    scrubber = Scrubber()
    for _ in range(40):
        tag = "".join(chr(97 + int(n)) for n in rng.integers(0, 16, 8))
        placeholder = f"<{kind}_{int(rng.integers(1, 99))}_{tag}>"
        for text in (f"Call {placeholder} in London", f"{placeholder}에게 전화해 주세요", f"请联系{placeholder}，谢谢"):
            start = text.index(placeholder)
            overlapping = [e for e in scrubber.find(text) if e.start < start + len(placeholder) and start < e.end]
            assert overlapping == []


def test_offsets_are_of_the_original() -> None:
    """A zero-width character inside a name belongs to it."""
    text = "이름은 홍\u200b길동입니다"
    found = [(m.start, m.end) for m in NameScanner().scan(build_views(text)) if m.entity == "PERSON"]
    assert (4, 8) in found


def test_a_stream_holds_the_sentence_that_is_being_written() -> None:
    """Up to a limit, the words since the last sentence may still be a name."""
    scanner = NameScanner()
    assert scanner.hold(build_views("끝났다. 그리고 김")) == len("그리고 김")
    assert scanner.hold(build_views("끝났다. ")) == 0
    assert all(STEP <= scanner.hold(build_views("가" * size)) <= HOLD for size in range(HOLD, 500, 7))


def test_a_stream_finds_the_names_that_the_whole_text_has() -> None:
    """Piece by piece, nothing of a name is let go, and the tagger reads once for each step, not for each piece."""
    text = (
        "Last Friday the two engineers, Angela Merkel and Robert Redford, took the early train from Lisbon to Madrid. "
        * 3
    )
    scanner = NameScanner()
    whole = {(m.start, m.end) for m in scanner.scan(build_views(text)) if m.entity == "PERSON"}
    assert len(whole) == 6
    seen: set[tuple[int, int]] = set()
    for end in range(1, len(text) + 1):
        look = scanner.look(build_views(text[:end]))
        settled = end - look.hold
        seen |= {(m.start, m.end) for m in look.matches if m.entity == "PERSON" and m.end <= settled}
        assert all(any(m.start <= start for m in look.matches) for start, stop in whole if start < settled < stop)
    assert whole <= seen


PARAGRAPH = (
    "어제 배우 한지민이 부산에 왔다. 많은 사람이 모였다. 作家莫言昨天在上海参加了活动。大家都很高兴。\n"
    "Yesterday Angela Merkel met reporters in Lisbon. It rained all day, and nobody minded. "
)


class Counting:
    """The tagger that ships, and how many pieces it was asked about."""

    def __init__(self) -> None:
        self.manifest, self.asked = load().manifest, 0

    def names(self, text: str) -> Iterator[Name]:
        self.asked += len(pieces(load().words.tokenizer, text).ids)
        return load().names(text)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    tagger = Counting()
    monkeypatch.setattr("guard.pii.names.scanner.load", lambda: tagger)
    return tagger


@pytest.mark.parametrize("size", [1, 3, 11, 40])
def test_a_stream_reads_each_part_of_a_text_a_few_times_at_most(size: int, counting: Counting) -> None:
    """Whatever the pieces, and though what is out is kept for others: no more than seven times what the text has. Every
    name is there before it would be let go."""
    text = PARAGRAPH * 2
    scanner = NameScanner()
    whole = {(m.start, m.end, m.entity) for m in scanner.scan(build_views(text))}
    once, base, released = counting.asked, 0, 0
    found: set[tuple[int, int, str]] = set()
    for end in (*range(size, len(text), size), len(text)):
        look = scanner.look(build_views(text[base:end]), released - base)
        settled = max(released, end - look.hold)
        found |= {(m.start + base, m.end + base, m.entity) for m in look.matches if released < m.end + base <= settled}
        released, base = settled, max(base, settled - 2 * scanner.lookbehind)
    assert len(whole) == 12
    assert {name for name in whole if name[1] <= released} <= found
    assert counting.asked - once <= 7 * once


@pytest.mark.parametrize("hidden", ["", "\u200b"])
@pytest.mark.parametrize("text", [PARAGRAPH, "김철수 씨가 " * 30, "Angela Merkel and " * 20])
def test_what_is_out_and_settled_is_not_read_again(text: str, hidden: str, counting: Counting) -> None:
    """A look that can let nothing go asks nothing, and holds what it would hold; hidden characters change nothing."""
    views = build_views(hidden + hidden.join(text))
    scanner = NameScanner()
    held = scanner.hold(views)
    settled = len(views.raw) - held
    for released in (settled, settled + 1, len(views.raw)):
        assert scanner.look(views, released) == Look((), held)
    assert counting.asked == 0
    seen = scanner.look(views, settled - 1)
    assert seen.hold == held
    assert counting.asked > 0


def test_hidden_characters_do_not_let_a_name_slip_by(counting: Counting) -> None:
    """Where thousands of them make a stream let go what is held, what is there is read nevertheless."""
    text = "Then " + "\u200b" * 5000 + "Angela Merkel and "
    views = build_views(text)
    assert scanner_persons(NameScanner(), views, released=5) == ["Angela Merkel"]
    assert counting.asked > 0


def scanner_persons(scanner: NameScanner, views: TextViews, released: int) -> list[str]:
    return [views.raw[m.start : m.end] for m in scanner.look(views, released).matches if m.entity == "PERSON"]


def test_a_text_that_comes_again_is_not_read_again(counting: Counting) -> None:
    """A conversation comes again with every turn. Names are of the text alone, in the languages asked for."""
    scanner = NameScanner()
    views = build_views(PARAGRAPH)
    first, asked = scanner.scan(views), counting.asked
    assert [scanner.scan(build_views(PARAGRAPH)) for _ in range(3)] == [first] * 3
    assert counting.asked == asked > 0
    scanner.scan(build_views(PARAGRAPH + "."))
    assert counting.asked > asked
    assert len(NameScanner([Language.KOREAN]).scan(views)) < len(first)


def test_what_is_remembered_is_bounded() -> None:
    """By texts and by names; the one that was longest not asked for goes first."""
    recent = Recent(texts=2, names=5)
    one, two, three = (recent.key(text) for text in ("one", "two", "three"))
    name = Name("PERSON", 0.9, 0, 3)
    recent.put(one, (name,) * 2)
    recent.put(two, (name,))
    assert recent.get(one) == (name,) * 2
    recent.put(three, (name,))
    assert (recent.get(two), recent.get(three)) == (None, (name,))
    recent.put(two, (name,) * 4)
    assert (recent.get(one), recent.get(three), recent.get(two)) == (None, (name,), (name,) * 4)
    recent.put(one, (name,) * 6)
    assert [recent.get(key) for key in (one, two, three)] == [None] * 3


def test_evaluation_counts_kinds_and_characters() -> None:
    """A right range of the right kind counts; covered characters count whatever the kind."""
    rows = [
        Labelled("mail kim@example.com now", "en", frozenset({(5, 20, "EMAIL_ADDRESS")})),
        Labelled("call 010-1234-5678", "ko", frozenset({(5, 18, "US_SSN")})),
    ]
    figures = as_rows(evaluate(rows, Scrubber(languages=[])))
    assert {
        "language": "en",
        "kind": "EMAIL_ADDRESS",
        "counted": "exact",
        "n": 1,
        "precision": 1.0,
        "recall": 1.0,
        "f2": 1.0,
    } in figures
    korean = [f for f in figures if f["language"] == "ko"]
    assert any(f["kind"] == "US_SSN" and f["recall"] == 0.0 for f in korean)
    assert any(f["counted"] == "characters" and f["recall"] == 1.0 for f in korean)


ADDRESS = "Lives at 12 Mill Road,\n Apt. 7\n Leeds. Ask Tom"
LINES = frozenset({(9, 21, "ADDRESS"), (24, 30, "ADDRESS"), (32, 37, "LOCATION"), (43, 46, "PERSON")})


def test_the_lines_of_an_address_are_joined_in_labels_and_findings() -> None:
    """An address found as one is exact in none of its lines, but right when joined; a person is never joined to it."""
    assert joined(ADDRESS, LINES) == {(9, 37, "LOCATION"), (43, 46, "PERSON")}
    assert joined("Leeds and York", {(0, 5, "LOCATION"), (10, 14, "LOCATION")}) == {
        (0, 5, "LOCATION"),
        (10, 14, "LOCATION"),
    }
    row = Labelled(ADDRESS, "en", LINES)
    report = compare([row], [{(9, 37, "ADDRESS"), (43, 46, "PERSON")}])
    assert (report.exact["en", ANY_NUMBER].right, report.exact["en", ANY_NUMBER].found) == (1, 2)
    assert (report.joined["en", ANY_NUMBER].right, report.joined["en", ANY_NUMBER].labels) == (2, 2)
    assert (report.joined["en", "LOCATION"].f2, report.joined["en", "PERSON"].f2) == (1.0, 1.0)


def test_tokens_count_words_and_not_signs_under_any_kind() -> None:
    """Words are counted by where they begin: `12 Mill Road Apt 7 Leeds Tom` are seven; the comma and the full stops none."""
    row = Labelled(ADDRESS, "en", LINES)
    tally = compare([row], [{(9, 21, "PERSON"), (39, 46, "PERSON")}]).tokens["en"]
    assert (tally.labels, tally.found, tally.right) == (7, 5, 4)
    everything = compare([row], [set(LINES)]).tokens["en"]
    assert (everything.precision, everything.recall) == (1.0, 1.0)


POLICY = """
schema: 1
name: names-test
version: 2026-11
detectors: [names, pii]
both:
  pii: {unsafe: redact, controversial: redact}
"""


def test_a_policy_with_names_redacts_them_as_they_stream(tmp_path: Path) -> None:
    """Character by character: no letter of a name comes out, what is around it does, and an event loop is spared."""
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY, "utf-8")
    checker = SafetyChecker.load(path)
    assert checker.waits("output")
    text = "Last Friday Angela Merkel met reporters in the old town hall. 이름은 홍길동입니다. 我叫张伟，很高兴。"
    stream = checker.stream(direction="output")
    assert stream.asks("a")
    out = "".join(stream.feed(char) for char in text)
    end = stream.finish()
    out += end.text
    assert not any(part in out for part in ("Angela", "Merkel", "홍길동", "张伟"))
    assert out.startswith("Last Friday ")
    assert "입니다. 我叫" in out
    assert end.verdict.not_looked_for == ()


@pytest.mark.parametrize("text", ["Ask [PERSON] about [EMAIL_ADDRESS:9a1c04].", "[LOCATION], [ORGANIZATION]"])
def test_what_stands_in_the_place_of_data_is_no_name(text: str) -> None:
    """A text that was scrubbed is scrubbed."""
    assert Scrubber().find(text) == ()


@pytest.mark.parametrize("name", ["홍길동", "김서연", "남궁민수", "王小明", "欧阳娜", "Tom Baker", "Angela Merkel"])
@pytest.mark.parametrize("address", ["hong@example.com", "a.merkel@mail.example.org", "wang_88@corp.test"])
@pytest.mark.parametrize("said", ["문의: {} {}", "담당자 {} {}", "联系人：{} {}", "Contact: {} {}", "{} {}", "{}, {}"])
def test_a_name_and_the_mail_address_behind_it_are_both_found(said: str, name: str, address: str) -> None:
    """In every language the name is whole and the address is an address."""
    text = said.format(name, address)
    found = {(entity.type, text[entity.start : entity.end]) for entity in Scrubber().find(text)}
    assert {("PERSON", name), ("EMAIL_ADDRESS", address)} <= found


def test_small_letters_are_a_name_only_when_the_tagger_is_sure() -> None:
    """A thing that is asked about is nobody; a first name in a hurry is somebody."""
    assert Scrubber().find("What is rain?") == ()
    assert [entity.type for entity in Scrubber().find("i met john yesterday")] == ["PERSON"]
