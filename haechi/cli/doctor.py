"""`haechi doctor`: what is installed, loaded, reachable, wrong, and how to mend it. Changes nothing."""

from __future__ import annotations

import argparse
import json

from haechi.base.errors import ExitCode
from haechi.cli._options import add_settings, settings_of


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `haechi doctor`."""
    parser = commands.add_parser(
        "doctor",
        help="say what is installed, loaded, reachable or wrong",
        description=__doc__,
        epilog="Exit codes: 0 nothing wrong, 1 something is wrong, 3 something could not be checked.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    add_settings(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Examine, tell, and answer with the worst that was seen."""
    from haechi.cli._checks import State, examine

    checks = examine(settings_of(args))
    if args.json:
        entries = [{"name": c.name, "state": c.state.value, "detail": c.detail, "mend": c.mend or None} for c in checks]
        print(json.dumps({"checks": entries}, ensure_ascii=False))
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            print(f"{check.state.value:<8} {check.name:<{width}}  {check.detail}")
            if check.mend:
                print(f"{'':<8} {'':<{width}}  -> {check.mend}")
    states = {check.state for check in checks}
    if State.WRONG in states:
        return ExitCode.FOUND
    return ExitCode.CANNOT_TELL if State.UNKNOWN in states else ExitCode.OK
