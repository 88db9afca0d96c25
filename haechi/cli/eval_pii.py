"""`haechi eval pii DATA`: how well personal data is found in labelled text."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from haechi.base.errors import ExitCode


def add_parser(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `pii` to those of `haechi eval`."""
    parser = kinds.add_parser(
        "pii",
        help="measure scrubbing on labelled text",
        description="Precision, recall and F2 for each kind and language. DATA is JSONL, plain or .gz: "
        '{"text", "spans": [[start, end, kind]], "lang"} a line.',
    )
    parser.add_argument("data", nargs="+", type=Path, metavar="DATA", help="labelled JSONL files")
    parser.add_argument("--split", default="", metavar="NAME", help="only rows of this split (default: all)")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure."""
    from guard.pii.evaluation import as_rows, evaluate, read
    from guard.scrub import Scrubber

    report = evaluate((row for path in args.data for row in read(path, args.split)), Scrubber())
    rows = as_rows(report)
    if args.json:
        print(json.dumps({"rows": report.rows, "characters": report.length, "figures": rows}, ensure_ascii=False))
    else:
        for row in rows:
            print(
                f"{row['language'] or '-':3} {row['kind']:20} {row['counted']:10} n {row['n']:6}  "
                f"precision {row['precision']:.3f}  recall {row['recall']:.3f}  F2 {row['f2']:.3f}"
            )
    if not report.rows:
        print("haechi: no row to measure", file=sys.stderr)
        return ExitCode.CANNOT_TELL
    return ExitCode.OK
