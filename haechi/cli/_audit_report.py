"""`haechi audit report|breach`: reports for officers, auditors and authorities, and the workspace of an incident."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from haechi.base.errors import ExitCode, InvalidSetting, UnreadableInput, UnwritableOutput
from haechi.cli._audit_export import time_us
from haechi.cli._audit_folder import LOG_OPTIONS, add_folder, open_log, refuse_id
from haechi.cli._options import DATA_OPTIONS, add_settings

if TYPE_CHECKING:
    from audit.reports.document import Report
    from audit.rights.breach import Incident

_KINDS = (
    "integrity", "retention", "access", "erasure", "article30", "breach", "dpia", "ai-act", "ccpa", "kr-access",
)  # fmt: skip
_FORMATS = ("html", "pdf", "csv", "text", "json")
_STEPS = ("note", "authority-told", "persons-told", "not-notified", "close")


def register_report(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verbs."""
    report = verbs.add_parser(
        "report",
        help="reports as HTML, PDF, CSV, text or JSON in English, Korean or Chinese",
        description="Reports are made from the log's records. That one was made is itself recorded. `kr-access`, and `breach` "
        "with --incident, decrypt, and need --who and --ticket.",
    )
    report.add_argument("kind", choices=_KINDS)
    add_folder(report)
    report.add_argument("--format", choices=_FORMATS, default="", help="default: by the ending of --output, else text")
    report.add_argument("--language", choices=["en", "ko", "zh"], default="en", help="[en]")
    report.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    report.add_argument("--since", default="", metavar="TIME", help="records from this time on, ISO 8601")
    report.add_argument("--until", default="", metavar="TIME", help="records before this time")
    report.add_argument("--last-month", action="store_true", help="the last full month, UTC")
    report.add_argument("--incident", default="", help="with `breach`: the workspace of this incident")
    report.add_argument(
        "--facts", type=Path, metavar="FILE", help="JSON of what only you know: controller, dpo, purposes, ..."
    )
    report.add_argument("--font", type=Path, metavar="FILE", help="TrueType font to embed into a PDF")
    report.add_argument("--who", default="", help="who makes it")
    report.add_argument("--ticket", default="", help="the ticket that asks for it")
    report.set_defaults(run=run_report)

    breach = verbs.add_parser(
        "breach",
        help="the workspace of an incident: a clock of 72 hours, steps, numbers for the notification",
        description="`list` ends with exit code 1 when an authority should have been told by now.",
    )
    breach.add_argument("do", choices=["open", "list", "show", *_STEPS])
    breach.add_argument("id", nargs="?", default="", help="the incident (not for open and list)")
    breach.add_argument("--folder", type=Path, default=None, help="audit folder (default: `audit` in the data folder)")
    breach.add_argument("--tenant", default=None, help="whose data [default]")
    breach.add_argument("--json", action="store_true", help="JSON on standard output")
    breach.add_argument("--aware", default="", metavar="TIME", help="when it became known (open) [now]")
    breach.add_argument("--hours", type=int, default=72, help="until the authority is to be told (open) [72]")
    breach.add_argument("--note", default="", help="nature, or what was done; stored encrypted")
    breach.add_argument("--who", default="", help="who does it; stored encrypted")
    breach.add_argument("--ticket", default="", help="the ticket; stored encrypted")
    add_settings(breach, (*DATA_OPTIONS, *LOG_OPTIONS))
    breach.set_defaults(run=run_breach)


def run_report(args: argparse.Namespace) -> int:
    """Write one report."""
    from audit.reports.kinds import Kind, Wish, make_report, month_before

    ending = args.output.suffix[1:] if args.output else ""
    form = args.format or (ending if ending in _FORMATS else "json" if args.json else "text")
    if form == "pdf" and not args.output:
        raise InvalidSetting("a PDF file needs --output", hint="--output report.pdf")
    facts = _facts(args.facts)
    with open_log(args) as log:
        since, until = time_us(args.since), time_us(args.until)
        if args.last_month:
            since, until = month_before(log.clock.now_us())
        wish = Wish(args.language, since, until, args.tenant or "", args.incident, args.who, args.ticket, facts)
        data = _rendered(make_report(Kind(args.kind), log, wish), form, args.font)
    if args.output is None:
        sys.stdout.write(data.decode())
        return ExitCode.OK
    try:
        args.output.touch(mode=0o600, exist_ok=True)
        args.output.write_bytes(data)
    except OSError as error:
        raise UnwritableOutput(f"{args.output}: {error.strerror}", hint="--output names a file") from error
    print(json.dumps({"report": args.kind, "file": str(args.output)}) if args.json else args.output)
    return ExitCode.OK


def _rendered(report: Report, form: str, font: Path | None) -> bytes:
    from audit.reports import render

    if form == "pdf":
        return render.to_pdf(report, font)
    texts = {"html": render.to_html, "csv": render.to_csv, "text": render.to_text, "json": render.to_json}
    return texts[form](report).encode()


def _facts(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        given = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableInput(f"{path}: not a JSON file", hint='{"controller": "...", "dpo": "..."}') from error
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise UnreadableInput(f"{path}: not an object of strings", hint='{"controller": "...", "dpo": "..."}')
    return given


def run_breach(args: argparse.Namespace) -> int:
    """Exit code 0, 1 when something is overdue."""
    from audit.rights import breach

    who = {"who": args.who, "ticket": args.ticket}
    refuse_id(args, {"list", "open"})
    with open_log(args) as log:
        now = log.clock.now_us()
        if args.do == "list":
            found = [one for one in breach.incidents(log) if args.tenant in {None, one.tenant}]
            if not found and not args.json:
                print("no incident is known")
        elif args.do == "open":
            aware = time_us(args.aware) or now
            made = breach.open_incident(
                log, args.tenant or "default", aware_us=aware, nature=args.note, hours=args.hours, **who
            )
            found = [made]
        elif args.do == "show":
            found = [breach.find_incident(log, args.id)]
        else:
            words = {"note": "noted", "close": "closed"}
            step = breach.BreachStep(words.get(args.do, args.do))
            found = [breach.take(log, args.id, step, note=args.note, **who)]
    for one in found:
        _say(one, now, as_json=args.json)
    return ExitCode.FOUND if args.do == "list" and any(one.overdue(now) for one in found) else ExitCode.OK


def _say(one: Incident, now_us: int, *, as_json: bool) -> None:
    state = "overdue" if one.overdue(now_us) else "closed" if one.closed else "open"
    steps = [{"at": _utc(step.at_us), "step": step.step.value} for step in one.steps]
    entry = {
        "incident": one.id,
        "state": state,
        "known_since": _utc(one.aware_us),
        "due": _utc(one.due_us),
        "steps": steps,
    }
    if as_json:
        print(json.dumps(entry))
        return
    print(f"{one.id:<24} {state:<8} known since {entry['known_since']}  authority by {entry['due']}")
    for step in steps:
        print(f"  {step['at']}  {step['step']}")


def _utc(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, tz=UTC).isoformat(timespec="seconds")
