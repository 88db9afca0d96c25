"""`haechi audit search|sample|export`: headers by filter, an unsteerable sample, and a log as static files."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from haechi.base.errors import ExitCode, InvalidSetting, UnwritableOutput
from haechi.cli._audit_folder import add_folder, chosen_folder, logs_of, open_log, open_reader, read_text, subject_of

if TYPE_CHECKING:
    from audit.sample import Filter
    from audit.store_port import Store

_DECISIONS = ("allow", "flag", "redact", "rewrite", "block", "none")
_FIELDS = {
    "type": "event type, such as response.blocked",
    "decision": ", ".join(_DECISIONS),
    "category": "a category that was found, such as pii",
    "request": "request id",
    "reason": "reason word",
    "policy": "policy digest, sha256:...",
    "model": "model name",
}


def register_export(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verbs."""
    search = verbs.add_parser("search", help="records by their headers, as JSON lines")
    add_folder(search)
    _filters(search)
    search.add_argument("--count", action="store_true", help="only how many there are")
    search.set_defaults(run=run_search)
    sample = verbs.add_parser(
        "sample",
        help="draw records at random, reproducibly and not steerable by the operator",
        description="The seed is SHA-256(root of the newest checkpoint | your number): name the number after the checkpoint "
        "was signed. The same command draws the same records again.",
    )
    add_folder(sample, tenant="whose log [default]")
    _filters(sample)
    sample.add_argument("--number", type=int, required=True, help="a number that you choose, at least 0")
    sample.add_argument("--size", type=int, default=25, help="how many records [25]")
    sample.set_defaults(run=run_sample)
    export = verbs.add_parser(
        "export",
        help="write logs as static files, their headers for a SIEM, or everything of one person",
        description="tiles: one folder a log (c2sp.org/tlog-tiles) with its checkpoint, and the public key; any tlog client can "
        "read them, `python -m audit.verifier DIR --tiles` verifies them offline. ocsf, otel: headers as JSON lines. With "
        "--subject: a ZIP file of everything of one person, with proofs, which `python -m audit.verifier FILE --bundle` verifies.",
    )
    add_folder(export)
    export.add_argument("--output", type=Path, required=True, metavar="PATH", help="a folder; a file with --subject")
    export.add_argument("--format", choices=["tiles", "ocsf", "otel"], default="tiles", help="form of headers [tiles]")
    export.add_argument("--subject", metavar="NAME|-", help="everything of this person; - reads the name")
    export.add_argument("--who", default="", help="who exports (with --subject)")
    export.add_argument("--purpose", default="", help="why (with --subject)")
    export.add_argument("--ticket", default="", help="the ticket that asks for it (with --subject)")
    export.add_argument("--to", default="", metavar="age1...", help="encrypt to this age public key (with --subject)")
    export.add_argument("--passphrase", action="store_true", help="encrypt under a passphrase that is asked for")
    export.add_argument("--headers", action="store_true", help="put all headers in, so that completeness proves itself")
    export.set_defaults(run=run_export)


def _filters(parser: argparse.ArgumentParser) -> None:
    for name, text in _FIELDS.items():
        parser.add_argument(f"--{name}", default="", help=text)
    parser.add_argument(
        "--since", default="", metavar="TIME", help="from this time on, ISO 8601, UTC unless it says otherwise"
    )
    parser.add_argument("--until", default="", metavar="TIME", help="before this time")


def run_search(args: argparse.Namespace) -> int:
    """Exit code 0, also when nothing is found: the count is then 0."""
    from audit.sample import population

    wanted, found = _wanted(args), 0
    with _store(args) as store:
        for log in logs_of(store, args.tenant):
            for seq, header in population(store, log, wanted):
                found += 1
                if not args.count:
                    print(json.dumps({"seq": seq, **header}))
    if args.count:
        print(json.dumps({"count": found}) if args.json else found)
    return ExitCode.OK


def run_sample(args: argparse.Namespace) -> int:
    """The draw, with everything that is needed to repeat it."""
    from audit.note import parse
    from audit.prove import newest_note
    from audit.sample import draw, population

    if args.number < 0 or args.size < 1:
        raise InvalidSetting("--number is at least 0 and --size at least 1", hint="--number 4711 --size 25")
    with _store(args) as store:
        (log,) = logs_of(store, args.tenant or "default")
        checkpoint = parse(newest_note(store, log)[1])[0]
        headers = dict(population(store, log, _wanted(args), checkpoint.size))
    drawn = draw(list(headers), args.size, checkpoint.root, args.number)
    head = {"log": log, "size": checkpoint.size, "root": checkpoint.root.hex(), "number": args.number}
    print(json.dumps({**head, "population": len(headers), "drawn": drawn}))
    for seq in drawn:
        print(json.dumps({"seq": seq, **headers[seq]}))
    return ExitCode.OK


def run_export(args: argparse.Namespace) -> int:
    """Write what was asked for."""
    if args.subject:
        return _export_subject(args)
    return _export_tiles(args) if args.format == "tiles" else _export_headers(args)


def _export_subject(args: argparse.Namespace) -> int:
    from audit.rights.bundle import export_subject
    from haechi.cli._audit_request import ask_passphrase, write_bundle

    passphrase = ask_passphrase(args)
    with open_log(args) as log:
        bundle = export_subject(
            log, args.tenant or "default", subject_of(args.subject), who=args.who, purpose=args.purpose,
            ticket=args.ticket, headers=args.headers,
        )  # fmt: skip
    write_bundle(args, bundle.data, passphrase)
    said = {
        "records": bundle.records,
        "segments": bundle.segments,
        "left_out": bundle.left_out,
        "sha256": bundle.digest,
    }
    text = f"{bundle.records} records, {bundle.segments} segments, {bundle.left_out} segments of others left out: {args.output}"
    print(json.dumps(said) if args.json else text)
    return ExitCode.OK


def _export_headers(args: argparse.Namespace) -> int:
    """Headers of every log as JSON lines; they hold no content."""
    from audit import canonical
    from audit.reports.shapes import to_ocsf, to_otel

    shape, done = (to_ocsf if args.format == "ocsf" else to_otel), 0
    with _store(args) as store, store.snapshot():
        logs = logs_of(store, args.tenant)
        try:
            with args.output.open("w", encoding="utf-8") as file:
                for log in logs:
                    for seq, leaf in store.headers(log):
                        file.write(json.dumps(shape(seq, canonical.decode(leaf))) + "\n")
                        done += 1
        except OSError as error:
            raise UnwritableOutput(f"{args.output}: {error.strerror}", hint="--output names a file") from error
    print(json.dumps({"records": done}) if args.json else f"{done} records: {args.output}")
    return ExitCode.OK


def _export_tiles(args: argparse.Namespace) -> int:
    """Every log that was asked for."""
    from audit.note import VerifierKey
    from audit.second import PUBLIC_FILE, second_key
    from audit.tiles import write_tiles

    family = VerifierKey.parse(read_text(chosen_folder(args) / "public.key"))
    with _store(args) as store, store.snapshot():
        try:
            for log in logs_of(store, args.tenant):
                folder = args.output / log.rsplit("/", 1)[-1]
                size = write_tiles(store, log, folder)
                # Standard tools want the key under the log's own name; its hash is another, the key is the same.
                (folder / "public.key").write_text(VerifierKey(log, family.public).line() + "\n", "ascii")
                print(json.dumps({"log": log, "records": size}) if args.json else f"{log}: {size} records")
            (args.output / "public.key").write_text(family.line() + "\n", "ascii")
            if (second := second_key(chosen_folder(args))) is not None:
                (args.output / PUBLIC_FILE).write_text(second.line() + "\n", "ascii")
        except OSError as error:
            raise UnwritableOutput(f"{args.output}: {error.strerror}", hint="--output names a folder") from error
    return ExitCode.OK


def _wanted(args: argparse.Namespace) -> Filter:
    from audit.events import EventType
    from audit.sample import Filter

    kinds = [kind.value for kind in EventType]
    if args.type and args.type not in kinds:
        raise InvalidSetting(f"--type {args.type!r} is no type of record", hint=", ".join(kinds))
    if args.decision and args.decision not in _DECISIONS:
        raise InvalidSetting(f"--decision {args.decision!r} is no decision", hint=", ".join(_DECISIONS))
    words = {name: getattr(args, name) for name in _FIELDS}
    return Filter(**words, since_us=time_us(args.since), until_us=time_us(args.until))


def time_us(text: str) -> int:
    """Microseconds of an ISO 8601 time, UTC unless it says otherwise; 0 for an empty one."""
    if not text:
        return 0
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidSetting(f"{text!r} is not a time", hint="2026-11-24 or 2026-11-24T08:00:00+09:00") from error
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000_000)


@contextmanager
def _store(args: argparse.Namespace) -> Iterator[Store]:
    store = open_reader(args)
    try:
        yield store
    finally:
        store.close()
