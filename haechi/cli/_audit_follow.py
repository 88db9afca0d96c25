"""`haechi audit follow`: headers as they are signed, one JSON line each, for whatever carries lines to a SIEM.

Rules of this file
1. Only what a checkpoint covers is said, in the order of its log.
2. Where it stopped is kept after the lines are out: a line may come twice, with the same record id, and none is left out.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from haechi.base.errors import ExitCode, UnreadableInput, UnwritableOutput
from haechi.cli._audit_folder import add_folder, open_reader

if TYPE_CHECKING:
    from audit.store_port import Store

Shape = Callable[[int, dict[str, Any]], dict[str, Any]]


def register_follow(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    follow = verbs.add_parser(
        "follow",
        help="print headers as JSON lines while they are signed, for a SIEM",
        description="Headers only, no content and no person. Pipe it to what forwards lines (logger, vector, fluent-bit, kcat, "
        "curl). It goes on where it stopped, and says it when the log is shorter than what it has forwarded.",
    )
    add_folder(follow)
    follow.add_argument("--format", choices=["ocsf", "otel", "json"], default="ocsf", help="form of a line [ocsf]")
    follow.add_argument(
        "--cursor", type=Path, required=True, metavar="FILE", help="where it is kept what is out already"
    )
    follow.add_argument("--once", action="store_true", help="stop after what is there now")
    follow.add_argument("--every", type=float, default=2.0, metavar="S", help="seconds between two looks [2]")
    follow.set_defaults(run=run_follow)


def run_follow(args: argparse.Namespace) -> int:
    """Exit code 0 when it is told to stop."""
    from audit.reports.shapes import to_ocsf, to_otel

    shapes: dict[str, Shape] = {"ocsf": to_ocsf, "otel": to_otel, "json": lambda seq, header: {"seq": seq, **header}}
    cursor = _read(args.cursor)
    try:
        while True:
            store = open_reader(args)
            try:
                for line in _lines(store, cursor, args.tenant, shapes[args.format]):
                    sys.stdout.write(line + "\n")
            finally:
                store.close()
            sys.stdout.flush()
            _keep(args.cursor, cursor)
            if args.once:
                return ExitCode.OK
            time.sleep(max(args.every, 0.1))
    except (KeyboardInterrupt, BrokenPipeError):
        return ExitCode.OK


def _lines(store: Store, cursor: dict[str, int], tenant: str | None, shape: Shape) -> Iterator[str]:
    """What was signed since; moves the cursor.

    Raises:
        RolledBack: a log is shorter than what is out already.
    """
    from audit import canonical
    from audit.errors import RolledBack

    for log in store.logs():
        if tenant not in {None, log.rsplit("/", 1)[-1]}:
            continue
        newest, first = store.last_checkpoint(log), cursor.get(log, 0)
        signed = newest[0] if newest else 0
        if signed < first:
            raise RolledBack(
                f"{log} is signed up to {signed} records, and {first} were forwarded before",
                hint="a restored copy? haechi audit verify; for a new log name a new --cursor",
            )
        for seq, leaf in store.headers(log, first, signed - first):
            yield json.dumps(shape(seq, canonical.decode(leaf)))
        cursor[log] = signed


def _read(path: Path) -> dict[str, int]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UnreadableInput(f"{path} cannot be read as a cursor", hint="name another file, or remove it") from error
    if not isinstance(found, dict) or not all(type(size) is int and size >= 0 for size in found.values()):
        raise UnreadableInput(f"{path} is not a cursor of this command", hint="name another file, or remove it")
    return found


def _keep(path: Path, cursor: dict[str, int]) -> None:
    try:
        fresh = path.with_name(path.name + ".new")
        fresh.write_text(json.dumps(cursor), "utf-8")
        fresh.replace(path)
    except OSError as error:
        raise UnwritableOutput(
            f"{path}: {error.strerror}", hint="--cursor names a file in a folder that exists"
        ) from error
