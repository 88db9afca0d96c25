"""`haechi audit erase|retain|hold|rotate`: what a privacy officer does."""

from __future__ import annotations

import argparse
import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from haechi.base.errors import ExitCode, UnwritableOutput
from haechi.cli._audit_folder import add_folder, open_log, subject_of

if TYPE_CHECKING:
    from audit.erase import Certificate, Why
    from audit.log import AuditLog

_DAY_US = 86_400_000_000


def register_rights(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verbs."""
    erase = verbs.add_parser(
        "erase",
        help="make everything of a person unreadable, and certify it",
        description="Destroy the keys of a person's content. Exit code 0 done, 1 a hold forbids it, 3 nothing of this person.",
    )
    add_folder(erase, tenant="whose user the person is [default]")
    erase.add_argument(
        "--subject", required=True, metavar="NAME|-", help="the user as the gateway received it; - reads it"
    )
    erase.add_argument("--ground", default="request", help="legal ground as a word, such as gdpr-17-1-b")
    erase.add_argument("--request", default="", help="id of the request; no person's name")
    erase.add_argument("--receipt", type=Path, metavar="FILE", help="write the certificate with its proofs as JSON")
    _why(erase)
    erase.set_defaults(run=run_erase)

    retain = verbs.add_parser(
        "retain",
        help="destroy the keys of classes whose time is over",
        description="Destroy the keys of every retention class and month that is due. With --dry-run only the schedule is "
        "printed; exit code 1 when something is overdue.",
    )
    add_folder(retain)
    retain.add_argument("--dry-run", action="store_true", help="print the schedule, destroy nothing")
    _why(retain)
    retain.set_defaults(run=run_retain)

    hold = verbs.add_parser("hold", help="forbid erasure and expiry, or allow it again", description=run_hold.__doc__)
    hold.add_argument("do", choices=["place", "lift", "list"])
    add_folder(hold, tenant="whose user the person is [default]")
    hold.add_argument("--subject", metavar="NAME|-", help="only this person (default: the whole tenant)")
    hold.add_argument("--id", default="", help="the hold to lift")
    _why(hold)
    hold.set_defaults(run=run_hold)

    rotate = verbs.add_parser(
        "rotate",
        help="wrap all content keys under new tenant keys",
        description="New tenant keys; every subject key is wrapped again, no content is touched. The gateway may go on running.",
    )
    add_folder(rotate)
    _why(rotate)
    rotate.set_defaults(run=run_rotate)


def _why(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--who", default="", help="who does it; stored encrypted")
    parser.add_argument("--ticket", default="", help="the ticket that asks for it; stored encrypted")
    parser.add_argument(
        "--backup-days", type=int, default=30, metavar="N", help="days that backups of keys.db are kept [30]"
    )


def run_erase(args: argparse.Namespace) -> int:
    """Erase one person."""
    from audit.erase import Eraser

    why = _reason(args, args.ground, args.request)
    with open_log(args) as log:
        certificate = Eraser(log).erase(args.tenant or "default", subject_of(args.subject), why)
        if args.receipt and not certificate.deferred_by:
            _write_receipt(args.receipt, log, certificate, why)
    if certificate.deferred_by:
        _say(
            args,
            {"outcome": "deferred", "hold": certificate.deferred_by},
            f"deferred, nothing was destroyed: hold {certificate.deferred_by} forbids it; haechi audit hold list",
        )
        return ExitCode.FOUND
    said = {
        "outcome": "erased",
        "segments": certificate.segments,
        "keys": certificate.kids,
        "records": certificate.seqs,
    }
    until = datetime.fromtimestamp(why.backups_until_us / 1e6, tz=UTC).date()
    _say(
        args,
        {**said, "backups_until": until.isoformat()},
        f"erased: {certificate.segments} segments under {len(certificate.kids)} keys; certificate in _system "
        f"{', '.join(map(str, certificate.seqs))}; backups of keys.db may hold the keys until {until}",
    )
    return ExitCode.OK


def run_retain(args: argparse.Namespace) -> int:
    """Apply the schedule, or print it."""
    from audit.erase import Eraser

    with open_log(args) as log:
        eraser = Eraser(log)
        if not args.dry_run:
            expired = eraser.expire(_reason(args, "retention", ""))
            if not expired and not args.json:
                print("nothing is due")
            for certificate in expired:
                text = f"expired: {certificate.segments} segments under {len(certificate.kids)} keys of {certificate.tenant}"
                _say(
                    args,
                    {"tenant": certificate.tenant, "segments": certificate.segments, "keys": certificate.kids},
                    text,
                )
            return ExitCode.OK
        now = datetime.fromtimestamp(log.clock.now_us() / 1e6, tz=UTC)
        overdue = False
        for group in eraser.schedule():
            late = group.overdue(now) and len(group.kids) > group.held
            overdue = overdue or late
            due = group.due.date().isoformat() if group.due else ""
            entry = {"tenant": group.tenant, "class": group.retention, "month": group.epoch, "keys": len(group.kids)}
            text = f"{group.tenant:<12} {group.retention:<14} {group.epoch}  keys {len(group.kids):>6}  held {group.held:>4}"
            state = "overdue" if late else ""
            _say(
                args,
                {**entry, "held": group.held, "due": due, "overdue": late},
                f"{text}  due {due or 'never'}  {state}",
            )
    return ExitCode.FOUND if overdue else ExitCode.OK


def run_hold(args: argparse.Namespace) -> int:
    """Place, lift or list legal holds. A hold keeps the keys of a person, or of a whole tenant, from being destroyed."""
    from audit.erase import Eraser
    from haechi.base.errors import InvalidSetting

    if args.do == "lift" and not args.id and args.folder is not None and not args.folder.exists():
        args.id, args.folder = str(args.folder), None  # one word that is no folder is the hold
    with open_log(args) as log:
        eraser = Eraser(log)
        if args.do == "place":
            subject = None if args.subject is None else subject_of(args.subject)
            hold = eraser.place_hold(args.tenant or "default", subject, _reason(args, "hold", ""))
            _say(args, {"hold": hold.id}, f"placed: {hold.id}")
        elif args.do == "lift":
            if not args.id:
                raise InvalidSetting("--id is missing", hint="haechi audit hold list")
            eraser.lift_hold(args.id, _reason(args, "hold", ""))
            _say(args, {"hold": args.id}, f"lifted: {args.id}")
        else:
            held = log.keys.holds()
            if not held and not args.json:
                print("no hold is in force")
            for one in held:
                at = datetime.fromtimestamp(one.placed_us / 1e6, tz=UTC).isoformat(timespec="seconds")
                scope = "tenant" if one.whole_tenant else "subject"
                _say(
                    args,
                    {"hold": one.id, "tenant": one.tenant, "scope": scope, "placed": at},
                    f"{one.id}  {at}  {one.tenant} {scope}",
                )
    return ExitCode.OK


def run_rotate(args: argparse.Namespace) -> int:
    """Rotate the tenant keys."""
    from audit.erase import Eraser

    with open_log(args) as log:
        count = Eraser(log).rotate(_reason(args, "rotation", ""))
    _say(args, {"keys": count}, f"rotated: {count} keys are wrapped anew")
    return ExitCode.OK


def _reason(args: argparse.Namespace, ground: str, request: str) -> Why:
    import time

    from audit.erase import Why
    from audit.errors import AccessRefused

    if not args.who or not args.ticket:
        raise AccessRefused("this needs --who and --ticket; both are recorded", hint="--who 'J. Lee' --ticket DSAR-7")
    return Why(args.who, args.ticket, ground, request, time.time_ns() // 1000 + args.backup_days * _DAY_US)


def _say(args: argparse.Namespace, entry: dict[str, Any], text: str) -> None:
    print(json.dumps(entry) if args.json else text)


def _write_receipt(path: Path, log: AuditLog, certificate: Certificate, why: Why) -> None:
    """The certificate's records with their proofs: verifiable with the public key, without the folder."""
    from audit.prove import prove
    from audit.publisher import SYSTEM

    log.sign()
    store = log.open_store(read_only=True)
    try:
        proven = [prove(store, log.log_name(SYSTEM), seq) for seq in certificate.seqs]
    finally:
        store.close()
    receipt = {
        "haechi_erasure_receipt": 1,
        "tenant": certificate.tenant,
        "request": why.request,
        "ground": why.ground,
        "keys_destroyed": certificate.kids,
        "segments_removed": certificate.segments,
        "backups_may_hold_keys_until_us": why.backups_until_us,
        "public_key": (log.folder / "public.key").read_text("ascii").strip(),
        "certificates": [
            {"leaf": one.leaf.decode("ascii"), "tlog_proof": base64.b64encode(one.proof.text()).decode()}
            for one in proven
        ],
        "limits": "Erasure is as strong as the deletion of the file system that holds keys.db. Copies that an authorised reader "
        "exported, and models trained on them, are not reached.",
    }
    try:
        path.write_text(json.dumps(receipt, indent=1) + "\n", "utf-8")
    except OSError as error:
        raise UnwritableOutput(
            f"{path}: {error.strerror}", hint="--receipt names a file that can be written"
        ) from error
