"""`haechi audit witness init|serve|ask`: somebody else who remembers what the log had signed."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from haechi.base.errors import ExitCode, InvalidSetting, PortTaken, UnreadableInput, UnwritableOutput
from haechi.cli._audit_folder import add_folder, chosen_folder, open_reader, read_text

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def register_witness(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and its three actions."""
    witness = verbs.add_parser(
        "witness",
        help="cosign checkpoints, or have them cosigned (c2sp.org/tlog-witness)",
        description="A witness remembers one checkpoint per log and cosigns only what grew out of it. Run it under another "
        "account or on another machine than the gateway: it protects against whoever holds the log's signing key.",
    )
    actions = witness.add_subparsers(metavar="ACTION", required=True)
    init = actions.add_parser("init", help="make a witness: a folder with its key and its memory")
    init.add_argument("home", type=Path, metavar="DIR")
    init.add_argument("--name", required=True, help="name of the witness, such as witness.example/1")
    init.set_defaults(run=run_init)
    serve = actions.add_parser("serve", help="answer POST /add-checkpoint")
    serve.add_argument("home", type=Path, metavar="DIR")
    serve.add_argument(
        "--log-key", type=Path, action="append", required=True, metavar="FILE", help="public.key of a log"
    )
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=9001)
    serve.set_defaults(run=run_serve)
    ask = actions.add_parser("ask", help="have the newest checkpoints cosigned")
    ask.add_argument("url", metavar="URL")
    add_folder(ask, tenant="this tenant's log too (the system log, which names all others, is always asked for)")
    ask.add_argument("--witness-key", type=Path, required=True, metavar="FILE", help="witness.key, the public key line")
    ask.set_defaults(run=run_ask)


def run_init(args: argparse.Namespace) -> int:
    """Make the key once."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    from audit.cosign import WitnessKey, witness_key
    from audit.errors import MalformedNote

    private = Ed25519PrivateKey.generate()
    key = witness_key(args.name, private)
    try:
        WitnessKey.parse(key.line())
    except MalformedNote as error:
        raise InvalidSetting("the name of a witness is printable ASCII without spaces and '+'", hint="a/b") from error
    secret = {"name": args.name, "secret": private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()).hex()}
    try:
        args.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(args.home / "witness.secret", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            json.dump(secret, file)
        (args.home / "witness.key").write_text(key.line() + "\n", "ascii")
    except OSError as error:
        raise UnwritableOutput(
            f"{args.home}: {error.strerror}", hint="a new folder, or one without a witness"
        ) from error
    print(key.line())
    return ExitCode.OK


def run_serve(args: argparse.Namespace) -> int:
    """Serve until interrupted; the address is printed when it listens."""
    from audit.note import VerifierKey
    from audit.witness import Witness
    from audit.witness_http import serve

    name, private = _secret(args.home)
    families = [VerifierKey.parse(read_text(path)) for path in args.log_key]
    try:
        server = serve(Witness(args.home / "memory", name, private, families), args.host, args.port)
    except OSError as error:
        raise PortTaken(f"{args.host}:{args.port}: {error.strerror}", hint="--port 0 takes a free one") from error
    print(f"http://{args.host}:{server.server_address[1]}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("haechi: the witness stops", file=sys.stderr)
    finally:
        server.server_close()
    return ExitCode.OK


def run_ask(args: argparse.Namespace) -> int:
    """Exit code 0 cosigned, 3 no answer or the witness remembers more."""
    from audit.cosign import WitnessKey, cosigned_at
    from audit.note import VerifierKey
    from audit.pins import Pins
    from audit.witness_http import ask

    folder = chosen_folder(args)
    key = WitnessKey.parse(read_text(args.witness_key))
    origin = VerifierKey.parse(read_text(folder / "public.key")).name
    memory = Pins.beside(folder) / f"witness-{key.key_id.hex()}"
    store = open_reader(args)
    try:
        for name in ["_system", *([args.tenant] if args.tenant else [])]:
            note = ask(args.url, store, f"{origin}/{name}", key, memory)
            entry = {"log": f"{origin}/{name}", "cosigned_at": cosigned_at(note, key), "kept": str(memory)}
            print(json.dumps(entry) if args.json else f"cosigned: {entry['log']} by {key.name}, kept in {memory}")
    finally:
        store.close()
    return ExitCode.OK


def _secret(home: Path) -> tuple[str, Ed25519PrivateKey]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        entry = json.loads(read_text(home / "witness.secret"))
        return str(entry["name"]), Ed25519PrivateKey.from_private_bytes(bytes.fromhex(entry["secret"]))
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableInput(f"{home}/witness.secret is damaged", hint="haechi audit witness init DIR") from error
