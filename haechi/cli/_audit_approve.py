"""`haechi audit approver|approve`: a second person's word for reading content."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from haechi.base.errors import ExitCode, UnwritableOutput
from haechi.cli._audit_folder import add_folder, open_log


def register_approve(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verbs."""
    approver = verbs.add_parser("approver", help="make your key for approvals; its public half goes into roles.json")
    approver.add_argument("key", type=Path, metavar="FILE", help="a new file, under a passphrase that is asked for")
    approver.add_argument("--json", action="store_true", help="JSON on standard output")
    approver.set_defaults(run=run_approver)
    approve = verbs.add_parser(
        "approve",
        help="sign that somebody else may read one record (break-glass)",
        description="The approval is for one record, reader, purpose and ticket, ends after --minutes, and is used once.",
    )
    add_folder(approve, tenant="whose log the record is in [default]")
    approve.add_argument("--seq", type=int, required=True, help="number of the record in its log")
    approve.add_argument("--reader", required=True, help="who reads")
    approve.add_argument("--purpose", required=True, help="why")
    approve.add_argument("--ticket", required=True, help="the ticket that asks for it")
    approve.add_argument("--who", required=True, help="you, as in roles.json")
    approve.add_argument("--key", type=Path, required=True, metavar="FILE", help="your key file")
    approve.add_argument("--minutes", type=int, default=30, help="how long it lasts, at most 60 [30]")
    approve.add_argument("--output", type=Path, required=True, metavar="FILE", help="the approval to hand over")
    approve.set_defaults(run=run_approve)


def run_approver(args: argparse.Namespace) -> int:
    """Print the public key."""
    from audit.access import make_approver

    public = make_approver(args.key, _passphrase())
    print(json.dumps({"key": public}) if args.json else public)
    return ExitCode.OK


def run_approve(args: argparse.Namespace) -> int:
    """Write the approval."""
    from audit.access import Wanted, approve

    passphrase = _passphrase()
    with open_log(args) as log:
        wanted = Wanted(args.tenant or "default", args.seq, args.reader, args.purpose, args.ticket)
        made = approve(log, wanted, approver=args.who, key_file=args.key, passphrase=passphrase, minutes=args.minutes)
    try:
        args.output.write_text(made.text(), "utf-8")
    except OSError as error:
        raise UnwritableOutput(f"{args.output}: {error.strerror}", hint="--output names a file") from error
    until = datetime.fromtimestamp(made.until_us / 1e6, tz=UTC).isoformat(timespec="seconds")
    print(json.dumps({"approval": str(args.output), "until": until}) if args.json else f"{args.output}: until {until}")
    return ExitCode.OK


def _passphrase() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Passphrase of your key: ")
    return sys.stdin.readline().rstrip("\n")
