"""What every test stands on: no network beyond this machine, no telemetry, no model hub."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys

from hypothesis import settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

settings.register_profile("haechi", deadline=None)  # an example that takes long on a busy machine is no fault
settings.load_profile("haechi")


class NetworkForbidden(RuntimeError):
    """A test, or the product under test, tried to leave this machine."""


def _is_local(host: object) -> bool:
    if host in (None, "", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(host if isinstance(host, str) else bytes(host).decode()).is_loopback  # type: ignore[arg-type]
    except ValueError:
        return host == socket.gethostname()


def _forbid_network(event: str, args: tuple[object, ...]) -> None:
    if event == "socket.connect":
        address = args[1]
        if isinstance(address, tuple) and not _is_local(address[0]):
            raise NetworkForbidden(f"connect to {address!r}")
    elif event == "socket.getaddrinfo" and not _is_local(args[0]):
        raise NetworkForbidden(f"look up {args[0]!r}")


sys.addaudithook(_forbid_network)
