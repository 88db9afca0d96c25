"""What `haechi eval guard|pii|claims` say of a file that is not what they take: file, line, and what to do."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from haechi.base.errors import ExitCode, HaechiError
from haechi.cli.main import main

GOOD = {
    "guard": {"text": "see you at lunch", "labels": {"toxicity": 0}},
    "pii": {"text": "mail jane.doe@example.com", "spans": [[5, 25, "EMAIL_ADDRESS"]]},
    "claims": {"claim": "It is 9 m long.", "evidence": "It is 8 m long.", "label": "refuted"},
}
KINDS = list(GOOD)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["eval", *words])
    return code, capsys.readouterr().err


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("line", ["not json", "[1, 2]", "7", "{}", "[" * 100_000])
def test_a_line_that_is_no_row_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, line: str
) -> None:
    """By file and line, counted from 1, blank lines too."""
    data = tmp_path / "rows.jsonl"
    data.write_text(f"{json.dumps(GOOD[kind])}\n\n{line}\n", "utf-8")
    code, told = said(capsys, kind, str(data))
    assert code == ExitCode.USAGE
    assert f"{data}:3: " in told
    assert "hint: a line is {" in told


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("broken", ["cut", "changed", "plain", "latin"])
def test_a_broken_file_is_an_error_and_no_traceback(tmp_path: Path, kind: str, broken: str) -> None:
    """A gzip file that was cut off or altered, one that is none, another encoding."""
    whole = gzip.compress((json.dumps(GOOD[kind]) + "\n").encode() * 2_000)
    inside = bytearray(whole)
    inside[len(whole) // 2] ^= 0xFF
    content = {"cut": whole[: len(whole) // 2], "changed": bytes(inside), "plain": b"hello", "latin": b"caf\xe9\n"}[
        broken
    ]
    data = tmp_path / ("rows.jsonl" if broken == "latin" else "rows.jsonl.gz")
    data.write_bytes(content)
    with pytest.raises(HaechiError) as refused:
        for _ in reader(kind)(data):
            pass
    assert refused.value.exit_code == ExitCode.USAGE
    assert str(data) in refused.value.message


def reader(kind: str):  # type: ignore[no-untyped-def]  # three readers of three kinds of rows
    from collections import Counter

    from guard.pii import evaluation
    from haechi.cli import eval_claims, eval_guard

    return {
        "guard": lambda path: eval_guard._rows(path, None),
        "pii": evaluation.read,
        "claims": lambda path: eval_claims._pairs(path, "", None, Counter()),
    }[kind]


def test_a_cut_file_at_the_command_line_is_bad_input(tmp_path: Path) -> None:
    """Exit code 2 and no traceback: 1 would read as "found something"."""
    data = tmp_path / "rows.jsonl.gz"
    data.write_bytes(gzip.compress((json.dumps(GOOD["guard"]) + "\n").encode() * 2_000)[:40])
    code = "import sys; from haechi.cli.main import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "eval", "guard", str(data)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)


@pytest.mark.parametrize(
    ("labels", "told"),
    [({"toxcity": 1}, "toxcity"), ({"toxicity": 2}, "neither 0 nor 1"), ({"toxicity": "1"}, "neither 0 nor 1")],
)
def test_a_label_that_says_nothing_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], labels: dict[str, object], told: str
) -> None:
    """Counted as if it were 1 it would make figures of something else."""
    data = tmp_path / "rows.jsonl"
    data.write_text(json.dumps({"text": "hello", "labels": labels}) + "\n", "utf-8")
    code, error = said(capsys, "guard", str(data))
    assert code == ExitCode.USAGE
    assert f"{data}:1: " in error
    assert told in error


@pytest.mark.parametrize("span", [[5, 99, "EMAIL_ADDRESS"], [25, 5, "EMAIL_ADDRESS"], [-3, 5, "EMAIL_ADDRESS"]])
def test_a_label_outside_its_text_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], span: list[object]
) -> None:
    """It would count as personal data that was not found."""
    data = tmp_path / "rows.jsonl"
    data.write_text(json.dumps({"text": "mail jane.doe@example.com", "spans": [span]}) + "\n", "utf-8")
    code, error = said(capsys, "pii", str(data))
    assert code == ExitCode.USAGE
    assert f"{data}:1: a label lies outside the text" in error


def test_a_split_is_only_what_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows without a split are in none."""
    data = tmp_path / "rows.jsonl"
    data.write_text(json.dumps(GOOD["pii"]) + "\n", "utf-8")
    assert said(capsys, "pii", str(data), "--split", "dev")[0] == ExitCode.CANNOT_TELL


def test_evidence_that_is_no_text_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A number as evidence was once judged as its digits."""
    data = tmp_path / "rows.jsonl"
    data.write_text(json.dumps({**GOOD["claims"], "evidence": [1]}) + "\n", "utf-8")
    code, error = said(capsys, "claims", str(data))
    assert code == ExitCode.USAGE
    assert f"{data}:1: no labelled pair" in error


@pytest.mark.parametrize("kind", ["guard", "claims"])
@pytest.mark.parametrize("limit", ["0", "-5", "many"])
def test_a_limit_is_a_whole_number_of_at_least_one(kind: str, limit: str) -> None:
    """None of these is "all rows"; leaving the option out is."""
    with pytest.raises(SystemExit) as stopped:
        main(["eval", kind, "rows.jsonl", "--limit", limit])
    assert stopped.value.code == ExitCode.USAGE
