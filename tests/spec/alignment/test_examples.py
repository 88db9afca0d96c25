"""The walk-through does what it says, from data to a served, gated model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_walk_through_ends_with_a_gated_model_that_is_served(tmp_path: Path) -> None:
    """Every line of it runs; the released model answers; one altered bit is refused."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HAECHI_")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["sh", str(ROOT / "examples/alignment/walk_through.sh"), str(tmp_path / "runs")],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "released: " in done.stdout
    assert "with one bit changed it is refused with 1" in done.stdout
    assert (tmp_path / "runs/eval.html").is_file()
