"""`haechi audit request|restrict|packs`: what persons ask for, with clocks, and the packs that the clocks come from."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from haechi.base.errors import ExitCode, InvalidSetting, UnreadableInput, UnwritableOutput
from haechi.cli._audit_folder import LOG_OPTIONS, add_folder, open_log, printable, refuse_id, subject_of
from haechi.cli._options import DATA_OPTIONS, add_settings

if TYPE_CHECKING:
    from audit.log import AuditLog
    from audit.rights.fulfil import Fulfilled
    from audit.rights.requests import By, Desk, SubjectRequest

_DAY_US = 86_400_000_000
_STEPS = ("acknowledge", "ask-identity", "verify-identity", "extend", "hold", "resume", "fulfil", "refuse", "withdraw")
_KINDS = (
    "access",
    "portability",
    "erasure",
    "rectification",
    "restriction",
    "objection",
    "explanation",
    "opt-out",
    "limit",
)


def register_request(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verbs."""
    request = verbs.add_parser(
        "request",
        help="requests of persons: open, list, check identity, extend, fulfil, refuse",
        description="What persons ask for, with the clock of their jurisdiction. Every step is a record of the system log. "
        "`list` ends with exit code 1 when something is overdue.",
    )
    request.add_argument("do", choices=["open", "list", "show", "intake", *_STEPS])
    request.add_argument("id", nargs="?", default="", help="the request (not for open, list and intake)")
    request.add_argument("--folder", type=Path, default=None, help="audit folder (default: `audit` in the data folder)")
    _request_options(request)
    request.add_argument("--tenant", default=None, help="whose user the person is [default]")
    request.add_argument("--json", action="store_true", help="JSON on standard output")
    add_settings(request, (*DATA_OPTIONS, *LOG_OPTIONS))
    add_by(request)
    add_output(request)
    request.set_defaults(run=run_request)

    restrict = verbs.add_parser("restrict", help="restrict the processing of a person's content, or allow it again")
    restrict.add_argument("do", choices=["place", "lift", "list"])
    add_folder(restrict, tenant="whose user the person is [default]")
    restrict.add_argument("--subject", metavar="NAME|-", help="the person; - reads it")
    restrict.add_argument("--id", default="", help="the restriction to lift")
    add_by(restrict)
    restrict.set_defaults(run=run_restrict)

    packs = verbs.add_parser("packs", help="what laws ask for, as data: list the statements, or look for stale ones")
    packs.add_argument("do", choices=["list", "lint"])
    packs.add_argument("--pack", default="", help="only this one")
    packs.add_argument("--json", action="store_true", help="JSON on standard output")
    packs.set_defaults(run=run_packs)


def _request_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--subject", metavar="NAME|-", help="the user as the gateway received it; - reads it (open)")
    parser.add_argument("--kind", choices=_KINDS, help="what is asked for (open)")
    parser.add_argument("--pack", default="gdpr", help="jurisdiction (open) [gdpr]; see `haechi audit packs list`")
    parser.add_argument("--contact", default="", help="where the answer goes; stored encrypted (open)")
    parser.add_argument(
        "--level", type=int, default=2, help="1 claimed, 2 two facts matched, 3 stronger (verify-identity) [2]"
    )
    parser.add_argument("--record", default="", help="record id to correct (fulfil)")
    parser.add_argument("--text", default="", help="what is right (fulfil of a rectification)")
    parser.add_argument("--file", type=Path, help="OpenDSR request as JSON (intake)")
    parser.add_argument(
        "--backup-days", type=int, default=30, metavar="N", help="days that backups of keys.db are kept [30]"
    )


def add_by(parser: argparse.ArgumentParser) -> None:
    """Who does it, and why."""
    parser.add_argument("--who", default="", help="who does it; stored encrypted")
    parser.add_argument("--ticket", default="", help="the ticket that asks for it; stored encrypted")
    parser.add_argument("--ground", default="", help="a word: why it is refused, extended or held")
    parser.add_argument("--note", default="", help="for the file; stored encrypted")


def add_output(parser: argparse.ArgumentParser) -> None:
    """Where an export goes, and who can open it."""
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the export is written (.zip, .age)")
    parser.add_argument("--to", default="", metavar="age1...", help="encrypt the export to this age public key")
    parser.add_argument(
        "--passphrase", action="store_true", help="encrypt the export under a passphrase that is asked for"
    )
    parser.add_argument(
        "--headers",
        action="store_true",
        help="put all headers of the log in: completeness is then proven by the file alone",
    )


def run_request(args: argparse.Namespace) -> int:
    """Exit code 0, 1 when something is overdue or held, 2 when a step is refused."""
    from audit.rights.requests import Desk

    refuse_id(args, {"list", "open", "intake"})
    with open_log(args) as log:
        desk = Desk(log)
        if args.do == "list":
            return _list(desk, log, args)
        if args.do in {"open", "intake"}:
            request = _open(desk, log, args)
        elif not args.id:
            raise InvalidSetting("name the request", hint="haechi audit request list")
        elif args.do == "show":
            request = desk.find(args.id)
        elif args.do == "fulfil":
            return _fulfil(log, args)
        else:
            request = _step(desk, args)
        say_request(request, log.clock.now_us(), as_json=args.json, steps=args.do == "show")
    return ExitCode.OK


def _open(desk: Desk, log: AuditLog, args: argparse.Namespace) -> SubjectRequest:
    from audit.packs import RightKind
    from audit.rights.intake import accept
    from audit.rights.requests import Asked

    if args.do == "intake":
        try:
            data = args.file.read_bytes() if args.file else sys.stdin.buffer.read()
        except OSError as error:
            raise UnreadableInput(f"{args.file}: {error.strerror}", hint="--file names a JSON file") from error
        return accept(log, args.tenant or "default", data, by_args(args)).request
    if not args.subject or not args.kind:
        raise InvalidSetting("a request has --subject and --kind", hint="--subject - --kind erasure")
    asked = Asked(
        args.tenant or "default", subject_of(args.subject), RightKind(args.kind), args.pack, args.contact, args.note
    )
    return desk.open(asked, by_args(args))


def _step(desk: Desk, args: argparse.Namespace) -> SubjectRequest:
    by = by_args(args)
    if args.do == "verify-identity":
        return desk.verify_identity(args.id, args.level, by)
    steps = {
        "acknowledge": desk.acknowledge, "ask-identity": desk.ask_identity, "extend": desk.extend, "hold": desk.hold,
        "resume": desk.resume, "refuse": desk.refuse, "withdraw": desk.withdraw,
    }  # fmt: skip
    return steps[args.do](args.id, by)


def _list(desk: Desk, log: AuditLog, args: argparse.Namespace) -> int:
    from audit.rights.requests import State

    now = log.clock.now_us()
    found = [one for one in desk.list() if args.tenant in {None, one.tenant}]
    if not found and not args.json:
        print("no request is known")
    for one in found:
        say_request(one, now, as_json=args.json)
    return ExitCode.FOUND if any(one.state(now) is State.OVERDUE for one in found) else ExitCode.OK


def _fulfil(log: AuditLog, args: argparse.Namespace) -> int:
    from audit.rights.fulfil import Correction, fulfil
    from audit.rights.requests import Desk

    exports = Desk(log).find(args.id).kind.value in {"access", "portability", "explanation"}
    if exports and not args.output:
        raise InvalidSetting("an answer with data needs --output", hint="--output answer.zip")
    passphrase = ask_passphrase(args)
    done = fulfil(
        log, args.id, by_args(args), backups_until_us=time.time_ns() // 1000 + args.backup_days * _DAY_US,
        correction=Correction(args.record, args.text) if args.record else None, headers=args.headers,
    )  # fmt: skip
    if done.bundle is not None:
        write_bundle(args, done.bundle.data, passphrase)
    say_request(done.request, log.clock.now_us(), as_json=args.json, more=_outcome(done))
    return ExitCode.FOUND if done.certificate is not None and done.certificate.deferred_by else ExitCode.OK


def _outcome(done: Fulfilled) -> dict[str, Any]:
    more: dict[str, Any] = {"missing": True} if done.missing else {}
    if done.certificate is not None:
        more.update(
            segments=done.certificate.segments, certificate=done.certificate.seqs, hold=done.certificate.deferred_by
        )
    if done.bundle is not None:
        more.update(records=done.bundle.records, left_out=done.bundle.left_out, digest=done.bundle.digest)
    return {**more, "restriction": done.restriction, "correction": done.correction}


def run_restrict(args: argparse.Namespace) -> int:
    """Place, lift or list restrictions."""
    from audit.rights import restrict

    with open_log(args) as log:
        if args.do == "place":
            if not args.subject:
                raise InvalidSetting("name the person", hint="--subject -")
            by = by_args(args)
            made = restrict.place(log, args.tenant or "default", subject_of(args.subject), who=by.who, ticket=by.ticket)
            found = [made]
        elif args.do == "lift":
            by = by_args(args)
            found = [restrict.lift(log, args.id, who=by.who, ticket=by.ticket)]
        else:
            found = restrict.in_force(log)
    for one in found:
        at = datetime.fromtimestamp(one.placed_us / 1e6, tz=UTC).isoformat(timespec="seconds")
        entry = {
            "restriction": one.id,
            "tenant": one.tenant,
            "placed": at,
            "keys": len(one.kids),
            "request": one.request,
        }
        print(json.dumps(entry) if args.json else f"{one.id}  {at}  {one.tenant}  keys {len(one.kids)}")
    return ExitCode.OK


def run_packs(args: argparse.Namespace) -> int:
    """Exit code 1 when a statement is stale or says too little."""
    from audit.packs import lint, load, names

    problems = []
    for name in [args.pack] if args.pack else names():
        pack = load(name)
        problems += lint(pack, datetime.now(UTC).date())
        if args.do == "list":
            for one in pack.statements.values():
                entry = {"pack": name, "id": one.id, "article": one.article, "text": one.text, "source": one.source}
                entry |= {"checked": str(one.checked), "status": one.status.value}
                line = f"{name:<11} {one.article}: {one.text} [{one.status.value}, {one.checked}, {one.source}]"
                print(json.dumps(entry) if args.json else line)
    if args.do == "lint":
        for problem in problems:
            print(json.dumps({"problem": problem}) if args.json else problem)
        if not problems and not args.json:
            print("every statement has its article, source, date and status")
        return ExitCode.FOUND if problems else ExitCode.OK
    return ExitCode.OK


def say_request(
    request: SubjectRequest, now_us: int, *, as_json: bool, steps: bool = False, more: dict[str, Any] | None = None
) -> None:
    """One request, with what time is left."""
    from audit.rights.requests import acknowledge_by_us

    days = (request.due_us - now_us) // _DAY_US
    entry: dict[str, Any] = {
        "request": request.id, "kind": request.kind.value, "pack": request.pack, "state": request.state(now_us).value,
        "received": _utc(request.received_us), "due": _utc(request.due_us), "due_day": str(request.due_day), "days_left": days, "identity": request.level,
        "extended": request.extended, **(more or {}),
    }  # fmt: skip
    by = acknowledge_by_us(request)
    if by and not request.acknowledged:
        entry["acknowledge_by"] = _utc(by)
    if steps:
        entry["steps"] = [
            {"at": _utc(one.at_us), "step": one.step.value, "ground": one.ground, "record": one.seq}
            for one in request.steps
        ]
    if as_json:
        print(json.dumps(entry))
        return
    left = "ended" if request.ended_us else f"{days} days left"
    print(
        f"{request.id:<24} {request.kind.value:<13} {request.pack:<8} {entry['state']:<14} due {entry['due_day']}  {left}"
    )
    for one in entry.get("steps", ()):
        print(f"  {one['at']}  {one['step']} {one['ground']}".rstrip())
    if more:
        print(f"  {printable({name: value for name, value in more.items() if value})}")


def by_args(args: argparse.Namespace) -> By:
    """Who takes the step."""
    from audit.rights.requests import By

    return By(args.who, args.ticket, args.ground, args.note)


def ask_passphrase(args: argparse.Namespace) -> str:
    """A passphrase from the terminal, or the first line of what is piped in; before anything is decrypted."""
    if not args.passphrase:
        return ""
    return getpass.getpass("Passphrase for the export: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


def write_bundle(args: argparse.Namespace, data: bytes, passphrase: str) -> None:
    """Write an export, encrypted if that was asked for; readable by its owner only."""
    from audit.rights.envelope import encrypt

    sealed = encrypt(data, recipient=args.to, passphrase=passphrase) if args.to or passphrase else data
    try:
        args.output.touch(mode=0o600, exist_ok=True)
        args.output.write_bytes(sealed)
    except OSError as error:
        raise UnwritableOutput(f"{args.output}: {error.strerror}", hint="--output names a file") from error


def _utc(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, tz=UTC).isoformat(timespec="seconds")
