"""Preference data is judged row by row before anything is trained on it."""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

import pytest

from alignment.data.files import Row, read_rows, write_jsonl
from alignment.data.fingerprint import prompt_key
from alignment.data.judge import Judgement, judge, prompt_keys
from alignment.data.rows import Demonstration, Message, Pair, Reason, Refusal, read_demonstration, read_pair
from alignment.data.split import split
from haechi.base.errors import UnreadableInput
from haechi.cli.data import register
from tests.cost import least_cpu


def pair(
    prompt: str = "How do I bake bread?", chosen: str = "Gladly: mix flour.", rejected: str = "Go away."
) -> dict[str, object]:
    return {
        "prompt": [{"role": "user", "content": prompt}],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
    }


def judged(*rows: object, **options: object) -> Judgement:
    return judge([Row(i, row) for i, row in enumerate(rows, start=1)], **options)  # type: ignore[arg-type]


def command(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    args = parser.parse_args(argv)
    return int(args.run(args))


def reasons(judgement: Judgement) -> list[tuple[int, str]]:
    return [(f.line, str(f.reason)) for f in judgement.findings]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (pair(chosen="Go away."), Reason.IDENTICAL),
        (pair(chosen=" Go away.\n"), Reason.IDENTICAL),
        (pair(chosen=""), Reason.EMPTY_ANSWER),
        (pair(rejected=" \n"), Reason.EMPTY_ANSWER),
        (pair(prompt="  "), Reason.EMPTY_PROMPT),
        (pair(chosen="\ufffd" * 20), Reason.UNREADABLE),
        (pair(prompt="\x01\x02\x03"), Reason.UNREADABLE),
        ({"prompt": "a", "chosen": "b"}, Reason.SCHEMA),
        ({"prompt": "a", "chosen": "b", "rejected": 3}, Reason.SCHEMA),
        ({**pair(), "margin": float("nan")}, Reason.SCHEMA),
        ({**pair(), "prompt": [{"role": "judge", "content": "x"}]}, Reason.SCHEMA),
        ([1, 2], Reason.SCHEMA),
        (None, Reason.SCHEMA),
    ],
)
def test_a_row_that_teaches_nothing_is_refused_by_line_and_reason(row: object, reason: Reason) -> None:
    """Each kind of bad row is found, and the good row beside it is kept."""
    judgement = judged(pair(prompt="What is rain?"), row)
    assert reasons(judgement) == [(2, reason)]
    assert [kept.line for kept in judgement.kept] == [1]


def test_two_rows_that_contradict_each_other_are_both_refused() -> None:
    """Neither the first nor the second is right; a third copy is refused too."""
    row, turned = pair(), pair(chosen="Go away.", rejected="Gladly: mix flour.")
    judgement = judged(row, turned, turned)
    assert {line for line, reason in reasons(judgement) if reason == "contradictory"} >= {1, 2}
    assert judgement.kept == ()


def test_copies_are_set_aside_and_the_first_is_kept() -> None:
    """Word for word, or with other case and spaces."""
    judgement = judged(pair(), pair(), pair(prompt="how do I  bake BREAD?"))
    assert reasons(judgement) == [(2, "duplicate"), (3, "near_duplicate")]
    assert (judgement.refused, judgement.set_aside, len(judgement.kept)) == (0, 2, 1)


def test_a_copy_of_a_row_that_was_contradicted_is_not_kept_either() -> None:
    """Order of the three does not matter."""
    turned = pair(chosen="Go away.", rejected="Gladly: mix flour.")
    for rows in ((pair(), turned, pair()), (pair(), pair(), turned), (turned, pair(), pair())):
        assert judged(*rows).kept == ()


def test_whole_conversations_with_different_prompts_are_refused() -> None:
    """Without `prompt`, everything before the last answer must be shared."""
    human = "\n\nHuman: {}\n\nAssistant: Hm.\n\nHuman: Why?\n\nAssistant: {}"
    good = {"chosen": human.format("Hi", "Because."), "rejected": human.format("Hi", "Shut up.")}
    bad = {"chosen": human.format("Hi", "Because."), "rejected": human.format("Ho", "Shut up.")}
    judgement = judged(good, bad)
    assert reasons(judgement) == [(2, "prompt_mismatch")]
    assert [m.role for m in judgement.kept[0].prompt] == ["user", "assistant", "user"]
    assert judgement.kept[0].chosen == "Because."


def test_evaluation_prompts_do_not_leak_into_training() -> None:
    """A prompt of the held-out file is refused, however it is spaced."""
    held = prompt_keys([Row(1, pair(prompt="What is rain?"))])
    assert reasons(judged(pair(prompt="what is  rain?"), held_out=held)) == [(1, "leakage")]


def test_data_from_traffic_needs_consent_in_so_many_words() -> None:
    """`"consent": true` and nothing else counts."""
    rows = [{**pair(prompt=str(i) + " rain"), "consent": value} for i, value in enumerate([True, "yes", 1, None])]
    assert [line for line, _ in reasons(judged(*rows, consent_needed=True))] == [2, 3, 4]


def test_a_preference_for_length_is_remarked_upon_and_costs_no_row() -> None:
    """When nine of ten chosen answers are longer, length may be what is learned."""
    rows = [pair(prompt=f"Question {i}?", chosen="long " * 9 if i % 10 else "s", rejected="short") for i in range(200)]
    judgement = judged(*rows)
    assert reasons(judgement) == [(0, "length_bias")]
    assert len(judgement.kept) == 200
    assert judgement.chosen_longer == pytest.approx(0.9)


def test_answers_in_two_languages_are_remarked_upon() -> None:
    """The language may be what is learned."""
    judgement = judged(pair(chosen="밀가루와 물을 섞으세요.", rejected="把面粉和水混合均匀。"))
    assert reasons(judgement) == [(1, "language")]
    assert len(judgement.kept) == 1


def test_demonstrations_are_read_from_every_shape() -> None:
    """`completion`, `messages` and a preference row all give prompt and answer."""
    said = (Message("user", "Hi"),)
    shapes = [
        {"prompt": "Hi", "completion": "Hello."},
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]},
        {"prompt": "Hi", "chosen": "Hello.", "rejected": "No."},
    ]
    for row in shapes:
        assert read_demonstration(row, 1) == Demonstration(1, said, "Hello.")
    assert isinstance(read_demonstration({"prompt": "Hi"}, 1), Refusal)
    assert read_demonstration({"prompt": "Hi"}, 1, answer_needed=False) == Demonstration(1, said, "")


def test_files_are_read_alike_in_every_format(tmp_path: Path) -> None:
    """Lines, packed lines, parquet: same rows, same numbers; a blank line counts as a line."""
    import pyarrow as pa
    from pyarrow import parquet

    rows = [pair(prompt=f"Q{i}") for i in range(3)]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(r) for r in rows) + "\n")
    write_jsonl(tmp_path / "a.jsonl.gz", rows)
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    seen = [[(r.line, read_pair(r.value, r.line)) for r in read_rows(p)] for p in sorted(tmp_path.iterdir())]
    assert len(seen) == 3
    assert seen[0] == seen[1] == seen[2]
    assert all(isinstance(p, Pair) for _, p in seen[0])
    (tmp_path / "b.jsonl").write_text("\n\nnot json\n")
    assert [(r.line, bool(r.problem)) for r in read_rows(tmp_path / "b.jsonl")] == [(3, True)]


def test_a_damaged_or_foreign_file_is_an_error_of_ours(tmp_path: Path) -> None:
    """Missing, cut off, or of another kind."""
    packed = gzip.compress(json.dumps(pair()).encode())
    (tmp_path / "cut.jsonl.gz").write_bytes(packed[:-12])
    (tmp_path / "x.parquet").write_bytes(b"PAR1 not really")
    (tmp_path / "x.csv").write_text("a,b")
    for name in ("cut.jsonl.gz", "x.parquet", "x.csv", "missing.jsonl"):
        with pytest.raises(UnreadableInput):
            list(read_rows(tmp_path / name))


def test_a_split_never_parts_one_prompt_and_does_not_move_when_rows_are_added() -> None:
    """The side is a function of prompt and seed."""
    rows = [read_pair(pair(prompt=f"Q{i // 3}", rejected=f"r{i}"), i) for i in range(600)]
    pairs = [row for row in rows if isinstance(row, Pair)]
    sides = split(pairs, share=0.2, seed=7)
    assert not {prompt_key(p.prompt) for p in sides.train} & {prompt_key(p.prompt) for p in sides.held_out}
    assert 0.1 < len(sides.held_out) / len(pairs) < 0.3
    half = split(pairs[:300], share=0.2, seed=7)
    assert set(half.held_out) <= set(sides.held_out)


def test_ten_thousand_pairs_a_second_are_judged() -> None:
    """Judging is cheap enough to do before every run (CPU seconds; 400 characters a pair)."""
    rows = [
        pair(prompt=f"Question {i}: " + "why " * 20, chosen="since " * 30 + str(i), rejected="no " * 30)
        for i in range(5000)
    ]
    assert len(judged(*rows).kept) == 5000
    assert 5000 / least_cpu(lambda: judged(*rows)) > 10_000


def test_validate_prints_findings_and_answers_with_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 clean, 1 something found, an error for a file that is not there; --output holds the rows that are fit."""
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    write_jsonl(good, [pair()])
    write_jsonl(bad, [pair(), pair(chosen="Go away."), pair(prompt="x y")])
    assert command("data", "validate", str(good)) == 0
    assert command("data", "validate", str(bad), "--json", "--output", str(tmp_path / "fit.jsonl")) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["rows"], report["kept"], report["refused"]) == (3, 2, 1)
    assert report["findings"][0]["line"] == 2
    assert command("data", "validate", str(bad)) == 1
    assert f"{bad}:2: refused: identical" in capsys.readouterr().out
    assert command("data", "validate", str(tmp_path / "fit.jsonl")) == 0
    with pytest.raises(UnreadableInput):
        command("data", "validate", str(tmp_path / "none.jsonl"))
    (tmp_path / "empty.jsonl").write_text("")
    assert command("data", "validate", str(tmp_path / "empty.jsonl")) == 1
