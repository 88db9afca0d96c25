"""`haechi serve`: the guarded gateway. Reads settings, checks what must be true, joins the parts, and serves."""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass

from gateway.settings import GatewaySettings
from haechi.base.logs import configure
from haechi.cli._options import add_settings, settings_of


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `haechi serve`."""
    parser = commands.add_parser(
        "serve",
        help="run the guarded gateway",
        description="Run the guarded gateway. Without options: the embedded demo model, the default policy, "
        "files in ./data, and a first API key that is made on the first start and shown once.",
    )
    parser.add_argument(
        "--json", action="store_true", help="when ready, one JSON object on standard output instead of text"
    )
    add_settings(parser)
    parser.set_defaults(run=run)


@dataclass(frozen=True, slots=True)
class _Checked:
    """What the checks before the start made: a bound socket, and what the operator should hear."""

    sock: socket.socket
    warnings: tuple[str, ...]


def run(args: argparse.Namespace) -> int:
    """Check, build, serve until told to stop."""
    settings = settings_of(args)
    configure(level=settings.log_level, as_json=settings.log_json)
    checked = _check(settings)
    for warning in (*settings.notices, *checked.warnings):
        print(f"haechi: warning: {warning}", file=sys.stderr)
    from haechi.cli._announce import announce
    from haechi.cli._preflight import address_of

    address = address_of(checked.sock)
    with checked.sock as sock:
        return _serve(settings, sock, lambda: announce(settings, address, as_json=args.json))


def _check(settings: GatewaySettings) -> _Checked:
    from haechi.cli import _preflight
    from haechi.cli._release_check import check_release
    from haechi.installation import verify_installation

    verify_installation()
    _preflight.check_extras(settings)
    sock = _preflight.bind(settings.host, settings.port)
    try:
        warnings = _preflight.check_data_dir(settings.data_dir)
        _preflight.check_keys(settings)
        _preflight.check_policy(settings.policy)
        _preflight.check_model(settings)
        check_release(settings)
        warnings += _preflight.probe_upstream(settings)
    except BaseException:
        sock.close()
        raise
    return _Checked(sock, (*warnings, *_costs(settings)))


def _costs(settings: GatewaySettings) -> tuple[str, ...]:
    if settings.workers > 1 and not settings.upstream:
        return (
            f"each of the {settings.workers} workers loads the model again: {settings.workers} times its memory, and they "
            "share the same cores; one model server behind --upstream serves several workers better",
        )
    return ()


def _serve(settings: GatewaySettings, sock: socket.socket, ready: Callable[[], None]) -> int:
    from haechi.cli._compose import build_app
    from haechi.cli._server import Workers, run_single

    if not settings.upstream:
        print(f"haechi: loading {settings.model or 'the embedded demo model'} ...", file=sys.stderr)
    if settings.workers == 1:
        return run_single(build_app(settings), settings, sock, ready)
    return Workers(build_app, settings, sock, ready).run()
