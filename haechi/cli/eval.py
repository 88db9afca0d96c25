"""`haechi eval MODEL --data FILE`: how a reward model or a policy orders pairs of answers, with intervals."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from haechi.base.errors import ExitCode, MissingExtra

if TYPE_CHECKING:
    from alignment.statistics import Share


KINDS = ("guard", "pii", "model")


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `haechi eval`."""
    from haechi.cli import eval_guard, eval_pii

    parser = commands.add_parser(
        "eval",
        help="measure a model, the guard or scrubbing",
        description="Measure. `haechi eval MODEL|RUN --data FILE` is short for `haechi eval model MODEL|RUN --data FILE`.",
    )
    kinds = parser.add_subparsers(metavar="guard|pii|model", required=True)
    eval_guard.add_parser(kinds)
    eval_pii.add_parser(kinds)
    _add_model(kinds)


def spelled_out(argv: Sequence[str]) -> list[str]:
    """The command line with the kind that `haechi eval MODEL` leaves out."""
    words = list(argv)
    if len(words) > 1 and words[0] == "eval" and words[1] not in KINDS and not words[1].startswith("-"):
        words.insert(1, "model")
    return words


def _add_model(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = kinds.add_parser("model", help="measure a reward model or a policy", description=__doc__)
    parser.add_argument("model", metavar="MODEL|RUN", help="a finished run, or a model's folder")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="FILE", help="preference pairs it was not trained on"
    )
    parser.add_argument("--reference", default="", metavar="MODEL", help="for a policy: the model it started from")
    parser.add_argument("--max-tokens", type=int, default=1024, metavar="N", help="longer rows are set aside [1024]")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.set_defaults(run=run_eval)


def run_eval(args: argparse.Namespace) -> int:
    """Measure."""
    from alignment.offline import forbid_telemetry

    forbid_telemetry()
    try:
        from alignment.evaluate import evaluate
    except ImportError as error:
        raise MissingExtra("evaluation", "train") from error
    found = evaluate(args.model, args.data, reference=args.reference, max_tokens=args.max_tokens)
    if args.json:
        print(json.dumps(_finite(found.as_object()), ensure_ascii=False))
    else:
        print(f"pairs in the right order       {_shown(found.accuracy)}, judged by {found.judged_by}")
        print(f"the same at equal length       {_shown(found.length_matched)}")
        print(f"correlation of score, length   {found.length_correlation:+.3f}")
        if found.calibration_error is not None:
            print(f"calibration error              {found.calibration_error:.3f}")
        if found.perplexity is not None:
            print(f"perplexity of preferred        {found.perplexity:.2f}")
        if found.set_aside:
            print(f"haechi: {found.set_aside} rows were set aside", file=sys.stderr)
    for alarm in found.alarms:
        print(f"haechi: alarm: {alarm}", file=sys.stderr)
    return ExitCode.OK


def _shown(share: Share) -> str:
    if share.n == 0:
        return "no such pair"
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%}, n = {share.n})"


def _finite(value: object) -> object:
    """JSON has no NaN: what could not be measured is null."""
    if isinstance(value, dict):
        return {name: _finite(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
