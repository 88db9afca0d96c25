"""`haechi audit`: what an auditor runs."""

from __future__ import annotations

import argparse
import heapq
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from platform import node
from typing import TYPE_CHECKING, Any

from haechi.base.errors import ExitCode, UnreadableInput
from haechi.cli._audit_anchor import register_anchor
from haechi.cli._audit_approve import register_approve
from haechi.cli._audit_console import register_console
from haechi.cli._audit_copy import register_copy
from haechi.cli._audit_export import register_export
from haechi.cli._audit_folder import (
    add_folder,
    chosen_folder,
    key_in,
    logs_of,
    open_log,
    open_reader,
    printable,
    read_text,
)
from haechi.cli._audit_follow import register_follow
from haechi.cli._audit_keys import register_keys
from haechi.cli._audit_proofs import register_prove
from haechi.cli._audit_report import register_report
from haechi.cli._audit_request import register_request
from haechi.cli._audit_rights import register_rights
from haechi.cli._audit_witness import register_witness
from haechi.cli._options import settings_of

if TYPE_CHECKING:
    from audit.store_port import Store

_SYSTEM = "_system"


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `haechi audit`."""
    parser = commands.add_parser("audit", help="verify and read the audit log")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    verify = verbs.add_parser("verify", help="check every record, the tree, the signatures and the pin")
    add_folder(verify)
    verify.add_argument("--keys", action="store_true", help="check with the keys that every segment's key opens, too")
    verify.add_argument(
        "--pins", type=Path, metavar="DIR", help="checkpoints that you remember (default: beside the folder)"
    )
    verify.add_argument("--witness-key", type=Path, metavar="FILE", help="whose cosignature each of them must carry")
    verify.add_argument(
        "--second-key", type=Path, metavar="FILE", help="ML-DSA key that you hold (default: the folder's)"
    )
    verify.add_argument(
        "--wait",
        type=float,
        default=3.0,
        metavar="SECONDS",
        help="for the checkpoint of the newest records (default 3)",
    )
    verify.set_defaults(run=run_verify)
    show = verbs.add_parser("show", help="list what was decided; content only with a purpose and a ticket")
    add_folder(show)
    show.add_argument("record", nargs="?", help="a request id, a record id or a sequence number")
    show.add_argument("--limit", type=int, default=20, help="newest records to list (default 20)")
    show.add_argument("--decrypt", action="store_true", help="show the content too; the access is logged first")
    show.add_argument("--who", default="", help="who reads (with --decrypt)")
    show.add_argument("--purpose", default="", help="why (with --decrypt)")
    show.add_argument("--ticket", default="", help="the ticket that asks for it (with --decrypt)")
    show.add_argument(
        "--break-glass", action="store_true", help="read what your role does not allow (needs --approval)"
    )
    show.add_argument("--approval", type=Path, metavar="FILE", help="a second person's, from `haechi audit approve`")
    show.set_defaults(run=run_show)
    register_export(verbs)
    register_follow(verbs)
    register_anchor(verbs)
    register_copy(verbs)
    register_keys(verbs)
    register_prove(verbs)
    register_rights(verbs)
    register_request(verbs)
    register_report(verbs)
    register_approve(verbs)
    register_witness(verbs)
    register_console(verbs)


def run_verify(args: argparse.Namespace) -> int:
    """Exit code 0 intact, 1 tampered, 3 cannot tell."""
    from audit.cosign import WitnessKey
    from audit.keycheck import KeyChecker
    from audit.second import SecondKey
    from audit.settle import settle
    from audit.verify import Outcome, verify_folder

    witness = key_in(args.witness_key, WitnessKey.parse) if args.witness_key else None
    second = key_in(args.second_key, SecondKey.parse) if args.second_key else None
    if args.pins and not any(args.pins.glob("*.note")):
        raise UnreadableInput(
            f"{args.pins} holds no remembered checkpoint (*.note)", hint="--pins names a copy of the folder of pins"
        )
    with ExitStack() as stack:
        key_check = None
        if args.keys:
            opened = stack.enter_context(open_log(args))
            opened.sign()
            key_check = KeyChecker(opened.keys)
        folder, database = chosen_folder(args), settings_of(args).database
        proof = verify_folder(
            folder, pins=args.pins, tenant=args.tenant, key_check=key_check, witness=witness, second=second,
            database=database,
        )  # fmt: skip
        settle(proof, folder, within_s=args.wait, database=database, second=second)
    if args.json:
        logs = [{**asdict(log), "outcome": log.outcome.value} for log in proof.logs]
        print(json.dumps({"outcome": proof.outcome.value, "problems": proof.problems, "logs": logs}))
    else:
        for log in proof.logs:
            print(
                f"{log.outcome.value:<12} {log.log}: {log.records} records, {log.segments} segments "
                f"({log.erased} erased), {log.orphans} orphans, signed up to {log.signed}"
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

    if (
        args.folder is not None
        and args.record is None
        and not args.folder.exists()
        and args.folder.name == str(args.folder)
    ):
        args.folder, args.record = None, str(args.folder)  # one word that is no folder is the record
    folder = chosen_folder(args)
    store = open_reader(args)
    try:
        rows = _newest(store, args)
    finally:
        store.close()
    if not rows and args.record:
        raise NothingToVerify(f"no record or request {args.record!r} in {folder}", hint="haechi audit show lists them")
    for row in rows:
        _print_row(row, as_json=args.json)
    if args.decrypt:
        _decrypt(rows, args)
    return ExitCode.OK


def _newest(store: Store, args: argparse.Namespace) -> list[dict[str, Any]]:
    """The last rows that were asked for, over all logs in order of sequencing; memory is bounded by the limit."""
    from audit import canonical

    def rows_of(log: str) -> Iterator[dict[str, Any]]:
        for seq, leaf in store.newest(log):
            yield {"seq": seq, **canonical.decode(leaf)}

    merged = heapq.merge(*map(rows_of, logs_of(store, args.tenant)), key=lambda row: row["sts"], reverse=True)
    wanted = (row for row in merged if args.record in {None, row["req"], row["id"], str(row["seq"])})
    return list(islice(wanted, max(args.limit, 0)))[::-1]


def _print_row(row: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(row))
        return
    at = datetime.fromtimestamp(row["sts"] / 1_000_000, tz=UTC).isoformat(timespec="milliseconds")
    found = ",".join(sorted({f["c"] for f in row["fin"]}))
    print(f"{at}  {row['ten']:<10} {row['seq']:>5}  {row['typ']:<19} {row['dec']:<7} {row['req']}  {found}".rstrip())


def _decrypt(rows: list[dict[str, Any]], args: argparse.Namespace) -> None:
    from audit.access import Approval, Wanted, read_content
    from audit.rights.errors import ApprovalRefused

    if args.break_glass != bool(args.approval):
        raise ApprovalRefused(
            "--break-glass and --approval come together", hint="haechi audit approve makes an approval"
        )
    approval = Approval.parse(read_text(args.approval)) if args.approval else None
    own = args.tenant == _SYSTEM or args.record in {row["id"] for row in rows}
    wanted_rows = [
        row for row in rows if row["segs"] and (own or row["ten"] != _SYSTEM)
    ]  # who read it is asked for apart
    with open_log(args) as log:
        for row in wanted_rows:
            tenant = row["log"].rsplit("/", 1)[-1]
            wanted = Wanted(tenant, row["seq"], args.who, args.purpose, args.ticket, f"console of {node()}")
            for part in read_content(log, wanted, approval):
                text = "(erased)" if part.content is None else part.content.decode("utf-8", "replace")
                print(printable({"seq": row["seq"], "segment": part.name, "content": text}))
