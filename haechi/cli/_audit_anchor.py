"""`haechi audit anchor ask|verify`: have checkpoints stamped by a timestamp authority (RFC 3161), and check the stamps."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from haechi.base.errors import ExitCode
from haechi.cli._audit_folder import add_folder, chosen_folder, open_log, open_reader, read_text

if TYPE_CHECKING:
    from audit.anchor import Anchor


def register_anchor(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and its actions."""
    anchor = verbs.add_parser(
        "anchor",
        help="have checkpoints stamped by a timestamp authority (RFC 3161), or check the stamps offline",
        description="The authority sees a hash of a checkpoint and nothing else. Its stamp proves, without our clock and our "
        "key, that the records below that checkpoint existed at that time.",
    )
    actions = anchor.add_subparsers(metavar="ACTION", required=True)
    ask = actions.add_parser("ask", help="stamp the newest checkpoint; daily is a good habit")
    add_folder(ask, tenant="this tenant's log too (the system log, which names all others, is always stamped)")
    ask.add_argument("--tsa", required=True, metavar="URL", help="the authority")
    ask.add_argument("--record", action="store_true", help="record it in the log, too; needs the log's keys")
    ask.set_defaults(run=run_ask)
    check = actions.add_parser("verify", help="check every stamp against the log as it is now; no network")
    add_folder(check)
    check.set_defaults(run=run_verify)
    for action in (ask, check):
        action.add_argument(
            "--tsa-root", type=Path, required=True, metavar="FILE", help="root certificates that you believe, PEM"
        )
        action.add_argument(
            "--anchors", type=Path, metavar="DIR", help="where stamps are kept (default: beside the folder)"
        )


def run_ask(args: argparse.Namespace) -> int:
    """Exit code 0 stamped, 1 the answer does not verify, 3 no answer."""
    from audit.anchor import Anchors
    from audit.note import VerifierKey
    from audit.prove import newest_note

    folder = chosen_folder(args)
    anchors = Anchors(args.anchors or Anchors.beside(folder), read_text(args.tsa_root).encode("ascii", "replace"))
    key = VerifierKey.parse(read_text(folder / "public.key"))
    made = []
    store = open_reader(args)
    try:
        for name in ["_system", *([args.tenant] if args.tenant else [])]:
            log = f"{key.name}/{name}"
            made.append(anchors.ask(args.tsa, VerifierKey(log, key.public), newest_note(store, log)[1]))
    finally:
        store.close()
    for one in made:
        _print(one, as_json=args.json)
    if args.record:
        _record(args, made)
    return ExitCode.OK


def run_verify(args: argparse.Namespace) -> int:
    """Exit code 0 all stand, 1 one does not, 3 there is none."""
    from audit.anchor import Anchors
    from audit.errors import NothingToVerify
    from audit.note import VerifierKey

    folder = chosen_folder(args)
    anchors = Anchors(args.anchors or Anchors.beside(folder), read_text(args.tsa_root).encode("ascii", "replace"))
    store = open_reader(args)
    try:
        found, problems = anchors.verify(store, VerifierKey.parse(read_text(folder / "public.key")))
    finally:
        store.close()
    if not found and not problems:
        raise NothingToVerify(f"{anchors.folder} holds no stamp", hint="haechi audit anchor ask --tsa URL")
    for one in found:
        _print(one, as_json=args.json)
    for problem in problems:
        print(json.dumps({"problem": problem}) if args.json else f"problem: {problem}")
    return ExitCode.FOUND if problems else ExitCode.OK


def _print(one: Anchor, *, as_json: bool) -> None:
    at = datetime.fromtimestamp(one.at_us / 1_000_000, tz=UTC).isoformat(timespec="milliseconds")
    print(json.dumps({**asdict(one), "at": at}) if as_json else f"{at}  {one.log}: {one.size} records")


def _record(args: argparse.Namespace, made: list[Anchor]) -> None:
    from audit.events import Event, EventType

    with open_log(args) as log:
        for one in made:
            name = one.log.rsplit("/", 1)[-1]
            log.record(
                Event(
                    EventType.CHECKPOINT_ANCHORED, "_system", "", act="log", decision="none", reason=name,
                    count=one.size, until_us=one.at_us,
                )
            )  # fmt: skip
