"""`haechi data build` and `haechi data lineage`: pairs from feedback, and which runs learned from which rows."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
from pathlib import Path

from haechi.base.errors import ExitCode, MissingExtra, UnreadableInput
from haechi.cli._audit_folder import add_folder, open_log

KEY_FILE = "feedback.key"
_KEY_BYTES = 32


def register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verbs."""
    build = verbs.add_parser(
        "build",
        help="make preference pairs from consented feedback; what was erased leaves them",
        description="Read feedback out of the audit log (each reading is recorded), keep what people consented to, mask "
        "personal data, pair, judge, and write FILE with FILE.manifest.json. Exit code 1: rows of the last build were "
        "erased and runs learned from them; they are named and marked.",
    )
    add_folder(build, tenant="whose feedback [default]")
    build.add_argument("--output", type=Path, required=True, metavar="FILE", help="pairs, .jsonl or .jsonl.gz")
    build.add_argument("--who", required=True, help="who reads; recorded, encrypted")
    build.add_argument("--ticket", required=True, help="the ticket that asks for it; recorded, encrypted")
    build.add_argument("--policy", default="default", metavar="NAME|FILE", help="refuses unsafe answers [default]")
    build.add_argument(
        "--runs", type=Path, action="append", default=[], metavar="DIR", help="where to look for runs; may be repeated"
    )
    build.add_argument(
        "--key", type=Path, metavar="FILE", help=f"key of the subjects' pseudonyms [{KEY_FILE} beside the audit folder]"
    )
    build.set_defaults(run=run_build)
    lineage = verbs.add_parser(
        "lineage",
        help="what made a run, and whether a row is in it, with a proof",
        description="What made a run. With --row: exit code 0 and a Merkle proof when the run learned from that row, else 1.",
    )
    lineage.add_argument("run_folder", type=Path, metavar="RUN", help="folder of a run")
    lineage.add_argument("--row", default="", metavar="HASH", help="hash of a row, from a manifest")
    lineage.add_argument("--json", action="store_true", help="one JSON object on standard output")
    lineage.set_defaults(run=run_lineage)


def run_build(args: argparse.Namespace) -> int:
    """Build."""
    try:
        from alignment.data.build import build
        from alignment.data.feedback_log import Reading, gather
    except ImportError as error:
        raise MissingExtra("building training data", "train,guard") from error
    tenant = args.tenant or "default"
    with open_log(args) as log:
        key = _key(args.key or log.folder.parent / KEY_FILE)
        gathered = gather(log, tenant, Reading(args.who, args.ticket))
    built = build(gathered, args.output, key=key, policy=args.policy, runs=args.runs, tenant=tenant)
    runs = [str(path) for path in built.runs]
    if args.json:
        said = {"file": str(args.output), "rows": built.rows, "root": built.root, "left_out": dict(built.left_out)}
        print(json.dumps({**said, "erased": built.erased, "runs": runs}, ensure_ascii=False))
    else:
        reasons = ", ".join(f"{count} {reason}" for reason, count in built.left_out.items()) or "nothing"
        print(f"{args.output}: {built.rows} pairs ({built.root}); left out: {reasons}")
        if built.erased:
            print(f"erased since the last build: {built.erased} pairs")
        for run in runs:
            print(f"learned from erased rows, now marked: {run}", file=sys.stderr)
    return ExitCode.FOUND if runs else ExitCode.OK


def run_lineage(args: argparse.Namespace) -> int:
    """Trace."""
    from alignment.data.lineage import ROWS, inclusion_proof, taint_of
    from alignment.runs.folder import RunFolder

    said = RunFolder.open(args.run_folder).description()
    try:
        rows = json.loads((args.run_folder / ROWS).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableInput(
            f"{args.run_folder / ROWS} cannot be read", hint="runs of older releases have none"
        ) from error
    taint = taint_of(args.run_folder)
    answer: dict[str, object] = {
        "run": str(args.run_folder), "kind": said["kind"], "recipe": said["digest"], "data": said["data"],
        "rows": len(rows["rows"]), "root": rows["root"], "base": said["recipe"]["model.path"],
        "guard": said.get("guard", {}), "versions": said["versions"],
        "contains_erased": taint.rows if taint is not None else 0,
    }  # fmt: skip
    found = True
    if args.row:
        found = args.row in rows["rows"]
        index = rows["rows"].index(args.row) if found else -1
        answer["row"] = {
            "hash": args.row,
            "index": index,
            "proof": inclusion_proof(rows["rows"], index) if found else [],
        }
    print(json.dumps(answer, ensure_ascii=False) if args.json else json.dumps(answer, ensure_ascii=False, indent=1))
    return ExitCode.OK if found else ExitCode.FOUND


def _key(path: Path) -> bytes:
    """The key in a file (mode 0600), made when there is none."""
    try:
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
        key = path.read_bytes()
    except OSError as error:
        raise UnreadableInput(f"cannot use {path}: {error.strerror}", hint="--key names another file") from error
    if len(key) < _KEY_BYTES:
        raise UnreadableInput(f"{path} is no key of {_KEY_BYTES} bytes", hint="--key names another file")
    return key
