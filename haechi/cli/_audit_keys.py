"""`haechi audit keys shred|protect|sign-twice|new-reader`: kill copies, add a passphrase, sign with ML-DSA, write and not read."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from haechi.base.errors import ExitCode, InvalidSetting, UnwritableOutput
from haechi.cli._audit_folder import add_folder, chosen_folder, open_log
from haechi.cli._options import settings_of


def register_keys(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and its actions."""
    keys = verbs.add_parser("keys", help="shred copies of destroyed keys; make a reader's or a second signing key")
    actions = keys.add_subparsers(metavar="ACTION", required=True)
    shred = actions.add_parser(
        "shred",
        help="wrap every key again under a new generation, and destroy the old one",
        description="Copies of deleted keys in write-ahead logs, replicas, snapshots and backups then open with nothing. "
        "PostgreSQL needs it after each erasure, and a running gateway does it by itself; with key files it is of use "
        "where the file system keeps copies. No content is touched.",
    )
    add_folder(shred)
    shred.set_defaults(run=run_shred)
    guarded = actions.add_parser(
        "protect",
        help="put a key file that has none under the passphrase of the settings",
        description="HAECHI_AUDIT_PASSPHRASE or --audit-passphrase from then on opens root.key; a running gateway needs it at "
        "its next start. Backups of the unprotected file stay as they are: remove them.",
    )
    add_folder(guarded)
    guarded.set_defaults(run=run_protect)
    twice = actions.add_parser(
        "sign-twice",
        help="sign checkpoints with ML-DSA-44 as well, from now on",
        description="A quantum computer that forges Ed25519 does not forge this one. A running gateway begins to sign twice "
        "with its next checkpoint. It cannot be switched off: a checkpoint without it after one with it is a finding.",
    )
    add_folder(twice)
    twice.set_defaults(run=run_sign_twice)
    new = actions.add_parser("new-reader", help="make reader.key for gateways and reader.secret for who may read")
    new.add_argument("home", type=Path, metavar="DIR")
    new.set_defaults(run=run_new_reader)


def run_shred(args: argparse.Namespace) -> int:
    """Shred once."""
    with open_log(args) as log:
        count = log.shred()
    print(json.dumps({"keys_wrapped_again": count}) if args.json else f"{count} keys were wrapped again")
    return ExitCode.OK


def run_protect(args: argparse.Namespace) -> int:
    """Seal root.key once."""
    from audit.kms import protect

    passphrase = settings_of(args).audit_passphrase
    if not passphrase:
        raise InvalidSetting("no passphrase was given", hint="HAECHI_AUDIT_PASSPHRASE=... or --audit-passphrase")
    path = chosen_folder(args) / "root.key"
    protect(path, passphrase.encode())
    print(json.dumps({"protected": str(path)}) if args.json else f"{path} opens with the passphrase only")
    return ExitCode.OK


def run_sign_twice(args: argparse.Namespace) -> int:
    """Make the key, record it, and sign."""
    from audit.second import PUBLIC_FILE

    with open_log(args) as log:
        key = log.sign_twice()
    path = chosen_folder(args) / PUBLIC_FILE
    said = f"checkpoints are signed twice from now on; auditors keep a copy of {path}"
    print(json.dumps({"public_key": key.line()}) if args.json else said)
    return ExitCode.OK


def run_new_reader(args: argparse.Namespace) -> int:
    """Make the pair once."""
    from audit.reader_key import ReaderKey

    try:
        ReaderKey.make(args.home)
    except OSError as error:
        raise UnwritableOutput(f"{args.home}: {error.strerror}", hint="a folder without a reader's key") from error
    print(f"{args.home / 'reader.key'}: give it to gateways, --audit-reader-key")
    print(f"{args.home / 'reader.secret'}: keep it where content may be read, and nowhere else")
    return ExitCode.OK
