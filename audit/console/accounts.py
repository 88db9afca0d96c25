"""Who may sign in, and what each may do.

Rules of this file
1. Passwords are kept as Argon2id (RFC 9106, second recommended option: 64 MiB, 3 passes) and nothing else.
2. A wrong name costs as much time as a wrong password.
3. After five failures a name waits, twice as long each time: guessing is slow, locking out for ever is impossible.
"""

from __future__ import annotations

import enum
import json
import os
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from audit.console.errors import ConsoleAccounts, SignInRefused

FREE_FAILURES = 5
LONGEST_WAIT_S = 300.0
SHORTEST_PASSWORD = 12
_MEMORY_KIB, _PASSES, _LANES = 64 * 1024, 3, 4
_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-@")


class Role(enum.StrEnum):
    """What somebody may do beyond reading metadata and proofs, which every account may."""

    AUDITOR = "auditor"
    INVESTIGATOR = "investigator"
    """Decrypt records, with a purpose and a ticket."""
    OFFICER = "officer"
    """Place and lift legal holds."""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody with a name. roles: at least one."""

    name: str
    roles: frozenset[Role]


@dataclass(slots=True)
class _Failures:
    count: int = 0
    until: float = 0.0


class Accounts:
    """The accounts of one file. Safe for several threads; read again when another process changed it."""

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self.path = path
        self._now = now
        self._lock = threading.Lock()
        self._failures: dict[str, _Failures] = {}

    @cached_property
    def _nobody(self) -> str:
        return _hash(secrets.token_urlsafe())

    def names(self) -> list[str]:
        """Every account."""
        return sorted(self._read())

    def add(self, name: str, roles: frozenset[Role], password: str = "") -> str:
        """Make an account, or give an existing one new roles and a new password. Returns the password.

        password: empty for a random one of 20 characters.

        Raises:
            ConsoleAccounts: the name, the roles or the password will not do, or the file cannot be written.
        """
        if not name or len(name) > 64 or not set(name) <= _NAME:
            raise ConsoleAccounts(f"{name!r} is not an account name", hint="small letters, digits and . _ - @")
        if not roles:
            raise ConsoleAccounts("an account needs a role", hint=f"one of {', '.join(Role)}")
        chosen = password or secrets.token_urlsafe(15)
        _refuse_weak(chosen)
        with self._lock:
            accounts = self._read()
            accounts[name] = {"roles": sorted(roles), "password": _hash(chosen)}
            self._write(accounts)
        return chosen

    def remove(self, name: str) -> None:
        """Take an account away.

        Raises:
            ConsoleAccounts: there is none of that name.
        """
        with self._lock:
            accounts = self._read()
            if accounts.pop(name, None) is None:
                raise ConsoleAccounts(f"there is no account {name!r}", hint="haechi audit console --accounts")
            self._write(accounts)

    def sign_in(self, name: str, password: str) -> Account:
        """The account of that name and password.

        Raises:
            SignInRefused: they do not belong together, or the name must wait after too many failures.
        """
        with self._lock:
            wait = self._failures.get(name, _Failures()).until - self._now()
            entry = self._read().get(name)
        if wait > 0:
            raise SignInRefused(f"too many failures; wait {wait:.0f} seconds", hint="then try again", wait_s=wait)
        matches = _matches(password, str(entry["password"]) if entry else self._nobody)
        if entry is None or not matches:
            self._count_failure(name)
            raise SignInRefused("name and password do not belong together", hint="names are written in small letters")
        with self._lock:
            self._failures.pop(name, None)
        return Account(name, frozenset(map(Role, entry["roles"])))

    def find(self, name: str) -> Account | None:
        """The account as it is now; None when it was removed."""
        entry = self._read().get(name)
        return None if entry is None else Account(name, frozenset(map(Role, entry["roles"])))

    def change_password(self, name: str, old: str, new: str) -> None:
        """Replace the password of who knows the old one.

        Raises:
            SignInRefused: the old one is wrong.
            ConsoleAccounts: the new one is too short.
        """
        _refuse_weak(new)
        self.add(name, self.sign_in(name, old).roles, new)

    def _count_failure(self, name: str) -> None:
        with self._lock:
            if len(self._failures) > 10_000:
                self._failures.clear()
            failures = self._failures.setdefault(name, _Failures())
            failures.count += 1
            if failures.count >= FREE_FAILURES:
                failures.until = self._now() + min(2.0 ** (failures.count - FREE_FAILURES), LONGEST_WAIT_S)

    def _read(self) -> dict[str, dict[str, list[str] | str]]:
        try:
            found: dict[str, dict[str, list[str] | str]] = json.loads(self.path.read_text("utf-8"))["accounts"]
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConsoleAccounts(
                f"the accounts file {self.path} cannot be read: {error}",
                hint="restore it, or remove it and start again",
            ) from error
        return found

    def _write(self, accounts: dict[str, dict[str, list[str] | str]]) -> None:
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump({"version": 1, "accounts": accounts}, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
        except OSError as error:
            raise ConsoleAccounts(
                f"the accounts file {self.path} cannot be written: {error.strerror}", hint="check the folder's owner"
            ) from error


def _refuse_weak(password: str) -> None:
    if len(password) < SHORTEST_PASSWORD or len(set(password)) < 5:
        raise ConsoleAccounts(
            f"the password has fewer than {SHORTEST_PASSWORD} characters, or too few different ones",
            hint="a sentence of four words will do",
        )


def _kdf(salt: bytes) -> Argon2id:
    return Argon2id(salt=salt, length=32, iterations=_PASSES, lanes=_LANES, memory_cost=_MEMORY_KIB)


def _hash(password: str) -> str:
    return _kdf(os.urandom(16)).derive_phc_encoded(password.encode())


def _matches(password: str, kept: str) -> bool:
    try:
        Argon2id.verify_phc_encoded(password.encode(), kept)
    except InvalidKey:
        return False
    return True
