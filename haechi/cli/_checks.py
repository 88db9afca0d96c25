"""The checks of `haechi doctor`, one function each.

Rules of this file
1. Nothing is created or changed, and no model stack is imported: what is installed is read from metadata.
2. A check that could not be done says UNKNOWN and why; it never looks like "ok".
3. Whatever is WRONG comes with a line that mends it.
"""

from __future__ import annotations

import enum
import http.client
import os
import platform
import shutil
import socket
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import assert_never

from gateway.keys import KeyStore
from gateway.settings import GatewaySettings
from gateway.upstream.demo_model import demo_gguf
from haechi import __version__
from haechi.base.errors import HaechiError
from haechi.base.settings import DEFAULT_SOURCE
from haechi.cli._extras import EXTRAS, missing_modules
from haechi.cli._options import shelf_of
from haechi.cli._preflight import LITTLE_ROOM_BYTES, bind, probe_upstream
from haechi.installation import Form, verify_installation

HEALTH_TIMEOUT_S = 2.0
SIGNING_WAIT_S = 3.0


class State(enum.StrEnum):
    """What a check found. ABSENT is an optional part that is not there."""

    OK = "ok"
    NOTE = "note"
    ABSENT = "absent"
    WRONG = "WRONG"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report. mend: what to do about it, a command where there is one."""

    name: str
    state: State
    detail: str
    mend: str = ""


def examine(settings: GatewaySettings) -> tuple[Check, ...]:
    """Every check, in the order in which a person would look."""
    found = [_versions(), _installation()]
    found += [_extra(extra) for extra in EXTRAS]
    found += [_torch(), _embedded_model(), _settings(settings)]
    found += _policies(settings)
    found += [_data_dir(settings), _keys(settings), _audit(settings), _port(settings)]
    if settings.upstream:
        found.append(_upstream(settings))
    return tuple(found)


def _versions() -> Check:
    return Check("versions", State.OK, f"haechi {__version__}, Python {platform.python_version()}, {platform.system()}")


def _installation() -> Check:
    try:
        whole = verify_installation()
    except HaechiError as error:
        return _wrong("installation", error)
    if whole.form is Form.CHECKOUT:
        return Check("installation", State.OK, f"a checkout in {whole.root}; all packages come from it")
    return Check("installation", State.OK, f"{whole.files} files in {whole.root} are as installed")


def _extra(extra: str) -> Check:
    missing = missing_modules(extra)
    if not missing:
        return Check(f"extra {extra}", State.OK, "installed")
    return Check(
        f"extra {extra}", State.ABSENT, f"not installed: {', '.join(missing)}", f'pip install "haechi[{extra}]"'
    )


def _torch() -> Check:
    """Found, not imported: importing torch takes seconds and tells no more about a broken installation than pip does."""
    if find_spec("torch") is None:
        return Check(
            "torch", State.ABSENT, "not installed; needed for a model inside the gateway", 'pip install "haechi[local]"'
        )
    try:
        return Check("torch", State.OK, f"{version('torch')}, transformers {version('transformers')}")
    except PackageNotFoundError as error:
        return Check(
            "torch", State.WRONG, f"files are there but not the package {error.name}", 'pip install "haechi[local]"'
        )


def _embedded_model() -> Check:
    try:
        path = demo_gguf()
    except HaechiError as error:
        return Check("demo model", State.ABSENT, error.message, error.hint)
    return Check(
        "demo model", State.OK, f"{path.name}, {path.stat().st_size // 1_048_576} MB; small, English only, not a Qwen"
    )


def _settings(settings: GatewaySettings) -> Check:
    given = [f"{name} from {source}" for name, source in settings.sources.items() if source != DEFAULT_SOURCE]
    state = State.NOTE if settings.notices else State.OK
    return Check("settings", state, "; ".join([*settings.notices, *given]) or "all defaults")


def _policies(settings: GatewaySettings) -> list[Check]:
    """Every shipped policy, and the one in use, reads well; and the detectors of the one in use load."""
    if missing_modules("guard"):
        return [Check("policies", State.UNKNOWN, "not read: the guard is not installed", 'pip install "haechi[guard]"')]
    from guard.checker import SafetyChecker
    from guard.policy_file import load_policy, shipped

    try:
        names = sorted(shipped())
    except HaechiError as error:
        return [_wrong("policies", error)]
    found = []
    for name in names:
        try:
            load_policy(name)
        except HaechiError as error:
            found.append(_wrong(f"policy {name}", error))
    if not found:
        found.append(Check("policies", State.OK, f"{', '.join(names)} read well"))
    try:
        checker = SafetyChecker.load(settings.policy, knowledge=shelf_of(settings))
    except HaechiError as error:
        return [*found, _wrong("guard", error)]
    detectors = ", ".join(checker.policy.detectors)
    return [
        *found,
        Check("guard", State.OK, f"policy {checker.policy.name} ({checker.policy.digest[:19]}) runs {detectors}"),
    ]


def _data_dir(settings: GatewaySettings) -> Check:
    folder = settings.data_dir
    if not folder.exists():
        return Check("data folder", State.NOTE, f"{folder} is not there yet; the first start makes it")
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return Check(
            "data folder",
            State.WRONG,
            f"{folder} is not a writable folder",
            "correct its owner, or choose another with --data-dir",
        )
    free = shutil.disk_usage(folder).free
    detail = f"{folder}, {free // 1_048_576:,} MB free"
    if free < LITTLE_ROOM_BYTES:
        return Check("data folder", State.WRONG, detail, "make room: a full disk stops the gateway")
    return Check("data folder", State.OK, detail)


def _keys(settings: GatewaySettings) -> Check:
    if settings.key_place == settings.key_file and not settings.key_file.exists():
        return Check("API keys", State.NOTE, "none yet; the first start makes one and shows it")
    try:
        store = KeyStore.open(settings.key_place)
    except HaechiError as error:
        return _wrong("API keys", error)
    try:
        entries = store.list()
    finally:
        store.close()
    valid = sum(entry.revoked_us is None for entry in entries)
    if not valid:
        return Check("API keys", State.WRONG, "no valid key: nobody can use the gateway", "haechi key create")
    return Check("API keys", State.OK, f"{valid} valid, {len(entries) - valid} revoked")


def _audit(settings: GatewaySettings) -> Check:
    folder = settings.audit_dir
    if not folder.exists():
        return Check("audit log", State.NOTE, "none yet; the first start makes it")
    from audit.verify import Outcome, verify_folder

    command = f"haechi audit verify {folder}"
    deadline = time.monotonic() + SIGNING_WAIT_S
    try:
        proof = verify_folder(folder, database=settings.database)
        # A running gateway signs its newest records a moment after writing them.
        while proof.outcome is Outcome.CANNOT_TELL and time.monotonic() < deadline:
            time.sleep(0.25)
            proof = verify_folder(folder, database=settings.database)
    except HaechiError as error:
        return Check("audit log", State.UNKNOWN, str(error), error.hint or command)
    records = sum(log.records for log in proof.logs)
    match proof.outcome:
        case Outcome.INTACT:
            return Check("audit log", State.OK, f"{records} records in {len(proof.logs)} logs are intact")
        case Outcome.TAMPERED:
            return Check("audit log", State.WRONG, "it was altered; copy the folder before anything else", command)
        case Outcome.CANNOT_TELL:
            return Check("audit log", State.UNKNOWN, f"{records} records; not everything could be checked", command)
        case _ as unreachable:
            assert_never(unreachable)


def _port(settings: GatewaySettings) -> Check:
    if settings.port == 0:
        return Check("port", State.OK, "a free one is taken at the start")
    try:
        bind(settings.host, settings.port).close()
    except HaechiError as error:
        if _haechi_answers(settings):
            return Check("port", State.NOTE, f"{settings.port} is taken: a Haechi gateway answers there")
        return _wrong("port", error)
    return Check("port", State.OK, f"{settings.port} on {settings.host} is free")


def _haechi_answers(settings: GatewaySettings) -> bool:
    host = "127.0.0.1" if settings.host == "0.0.0.0" else settings.host  # noqa: S104  # compared, not listened on
    connection = http.client.HTTPConnection(host, settings.port, timeout=HEALTH_TIMEOUT_S)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException, socket.gaierror):
        return False
    finally:
        connection.close()


def _upstream(settings: GatewaySettings) -> Check:
    warnings = probe_upstream(settings)
    if warnings:
        return Check("upstream", State.WRONG, warnings[0], "start it, or correct --upstream and HAECHI_UPSTREAM_KEY")
    return Check("upstream", State.OK, f"{settings.upstream} answers")


def _wrong(name: str, error: HaechiError) -> Check:
    return Check(name, State.WRONG, str(error), error.hint)
