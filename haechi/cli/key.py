"""`haechi key create|list|revoke`: API keys of a gateway on this machine. A running gateway follows at once."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from gateway.keys import KeyEntry, KeyStore, check_tenant
from haechi.base.errors import ExitCode, UnknownKey
from haechi.base.ids import DEFAULT_TENANT
from haechi.cli._options import DATA_OPTIONS, add_settings, settings_of


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `haechi key` and its verbs."""
    parser = commands.add_parser("key", help="make, list and revoke API keys", description=__doc__)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    create = verbs.add_parser("create", help="make a key; its secret is printed once, on standard output")
    create.add_argument("--tenant", default=DEFAULT_TENANT, help="tenant the key speaks for [default]")
    create.add_argument("--label", default="", help="what the key is for, shown by `haechi key list`")
    create.set_defaults(run=run_create)
    listing = verbs.add_parser("list", help="every key with its id, tenant, label and times; never a secret")
    listing.add_argument("--tenant", default=None, help="only keys of this tenant")
    listing.set_defaults(run=run_list)
    revoke = verbs.add_parser("revoke", help="make a key invalid from now on")
    revoke.add_argument("key_id", metavar="KEY_ID", help="the id that `haechi key list` shows")
    revoke.set_defaults(run=run_revoke)
    for verb in (create, listing, revoke):
        verb.add_argument("--json", action="store_true", help="one JSON object on standard output")
        add_settings(verb, (*DATA_OPTIONS, "database"))


def run_create(args: argparse.Namespace) -> int:
    """Make a key."""
    tenant = check_tenant(args.tenant)
    store = KeyStore.open(settings_of(args).key_place)
    try:
        made = store.create(tenant, args.label)
    finally:
        store.close()
    if args.json:
        print(json.dumps({"key_id": made.key_id, "tenant": made.tenant, "label": args.label, "secret": made.secret}))
    else:
        print(
            f"haechi: made {made.key_id} for tenant {made.tenant}; this is the only time its secret is shown",
            file=sys.stderr,
        )
        print(made.secret)
    return ExitCode.OK


def run_list(args: argparse.Namespace) -> int:
    """Show the keys."""
    place = settings_of(args).key_place
    entries: tuple[KeyEntry, ...] = ()
    if isinstance(place, str) or place.exists():
        store = KeyStore.open(place)
        try:
            entries = store.list()
        finally:
            store.close()
    entries = tuple(entry for entry in entries if args.tenant in (None, entry.tenant))
    if args.json:
        print(json.dumps({"keys": [asdict(entry) for entry in entries]}, ensure_ascii=False))
        return ExitCode.OK
    for entry in entries:
        state = "valid" if entry.revoked_us is None else f"revoked {_date(entry.revoked_us)}"
        print(f"{entry.key_id}  {entry.tenant:<20} made {_date(entry.created_us)}  {state}  {entry.label}".rstrip())
    if not entries:
        where = "the database" if isinstance(place, str) else place
        print(f"haechi: no keys in {where}; `haechi key create` makes one", file=sys.stderr)
    return ExitCode.OK


def run_revoke(args: argparse.Namespace) -> int:
    """Revoke a key."""
    place = settings_of(args).key_place
    if isinstance(place, Path) and not place.exists():
        raise UnknownKey(
            f"there are no API keys in {place.parent}", hint="name the gateway's data folder with --data-dir"
        )
    store = KeyStore.open(place)
    try:
        entry = store.revoke(args.key_id)
    finally:
        store.close()
    if args.json:
        print(json.dumps(asdict(entry), ensure_ascii=False))
    else:
        print(f"haechi: {entry.key_id} of tenant {entry.tenant} is revoked", file=sys.stderr)
    return ExitCode.OK


def _date(us: int) -> str:
    return datetime.fromtimestamp(us / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
