"""`haechi eval claims` from the shell's side."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN = "import sys; from haechi.cli.main import main; sys.exit(main(sys.argv[1:]))"
FACT = "The Eiffel Tower was completed in 1889 and is 330 metres tall."
KOREAN = "에펠탑은 1889년에 완공되었고 높이는 330미터이다."
PAIRS = [
    {"claim": "The Eiffel Tower was completed in 1889.", "evidence": FACT, "label": "supported"},
    {"claim": "The Eiffel Tower is 430 metres tall.", "evidence": [FACT], "label": "refuted"},
    {"claim": "Bananas are rich in potassium.", "evidence": FACT, "label": "not_enough_info"},
    {"claim": "에펠탑의 높이는 330미터이다.", "evidence": KOREAN, "label": "supported", "lang": "ko"},
    {"claim": "에펠탑은 1899년에 완공되었다.", "evidence": KOREAN, "label": "refuted", "lang": "ko"},
    {"claim": "It is a tower.", "evidence": FACT, "label": "generic"},
    {"claim": "It is a tower.", "evidence": "", "label": "supported"},
]
POLICY = """
schema: 1
name: p
version: 2026-11
detectors: [claims]
claims: {stance: rules}
both:
  misinformation: {thresholds: {controversial: 0.5, unsafe: 0.9}}
"""


def haechi(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", RUN, *args], capture_output=True, text=True, cwd=ROOT, check=False)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "pairs.jsonl.gz"
    with gzip.open(file, "wt", encoding="utf-8") as out:
        out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in PAIRS)
    (tmp_path / "p.yaml").write_text(POLICY, "utf-8")
    return file


def test_figures_stand_by_language_beside_a_baseline(data: Path) -> None:
    """Three-way accuracy, AUROC and confusion; what has another label or no evidence is counted and left out."""
    done = haechi("eval", "claims", str(data), "--policy", str(data.parent / "p.yaml"), "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["rows"], answer["left_out"]) == (5, {"generic": 1, "no evidence": 1})
    korean, english = sorted(answer["figures"], key=lambda one: one["language"] == "en")
    assert (english["rows"], english["accuracy"], english["auroc"], english["false_alarms"]) == (3, 1.0, 1.0, 0.0)
    assert english["confusion"] == {
        "supported": {"supported": 1},
        "refuted": {"refuted": 1},
        "not_enough_info": {"not_enough_info": 1},
    }
    assert korean["language"] == "ko"
    assert 0 < korean["spread"] < 1
    assert 0 <= korean["baseline_accuracy"] <= 1
    table = haechi("eval", "claims", str(data), "--policy", str(data.parent / "p.yaml")).stdout
    assert "three-way" in table
    assert "left out for their label: generic 1, no evidence 1" in table


def test_a_line_that_is_no_pair_is_named(tmp_path: Path) -> None:
    """Exit code 2, the line, and what one looks like; no rows at all is exit code 3."""
    file = tmp_path / "bad.jsonl"
    file.write_text('{"claim": "x", "evidence": "y", "label": "supported"}\n{"claim": "x"}\n', "utf-8")
    done = haechi("eval", "claims", str(file), "--policy", "fast")
    assert (done.returncode, f"{file}:2" in done.stderr) == (2, True)
    file.write_text("", "utf-8")
    assert haechi("eval", "claims", str(file), "--policy", "fast").returncode == 3
