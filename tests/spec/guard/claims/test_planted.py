"""Pairs made by rule: true ones stay true, planted ones change one thing, what is measured never taught."""

from __future__ import annotations

import gzip
import json
from difflib import SequenceMatcher
from pathlib import Path

import pytest

from guard.training.errors import TrainingDataMissing
from guard.training.stance.pairs import HELD_BACK, REFUTED, SUPPORTED, UNSURE, Pair, Part, read_pairs
from guard.training.stance.planted.dice import Dice
from guard.training.stance.planted.documents import documents
from guard.training.stance.planted.edits import EDITS, Workshop
from guard.training.stance.planted.generate import LANGUAGES, OTHER_KINDS, TRUE_KINDS, planted_pairs
from guard.training.stance.planted.rewordings import merged, reworded, shortened
from guard.training.stance.planted.tables import Half, tables
from guard.training.stance.written import written_pairs
from haechi.base.text import Language

EN, KO, ZH = Language.ENGLISH, Language.KOREAN, Language.CHINESE
ORDINARY = {
    "en": [
        "The museum of Bergen was opened in {y} by a group of {n} merchants from France.",
        "In {y}, the river carried more than {n} tons of timber to the northern harbour.",
        "Most visitors reach the old castle by train, which takes about {n} minutes from Berlin.",
    ],
    "ko": [
        "그 박물관은 {y}년에 프랑스에서 온 상인 {n}명이 세운 건물이다.",
        "지난해 이 항구의 수출은 {n}퍼센트 증가했고 모든 선박이 부산에 도착했다.",
        "이 성은 {y}년에 완공된 뒤 매년 {n}만 명이 찾는 곳으로 성장했다.",
    ],
    "zh": [
        "这座博物馆是{y}年由{n}名来自法国的商人建造的。",
        "去年该港口的出口增加了{n}%，所有船只都已经抵达上海。",
        "这座城堡于{y}年完工，每年有超过{n}万人前来参观。",
    ],
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ordinary text of thirty documents in each language."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "safe_text").mkdir()
    names = {"en": "en_wikipedia_articles", "ko": "multi_news_koen", "zh": "zh_news"}
    for lang, name in names.items():
        rows = []
        for i in range(30):
            glue = "" if lang == "zh" else " "
            text = glue.join(s.format(y=1801 + 3 * i, n=12 + 7 * i) for s in ORDINARY[lang])
            rows.append({"text": text, "lang": lang, "domain": "article"})
        with gzip.open(folder / "safe_text" / f"{name}.jsonl.gz", "wt", encoding="utf-8") as out:
            out.writelines(json.dumps(r) + "\n" for r in rows)
    return folder


@pytest.fixture(scope="module")
def measured(data: Path) -> list[Pair]:
    """The held-out pairs."""
    return planted_pairs(data, 3, Half.HELD_OUT)


def shop(language: Language, *, held_out: bool, seed: int = 1) -> Workshop:
    return Workshop(tables(language, Half.HELD_OUT if held_out else Half.WIDENED), Dice(seed, "test"), {})


def test_the_same_seed_makes_the_same_pairs(data: Path, measured: list[Pair]) -> None:
    """A figure can be made again."""
    assert measured == planted_pairs(data, 3, Half.HELD_OUT)
    assert measured != planted_pairs(data, 4, Half.HELD_OUT)


def test_what_is_measured_comes_from_other_documents_than_what_teaches(data: Path, measured: list[Pair]) -> None:
    """No evidence stands in both halves, and the parts say which is which."""
    taught = [p for half in (Half.TAUGHT, Half.WIDENED) for p in planted_pairs(data, 3, half)]
    assert {p.part for p in measured} == {Part.DEV}
    assert {p.part for p in taught} == {Part.FIT, Part.BLEND}
    sentences = {s for d in documents(data) if d.part is Part.DEV for s in d.sentences}
    assert sentences
    assert not any(s in p.evidence for p in taught for s in sentences)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_template_stands_in_both_halves(language: Language) -> None:
    """Otherwise the measure would ask what was taught."""
    taught, measured = (tables(language, half) for half in (Half.WIDENED, Half.HELD_OUT))
    for kind in taught.swaps:
        assert taught.swaps[kind]
        assert measured.swaps[kind]
        assert not set(taught.swaps[kind]) & set(measured.swaps[kind])
    assert not set(taught.prefixes) & set(measured.prefixes)
    assert not set(taught.additions) & set(measured.additions)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_measured_synonym_is_not_taught_the_other_way_round_or_from_another_word(language: Language) -> None:
    """No word that a measured rewording puts in is put in by a taught one, and no edit of either half is a rewording."""
    taught, measured = (tables(language, half) for half in (Half.WIDENED, Half.HELD_OUT))
    assert not {s.instead for s in taught.swaps["synonym"]} & {s.instead for s in measured.swaps["synonym"]}
    for one in (taught, measured):
        same = {frozenset((s.written, s.instead)) for s in one.swaps["synonym"]}
        for other in (taught, measured):
            for kind in ("antonym", "comparative", "quantifier", "negation", "unit"):
                assert not same & {frozenset((s.written, s.instead)) for s in other.swaps[kind]}
    turned = {frozenset((s.written, s.instead)) for s in measured.swaps["antonym"]}
    assert not turned & {frozenset((s.written, s.instead)) for s in taught.swaps["antonym"]}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_planted_pair_differs_from_its_evidence_in_one_place(
    data: Path, measured: list[Pair], language: Language
) -> None:
    """Held-out edits are made on the sentence as it stands: outside one stretch, every character is the evidence's."""
    sentences = [s for d in documents(data) if d.language is language for s in d.sentences]
    edited = [p for p in measured if p.kind in EDITS and p.language is language]
    assert len({p.kind for p in edited}) >= 4
    for pair in edited:
        if pair.kind == "subject":
            continue
        sentence = max(
            (s for s in sentences if s in pair.evidence),
            key=lambda s: SequenceMatcher(None, s, pair.claim, autojunk=False).ratio(),
        )
        same = 0
        while same < min(len(sentence), len(pair.claim)) and sentence[same] == pair.claim[same]:
            same += 1
        rest = 0
        while rest < min(len(sentence), len(pair.claim)) - same and sentence[-1 - rest] == pair.claim[-1 - rest]:
            rest += 1
        assert len(sentence) - same - rest <= 30, (pair.kind, sentence, pair.claim)


def test_labels_follow_from_how_a_pair_was_made(measured: list[Pair]) -> None:
    """Reworded is supported, edited is refuted, about something else is open."""
    for pair in measured:
        if pair.kind in TRUE_KINDS:
            assert pair.allowed == (SUPPORTED,)
        elif pair.kind in OTHER_KINDS:
            assert pair.allowed == (UNSURE,)
        else:
            assert REFUTED in pair.allowed
            assert SUPPORTED not in pair.allowed


@pytest.mark.parametrize(
    ("kind", "language", "text"),
    [
        ("number", EN, "The bridge carries 4,500 cars a day."),
        ("number", KO, "이 다리는 하루에 4500대가 지나간다."),
        ("number", ZH, "这座桥每天通行4500辆汽车。"),
        ("date", EN, "The bridge was opened on March 5, 1999."),
        ("date", KO, "이 다리는 1999년 3월 5일에 열렸다."),
        ("date", ZH, "这座桥于1999年3月5日通车。"),
        ("place", EN, "The bridge was built in Germany."),
        ("place", KO, "이 다리는 독일에서 만들었다."),
        ("place", ZH, "这座桥是在德国建造的。"),
        ("negation", EN, "The bridge is open and has been repaired, so cars can cross it."),
        ("negation", ZH, "这座桥已经完成，必须收费，应该维修。"),
    ],
)
@pytest.mark.parametrize("held_out", [False, True])
def test_an_edit_changes_what_it_names(kind: str, language: Language, text: str, held_out: bool) -> None:
    """The claim is another one afterwards."""
    if kind == "negation" and not held_out and language is ZH:
        text = "这座桥会通车，可以使用。"
    new = EDITS[kind](text, shop(language, held_out=held_out))
    assert new is not None
    assert new != text


def test_a_sentence_without_a_date_gets_none() -> None:
    """Nothing is planted where nothing fits."""
    assert EDITS["date"]("The bridge is old.", shop(EN, held_out=False)) is None


def test_rewordings_keep_the_numbers() -> None:
    """What is called supported says the same amounts."""
    text = "In 1999, the city bought 4,500 buses (mostly used ones) from Germany because they were needed."
    for held_out in (False, True):
        for seed in range(20):
            new = reworded(text, shop(EN, held_out=held_out, seed=seed))
            assert new is not None
            assert "1999" in new
            assert "4500" in new.replace(",", "")
    short = shortened(text, shop(EN, held_out=True))
    assert short is not None
    assert "mostly" not in short
    both = merged("The city is old.", "It has a wall.", shop(EN, held_out=True))
    assert "old" in both
    assert "wall" in both


def test_sets_kept_for_outside_judgement_are_not_read(tmp_path: Path) -> None:
    """A folder that holds nothing else holds nothing."""
    (tmp_path / "facts").mkdir()
    row = {"claim": "a", "evidence": "b", "label": "supported", "lang": "en", "split": "train"}
    for name in HELD_BACK:
        with gzip.open(tmp_path / "facts" / f"{name}.jsonl.gz", "wt", encoding="utf-8") as out:
            out.write(json.dumps(row) + "\n")
    with pytest.raises(TrainingDataMissing):
        read_pairs(tmp_path)


def test_all_pairs_of_one_evidence_are_in_the_same_part(tmp_path: Path) -> None:
    """A premise that teaches is not measured, also where the project has no split of its own."""
    (tmp_path / "facts").mkdir()
    rows = [
        {"claim": f"claim {label} {i}", "evidence": f"evidence {i}", "label": label, "lang": "ko", "split": "train"}
        for i in range(200)
        for label in ("supported", "refuted", "not_enough_info")
    ]
    with gzip.open(tmp_path / "facts" / "ko_klue_nli.jsonl.gz", "wt", encoding="utf-8") as out:
        out.writelines(json.dumps(r) + "\n" for r in rows)
    pairs, sources = read_pairs(tmp_path)
    parts: dict[str, set[Part]] = {}
    for pair in pairs:
        parts.setdefault(pair.evidence, set()).add(pair.part)
    assert {len(seen) for seen in parts.values()} == {1}
    assert {part for seen in parts.values() for part in seen} == set(Part)
    assert sources[0].pairs == 600


def test_the_written_pairs_have_three_labels_for_each_evidence() -> None:
    """Every file is balanced, no line is broken, and each language that may be judged has some that teach."""
    taught, asked = (written_pairs(measured=measured) for measured in (False, True))
    for pairs in (taught, asked):
        assert len(pairs) == 3 * len({p.evidence for p in pairs})
        assert {p.allowed for p in pairs} == {(SUPPORTED,), (REFUTED,), (UNSURE,)}
        assert all(p.claim == p.claim.strip() != "" and p.evidence == p.evidence.strip() != "" for p in pairs)
        assert all(len({p.claim for p in pairs[i : i + 3]}) == 3 for i in range(0, len(pairs), 3))
    assert {p.part for p in asked} == {Part.DEV}
    assert Part.DEV not in {p.part for p in taught}
    assert {p.language for p in taught} == {KO, ZH}


def test_no_written_pair_that_teaches_is_near_one_that_is_measured() -> None:
    """Neither the same nor a retelling: passages share less than half of their pairs of characters."""

    def bigrams(text: str) -> set[str]:
        return {text[i : i + 2] for i in range(len(text) - 1)}

    taught, asked = ({p.evidence for p in written_pairs(measured=measured)} for measured in (False, True))
    told = [bigrams(text) for text in taught]
    for text in asked:
        mine = bigrams(text)
        assert max(len(mine & other) / min(len(mine), len(other)) for other in told) < 0.5, text


@pytest.mark.parametrize("language", [KO, ZH])
def test_no_written_pair_teaches_a_measured_synonym(language: Language) -> None:
    """What a measured rewording puts in is not taught as saying the same by a pair written by hand either."""
    measured = tables(language, Half.HELD_OUT)
    for pair in written_pairs(measured=False):
        if pair.language is not language or pair.allowed != (SUPPORTED,):
            continue
        for start, end, instead in measured.places("synonym", pair.evidence):
            written = pair.evidence[start:end]
            swapped = instead in pair.claim and instead not in pair.evidence and written not in pair.claim
            assert not swapped, (written, instead, pair.evidence, pair.claim)
