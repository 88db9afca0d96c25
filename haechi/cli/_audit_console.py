"""`haechi audit console`: the auditor's pages, on a port of their own."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from haechi.base.errors import ExitCode, InvalidSetting, MissingExtra
from haechi.cli._audit_folder import add_folder, chosen_folder, open_log, read_text
from haechi.cli._options import settings_of

if TYPE_CHECKING:
    from audit.console.accounts import Accounts

ROLES = ("auditor", "investigator", "officer")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def register_console(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "console",
        help="serve the auditor's pages, on a port of their own",
        description="Pages for auditors and privacy officers. On the first start an account named `auditor` with every role "
        "is made and its password shown once. Beyond this machine the console is served over TLS only.",
    )
    add_folder(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on [127.0.0.1]")
    parser.add_argument("--port", type=int, default=8090, help="port to listen on [8090]")
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="TLS certificate chain, PEM")
    parser.add_argument("--certificate-key", type=Path, metavar="FILE", help="its private key, PEM")
    parser.add_argument("--allow-host", action="append", default=[], metavar="NAME", help="a host name it answers to")
    parser.add_argument("--pins", type=Path, metavar="DIR", help="remembered checkpoints [<folder>-pins]")
    parser.add_argument("--without-keys", action="store_true", help="show a copy of a log whose keys are elsewhere")
    parser.add_argument(
        "--accounts", type=Path, metavar="FILE", help="accounts file [console/accounts.json beside the folder]"
    )
    parser.add_argument("--add", metavar="NAME", help="make an account, or renew its roles and password, and stop")
    parser.add_argument("--role", action="append", default=[], choices=ROLES, help="with --add; may be repeated")
    parser.add_argument(
        "--password-file", type=Path, metavar="FILE", help="with --add: first line is the password [random]"
    )
    parser.add_argument("--remove", metavar="NAME", help="take an account away, and stop")
    parser.set_defaults(run=run_console)


def run_console(args: argparse.Namespace) -> int:
    """Serve until told to stop, or change the accounts."""
    try:
        import starlette  # noqa: F401  # the part that may be missing
        import uvicorn
        from jinja2 import Environment  # noqa: F401
    except ImportError as error:
        raise MissingExtra("the auditor console", "console") from error
    from audit.console.accounts import Accounts

    folder = chosen_folder(args)
    accounts = Accounts(args.accounts or folder.absolute().parent / "console" / "accounts.json", time.monotonic)
    if args.add or args.remove:
        return _change(args, accounts)
    tls = _tls(args)
    with ExitStack() as stack:
        log = None if args.without_keys else stack.enter_context(open_log(args))
        from audit.console.app import create_console
        from audit.console.hardening import LOOPBACK
        from audit.console.parts import ConsoleParts
        from audit.console.sessions import Sessions
        from audit.pins import Pins

        pins = args.pins or Pins.beside(folder)
        database = settings_of(args).database
        parts = ConsoleParts(folder, pins, accounts, Sessions(time.monotonic), log, database)
        app = create_console(parts, hosts={*LOOPBACK, args.host, *args.allow_host}, over_tls=tls)
        _announce(args, accounts, tls=tls)
        uvicorn.run(
            app, host=args.host, port=args.port, log_level=settings_of(args).log_level, access_log=False,
            server_header=False, ssl_certfile=args.certificate, ssl_keyfile=args.certificate_key,
        )  # fmt: skip
    return ExitCode.OK


def _change(args: argparse.Namespace, accounts: Accounts) -> int:
    from audit.console.accounts import Role

    if args.remove:
        accounts.remove(args.remove)
        print(f"removed: {args.remove}")
        return ExitCode.OK
    given = read_text(args.password_file).partition("\n")[0] if args.password_file else ""
    password = accounts.add(args.add, frozenset(map(Role, args.role)), given)
    print(f"account {args.add}: {', '.join(sorted(args.role))}")
    if not given:
        print(f"password (shown once): {password}")
    return ExitCode.OK


def _tls(args: argparse.Namespace) -> bool:
    if bool(args.certificate) != bool(args.certificate_key):
        raise InvalidSetting("--certificate and --certificate-key belong together", hint="name both files")
    for path in (args.certificate, args.certificate_key):
        if path is not None:
            read_text(path)
    if not args.certificate and args.host not in _LOOPBACK:
        raise InvalidSetting(
            f"passwords would travel in clear to {args.host}",
            hint="name --certificate and --certificate-key, or listen on 127.0.0.1 behind your own TLS proxy",
        )
    return bool(args.certificate)


def _announce(args: argparse.Namespace, accounts: Accounts, *, tls: bool) -> None:
    from audit.console.accounts import Role

    print(f"haechi: console at {'https' if tls else 'http'}://{args.host}:{args.port}/", file=sys.stderr)
    if not accounts.names():
        password = accounts.add("auditor", frozenset(Role))
        print(f"haechi: first account: auditor, password (shown once): {password}", file=sys.stderr)
        print("haechi: more accounts with fewer roles: haechi audit console --add NAME --role auditor", file=sys.stderr)
