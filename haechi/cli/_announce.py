"""What the operator reads when the gateway is ready: address, key, a line to try, where the log lies."""

from __future__ import annotations

import json
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from gateway.keys import KeyStore
from gateway.settings import GatewaySettings
from haechi import __version__


@dataclass(frozen=True, slots=True)
class KeyNotice:
    """What is told about API keys.

    secret: a key that was made just now, to be shown this once; empty otherwise.
    told: one line for a person.
    """

    secret: str
    told: str


def announce(settings: GatewaySettings, address: str, *, as_json: bool) -> None:
    """Make the first key if there is none, and print the address, the key and what to do next."""
    key = _first_key(settings)
    if as_json:
        entry = {
            "ready": True,
            "address": address,
            "api_key": key.secret or None,
            "audit": str(settings.audit_dir),
            "model": settings.model or None,
            "pid": os.getpid(),
            "policy": settings.policy,
            "upstream": settings.upstream or None,
            "version": __version__,
            "workers": settings.workers,
        }
        print(json.dumps(entry), flush=True)
        return
    print(_text(settings, address, key), flush=True)


def _first_key(settings: GatewaySettings) -> KeyNotice:
    """Made only now, when requests are accepted: a start that fails must not use up the one showing."""
    if settings.api_key:
        return KeyNotice("", f"the one given by {settings.sources['api_key']}")
    store = KeyStore.open(settings.key_place)
    try:
        entries = store.list()
        if not entries:
            made = store.create(label="first key")
            return KeyNotice(made.secret, f"{made.secret}   <- shown this once, stored only as a hash; keep it")
    finally:
        store.close()
    more = f"{_command()} key create{_data_option(settings)}"
    if all(entry.revoked_us is not None for entry in entries):
        return KeyNotice("", f"all are revoked; make one: {more}")
    return KeyNotice("", f"made earlier; another one: {more}")


def _text(settings: GatewaySettings, address: str, key: KeyNotice) -> str:
    shown = key.secret or "$HAECHI_API_KEY"
    several = f", {settings.workers} workers" if settings.workers > 1 else ""
    lines = [
        "",
        f"Haechi {__version__} serves {_what(settings)}, guarded by the policy {settings.policy}{several}.",
        "",
        f"  address    {address}/v1   (OpenAI-compatible; the model name `default` works)",
        f"  API key    {key.told}",
        f"  audit log  {settings.audit_dir}   check it: {_command()} audit verify {shlex.quote(str(settings.audit_dir))}",
        "",
        "Try it in another terminal:",
        "",
        f"  curl {address}/v1/chat/completions \\",
        f'    -H "Authorization: Bearer {shown}" -H "Content-Type: application/json" \\',
        """    -d '{"model": "default", "messages": [{"role": "user", "content": "What is the capital of France?"}]}'""",
        "",
        f"  or talk to it: {_command()} chat --url {address}",
        "",
    ]
    if not settings.model and not settings.upstream:
        from gateway.upstream.demo_model import DEMO_NOTICE

        lines += [DEMO_NOTICE, ""]
    return "\n".join([*lines, "Ctrl-C stops it."])


def _what(settings: GatewaySettings) -> str:
    if settings.upstream:
        return f"the upstream {settings.upstream}"
    return f"the model {settings.model}" if settings.model else "the embedded demo model"


def _command() -> str:
    """The console command as the operator reaches it, for lines that are meant to be copied."""
    typed = Path(sys.argv[0])
    if typed.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m haechi"
    return shlex.quote(sys.argv[0])


def _data_option(settings: GatewaySettings) -> str:
    """The option that finds the same data folder again; nothing for the default one."""
    return "" if str(settings.data_dir) == "data" else f" --data-dir {shlex.quote(str(settings.data_dir))}"
