"""Assemble the commands, run one, and turn errors into one line, a hint and an exit code.

Each command module offers `register(commands)`, which adds its parser and sets `run`, and imports what it needs
inside `run`, so that `haechi --help` and `haechi audit verify` start in milliseconds and need no model stack.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from haechi import __version__
from haechi.base.errors import ExitCode, HaechiError, MissingExtra
from haechi.cli._extras import OURS, extra_with
from haechi.cli.eval import spelled_out

Run = Callable[[argparse.Namespace], int]

COMMANDS = (
    "serve",
    "chat",
    "check",
    "scrub",
    "policy",
    "audit",
    "key",
    "knowledge",
    "data",
    "train",
    "eval",
    "bias",
    "release",
    "doctor",
)


def build_parser() -> argparse.ArgumentParser:
    """The whole command tree."""
    parser = argparse.ArgumentParser(
        prog="haechi",
        description="Safety-Checker, guarded model gateway and audit log for Qwen models.",
        epilog="Exit codes: 0 done or clean, 1 found something, 2 bad usage or input, 3 cannot tell or not available.",
    )
    parser.add_argument("--version", action="version", version=f"haechi {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in COMMANDS:
        import_module(f"haechi.cli.{name}").register(commands)
    return parser


def report(error: HaechiError, *, as_json: bool) -> None:
    """Tell standard error what happened and how to mend it."""
    if as_json:
        entry = {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
        print(json.dumps(entry, ensure_ascii=False), file=sys.stderr)
        return
    print(f"haechi: error: {error}", file=sys.stderr)
    if error.hint:
        print(f"haechi: hint: {error.hint}", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; see ExitCode for the answer."""
    # Before anything imports numpy: its threads wait for one another in a busy loop, which doubles the CPU of a server whose
    # products are small. Model runtimes have threads of their own.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    parser = build_parser()
    args = parser.parse_args(spelled_out(sys.argv[1:] if argv is None else argv))
    run: Run = args.run
    try:
        return int(run(args))
    except HaechiError as error:
        report(error, as_json=bool(getattr(args, "json", False)))
        return int(error.exit_code)
    except ModuleNotFoundError as error:
        absent = (error.name or "").split(".")[0]
        if not absent or absent in OURS:
            raise
        report(MissingExtra(f"this command ({absent})", extra_with(absent)), as_json=bool(getattr(args, "json", False)))
        return int(ExitCode.CANNOT_TELL)
    except BrokenPipeError:
        # The reader of our output went away (`haechi ... | head`): not an error, and Python must not print one at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.OK)
    except KeyboardInterrupt:
        print("haechi: stopped", file=sys.stderr)
        return 130
