"""How often a claim is called refuted by a passage about something else.

`python -m benchmarks.claims_unrelated --data DATA`; DATA is the folder that the stance model is measured with. Claims of labelled
pairs that taught nothing are put to the evidence of another pair of their language, drawn at random: first the stance model
alone is asked, then the judge, who sees whether the passage has anything of the claim.
"""

from __future__ import annotations

import argparse
import random  # noqa: TID251 - a seeded generator
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import report
from guard.claims.given import GivenEvidence, evidence_of
from guard.claims.judge import ClaimJudge
from guard.claims.ports import Claim
from guard.claims.stance import EmbeddedStance, load
from guard.training.stance.pairs import Pair, Part, read_pairs
from guard.training.stance.written import written_pairs

ASKED = 150
SURE = 0.5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with facts/ and safe_text/")
    args = parser.parse_args()
    model, dice = load(), random.Random(3)
    pairs = [*(pair for pair in read_pairs(args.data)[0] if pair.part is Part.DEV), *written_pairs(measured=True)]
    for language in sorted({pair.language for pair in pairs}):
        mine = [pair for pair in pairs if pair.language is language]
        drawn = [dice.sample(mine, 2) for _ in range(2 * ASKED)]
        _report(model, [(one.claim, other) for one, other in drawn if one.evidence != other.evidence][:ASKED])
    return 0


def _report(model: EmbeddedStance, drawn: Sequence[tuple[str, Pair]]) -> None:
    judge, told, judged = ClaimJudge(model), 0, 0
    for text, other in drawn:
        claim = Claim(text, 0, len(text), other.language, text)
        told += model.judge(text, [other.evidence], language=other.language)[0].refuted >= SURE
        judged += judge.judge(claim, GivenEvidence(evidence_of([other.evidence]))).refuted >= SURE
    name = f"claims, unrelated passages called refuted {drawn[0][1].language} (n={len(drawn)})"
    report(f"{name}, by the model", told / len(drawn), "")
    report(f"{name}, by the judge", judged / len(drawn), "")


if __name__ == "__main__":
    raise SystemExit(main())
