"""The one base error.

Every error of Haechi says what happened, and its hint says how to mend it; `code` is stable and is
explained in docs/errors/. Errors are told apart by type or code, never by their text.
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable
from typing import ClassVar


class ExitCode(enum.IntEnum):
    """What the console command answers to the shell."""

    OK = 0
    FOUND = 1
    USAGE = 2
    CANNOT_TELL = 3


class HaechiError(Exception):
    """Something Haechi refuses or cannot do.

    message: what happened and where, in one line, without user text.
    hint: what to do about it, in one line.
    code: `HAE-<letter><three digits>`, unique to the class.
    exit_code: what the console command returns when the error reaches it.
    """

    code: ClassVar[str] = "HAE-C000"
    exit_code: ClassVar[ExitCode] = ExitCode.USAGE

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.code} {self.message}"


class InvalidSetting(HaechiError):
    """A setting on the command line, in the environment or in the settings file has no usable value."""

    code = "HAE-C101"


class UnknownSetting(HaechiError):
    """The settings file or a HAECHI_ variable names a setting that does not exist."""

    code = "HAE-C102"

    def __init__(self, name: str, known: Iterable[str], *, where: str) -> None:
        super().__init__(f"{where}: no setting named {name!r}", hint=nearest(name, known))


class UnreadableInput(HaechiError):
    """An input file cannot be read or is not what the command takes."""

    code = "HAE-C103"


class UnwritableOutput(HaechiError):
    """An output file or folder cannot be written: missing, read-only or full."""

    code = "HAE-C104"
    exit_code = ExitCode.CANNOT_TELL


class UnavailableDatabase(HaechiError):
    """The settings name a database whose driver is not installed."""

    code = "HAE-C105"


class PortTaken(HaechiError):
    """The address to listen on is in use, or may not be listened on."""

    code = "HAE-C106"
    exit_code = ExitCode.CANNOT_TELL


class InvalidTenant(HaechiError):
    """A tenant name is not 1 to 63 of a-z, 0-9 and hyphen."""

    code = "HAE-C107"


class WeakKey(HaechiError):
    """An API key given from outside is too short to be a secret, or cannot travel in a header."""

    code = "HAE-C108"


class UnknownKey(HaechiError):
    """No API key has this id."""

    code = "HAE-C109"


class UnusableKeyStore(HaechiError):
    """The file of API keys cannot be read or written, or is not one."""

    code = "HAE-C110"
    exit_code = ExitCode.CANNOT_TELL


class NoAnswer(HaechiError):
    """A gateway that a command wanted to talk to did not answer, or refused."""

    code = "HAE-C111"
    exit_code = ExitCode.CANNOT_TELL


class WorkerFailed(HaechiError):
    """A server process could not start, or none could be kept running."""

    code = "HAE-C112"
    exit_code = ExitCode.CANNOT_TELL


class MissingExtra(HaechiError):
    """An optional part of the distribution is needed and not installed."""

    code = "HAE-X001"
    exit_code = ExitCode.CANNOT_TELL

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs a part that is not installed", hint=f'pip install "haechi[{extra}]"')


class AlteredInstallation(HaechiError):
    """A file of the installed packages is not the one the wheel brought."""

    code = "HAE-X010"
    exit_code = ExitCode.CANNOT_TELL


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names the closest known word, or all of them."""
    words = sorted(known)
    close = difflib.get_close_matches(name, words, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(words)}" if words else "none are known"
