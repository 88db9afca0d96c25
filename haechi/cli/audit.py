"""`haechi audit`: what an auditor runs."""

from __future__ import annotations

import argparse
import heapq
import json
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from haechi.base.errors import ExitCode
from haechi.cli._options import DATA_OPTIONS, add_settings, settings_of

if TYPE_CHECKING:
    from audit.store import SqliteStore


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
    parser.add_argument("folder", nargs="?", type=Path, help="audit folder (default: `audit` in the data folder)")
    parser.add_argument("--tenant", default=None, help="only this tenant's log")
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    add_settings(parser, DATA_OPTIONS)


def _chosen(args: argparse.Namespace) -> Path:
    folder: Path | None = args.folder
    return settings_of(args).audit_dir if folder is None else folder


def run_verify(args: argparse.Namespace) -> int:
    """Exit code 0 intact, 1 tampered, 3 cannot tell."""
    from audit.verify import Outcome, verify_folder

    proof = verify_folder(_chosen(args), tenant=args.tenant)
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
    from audit.errors import NothingToVerify
    from audit.store import SqliteStore

    folder = _chosen(args)
    if not (folder / "log.db").is_file():
        raise NothingToVerify(f"{folder} holds no audit log", hint="name the folder that holds log.db")
    store = SqliteStore(folder / "log.db", read_only=True)
    try:
        rows = _newest(store, args)
    finally:
        store.close()
    if not rows and args.record:
        raise NothingToVerify(f"no record or request {args.record!r} in {folder}", hint="haechi audit show lists them")
    for row in rows:
        _print_row(row, as_json=args.json)
    if args.decrypt:
        _decrypt(folder, rows, args)
    return ExitCode.OK


def _newest(store: SqliteStore, args: argparse.Namespace) -> list[dict[str, Any]]:
    """The last rows that were asked for, over all logs in order of sequencing; memory is bounded by the limit."""
    from audit import canonical

    def rows_of(log: str) -> Iterator[dict[str, Any]]:
        for seq, leaf in store.headers(log):
            yield {"seq": seq, **canonical.decode(leaf)}

    logs = [log for log in store.logs() if args.tenant in {None, log.rsplit("/", 1)[-1]}]
    merged = heapq.merge(*map(rows_of, logs), key=lambda row: row["sts"])
    wanted = (row for row in merged if args.record in {None, row["req"], row["id"], str(row["seq"])})
    return list(deque(wanted, maxlen=args.limit))


def _print_row(row: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(row))
        return
    at = datetime.fromtimestamp(row["sts"] / 1_000_000, tz=UTC).isoformat(timespec="milliseconds")
    found = ",".join(sorted({f["c"] for f in row["fin"]}))
    print(f"{at}  {row['ten']:<10} {row['seq']:>5}  {row['typ']:<19} {row['dec']:<7} {row['req']}  {found}".rstrip())


def _decrypt(folder: Path, rows: list[dict[str, Any]], args: argparse.Namespace) -> None:
    from audit.log import AuditLog

    with AuditLog.open(folder) as log:
        for row in rows:
            for part in log.read(row["ten"], row["seq"], who=args.who, purpose=args.purpose, ticket=args.ticket):
                text = "(erased)" if part.content is None else part.content.decode("utf-8", "replace")
                print(json.dumps({"seq": row["seq"], "segment": part.name, "content": text}, ensure_ascii=False))
