"""What the verbs of `haechi audit` share: which folder, how it is opened, and how content is printed."""

from __future__ import annotations

import argparse
import json
import sys
import unicodedata
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from haechi.base.errors import InvalidSetting, UnreadableInput
from haechi.cli._audit_open import open_audit
from haechi.cli._options import DATA_OPTIONS, add_settings, settings_of

if TYPE_CHECKING:
    from audit.log import AuditLog
    from audit.store_port import Store


_Key = TypeVar("_Key")
LOG_OPTIONS = ("audit_passphrase", "audit_kms", "audit_kms_token", "audit_reader_key", "database")


def add_folder(parser: argparse.ArgumentParser, *, tenant: str = "only this tenant's log") -> None:
    """The options that every verb takes."""
    parser.add_argument("folder", nargs="?", type=Path, help="audit folder (default: `audit` in the data folder)")
    parser.add_argument("--tenant", default=None, help=tenant)
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    add_settings(parser, (*DATA_OPTIONS, *LOG_OPTIONS))


def chosen_folder(args: argparse.Namespace) -> Path:
    """The folder that was named, or the one of the settings."""
    folder: Path | None = args.folder
    return settings_of(args).audit_dir if folder is None else folder


def open_log(args: argparse.Namespace) -> AuditLog:
    """Open an existing log with its keys.

    Raises:
        NothingToVerify: there is none; a wrong path must not make a new one.
    """
    open_reader(args).close()
    return open_audit(settings_of(args), chosen_folder(args))


def open_reader(args: argparse.Namespace) -> Store:
    """The database of an existing log, for reading.

    Raises:
        NothingToVerify: there is none; a wrong path must not make a new one.
    """
    from audit.store_place import Place

    return Place(chosen_folder(args), settings_of(args).database).open_existing()


def logs_of(store: Store, tenant: str | None) -> list[str]:
    """The tenant's log, or all logs when nobody is named.

    Raises:
        NothingToVerify: there is none of that tenant; a misspelled name must not look like a tenant without records.
    """
    from audit.errors import NothingToVerify

    logs = sorted(store.logs())
    found = [log for log in logs if tenant in {None, log.rsplit("/", 1)[-1]}]
    if not found:
        named = ", ".join(log.rsplit("/", 1)[-1] for log in logs)
        raise NothingToVerify(f"there is no log of tenant {tenant!r}", hint=f"logs: {named or 'none yet'}")
    return found


def refuse_id(args: argparse.Namespace, without: Collection[str]) -> None:
    """Where a verb's positional word is an id, some actions take none: a folder put there would be passed over.

    Raises:
        InvalidSetting: there is one.
    """
    if args.do in without and args.id:
        raise InvalidSetting(f"{args.do} takes no id, and {args.id!r} is one", hint="the audit folder is --folder")


def subject_of(given: str) -> str:
    """A person's name; `-` reads it from standard input, which keeps it out of the process list.

    Raises:
        InvalidSetting: it is empty.
    """
    name = sys.stdin.readline().rstrip("\n") if given == "-" else given
    if not name:
        raise InvalidSetting("--subject names nobody", hint="--subject NAME, or - and the name on standard input")
    return name


def printable(entry: object) -> str:
    """JSON in one line that a terminal shows and does not obey: control and direction characters are escaped."""
    text = json.dumps(entry, ensure_ascii=False)
    return "".join(c if unicodedata.category(c) not in {"Cc", "Cf", "Zl", "Zp"} else json.dumps(c)[1:-1] for c in text)


def key_in(path: Path, parse: Callable[[str], _Key]) -> _Key:
    """The public key in a file that an option names. parse: reads a key line.

    Raises:
        UnreadableInput: there is no key of that kind in it.
    """
    from audit.errors import MalformedNote

    try:
        return parse(read_text(path))
    except MalformedNote as error:
        raise UnreadableInput(f"{path}: {error.message}", hint="the option names the file of another key") from error


def read_text(path: Path) -> str:
    """The text of a small file that an option names.

    Raises:
        UnreadableInput: there is none, or it cannot be read.
    """
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise UnreadableInput(f"{path}: {reason}", hint="the option names a text file that you may read") from error
