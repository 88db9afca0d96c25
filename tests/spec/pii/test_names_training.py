"""What the name tagger is trained on, and that what is trained is what ships."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from guard.classifier.encoder import open_session
from guard.pii.names.pieces import Pieces
from guard.pii.names.tagger import load
from guard.training.encoder import Encoder, EncoderShape
from guard.training.errors import TrainingCheckpointUnusable, TrainingDataMissing
from guard.training.names import fine_tune, people
from guard.training.names.choose import Count, Judged, chosen
from guard.training.names.earlier import digest, load_earlier
from guard.training.names.export import average, write_graph
from guard.training.names.mixture import Mixture, in_other_case, renamed, run_together
from guard.training.names.ordinary import FOLDER as ORDINARY_FOLDER
from guard.training.names.ordinary import MEASURED, ORDINARY, POSTS, SECOND, TAUGHT, marked, nameless, posts, taught
from guard.training.names.rows import FILES, KINDS, Part, Row, read
from guard.training.names.sentences import sentence
from guard.training.names.written import FOLDER as WRITTEN_FOLDER
from guard.training.names.written import written
from haechi.base.text import Language

LANGUAGES = (Language.KOREAN, Language.CHINESE, Language.ENGLISH)
SHAPE = EncoderShape(layers=3, width=32, attention_heads=4, inner=64, vocabulary=57000, positions=130, epsilon=1e-12)


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_in_made_up_sentences_lie_where_they_are_said_to(language: Language) -> None:
    """In order, apart, without a space at their ends; some sentences have none."""
    rng = np.random.default_rng(3)
    rows = [sentence(rng, language) for _ in range(400)]
    for row in rows:
        end = 0
        for start, stop, kind in row.spans:
            assert end <= start < stop <= len(row.text)
            assert row.text[start:stop] == row.text[start:stop].strip()
            assert kind in KINDS
            end = stop
        assert "{" not in row.text.replace('{"name"', "")
    assert {kind for row in rows for _, _, kind in row.spans} == set(KINDS)
    assert 0.05 < sum(not row.spans for row in rows) / len(rows) < 0.5


def test_korean_particles_agree_with_made_up_names() -> None:
    """은 after a consonant, 는 after a vowel."""
    rng = np.random.default_rng(4)
    seen = 0
    for _ in range(600):
        row = sentence(rng, Language.KOREAN)
        for _, stop, _ in row.spans:
            after = row.text[stop : stop + 2]
            if after in ("은 ", "는 ") and "가" <= row.text[stop - 1] <= "힣":
                seen += 1
                assert (after == "은 ") == ((ord(row.text[stop - 1]) - 0xAC00) % 28 != 0), row.text
    assert seen > 20


def test_a_row_with_other_names_keeps_everything_else() -> None:
    """Only persons change, and case changes move nothing."""
    rng = np.random.default_rng(5)
    row = Row("Tom Baker left Leeds.", ((0, 9, "PERSON"), (15, 20, "LOCATION")), Language.ENGLISH, "s", Part.TRAIN)
    for _ in range(50):
        made = in_other_case(renamed(row, rng), rng)
        (_, end, _), (start, stop, kind) = made.spans
        assert made.text[end:].lower() == " left leeds."
        assert (made.text[start:stop].lower(), kind) == ("leeds", "LOCATION")


def test_a_made_up_name_is_written_in_the_script_asked_for() -> None:
    """And as long as the one it stands for."""
    rng = np.random.default_rng(6)
    for _ in range(100):
        assert len(people.person(rng, Language.KOREAN, like="김")) <= 2
        assert all("가" <= c <= "힣" for c in people.person(rng, Language.KOREAN, like="김철수"))
        assert all("\u4e00" <= c <= "\u9fff" for c in people.person(rng, Language.CHINESE, like="王小明"))
        assert people.person(rng, Language.ENGLISH, like="tom").islower()
    assert people.person(rng, Language.KOREAN, like="Tom") == "Tom"


def test_sentences_written_by_hand_say_where_their_names_are() -> None:
    """Each mark is one name, in order and apart; the text has no mark left; few are kept for choosing; many have no name."""
    rows = written()
    lines = {
        language: [
            line
            for line in (WRITTEN_FOLDER / f"{language.value}.txt").read_text("utf-8").splitlines()
            if not line.startswith("# ")
        ]
        for language in LANGUAGES
    }
    for language, least in ((Language.CHINESE, 1000), (Language.ENGLISH, 400), (Language.KOREAN, 200)):
        mine = [row for row in rows if row.language is language]
        assert len(mine) == len(set(lines[language])) >= least
        for row, line in zip(mine, lines[language], strict=True):
            end, whole = 0, row.text
            for start, stop, kind in row.spans:
                assert end <= start < stop <= len(row.text)
                assert kind in KINDS
                end = stop
            for start, stop, kind in reversed(row.spans):
                first, last = {"PERSON": "{}", "ORGANIZATION": "[]", "LOCATION": "<>"}[kind]
                whole = whole[:start] + first + whole[start:stop] + last + whole[stop:]
            assert whole == line
        assert 0.05 < sum(row.part is Part.CHOOSE for row in mine) / len(mine) < 0.2
        assert 0.2 < sum(not row.spans for row in mine) / len(mine) < 0.8


def test_a_row_that_is_run_together_keeps_its_names() -> None:
    """Only the spaces around names go."""
    row = Row("回复 李 娜 ：去 北京 吗", ((3, 6, "PERSON"), (10, 12, "LOCATION")), Language.CHINESE, "s", Part.TRAIN)
    made = run_together(row)
    assert made.text == "回复李 娜：去北京吗"
    assert [(made.text[s:e], k) for s, e, k in made.spans] == [("李 娜", "PERSON"), ("北京", "LOCATION")]


def asked_for() -> Iterator[tuple[str, int, str]]:
    """Every row that a list of ordinary texts asks for: its file, number, and the names that it must hold."""
    for line in (ORDINARY_FOLDER / "nameless.txt").read_text("utf-8").splitlines():
        source, _, *numbers = line.split(" ")
        yield from ((source, int(number), "") for number in numbers if source != "#")
    source = ""
    for name in (MEASURED, SECOND, "taught.txt", "posts.txt"):
        for line in (ORDINARY_FOLDER / name).read_text("utf-8").splitlines():
            mark, _, rest = line.partition(" ")
            if mark == "=":
                source = rest.split(" ")[0]
            elif mark == "-":
                yield from ((source, int(number), "") for number in rest.split(" "))
            elif mark != "#":
                yield source, int(mark), rest


def write_ordinary(data: Path) -> None:
    """Files that hold, in every row that is asked for, every name that is asked of it; none is asked for twice."""
    texts: dict[str, dict[int, str]] = {}
    for source, number, names in asked_for():
        assert number not in texts.setdefault(source, {})
        texts[source][number] = f"{source} {number} {names}"
    for source, rows in texts.items():
        (data / source).parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(data / f"{source}.jsonl.gz", "wt", encoding="utf-8") as lines:
            for number in range(max(rows) + 1):
                lines.write(json.dumps({"text": rows.get(number, "")}) + "\n")


def test_ordinary_rows_teach_or_measure_but_never_both(tmp_path: Path) -> None:
    """Every marked name is found in its row, a shorter one inside a longer one is not counted; another text is refused."""
    with pytest.raises(TrainingDataMissing):
        nameless(tmp_path)
    write_ordinary(tmp_path)
    parts = [*marked(tmp_path, SECOND), *marked(tmp_path)]
    measured = {row.text for part in parts for row in part.rows}
    assert len(measured) > 1400
    plain = nameless(tmp_path)
    assert all(row.source == f"{ORDINARY}-{row.language.value}" and not row.spans for row in plain)
    assert {row.part for row in plain} == {Part.TRAIN, Part.CHOOSE}
    assert not measured & {row.text for row in plain}
    judged_rows = taught(tmp_path)
    assert len(judged_rows) > 2000
    assert {row.part for row in judged_rows} == {Part.TRAIN, Part.CHOOSE}
    assert 0.15 < sum(bool(row.spans) for row in judged_rows) / len(judged_rows) < 0.4
    assert not measured & {row.text for row in judged_rows}
    judged_posts = posts(tmp_path)
    assert {row.source for row in judged_posts} == {f"{POSTS}-{language.value}" for language in LANGUAGES}
    assert {row.part for row in judged_posts} == {Part.TRAIN, Part.CHOOSE}
    assert not measured & {row.text for row in judged_posts}
    for row in (*judged_rows, *judged_posts, *(row for part in parts for row in part.rows)):
        assert all(first[1] <= second[0] for first, second in zip(row.spans, row.spans[1:], strict=False))
    (row,) = (row for part in parts for row in part.rows if "김건희" in row.text)
    assert [row.text[s:e] for s, e, k in row.spans if k == "PERSON"] == ["윤석열", "김건희", "김"]
    path = tmp_path / "safe_text" / "zh_news.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps({"text": "別的"}) + "\n" for _ in range(3000))
    with pytest.raises(TrainingDataMissing, match="not in its row"):
        marked(tmp_path)


def judged_row(text: str, source: str, chance: float, spans: tuple[tuple[int, int, str], ...], kind: int = 0) -> Judged:
    """A Chinese text that the tagger takes for one name of a kind, with that probability at each of its characters."""
    window = Pieces([9] * len(text), list(range(len(text))), list(range(1, len(text) + 1)))
    tags = np.zeros((len(text), 1 + 2 * len(KINDS)), dtype=np.float32)
    tags[0, 1 + 2 * kind] = tags[1:, 2 + 2 * kind] = chance
    tags[:, 0] = 1 - chance
    return Judged(Row(text, spans, Language.CHINESE, source, Part.CHOOSE), ((window, tags),))


LABELLED = judged_row("李娜娜", "labelled", 0.7, ((0, 3, "PERSON"),))
DOUBTFUL = judged_row("王伟明", "labelled", 0.3, ((0, 3, "PERSON"),))
PLAIN = judged_row("好" * 1000, f"{ORDINARY}-zh", 0.0, ())


def test_a_limit_that_finds_names_where_none_are_is_not_chosen() -> None:
    """The best limit on labelled rows would be a low one; ordinary rows forbid it, but not what touches a name there."""
    ordinary = judged_row("木头雕", f"{ORDINARY}-zh", 0.4, ())
    assert chosen([LABELLED, DOUBTFUL])[Language.CHINESE]["PERSON"] < 0.3
    assert 0.4 < chosen([LABELLED, DOUBTFUL, ordinary, PLAIN])[Language.CHINESE]["PERSON"] < 0.7
    assert chosen([LABELLED, DOUBTFUL, ordinary, *[PLAIN] * 10])[Language.CHINESE]["PERSON"] < 0.3
    beside = judged_row("李娜娜", f"{TAUGHT}-zh", 0.4, ((0, 1, "PERSON"),))
    assert chosen([LABELLED] * 19 + [DOUBTFUL, beside])[Language.CHINESE]["PERSON"] < 0.4


def test_posts_are_no_ordinary_text() -> None:
    """They were drawn because something looks like a name there: what is falsely found in them forbids no limit."""
    post = judged_row("木头雕", f"{POSTS}-zh", 0.4, ())
    ordinary = judged_row("木头雕", f"{TAUGHT}-zh", 0.4, ())
    rows = [LABELLED, DOUBTFUL, PLAIN]
    assert chosen([*rows, post])[Language.CHINESE]["PERSON"] < 0.3
    assert chosen([*rows, ordinary])[Language.CHINESE]["PERSON"] > 0.4


def test_the_kinds_of_a_language_share_what_may_be_false() -> None:
    """Of two limits of which only one may be low, that of persons is."""
    place = KINDS.index("LOCATION")
    places = [
        judged_row("广州", "labelled", 0.7, ((0, 2, "LOCATION"),), place),
        judged_row("南雄", "labelled", 0.3, ((0, 2, "LOCATION"),), place),
    ]
    wrong = judged_row("木头雕", f"{ORDINARY}-zh", 0.4, ()), judged_row("木头", f"{ORDINARY}-zh", 0.4, (), place)
    limits = chosen([LABELLED, DOUBTFUL, *places, *wrong, *[PLAIN] * 12])[Language.CHINESE]
    assert limits["PERSON"] < 0.3
    assert 0.4 < limits["LOCATION"] < 0.7
    limits = chosen([LABELLED, DOUBTFUL, *places, *wrong, *[PLAIN] * 24])[Language.CHINESE]
    assert max(limits["PERSON"], limits["LOCATION"]) < 0.3


def write_rows(folder: Path) -> None:
    texts = [f"Tom {n} lives at 12 Mill Road,\nLeeds" for n in range(60)]
    for name in FILES:
        with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as lines:
            for number, text in enumerate(texts):
                road = text.index("12 Mill")
                row = {
                    "text": text,
                    "spans": [
                        [0, 3, "PERSON"],
                        [road, road + 12, "ADDRESS"],
                        [len(text) - 5, len(text), "LOCATION"],
                        [0, 3, "PER.NOM"],
                    ],
                    "split": "dev" if number % 5 == 0 and name != "ko_klue_ner" else "train",
                }
                lines.write(json.dumps(row) + "\n")


def test_rows_are_for_one_thing_only_and_lines_of_an_address_are_one(tmp_path: Path) -> None:
    """Training, choosing and telling never share a text; a mention is no name."""
    with pytest.raises(TrainingDataMissing):
        read(tmp_path)
    write_rows(tmp_path)
    rows = read(tmp_path)
    for name in FILES:
        parts = {part: {row.text for row in rows if row.source == name and row.part is part} for part in Part}
        assert all(parts.values())
        assert not parts[Part.TRAIN] & (parts[Part.DEV] | parts[Part.CHOOSE])
    row = rows[0]
    assert [(row.text[s:e], k) for s, e, k in row.spans] == [("Tom", "PERSON"), ("12 Mill Road,\nLeeds", "ADDRESS")]


def test_tags_say_where_a_name_begins() -> None:
    """The first piece of a name begins it, the others are inside, the rest outside."""
    row = Row("Met Angela Merkel", ((4, 17, "PERSON"),), Language.ENGLISH, "s", Part.TRAIN)
    ids, tags = fine_tune.tagged(row, load().words.tokenizer)
    assert len(ids) == len(tags)
    assert tags[0] == 0
    assert tags[1] == 1
    assert set(tags[2:]) == {2}


def run_of(folder: Path, rows: list[Row], samples: int) -> fine_tune.Run:
    torch.manual_seed(0)
    recipe = fine_tune.Recipe(samples, layers=3, frozen=1, tokens_per_step=256, longest=24, pool=32, rate=1e-3)
    folder.mkdir(exist_ok=True)
    batches = fine_tune.Batches(Mixture(rows), load().words.tokenizer, recipe)
    return fine_tune.Run(Encoder(SHAPE, fine_tune.OUTPUTS), batches, recipe, folder)


def training_rows() -> list[Row]:
    text = "Tom Baker left Leeds"
    return [Row(text, ((0, 9, "PERSON"), (15, 20, "LOCATION")), Language.ENGLISH, name, Part.TRAIN) for name in FILES]


def test_a_resumed_run_ends_with_the_weights_of_one_that_was_never_stopped(tmp_path: Path) -> None:
    """A step is a function of seed and place; frozen layers do not move; other settings are refused."""
    whole = run_of(tmp_path / "whole", training_rows(), 96)
    before = {n: p.detach().clone() for n, p in whole.model.named_parameters()}
    whole.train()
    assert torch.equal(before["layers.0.qkv.weight"], whole.model.layers[0].qkv.weight)
    assert not torch.equal(before["layers.1.qkv.weight"], whole.model.layers[1].qkv.weight)
    first = run_of(tmp_path / "parts", training_rows(), 96)
    first.model.train()
    first.one_pool()
    first.save()
    second = run_of(tmp_path / "parts", training_rows(), 96)
    second.resume()
    assert second.seen == 32
    second.train()
    assert all(torch.equal(p, second.live[n]) for n, p in whole.live.items())
    with pytest.raises(TrainingCheckpointUnusable):
        run_of(tmp_path / "parts", training_rows(), 128).resume()


def test_the_graph_says_what_the_model_says(tmp_path: Path) -> None:
    """int8 against float32, piece by piece."""
    torch.manual_seed(2)
    model = Encoder(SHAPE, fine_tune.OUTPUTS).eval()
    write_graph(tmp_path / "tagger.onnx", model)
    session = open_session((tmp_path / "tagger.onnx").read_bytes(), tmp_path / "tagger.onnx")
    x = torch.randn(1, 11, SHAPE.width)
    with torch.no_grad():
        y = x
        for layer in model.layers:
            y = layer(y, torch.zeros(1, 1, 1, 11))
        wanted = model.head(y).numpy()
    got = session.logits(x.numpy())
    assert got.shape == (1, 11, fine_tune.OUTPUTS)
    assert np.abs(got - wanted).max() < 0.15


def test_the_average_of_taggers_lies_in_the_middle() -> None:
    """Weight by weight; of one it is that one."""
    torch.manual_seed(4)
    models = [Encoder(SHAPE, fine_tune.OUTPUTS) for _ in range(3)]
    wanted = sum(model.head.weight.detach().clone() for model in models) / 3
    last = models[2].head.weight.detach().clone()
    assert torch.allclose(average(models).head.weight, wanted, atol=1e-6)
    assert torch.equal(average(models[2:]).head.weight, last)


def test_a_run_can_go_on_from_the_graph_that_was_shipped_before(tmp_path: Path) -> None:
    """Its layers and head come back as near as eight bits allow; frozen layers stay the encoder's."""
    torch.manual_seed(3)
    earlier, model = Encoder(SHAPE, fine_tune.OUTPUTS), Encoder(SHAPE, fine_tune.OUTPUTS)
    with pytest.raises(TrainingDataMissing):
        digest(tmp_path)
    write_graph(tmp_path / "tagger.onnx", earlier)
    before = model.layers[0].qkv.weight.detach().clone()
    load_earlier(model, tmp_path, frozen=1)
    assert torch.equal(model.layers[0].qkv.weight, before)
    for name, wanted in earlier.named_parameters():
        if name.startswith(("layers.1", "layers.2", "head")):
            got = dict(model.named_parameters())[name]
            assert (got - wanted).abs().max() <= wanted.abs().max() / 100, name
    write_graph(tmp_path / "again.onnx", earlier)
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "tagger.onnx").read_bytes()


def test_a_count_weighs_recall_over_precision() -> None:
    """F2 of what was found and what was there."""
    assert Count(right=8, found=16, there=10, false=3).f2 == pytest.approx(5 * 0.5 * 0.8 / (4 * 0.5 + 0.8))
    assert Count(0, 0, 0, 0).f2 == 0.0
    assert Count(0, 0, 5, 0).precision == 1.0
