"""`haechi eval guard`: how well a policy's detectors tell labelled texts apart."""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from haechi.base.errors import ExitCode, MissingExtra, UnreadableInput, UnwritableOutput

if TYPE_CHECKING:
    from guard.evaluation import Result
    from guard.verdict import Category
    from haechi.base.text import Language


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
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="rows of each file at most (default: all)")
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
    rows = ((_truth(row), str(row["text"])) for name in args.data for row in _rows(Path(name), args.limit))
    judged = []
    with Progress("rows judged") as progress:
        for (language, truth), verdict in in_order(checker, args.direction, rows):
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
    if target.suffix not in KINDS or not target.parent.is_dir():
        raise UnwritableOutput(f"{target}: no picture can be drawn there", hint=f"name a file in {', '.join(KINDS)}")


def _rows(path: Path, limit: int) -> Iterator[Mapping[str, object]]:
    """The labelled rows of a file.

    Raises:
        UnreadableInput: when it cannot be read or a line is not an object with a text and a label.
    """
    try:
        opened = gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")  # noqa: SIM115  # closed by the `with` below
        with opened as lines:
            for number, line in enumerate(lines, start=1):
                if limit and number > limit:
                    return
                row = json.loads(line)
                if (
                    not isinstance(row, dict)
                    or not isinstance(row.get("text"), str)
                    or not {"labels", "toxic"} & row.keys()
                ):
                    raise UnreadableInput(
                        f"{path}:{number}: not a labelled text",
                        hint='a line is {"text": "...", "labels": {"toxicity": 1}}',
                    )
                yield row
    except (OSError, ValueError) as error:
        raise UnreadableInput(f"{path}: {error}", hint="give JSONL in UTF-8, plain or .gz") from error


def _truth(row: Mapping[str, object]) -> tuple[Language, dict[Category, bool]]:
    """The language of a row's text, and what is known of it.

    Raises:
        UnreadableInput: it names a category that does not exist.
    """
    from guard.language import language_of
    from guard.verdict import Category

    labels = row.get("labels")
    said = labels if isinstance(labels, Mapping) else {"toxicity": row["toxic"]}
    try:
        truth = {Category(name): bool(value) for name, value in said.items() if value is not None}
    except ValueError as error:
        raise UnreadableInput(f"a row names an unknown category: {error}", hint=", ".join(Category)) from error
    return language_of(str(row["text"])), truth


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
