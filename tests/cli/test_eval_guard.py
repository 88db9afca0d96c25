"""`haechi eval guard` prints figures for labelled text and refuses what is not."""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from haechi.base.errors import ExitCode, UnreadableInput, UnwritableOutput
from haechi.cli import eval_guard

ROOT = Path(__file__).resolve().parents[2]
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
    """Two classes make a row of figures; the curves are a picture; nothing but JSON is on standard output."""
    data, plots = tmp_path / "rows.jsonl.gz", tmp_path / "curves.svg"
    with gzip.open(data, "wt", encoding="utf-8") as out:
        out.writelines(json.dumps(row) + "\n" for row in ROWS)
    args = parsed(str(data), "--json", "--plots", str(plots))
    assert eval_guard.run(args) == ExitCode.OK
    said = json.loads(capsys.readouterr().out)
    (result,) = said["results"]
    assert (said["rows"], result["category"], result["language"], result["positives"]) == (4, "toxicity", "en", 2)
    assert result["auroc"] == 1.0
    drawn = plots.read_text("utf-8")
    assert "<svg" in drawn
    assert drawn.count("<!-- toxicity: ") == 3
    picture = tmp_path / "curves.png"
    assert eval_guard.run(parsed(str(data), "--plots", str(picture))) == ExitCode.OK
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["curves.gif", "curves", "nowhere/curves.svg"])
def test_a_picture_that_cannot_be_drawn_is_said_before_the_work(tmp_path: Path, name: str) -> None:
    """Of another kind, or in a folder that is not there."""
    with pytest.raises(UnwritableOutput):
        eval_guard.run(parsed("no-such-data.jsonl", "--plots", str(tmp_path / name)))


def test_without_matplotlib_the_message_names_what_to_install(tmp_path: Path) -> None:
    """In an interpreter in which it cannot be imported."""
    code = (
        "import sys; sys.modules['matplotlib'] = None; from haechi.cli.main import main;"
        f"sys.exit(main(['eval', 'guard', 'x.jsonl', '--plots', {str(tmp_path / 'a.svg')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 3
    assert "haechi[plots]" in done.stderr


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
