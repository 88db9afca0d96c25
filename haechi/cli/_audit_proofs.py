"""`haechi audit prove`: take a record and its proof out of the folder, or check one that somebody brings."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from haechi.base.errors import ExitCode, UnreadableInput, UnwritableOutput
from haechi.cli._audit_folder import add_folder, chosen_folder, key_in, open_reader

if TYPE_CHECKING:
    from audit.store_port import Store


def register_prove(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    prove = verbs.add_parser(
        "prove",
        help="prove that a record is in a signed tree",
        description="Write RECORD.leaf (the record's bytes) and RECORD.tlog-proof (c2sp.org/tlog-proof@v1), or check such a "
        "pair with --check against a public key. A proof is checked without the folder that it came from.",
    )
    add_folder(prove, tenant="tenant of the record (default: search all)")
    prove.add_argument("--record", metavar="ID", help="a record id or a request id")
    prove.add_argument("--output", type=Path, default=Path(), metavar="DIR", help="folder for the two files [.]")
    prove.add_argument(
        "--check", type=Path, nargs="+", metavar="FILE", help="check each .tlog-proof and the .leaf beside it"
    )
    prove.add_argument("--key", type=Path, metavar="FILE", help="public key that you hold (default: the folder's)")
    prove.set_defaults(run=run_prove)


def run_prove(args: argparse.Namespace) -> int:
    """Exit code 0 proven, 1 the proof is wrong, 2 usage, 3 cannot tell."""
    if not args.check:
        return _write(args)
    from audit.errors import InvalidRecord, MalformedNote, TamperedLog

    for path in args.check:
        try:
            _check(args, path)
        except (TamperedLog, MalformedNote, InvalidRecord) as error:
            raise type(error)(f"{path}: {error.message}", hint=error.hint) from error
    return ExitCode.OK


def _check(args: argparse.Namespace, path: Path) -> None:
    from audit.header import read
    from audit.note import VerifierKey
    from audit.proof import InclusionProof

    text, leaf = _read(path), _read(path.with_suffix(".leaf"))
    family = key_in(args.key or chosen_folder(args) / "public.key", VerifierKey.parse)
    said = read(leaf)
    checkpoint = InclusionProof.parse(text).verify(leaf, VerifierKey(said.log, family.public))
    if not said.log.startswith(f"{family.name}/"):
        raise UnreadableInput(
            "the record is of another family of logs than the key", hint="use that family's public.key"
        )
    entry = {"log": said.log, "type": said.type, "size": checkpoint.size, "outcome": "proven"}
    print(
        json.dumps(entry)
        if args.json
        else f"proven: a {said.type} record of {said.log}, in the tree of {checkpoint.size}: {path}"
    )


def _write(args: argparse.Namespace) -> int:
    from audit.errors import NotProvable
    from audit.prove import prove

    store = open_reader(args)
    try:
        places = list(_places(store, args)) if args.record else []
        if not places:
            raise NotProvable(f"no record or request {args.record!r}", hint="haechi audit show lists them")
        made = [
            _save(args.output, prove(store, log, seq).leaf, prove(store, log, seq).proof.text()) for log, seq in places
        ]
    finally:
        store.close()
    for path in made:
        print(json.dumps({"proof": str(path), "leaf": str(path.with_suffix(".leaf"))}) if args.json else path)
    return ExitCode.OK


def _places(store: Store, args: argparse.Namespace) -> list[tuple[str, int]]:
    from audit import canonical

    found = []
    for log in store.logs():
        if args.tenant in {None, log.rsplit("/", 1)[-1]}:
            for seq, leaf in store.headers(log):
                if args.record.encode() in leaf:
                    header = canonical.decode(leaf)
                    if args.record in {header["id"], header["req"]}:
                        found.append((log, seq))
    return found


def _save(folder: Path, leaf: bytes, proof: bytes) -> Path:
    from audit import canonical

    path = folder / f"{canonical.decode(leaf)['id']}.tlog-proof"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(proof)
        path.with_suffix(".leaf").write_bytes(leaf)
    except OSError as error:
        raise UnwritableOutput(
            f"{folder}: {error.strerror}", hint="--output names a folder that can be written"
        ) from error
    return path


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableInput(
            f"{path}: {error.strerror}", hint="a proof is two files: .tlog-proof and .leaf"
        ) from error
