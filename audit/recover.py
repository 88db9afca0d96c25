"""What opening a log checks: its keys, the end of every log, and requests whose process is gone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from audit.errors import KeysUnavailable, RolledBack, TamperedLog
from audit.kms import FileKms, Kms
from audit.note import VerifierKey, parse, public_key
from audit.pins import Pins, check
from audit.store_port import Rows, Store
from audit.store_postgres import PostgresStore
from audit.tree import Frontier, leaf_hash


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A `request.received` that has no end yet. record: its id. writer: the process that wrote it."""

    record: str
    request: str
    log: str
    writer: str


def open_requests(db: Rows) -> list[OpenRequest]:
    """Requests without an end, of living and dead processes."""
    rows = db.execute("select record, request, log, writer from open_request").fetchall()
    return [OpenRequest(*row) for row in rows]


def open_keys(folder: Path, passphrase: bytes | None) -> FileKms:
    """The root keys of a folder; made only when nothing was ever written with them.

    Raises:
        KeysUnavailable: the key file is gone, does not open, or is another folder's.
    """
    path = folder / "root.key"
    used = [name for name in ("public.key", "keys.db", "log.db") if (folder / name).exists()]
    if used and not path.exists():
        raise KeysUnavailable(
            f"the key file {path} is missing, and {used[0]} was made with it",
            hint="restore it from its backup; without it no content can be read and nothing can be signed",
        )
    return FileKms.open(path, passphrase)


def check_signer(folder: Path, kms: Kms) -> None:
    """Whether the root keys are those that the folder was made with, before anything is signed with them.

    Raises:
        KeysUnavailable: they are another folder's.
    """
    public = folder / "public.key"
    if public.exists():
        line = VerifierKey.parse(public.read_text("ascii"))
        if line.public != public_key(line.name, kms.signer()).public:
            raise KeysUnavailable(
                f"the key that signs here does not belong to {public}",
                hint="use the key file or service that the folder was made with",
            )


def keep_origin(folder: Path, origin: str, kms: Kms) -> str:
    """The origin is chosen once; the public key line beside it is what an auditor copies."""
    path = folder / "public.key"
    if path.exists():
        return VerifierKey.parse(path.read_text("ascii")).name
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.write_text(public_key(origin, kms.signer()).line() + "\n", "ascii")
    fresh.replace(path)
    return origin


def check_owner(store: Store, folder: Path) -> None:
    """A database that several folders could name holds the log of one key only.

    Raises:
        KeysUnavailable: it is another's.
    """
    if isinstance(store, PostgresStore):
        store.belongs_to((folder / "public.key").read_text("ascii").strip())


def check_ends(store: Store, pins: Pins) -> None:
    """The leaves since the last checkpoint lead to the stored edge, and nothing is older than what was signed.

    Raises:
        TamperedLog: they do not.
        RolledBack: the store is older, or a log that was signed is gone.
    """
    signed_before = pins.notes()
    with store.snapshot():
        names = store.logs()
        for name in names:
            if name in signed_before:
                check(signed_before[name], store)
            _check_end(store, name)
    for name in signed_before:
        if name not in names:
            raise RolledBack(
                f"log {name} was signed before and is not in the folder",
                hint="put the audit folder back; see docs/for-auditors.md",
            )


def _check_end(store: Store, name: str) -> None:
    found = store.last_checkpoint(name)
    signed = Frontier.from_bytes(found[0], found[1]) if found else Frontier()
    if found and parse(found[2])[0].root != signed.root():
        raise TamperedLog(f"log {name}: a checkpoint and its tree edge differ", hint="haechi audit verify tells where")
    grown = signed.extended(leaf_hash(leaf) for _, leaf in store.headers(name, signed.size))
    if grown != store.edge(name).frontier:
        raise TamperedLog(
            f"log {name}: the last records do not lead to the stored tree", hint="haechi audit verify tells where"
        )
