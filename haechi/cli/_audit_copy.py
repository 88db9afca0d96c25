"""`haechi audit copy`: the evidence of a log as a folder, whatever database it lives in."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from haechi.base.errors import ExitCode
from haechi.cli._audit_folder import add_folder, chosen_folder, open_reader


def register_copy(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    copy = verbs.add_parser(
        "copy",
        help="copy records, checkpoints and pins into a new folder, without any key",
        description="One moment of the log, also while it is written, and also out of PostgreSQL. `haechi audit verify` and "
        "`python -m audit.verifier` read the copy; content in it stays encrypted.",
    )
    add_folder(copy)
    copy.add_argument("--to", type=Path, required=True, metavar="DIR", help="a new folder; pins go to DIR-pins")
    copy.set_defaults(run=run_copy)


def run_copy(args: argparse.Namespace) -> int:
    """Copy once."""
    from audit.store_copy import copy_log

    store = open_reader(args)
    try:
        count = copy_log(store, chosen_folder(args), args.to)
    finally:
        store.close()
    print(json.dumps({"records": count, "folder": str(args.to)}) if args.json else f"{count} records are in {args.to}")
    return ExitCode.OK
