"""`haechi eval guard` prints figures for labelled text and refuses what is not."""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

import pytest

from haechi.base.errors import ExitCode, UnreadableInput
from haechi.cli import eval_guard

ROWS = [
    {"text": "shut up you fucking bitch", "toxic": 1},
    {"text": "you are a cunt", "labels": {"toxicity": 1}},
    {"text": "see you at lunch", "toxic": 0},
    {"text": "the library opens at nine", "labels": {"toxicity": 0, "hate": None}},
]


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    eval_guard.add_parser(parser.add_subparsers())
    return parser.parse_args(["guard", *words])


def test_labelled_text_gives_figures_and_a_page_of_curves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two classes make a row of figures; the curves are an SVG file; nothing but JSON is on standard output."""
    data, plots = tmp_path / "rows.jsonl.gz", tmp_path / "curves.svg"
    with gzip.open(data, "wt", encoding="utf-8") as out:
        out.writelines(json.dumps(row) + "\n" for row in ROWS)
    args = parsed(str(data), "--json", "--plots", str(plots))
    assert eval_guard.run(args) == ExitCode.OK
    said = json.loads(capsys.readouterr().out)
    (result,) = said["results"]
    assert (said["rows"], result["category"], result["language"], result["positives"]) == (4, "toxicity", "en", 2)
    assert result["auroc"] == 1.0
    assert plots.read_text("utf-8").startswith("<svg")


def test_one_class_alone_is_not_an_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without both classes there is no figure, and the exit code says so."""
    data = tmp_path / "rows.jsonl"
    data.write_text(json.dumps(ROWS[0]) + "\n", "utf-8")
    assert eval_guard.run(parsed(str(data))) == ExitCode.CANNOT_TELL
    assert "1 rows" in capsys.readouterr().out


@pytest.mark.parametrize("line", ["not json", '"text"', '{"text": 1, "toxic": 0}', '{"text": "no label"}'])
def test_a_line_that_is_not_a_labelled_text_is_refused(tmp_path: Path, line: str) -> None:
    """A wrong file must not look like a good score."""
    data = tmp_path / "rows.jsonl"
    data.write_text(line + "\n", "utf-8")
    with pytest.raises(UnreadableInput):
        eval_guard.run(parsed(str(data)))
