"""`haechi scrub` over folders and tables: same kind of file out, nothing half written, every failure named."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from haechi.base.errors import ExitCode
from haechi.cli.main import main

PHONE = "전화 010-1234-5678"
CLEAN = "전화 ***-****-****"


def test_chosen_columns_of_a_csv_file_are_scrubbed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Quotes, separators and line ends inside cells survive; other columns stay as they are."""
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    with source.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "note", "raw"], ["1", f'{PHONE}, "home"\nor later', PHONE]])
    assert main(["scrub", str(source), "--columns", "note", "--output", str(target)]) == ExitCode.OK
    with target.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["id", "note", "raw"], ["1", f'{CLEAN}, "home"\nor later', PHONE]]
    assert "1 files, 1 entities (PHONE_NUMBER 1)" in capsys.readouterr().err


def test_texts_of_a_parquet_file_are_scrubbed_at_any_depth(tmp_path: Path) -> None:
    """Strings, lists and structures; numbers, types and metadata of the columns stay."""
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    turns = [{"role": "user", "content": PHONE}]
    table = pa.table({"n": [1, 2], "text": [PHONE, None], "messages": [turns, []]})
    parquet.write_table(table, source)
    assert main(["scrub", str(source), "--output", str(target)]) == ExitCode.OK
    out = parquet.read_table(target)
    assert out.schema == table.schema
    assert out.to_pylist()[0] == {"n": 1, "text": CLEAN, "messages": [{"role": "user", "content": CLEAN}]}


def test_a_folder_becomes_the_same_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every text and table keeps its place; what is neither is named and left out."""
    source, target = tmp_path / "in", tmp_path / "out"
    (source / "deep").mkdir(parents=True)
    (source / "a.txt").write_text(PHONE + "\r\n", "utf-8", newline="")
    (source / "deep/b.json").write_text(json.dumps({"n": 1, "t": [PHONE]}), "utf-8")
    with gzip.open(source / "deep/c.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(json.dumps({"id": 1, "text": PHONE}) + "\n")
    (source / "deep/d.png").write_bytes(b"\x89PNG")
    assert main(["scrub", str(source), "--output", str(target)]) == ExitCode.USAGE
    assert (target / "a.txt").read_bytes() == (CLEAN + "\r\n").encode()
    assert json.loads((target / "deep/b.json").read_text("utf-8")) == {"n": 1, "t": [CLEAN]}
    with gzip.open(target / "deep/c.jsonl.gz", "rt", encoding="utf-8") as file:
        assert json.loads(file.read()) == {"id": 1, "text": CLEAN}
    assert not (target / "deep/d.png").exists()
    assert "d.png" in capsys.readouterr().err


def test_a_second_run_can_leave_alone_what_is_done(tmp_path: Path) -> None:
    """--resume does what is missing and nothing else."""
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    target.mkdir()
    for name in ("a.txt", "b.txt"):
        (source / name).write_text(PHONE, "utf-8")
    (target / "a.txt").write_text("done before", "utf-8")
    assert main(["scrub", str(source), "--output", str(target), "--resume"]) == ExitCode.OK
    assert [(target / name).read_text("utf-8") for name in ("a.txt", "b.txt")] == ["done before", CLEAN]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", b"a,b\n1\n", "line 2: 1 cells, and the header has 2"),
        ("x.jsonl", b'{"a": 1}\n{\n', "line 2: not JSON"),
        ("x.jsonl.gz", b"\x1f\x8bnonsense", "gzip"),
        ("x.parquet", b"PAR?", "Parquet"),
        ("x.csv", b"a\n\xff\n", "not UTF-8"),
    ],
)
def test_a_broken_file_is_named_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes, said: str
) -> None:
    """The file and the line; an earlier output stays."""
    source, target = tmp_path / name, tmp_path / "out"
    source.write_bytes(content)
    target.write_text("before", "utf-8")
    assert main(["scrub", str(source), "--output", str(target)]) == ExitCode.USAGE
    assert said in capsys.readouterr().err
    assert target.read_text("utf-8") == "before"
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


def test_what_cannot_work_is_said_before_anything_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing column names those that are there; a folder needs a place outside itself."""
    source = tmp_path / "in.csv"
    source.write_text("name,note\na,b\n", "utf-8")
    assert main(["scrub", str(source), "--columns", "nots", "--output", str(tmp_path / "o.csv")]) == ExitCode.USAGE
    assert "no column 'nots'" in capsys.readouterr().err
    assert main(["scrub", str(source)]) == ExitCode.USAGE
    assert "needs --output" in capsys.readouterr().err
    assert main(["scrub", str(tmp_path), "--output", str(tmp_path / "out")]) == ExitCode.CANNOT_TELL
    assert "lies inside" in capsys.readouterr().err
