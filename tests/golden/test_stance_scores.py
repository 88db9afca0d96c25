"""The shipped stance model answers what it answered when it was shipped."""

from __future__ import annotations

import json
from pathlib import Path

from guard.claims.stance import load
from haechi.base.text import Language

FILE = Path(__file__).with_name("stance_scores.json")
TOLERANCE = 0.06
"""int8 rounds differently on processors with other instructions; a lost layer or a wrong side moves far more."""


def test_scores_are_those_of_the_golden_file() -> None:
    """Every pair is within the tolerance; `make_stance_scores.py` writes the file anew."""
    golden = json.loads(FILE.read_text("utf-8"))
    model = load()
    assert golden["version"] == model.version
    assert {pair["lang"] for pair in golden["pairs"]} == {str(one) for one in model.languages()}
    far = []
    for pair in golden["pairs"]:
        said = model.judge(pair["claim"], [pair["evidence"]], language=Language(pair["lang"]))[0]
        now = (said.supported, said.refuted, said.unsure)
        far += [pair for a, b in zip(now, pair["scores"], strict=True) if abs(a - b) > TOLERANCE]
    assert far == []
