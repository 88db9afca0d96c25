"""What must be true before the gateway starts, each with one clear error; and what is only worth a warning.

Order: cheap and decisive first, so that nothing is written or loaded on the way to a refusal.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import socket
from pathlib import Path

from gateway.keys import KeyStore
from gateway.settings import GatewaySettings
from gateway.upstream.demo_model import demo_gguf
from gateway.upstream.errors import ModelNotFound
from gateway.upstream.ports import Json, UpstreamError
from haechi.base.errors import MissingExtra, PortTaken, UnwritableOutput, WeakKey
from haechi.cli._extras import missing_modules

PROBE_BYTES = 65_536
"""Written and synced to the data folder before start; a few audit batches."""
PROBE_TIMEOUT_S = 3.0
LITTLE_ROOM_BYTES = 256 * 1024 * 1024
"""Below this much free disk the operator is warned: about 100,000 recorded requests, or half a converted demo model."""


def check_extras(settings: GatewaySettings) -> None:
    """The packages this configuration needs are installed.

    Raises:
        MissingExtra: naming the extra to install.
    """
    for extra in ("guard", "gateway"):
        if missing_modules(extra):
            raise MissingExtra(f"haechi serve ({', '.join(missing_modules(extra))})", "gateway")
    if not settings.upstream and missing_modules("local"):
        raise MissingExtra(f"a model inside the gateway ({', '.join(missing_modules('local'))})", "gateway,local")


def check_data_dir(folder: Path) -> tuple[str, ...]:
    """Make the data folder (mode 0700) and prove that it can be written. Returns warnings.

    Raises:
        UnwritableOutput: when it cannot be made or written.
    """
    probe = folder / f".haechi-write-test-{os.getpid()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with probe.open("wb") as file:
                file.write(os.urandom(PROBE_BYTES))
                file.flush()
                os.fsync(file.fileno())
        finally:
            probe.unlink(missing_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise UnwritableOutput(
            f"the data folder {folder} cannot be written: {_reason(error)}",
            hint="every request is recorded there, so nothing is served without it; --data-dir names another place",
        ) from error
    if free < LITTLE_ROOM_BYTES:
        return (f"only {free // 1_048_576} MB are free for the data folder {folder}; a full disk stops the gateway",)
    return ()


def _reason(error: OSError) -> str:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return "the disk is full or a quota is used up"
        case errno.EROFS:
            return "it is mounted read-only"
        case errno.EACCES | errno.EPERM:
            return f"no permission (running as user id {os.geteuid()})"
        case errno.EEXIST | errno.ENOTDIR:
            return "there is a file in the place of the folder"
        case _:
            return error.strerror or type(error).__name__


def check_keys(settings: GatewaySettings) -> None:
    """The key store opens, and a key given from outside is usable and in it.

    Raises:
        UnusableKeyStore, WeakKey: see gateway.keys; WeakKey also when the given key was revoked earlier.
    """
    store = KeyStore.open(settings.key_place)
    try:
        if settings.api_key:
            given = store.create(label=f"from {settings.sources['api_key']}", secret=settings.api_key)
            if store.authenticate(settings.api_key) is None:
                raise WeakKey(
                    f"the API key from {settings.sources['api_key']} was revoked ({given.key_id})",
                    hint="a revoked key never comes back; bring another, or leave it out and use haechi key create",
                )
    finally:
        store.close()


def check_policy(policy: str) -> None:
    """The policy exists and is well formed, told before a model is loaded or a worker started.

    Raises:
        HaechiError: a HAE-P code that says what is wrong with it.
    """
    from guard.policy_file import load_policy

    load_policy(policy)


def check_model(settings: GatewaySettings) -> None:
    """The model is there, as far as that can be told without loading a model runtime, which takes seconds.

    Raises:
        UpstreamError: DemoModelMissing when no model is named and none is embedded, ModelNotFound for a path without a file.
    """
    if settings.upstream:
        return
    if not settings.model:
        demo_gguf()
    elif settings.model.startswith(("/", ".", "~")) and not Path(settings.model).expanduser().exists():
        raise ModelNotFound(
            f"there is no model at {settings.model}",
            hint="name a folder, a .gguf file, or a model of the hub (Qwen/Qwen3-0.6B)",
        )


def probe_upstream(settings: GatewaySettings) -> tuple[str, ...]:
    """Ask the upstream for its models. One that is away now may come later, so that is a warning only."""
    if not settings.upstream:
        return ()
    try:
        asyncio.run(_models(settings))
    except (UpstreamError, TimeoutError) as error:
        reason = error.message if isinstance(error, UpstreamError) else f"no answer in {PROBE_TIMEOUT_S:.0f} s"
        return (f"the upstream {settings.upstream} is not there now ({reason}); requests fail until it is",)
    return ()


async def _models(settings: GatewaySettings) -> list[Json]:
    from gateway.upstream.http import HttpUpstream

    upstream = HttpUpstream(settings.upstream, api_key=settings.upstream_key, timeout_s=PROBE_TIMEOUT_S)
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            return await upstream.models()
    finally:
        await upstream.aclose()


def bind(host: str, port: int) -> socket.socket:
    """A bound socket that does not listen yet, so that clients are refused rather than kept waiting while a model loads.

    Raises:
        PortTaken: when the address is in use, forbidden, or not of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise PortTaken(
            f"{host!r} is not an address of this machine", hint="--host 127.0.0.1, 0.0.0.0 or ::"
        ) from error
    sock = socket.socket(family, kind, protocol)
    try:
        # Without this a restart fails for a minute after the last connection; a listening program still conflicts.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise _not_bound(error, host, port) from error
    sock.set_inheritable(False)
    return sock


def _not_bound(error: OSError, host: str, port: int) -> PortTaken:
    match error.errno:
        case errno.EADDRINUSE:
            return PortTaken(
                f"port {port} on {host} is taken by another program",
                hint=f"choose another with --port (0 takes a free one), or stop the other: ss -ltnp 'sport = :{port}' shows it",
            )
        case errno.EACCES | errno.EPERM:
            return PortTaken(f"port {port} needs more rights", hint="choose a port of 1024 or more with --port")
        case _:
            return PortTaken(
                f"cannot listen on {host}:{port}: {error.strerror}", hint="--host 127.0.0.1, 0.0.0.0 or ::"
            )


def address_of(sock: socket.socket) -> str:
    """The URL at which the bound socket is reached from this machine, without a trailing slash."""
    host, port = sock.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104  # compared, not listened on
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
