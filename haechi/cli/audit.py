"""`haechi audit`: what an auditor runs."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from haechi.base.errors import ExitCode


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `haechi audit`."""
    parser = commands.add_parser("audit", help="verify and read the audit log")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    verify = verbs.add_parser("verify", help="check every record, the tree, the signatures and the pin")
    _folder(verify)
    verify.set_defaults(run=run_verify)
    show = verbs.add_parser("show", help="list what was decided; content only with a purpose and a ticket")
    _folder(show)
    show.add_argument("record", nargs="?", help="a request id, a record id or a sequence number")
    show.add_argument("--limit", type=int, default=20, help="newest records to list (default 20)")
    show.add_argument("--decrypt", action="store_true", help="show the content too; the access is logged first")
    show.add_argument("--who", default="", help="who reads (with --decrypt)")
    show.add_argument("--purpose", default="", help="why (with --decrypt)")
    show.add_argument("--ticket", default="", help="the ticket that asks for it (with --decrypt)")
    show.set_defaults(run=run_show)


def _folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path("data/audit"), help="audit folder (default data/audit)"
    )
    parser.add_argument("--tenant", default=None, help="only this tenant's log")
    parser.add_argument("--json", action="store_true", help="JSON on standard output")


def run_verify(args: argparse.Namespace) -> int:
    """Exit code 0 intact, 1 tampered, 3 cannot tell."""
    from audit.verify import Outcome, verify_folder

    proof = verify_folder(args.folder, tenant=args.tenant)
    if args.json:
        logs = [{**asdict(log), "outcome": log.outcome.value} for log in proof.logs]
        print(json.dumps({"outcome": proof.outcome.value, "problems": proof.problems, "logs": logs}))
    else:
        for log in proof.logs:
            print(
                f"{log.outcome.value:<12} {log.log}: {log.records} records, {log.segments} segments, signed up to {log.signed}"
            )
            for problem in log.problems:
                print(f"  problem: {problem}")
            for doubt in log.doubts:
                print(f"  cannot tell: {doubt}")
        for problem in proof.problems:
            print(f"problem: {problem}")
        print(proof.outcome.value)
    codes = {Outcome.INTACT: ExitCode.OK, Outcome.TAMPERED: ExitCode.FOUND, Outcome.CANNOT_TELL: ExitCode.CANNOT_TELL}
    return codes[proof.outcome]


def run_show(args: argparse.Namespace) -> int:
    """The timeline, newest last."""
    from audit import canonical
    from audit.errors import NothingToVerify
    from audit.store import SqliteStore

    path = args.folder / "log.db"
    if not path.is_file():
        raise NothingToVerify(f"{args.folder} holds no audit log", hint="name the folder that holds log.db")
    store = SqliteStore(path, read_only=True)
    try:
        rows: list[dict[str, Any]] = []
        for log in store.logs():
            name = log.rsplit("/", 1)[-1]
            if name == (args.tenant or name):
                rows += [{"seq": seq, **canonical.decode(leaf)} for seq, leaf in store.headers(log)]
    finally:
        store.close()
    rows.sort(key=lambda row: (row["sts"], row["log"], row["seq"]))
    if args.record:
        rows = [row for row in rows if args.record in {row["req"], row["id"], str(row["seq"])}]
    for row in rows[-args.limit :]:
        _print_row(row, args)
    if args.decrypt:
        _decrypt(rows[-args.limit :], args)
    return ExitCode.OK


def _print_row(row: dict[str, Any], args: argparse.Namespace) -> None:
    if args.json:
        print(json.dumps(row))
        return
    found = ",".join(sorted({f["c"] for f in row["fin"]}))
    print(f"{row['seq']:>6}  {row['sts']}  {row['ten']:<12} {row['typ']:<20} {row['dec']:<7} {row['req']}  {found}")


def _decrypt(rows: list[dict[str, Any]], args: argparse.Namespace) -> None:
    from audit.log import AuditLog

    with AuditLog.open(args.folder) as log:
        for row in rows:
            for part in log.read(row["ten"], row["seq"], who=args.who, purpose=args.purpose, ticket=args.ticket):
                text = "(erased)" if part.content is None else part.content.decode("utf-8", "replace")
                sys.stdout.write(
                    json.dumps({"seq": row["seq"], "segment": part.name, "content": text}, ensure_ascii=False) + "\n"
                )
