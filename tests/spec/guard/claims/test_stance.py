"""The embedded stance model: one answer for a pair, whole files or none, no guess in a language it was not proved in."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.claims.ports import StanceModel
from guard.claims.stance import FOLDER, EmbeddedStance, load
from guard.claims.stance_package import (
    BLEND_FILE,
    FREE_FILE,
    KOREAN_FILE,
    LOWER_FILE,
    MANIFEST,
    MOVES_FILE,
    OWN,
    UPPER_FILE,
    read_moves,
    write_moves,
)
from guard.classifier.errors import LanguageNotCovered, WeightsAltered, WeightsMissing, WeightsUnreadable
from haechi.base.text import Language

EN, KO, ZH = Language.ENGLISH, Language.KOREAN, Language.CHINESE
TOWER = "The tower is 324 metres tall and was finished in 1889. It stands in Paris, and no building was taller for 41 years."
CASES = [
    (EN, "The tower was finished in 1889.", "The tower was finished in 1989.", TOWER),
    (EN, "It stands in Paris.", "It stands in London.", TOWER),
    (EN, "A man is playing a guitar.", "Nobody is playing music.", "A man plays the guitar on a stage."),
    (
        KO,
        "이 탑은 1889년에 완공되었다.",
        "이 탑은 1989년에 완공되었다.",
        "이 탑은 높이가 324미터이며 1889년에 완공되었다.",
    ),
    (KO, "회의는 서울에서 열렸다.", "회의는 열리지 않았다.", "지난 월요일 서울에서 회의가 열렸다."),
    (ZH, "这座塔于1889年完工。", "这座塔于1989年完工。", "这座塔高324米，于1889年完工。"),
    (ZH, "会议在北京举行。", "会议没有在北京举行。", "上周一，会议在北京举行，三百人参加。"),
]


@pytest.fixture(scope="module")
def model() -> EmbeddedStance:
    """The shipped model."""
    return load()


def judged(model: EmbeddedStance) -> list[tuple[Language, str, str, str]]:
    """The cases in the languages that it judges."""
    return [case for case in CASES if case[0] in model.languages()]


def test_it_is_a_stance_model(model: EmbeddedStance) -> None:
    """It fits the port, says its version, and judges at least English."""
    port: StanceModel = model
    assert (port.name, port.version) == ("embedded", model.manifest.version)
    assert EN in port.languages()


def test_a_true_claim_is_supported_and_a_planted_one_is_not(model: EmbeddedStance) -> None:
    """Numbers, places, denials; chances sum to one."""
    for language, true, false, evidence in judged(model):
        right, wrong = (model.judge(claim, [evidence], language=language)[0] for claim in (true, false))
        assert right.supported > 0.5 > wrong.supported, (true, right, wrong)
        assert wrong.refuted > right.refuted
        assert right.supported + right.refuted + right.unsure == pytest.approx(1.0)


@pytest.mark.parametrize(
    "claim", ["회의가 서울에서 열렸다.", "서울에서 회의가 열렸습니다.", "서울에서 회의가 열렸어요."]
)
def test_level_of_speech_and_order_of_neighbours_change_no_answer(model: EmbeddedStance, claim: str) -> None:
    """A Korean claim is read as its passage would write it."""
    passage = "지난 월요일 서울에서 회의가 열렸다."
    plain = model.judge("서울에서 회의가 열렸다.", [passage], language=KO)
    assert model.judge(claim, [passage], language=KO) == plain


@pytest.mark.parametrize(
    ("language", "denial", "passage"),
    [
        (KO, "공사는 끝나지 않았다.", "지난달 말 다리 공사가 끝났다."),
        (KO, "시장은 사과하지 않았다.", "월요일 기자 회견에서 시장이 사과했다."),
        (KO, "회의가 열렸다.", "지난 월요일로 예정된 회의가 끝내 열리지 않았다."),
        (ZH, "市长没有道歉。", "周一的记者会上，市长道了歉。"),
        (ZH, "会议没有召开。", "上周一在北京召开了会议。"),
        (ZH, "会议召开了。", "上周一会议没有召开。"),
    ],
)
def test_a_short_claim_that_a_longer_passage_says_the_other_way_is_not_supported(
    model: EmbeddedStance, language: Language, denial: str, passage: str
) -> None:
    """Although it shares nearly every word."""
    said = model.judge(denial, [passage], language=language)[0]
    assert said.supported < 0.5
    assert said.refuted > said.supported


@pytest.mark.parametrize(
    ("claim", "passage"),
    [
        ("The tower is in Paris.", "The tower was completed in 1889."),
        ("The company was founded in Seoul.", "The company was founded in 1998."),
        ("He was born in London.", "He was born in 1961."),
    ],
)
def test_where_is_not_refuted_by_when(model: EmbeddedStance, claim: str, passage: str) -> None:
    """A date where the claim has a place answers another question; another place there refutes it."""
    assert model.judge(claim, [passage], language=EN)[0].unsure > 0.5
    place = re.sub(r"\d+", "Lisbon", passage)
    assert model.judge(claim, [place], language=EN)[0].refuted > 0.5


def test_upper_layers_are_asked_where_they_count(model: EmbeddedStance) -> None:
    """Those for near copies alone about a copy, the others alone about a claim in other words, by its language."""
    for claim, absent in (
        (TOWER, {"free": None, "korean": None}),
        ("A bakery sells rye bread on Sundays.", {"near": None, "korean": None}),
    ):
        spared = replace(model, reader=replace(model.reader, **absent))
        assert spared.judge(claim, [TOWER], language=EN) == model.judge(claim, [TOWER], language=EN)


def test_each_text_is_moved_by_its_own_language(model: EmbeddedStance) -> None:
    """An English passage stays where it is, also under a Korean claim."""
    claim = "빵집은 일요일마다 호밀빵을 판다."
    still = replace(model, reader=replace(model.reader, moves={}))
    korean = replace(model, reader=replace(model.reader, moves={KO: model.reader.moves[KO]}))
    other = replace(model, reader=replace(model.reader, moves={KO: model.reader.moves[KO], EN: model.reader.moves[KO]}))
    for passage in (TOWER, CASES[3][3]):
        said, unmoved, both = (one.judge(claim, [passage], language=KO) for one in (korean, still, other))
        assert said == model.judge(claim, [passage], language=KO)
        assert said != unmoved
        assert (said == both) is (passage is not TOWER)


def test_a_passage_about_something_else_decides_nothing(model: EmbeddedStance) -> None:
    """Neither support nor doubt."""
    said = model.judge("The bakery sells rye bread on Sundays.", [TOWER], language=EN)[0]
    assert said.unsure > 0.5


@given(st.permutations([case[3] for case in CASES[:4]] + [TOWER * 3, "", "324"]))
@settings(max_examples=10, deadline=None)
def test_a_pair_has_one_answer_whatever_it_is_asked_with(model: EmbeddedStance, passages: list[str]) -> None:
    """Alone or among others, first or last."""
    claim = CASES[0][1]
    together = model.judge(claim, passages, language=EN)
    assert list(together) == [model.judge(claim, [passage], language=EN)[0] for passage in passages]


def test_no_passages_no_answers(model: EmbeddedStance) -> None:
    """And long ones are answered too."""
    assert list(model.judge("The tower is tall.", [], language=EN)) == []
    long = model.judge("The tower was finished in 1889. " * 60, [TOWER * 200], language=EN)
    assert len(long) == 1


def test_a_language_that_was_not_proved_is_refused(model: EmbeddedStance) -> None:
    """It raises; claim checking says "unavailable" then."""
    with pytest.raises(LanguageNotCovered):
        model.judge("Der Turm ist hoch.", [TOWER], language=Language.OTHER)
    narrow = replace(model, manifest=replace(model.manifest, languages=(KO,)))
    with pytest.raises(LanguageNotCovered):
        narrow.judge("The tower is tall.", [TOWER], language=EN)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the shipped files."""
    folder = tmp_path / "weights"
    shutil.copytree(FOLDER, folder)
    return folder


@pytest.mark.parametrize("name", [LOWER_FILE, UPPER_FILE, FREE_FILE, KOREAN_FILE, MOVES_FILE, BLEND_FILE])
def test_an_altered_file_is_refused(copied: Path, name: str) -> None:
    """One byte is enough."""
    path = copied / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsAltered):
        load(copied)


def test_moves_survive_their_file_and_damage_is_told(tmp_path: Path) -> None:
    """The same numbers for the same languages; bytes that are no file of them are refused."""
    moves = {KO: np.linspace(-1, 1, 8, dtype=np.float32), EN: np.zeros(8, dtype=np.float32)}
    write_moves(tmp_path, moves)
    again = read_moves((tmp_path / MOVES_FILE).read_bytes())
    assert set(again) == set(moves)
    assert all(np.array_equal(again[one], moves[one]) for one in moves)
    for damaged in (b"", b"moves", (tmp_path / MOVES_FILE).read_bytes()[:40]):
        with pytest.raises(WeightsUnreadable):
            read_moves(damaged)


def test_what_all_tokens_of_a_moved_pair_share_counts_for_less(model: EmbeddedStance) -> None:
    """The pair's own mean is taken away by its share, from claim and passage alike."""
    claim, passage = "빵집은 일요일마다 호밀빵을 판다.", CASES[3][3]
    lower = model.reader.lower
    shift = np.random.default_rng(0).normal(size=model.reader.moves[KO].shape).astype(np.float32) * 0.1
    instead = {KO: model.reader.moves[KO] - np.float32(1 - OWN) * shift}
    shifted = replace(model, reader=replace(model.reader, lower=lambda ids: lower(ids) + shift, moves=instead))
    said, again = (one.judge(claim, [passage], language=KO)[0] for one in (model, shifted))
    assert again.refuted == pytest.approx(said.refuted, abs=0.01)
    assert again.supported == pytest.approx(said.supported, abs=0.01)


def test_a_missing_file_is_refused(copied: Path) -> None:
    """With another error than an altered one."""
    (copied / UPPER_FILE).unlink()
    with pytest.raises(WeightsMissing):
        load(copied)
    (copied / MANIFEST).unlink()
    with pytest.raises(WeightsMissing):
        load(copied)


@pytest.mark.parametrize(
    "change", [{"format": 99}, {"features": ["weather"]}, {"languages": ["klingon"]}, {"shared": None}]
)
def test_a_manifest_of_another_make_is_refused(copied: Path, change: dict[str, object]) -> None:
    """Numbers that mean something else would be misread, not fail."""
    path = copied / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | change), "utf-8")
    with pytest.raises(WeightsUnreadable):
        load(copied)


def test_other_word_vectors_than_those_trained_with_are_refused(copied: Path) -> None:
    """The classifier may get new files; the stance model then says so and does not guess."""
    path = copied / MANIFEST
    said = json.loads(path.read_text("utf-8"))
    said["shared"] = dict.fromkeys(said["shared"], "0" * 64)
    path.write_text(json.dumps(said), "utf-8")
    with pytest.raises(WeightsAltered):
        load(copied)
