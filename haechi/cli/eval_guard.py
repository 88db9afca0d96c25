"""`haechi eval guard`: how well a policy's detectors tell labelled texts apart."""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from haechi.base import jsonl
from haechi.base.errors import ExitCode, MissingExtra, UnreadableInput, UnwritableOutput
from haechi.cli._options import positive

if TYPE_CHECKING:
    from guard.evaluation import Result
    from guard.verdict import Category
    from haechi.base.text import Language

_SHAPE: Final = '{"text": "...", "labels": {"toxicity": 1}}'


def add_parser(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `guard` to those of `haechi eval`."""
    parser = kinds.add_parser(
        "guard",
        help="measure the guard on labelled text",
        description=(
            "Measure a policy's detectors on labelled text. DATA is JSONL, plain or .gz, one "
            '{"text", "labels": {category: 0 or 1}} a line; a category that is not named is unknown. '
            '"toxic": 0 or 1 stands for the category toxicity.'
        ),
    )
    parser.add_argument("data", nargs="+", metavar="DATA", help="labelled JSONL files")
    parser.add_argument("--policy", default="default", metavar="NAME|FILE", help="policy to measure (default: default)")
    parser.add_argument("--direction", choices=["input", "output"], default="input", help="which way the text travels")
    parser.add_argument("--limit", type=positive, metavar="N", help="rows of each file at most (default: all)")
    parser.add_argument(
        "--plots",
        metavar="F",
        help="draw ROC, precision-recall and calibration curves into this .svg, .png or .pdf file",
    )
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Judge every row and print the figures; 3 when not one figure could be made."""
    from guard.checker import SafetyChecker
    from guard.evaluation import Judged, evaluate
    from haechi.cli._judging import in_order
    from haechi.cli._progress import Progress

    if args.plots:
        _check_drawing(Path(args.plots))
    checker = SafetyChecker.load(args.policy)
    labelled = (row for name in args.data for row in _rows(Path(name), args.limit))
    judged = []
    with Progress("rows judged") as progress:
        for (language, truth), verdict in in_order(checker, args.direction, labelled):
            judged.append(Judged(language, truth, verdict.scores, available=not verdict.unavailable))
            progress.step()
    results = evaluate(judged)
    silent = sum(not j.available for j in judged)
    if args.json:
        print(json.dumps({"rows": len(judged), "unavailable": silent, "results": [_entry(r) for r in results]}))
    else:
        _print_table(results)
        print(f"{len(judged)} rows, {silent} could not be judged")
    if args.plots:
        from guard.plots import draw

        draw(results, Path(args.plots))
    return int(ExitCode.OK if results else ExitCode.CANNOT_TELL)


def _check_drawing(target: Path) -> None:
    """Say before the work, not after it, that no picture will come of it.

    Raises:
        MissingExtra, UnwritableOutput.
    """
    from guard.plots import KINDS

    try:
        found = importlib.util.find_spec("matplotlib")
    except ValueError:  # it was put out of reach in this process
        found = None
    if found is None:
        raise MissingExtra("drawing", "plots")
    if not target.parent.is_dir():
        raise UnwritableOutput(f"{target}: there is no folder {target.parent}", hint="make the folder first")
    if target.suffix not in KINDS:
        raise UnwritableOutput(f"{target}: no picture can be drawn there", hint=f"name a file in {', '.join(KINDS)}")


def _rows(path: Path, limit: int) -> Iterator[tuple[tuple[Language, dict[Category, bool]], str]]:
    """The labelled rows of a file: the language of the text with what is known of it, and the text.

    Raises:
        UnreadableInput: when it cannot be read or a line is not an object with a text and labels.
    """
    from guard.language import language_of

    for place, row in itertools.islice(jsonl.rows(path, _SHAPE), limit):
        text, labels = row.get("text"), row.get("labels", {"toxicity": row.get("toxic")})
        if not isinstance(text, str) or not isinstance(labels, dict) or not {"labels", "toxic"} & row.keys():
            raise UnreadableInput(f"{place}: not a labelled text", hint=f"a line is {_SHAPE}")
        yield (language_of(text), _truth(labels, place)), text


def _truth(labels: Mapping[str, object], place: str) -> dict[Category, bool]:
    """What is known of a row's text; null is unknown.

    Raises:
        UnreadableInput: it names a category that does not exist, or says neither 0 nor 1 of one.
    """
    from guard.verdict import Category

    known = {category.value for category in Category}
    for name, value in labels.items():
        if name not in known:
            raise UnreadableInput(f"{place}: no category is named {name!r}", hint=", ".join(Category))
        if value not in (0, 1, None):
            raise UnreadableInput(
                f"{place}: the label of {name} is neither 0 nor 1", hint="write 0, 1, true or false; null is unknown"
            )
    return {Category(name): bool(value) for name, value in labels.items() if value is not None}


def _entry(result: Result) -> dict[str, object]:
    names = ("category", "language", "rows", "positives", "auroc", "spread", "recall", "error")
    return {name: getattr(result, name) for name in names}


def _print_table(results: list[Result]) -> None:
    print(f"{'category':<14} {'lang':<5} {'rows':>7} {'positive':>8} {'AUROC':>14} {'recall@1%FP':>11} {'ECE':>6}")
    for r in results:
        auroc = f"{r.auroc:.3f} ± {r.spread:.3f}"
        print(
            f"{r.category:<14} {r.language:<5} {r.rows:>7} {r.positives:>8} {auroc:>14} {r.recall:>11.3f} {r.error:>6.3f}"
        )
    if not results:
        print("no category had both kinds of rows", file=sys.stderr)
