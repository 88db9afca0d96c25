"""`haechi eval`: measure a model, the guard, scrubbing or claim checking; every figure with its n and interval."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

KINDS = ("guard", "pii", "claims", "model")


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `haechi eval`."""
    from haechi.cli import _eval_model, eval_claims, eval_guard, eval_pii

    parser = commands.add_parser(
        "eval",
        help="measure a model, the guard, scrubbing or claim checking",
        description="Measure. `haechi eval MODEL|RUN --data FILE` is short for `haechi eval model MODEL|RUN --data FILE`.",
    )
    kinds = parser.add_subparsers(metavar="guard|pii|claims|model", required=True)
    eval_guard.add_parser(kinds)
    eval_pii.add_parser(kinds)
    eval_claims.add_parser(kinds)
    model = kinds.add_parser(
        "model",
        help="measure a reward model or a policy",
        description="Measure a reward model or a policy: pairs (--data FILE), a suite of safety, refusals, fairness and "
        "capability (--suite), distance and win rate against where it started (--reference, --judge).",
    )
    _eval_model.add_options(model)
    model.set_defaults(run=_eval_model.run_eval)


def spelled_out(argv: Sequence[str]) -> list[str]:
    """The command line with the kind that `haechi eval MODEL` leaves out."""
    words = list(argv)
    if len(words) > 1 and words[0] == "eval" and words[1] not in KINDS and not words[1].startswith("-"):
        words.insert(1, "model")
    return words
